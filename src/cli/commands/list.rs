//! `gatecrash list`.

use std::path::Path;

use crate::cli::arguments::{List, Listed};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::{World, shelf};
use crate::model::Flow;
use crate::target::Library;

pub(in crate::cli) fn run(
    arguments: &List,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let wanted = |flow: Flow| arguments.flow.is_empty() || arguments.flow.contains(&flow);
    match arguments.what {
        Listed::Faults => return faults(),
        Listed::Variants => return variants(),
        Listed::Checks | Listed::Clauses | Listed::Gaps | Listed::Scenarios => {}
    }
    let library = shelf::library(scenarios, world.talk)?;
    let lines = lines(&library, arguments.what, &wanted);
    if lines.is_empty() {
        return Err(UsageError("nothing matches".to_owned()).into());
    }
    lines.iter().for_each(|line| say!("{line}"));
    Ok(Exit::Conformant)
}

fn lines(library: &Library, what: Listed, wanted: &dyn Fn(Flow) -> bool) -> Vec<String> {
    match what {
        Listed::Clauses => library
            .catalogue
            .clauses()
            .filter(|(flow, _)| wanted(*flow))
            .map(|(_, clause)| {
                format!("{:8} {:6} {:8} {}", clause.id, clause.level, clause.tiers(), clause.text)
            })
            .collect(),
        Listed::Gaps => library
            .catalogue
            .contracts()
            .iter()
            .filter(|contract| wanted(contract.flow))
            .flat_map(|contract| {
                contract.gaps.iter().map(|(name, gap)| {
                    let answers: Vec<&str> = gap.answers.keys().map(String::as_str).collect();
                    format!(
                        "{:18} {name:26} {}  [{}]",
                        contract.flow,
                        gap.question,
                        answers.join(", ")
                    )
                })
            })
            .collect(),
        Listed::Scenarios => library
            .scenarios
            .iter()
            .filter(|scenario| wanted(scenario.flow))
            .map(|scenario| {
                let needs: Vec<String> = scenario.needs.iter().map(ToString::to_string).collect();
                format!(
                    "{:36} {:18} {}  [{}]",
                    scenario.name,
                    scenario.flow,
                    scenario.title,
                    needs.join(", ")
                )
            })
            .collect(),
        Listed::Checks | Listed::Faults | Listed::Variants => library
            .checks()
            .filter(|(flow, ..)| wanted(*flow))
            .map(|(_, _, id, check)| {
                let clauses: Vec<&str> =
                    check.covers.iter().map(|clause| clause.as_str()).collect();
                format!("{id:32} {:6} {}  {}", check.level, check.title, clauses.join(" "))
            })
            .collect(),
    }
}

#[cfg(feature = "reference-server")]
fn faults() -> anyhow::Result<Exit> {
    for fault in reference_server::Fault::all() {
        say!("{:34} {}  {}", fault.name(), fault.sentence(), fault.clauses().join(" "));
    }
    Ok(Exit::Conformant)
}

#[cfg(feature = "reference-server")]
fn variants() -> anyhow::Result<Exit> {
    for variant in reference_server::Variant::all() {
        say!("{:42} {}  [{}]", variant.name(), variant.sentence(), variant.values().join(", "));
    }
    Ok(Exit::Conformant)
}

#[cfg(not(feature = "reference-server"))]
fn faults() -> anyhow::Result<Exit> {
    Err(UsageError("this build has no reference server".to_owned()).into())
}

#[cfg(not(feature = "reference-server"))]
fn variants() -> anyhow::Result<Exit> {
    faults()
}
