//! What a run hands to those who watch it from outside: numbers for scrapes, and counts for a master.

use std::net::SocketAddr;

use crate::cli::exit::UsageError;
use crate::load::{CaseColumn, Columns, Detail};
use crate::metrics::{Endpoint, Exposition, Part};
use crate::model::Flow;

/// Opens the place where the numbers of a run can be read, and says where it is.
pub(in crate::cli) fn open(
    address: Option<SocketAddr>,
    flow: Flow,
    target: &str,
    users: u64,
) -> anyhow::Result<Option<Endpoint>> {
    let Some(address) = address else { return Ok(None) };
    let info = vec![
        ("target", target.to_owned()),
        ("flow", flow.name().to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let mut exposition = Exposition::new(info);
    exposition.users(users);
    let endpoint = Endpoint::open(address, exposition)
        .map_err(|error| UsageError(format!("--metrics {address}: {error}")))?;
    eprintln!("metrics at http://{}/metrics", endpoint.address());
    Ok(Some(endpoint))
}

/// Hands a second to those who scrape.
pub(in crate::cli) fn hand_in(endpoint: &Endpoint, columns: &Columns, detail: &Detail) {
    let named = |names: &[String], counts: &[u64]| {
        let pairs = names.iter().zip(counts).filter(|(_, count)| **count > 0);
        pairs.map(|(name, count)| (name.clone(), *count)).collect()
    };
    let failures: Vec<String> = columns.failures.iter().map(|&name| name.to_owned()).collect();
    let part = |(column, case): (&CaseColumn, &crate::load::CaseDetail)| Part {
        case: column.name.clone(),
        sent: case.sent,
        outcomes: named(&columns.outcomes, &case.outcomes),
        wrong: case.wrong,
        failures: named(&failures, &case.failures),
        response: case.response.clone(),
    };
    let parts: Vec<Part> = columns.cases.iter().zip(&detail.cases).map(part).collect();
    endpoint.change(|numbers| numbers.second(&parts, &detail.service, &detail.lateness));
}
