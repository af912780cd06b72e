//! `gatecrash coverage`.

use std::path::Path;

use crate::check::Coverage as Rows;
use crate::cli::arguments::Coverage;
use crate::cli::exit::Exit;
use crate::cli::{World, shelf};
use crate::model::ClauseId;

pub(in crate::cli) fn run(
    arguments: &Coverage,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let library = shelf::library(scenarios, world.talk)?;
    let coverage = Rows::new(&library);
    let mut covered = 0;
    let mut explained = 0;
    for row in &coverage.rows {
        let clause = row.clause;
        let reason = match (row.checks.is_empty(), &clause.unprovable) {
            (false, _) => {
                covered += 1;
                let mut bases: Vec<&str> = row.checks.iter().map(|id| id.base()).collect();
                bases.dedup();
                format!("{}{}", bases.join(" "), faults(&clause.id))
            }
            (true, Some(reason)) => {
                explained += 1;
                format!("no check: {reason}")
            }
            (true, None) => "NO CHECK".to_owned(),
        };
        let wanted = arguments.flow.is_empty() || arguments.flow.contains(&row.flow);
        if wanted && (!arguments.missing || row.checks.is_empty()) {
            say!("{:8} {:6} {:8} {reason}", clause.id, clause.level, clause.tiers());
        }
    }
    let all = coverage.rows.len();
    let silent = coverage.silent().count();
    say!(
        "\n{covered} of {all} clauses have a check, {explained} have a reason why none is possible, {silent} have neither"
    );
    Ok(if arguments.strict && silent > 0 { Exit::Findings } else { Exit::Conformant })
}

/// The faults of the reference server that break a clause: each is noticed by a check, as the self-test proves.
#[cfg(feature = "reference-server")]
fn faults(clause: &ClauseId) -> String {
    let breaks = |fault: &reference_server::Fault| fault.clauses().contains(&clause.as_str());
    let names: Vec<&str> =
        reference_server::Fault::all().filter(breaks).map(reference_server::Fault::name).collect();
    if names.is_empty() { String::new() } else { format!("  faults: {}", names.join(" ")) }
}

#[cfg(not(feature = "reference-server"))]
fn faults(_: &ClauseId) -> String {
    String::new()
}
