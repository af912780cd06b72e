//! `gatecrash explain`.

mod lesson;
mod pages;

use std::path::Path;

use crate::cli::arguments::Explain;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::{World, shelf};
use crate::model::{CheckId, ClauseId, Verdict};
use crate::source::closest;
use crate::target::Library;

pub(in crate::cli) fn run(
    arguments: &Explain,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let library = shelf::library(scenarios, world.talk)?;
    if let Some(folder) = &arguments.pages {
        pages::write(&library, folder)?;
        return Ok(Exit::Conformant);
    }
    let id = arguments.id.as_deref().unwrap_or_default();
    let text = clause(&library, id, scenarios, world)?
        .or(check(&library, id, scenarios, world)?)
        .or_else(|| gap(&library, id))
        .or_else(|| verdict(id))
        .or_else(|| exit(id))
        .or_else(|| fault(id));
    match text {
        Some(text) => {
            say!("{text}");
            Ok(Exit::Conformant)
        }
        None => Err(UsageError(unknown(&library, id)).into()),
    }
}

fn clause(
    library: &Library,
    id: &str,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Option<String>> {
    let Some(clause) = library.catalogue.clause(&ClauseId::new(id.to_ascii_uppercase())) else {
        return Ok(None);
    };
    let mut text = vec![format!("clause {}  {}\n\n{}", clause.id, clause.level, clause.text)];
    let mut contracts = library.catalogue.contracts().iter();
    let home = contracts.rfind(|contract| contract.clauses.contains_key(&clause.id));
    let document = home.map_or("the flow's own document", |home| home.source.trim());
    let source = clause.source.as_deref().unwrap_or(document);
    text.push(format!("\nsource: {source} (tier {})", clause.tiers()));
    if !clause.needs.is_empty() {
        text.push(format!("needs: {}", clause.needs.join(", ")));
    }
    for (flow, reason) in &clause.deviations {
        text.push(format!("deviation of {flow}: {reason}"));
    }
    if let Some(reason) = &clause.unprovable {
        text.push(format!("cannot be proved from outside: {reason}"));
    }
    text.push("checks:".to_owned());
    for (_, scenario, check_id, check) in
        library.checks().filter(|(.., check)| check.covers.contains(&clause.id))
    {
        text.push(format!("  {check_id:32} {}  ({scenario})", check.title));
    }
    let gaps = library.catalogue.contracts().iter().flat_map(|contract| &contract.gaps);
    for (name, gap) in gaps.filter(|(_, gap)| gap.clauses.contains(&clause.id)) {
        text.push(format!("left open: {} (choice {name})", gap.question));
    }
    let first = library.checks().find(|(.., check)| check.covers.contains(&clause.id));
    if let Some((flow, scenario, check_id, _)) = first {
        let parts = lesson::of_check(library, (flow, scenario, check_id), scenarios, world)?;
        text.extend(parts.into_iter().map(|part| format!("\n{part}")));
    }
    let mistakes = lesson::mistakes(std::slice::from_ref(&clause.id));
    text.extend(mistakes.map(|part| format!("\n{part}")));
    if clause.unprovable.is_none() {
        text.push(format!("\nwhen it is repaired: gatecrash check --only {}", clause.id));
    }
    Ok(Some(text.join("\n")))
}

fn check(
    library: &Library,
    id: &str,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Option<String>> {
    let wanted = CheckId::new(id);
    let mut found = library
        .checks()
        .filter(|(_, _, check_id, _)| **check_id == wanted || check_id.base() == id);
    let Some((flow, scenario, check_id, check)) = found.next() else {
        return Ok(None);
    };
    let mut text = vec![format!(
        "check {check_id}  {}\n\n{}\n\nflow {flow}, scenario {scenario}",
        check.level, check.title
    )];
    for clause in check.covers.iter().filter_map(|id| library.catalogue.clause(id)) {
        text.push(format!("covers {}: {}", clause.id, clause.text));
    }
    for (other_flow, ..) in found {
        text.push(format!("also for {other_flow}"));
    }
    let parts = lesson::of_check(library, (flow, scenario, check_id), scenarios, world)?;
    text.extend(parts.into_iter().map(|part| format!("\n{part}")));
    text.extend(lesson::mistakes(&check.covers).map(|part| format!("\n{part}")));
    text.push(format!("\nrun it alone: gatecrash check --only {}", check_id.base()));
    Ok(Some(text.join("\n")))
}

fn gap(library: &Library, id: &str) -> Option<String> {
    let mut texts = Vec::new();
    for contract in library.catalogue.contracts() {
        let Some(gap) = contract.gaps.get(id.rsplit('.').next().unwrap_or(id)) else {
            continue;
        };
        if id.contains('.') && !id.starts_with(contract.flow.name()) {
            continue;
        }
        let mut text =
            vec![format!("gap {id} of {}\n\n{}\n\nallowed answers:", contract.flow, gap.question)];
        for (answer, meaning) in &gap.answers {
            text.push(format!("  {answer:14} {meaning}"));
        }
        text.push(
            "\nA profile decides it under `choices`; undecided, it is only recorded.".to_owned(),
        );
        texts.push(text.join("\n"));
    }
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn verdict(word: &str) -> Option<String> {
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.word() == word)?;
    let meaning = match verdict {
        Verdict::Blocked => {
            "not proved: a prerequisite, a control, a hook or a person was missing. Never green: a blocked MUST makes the run inconclusive."
        }
        Verdict::Error => "the harness failed; please report it.",
        Verdict::Excluded => "left out by --flow, --only or --skip.",
        Verdict::Fail => {
            "a MUST is broken, or the server does not do what the profile says of a gap."
        }
        Verdict::Info => "the documents do not decide; what the server did is recorded.",
        Verdict::Known => {
            "it fails, and the profile's baseline lists it with a reason and an end date."
        }
        Verdict::NotApplicable => {
            "the profile declares that the server has no such thing, or decided a gap otherwise."
        }
        Verdict::Pass => "it ran, the controls around it held, and the clause was kept.",
        Verdict::Stale => "the baseline lists it, but it passes now, or the entry has expired.",
        Verdict::Unstable => "repeats of the same check disagree.",
        Verdict::Warn => {
            "a SHOULD is broken, or a MUST of an RFC that the flow's own document overrides (a deviation)."
        }
    };
    Some(format!("verdict {word}: {meaning}"))
}

fn exit(code: &str) -> Option<String> {
    let code: u8 = code.parse().ok()?;
    let (_, meaning) = Exit::ALL.into_iter().find(|(exit, _)| *exit as u8 == code)?;
    Some(format!("exit code {code}: {meaning}"))
}

#[cfg(feature = "reference-server")]
fn fault(name: &str) -> Option<String> {
    let fault: reference_server::Fault = name.parse().ok()?;
    let needs: Vec<&str> = fault.needs().collect();
    let mut text = vec![format!(
        "fault {name}\n\n{}\n\nbreaks: {}",
        fault.sentence(),
        fault.clauses().join(", ")
    )];
    if !needs.is_empty() {
        text.push(format!("seen with: {}", needs.join(", ")));
    }
    text.push(format!("try it: gatecrash check --fault {name}"));
    Some(text.join("\n"))
}

#[cfg(not(feature = "reference-server"))]
fn fault(_: &str) -> Option<String> {
    None
}

fn unknown(library: &Library, id: &str) -> String {
    let clauses = library.catalogue.clauses().map(|(_, clause)| clause.id.as_str());
    let gaps = library.catalogue.contracts().iter().flat_map(|contract| contract.gaps.keys());
    let names = clauses
        .chain(library.check_ids().map(CheckId::as_str))
        .chain(gaps.map(String::as_str))
        .chain(Verdict::ALL.into_iter().map(|verdict| -> &str { verdict.word() }));
    let hint =
        closest(id, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("there is no clause, check, gap, fault, verdict or exit code `{id}`{hint}")
}
