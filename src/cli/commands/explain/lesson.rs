//! What somebody needs who has to repair a server: the request, the right answer, the usual mistakes, the proof.

use std::path::Path;

use crate::cli::{World, shelf, target};
use crate::engine::{Effort, Settings, rehearse};
use crate::model::{CheckId, ClauseId, Flow};
use crate::scenario::{Scenario, Step};
use crate::target::{Library, Profile};

/// More lines of a request or an answer say no more.
const MOST_LINES: usize = 24;
/// More mistakes than this are only counted.
#[cfg(feature = "reference-server")]
const MOST_MISTAKES: usize = 5;

/// The parts about one check, ready to be printed.
pub(super) fn of_check(
    library: &Library,
    (flow, scenario, check): (Flow, &str, &CheckId),
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Vec<String>> {
    let mut parts = Vec::new();
    let file = shelf::reference_profile(scenarios)?;
    let profile = target::read_profile(&file, library, world)?;
    let found = library.scenarios.iter().find(|one| one.name == scenario && one.flow == flow);
    if let Some(request) = found.and_then(|scenario| request(&profile, scenario, check)) {
        parts
            .push(format!("the request, as the reference server gets it:\n{}", indented(&request)));
    }
    let files = shelf::files(scenarios)?;
    let name = if scenario == "always" { format!("{flow}/flow") } else { scenario.to_owned() };
    let home = files.iter().find(|file| file.name.ends_with(&format!("{name}.yaml")));
    let words = library.flow_file(flow);
    if let Some(home) = home {
        let asserted = asserted(&home.text, check.base());
        if !asserted.is_empty() {
            let mut text = format!("a right answer ({}):\n{}", home.name, indented(&asserted));
            for outcome in words.iter().flat_map(|words| outcomes(&words.text, &asserted)) {
                text.push('\n');
                text.push_str(&indented(&outcome));
            }
            parts.push(text);
        }
    }
    Ok(parts)
}

/// The usual mistakes: the faults of the reference server that break these clauses.
#[cfg(feature = "reference-server")]
pub(super) fn mistakes(clauses: &[ClauseId]) -> Option<String> {
    let breaks = |fault: &reference_server::Fault| {
        let mut broken = fault.clauses().iter();
        broken.any(|broken| clauses.iter().any(|clause| clause.as_str() == *broken))
    };
    let faults: Vec<reference_server::Fault> =
        reference_server::Fault::all().filter(breaks).collect();
    let first = faults.first()?;
    let mut lines = vec!["usual causes, as faults of the reference server:".to_owned()];
    for fault in faults.iter().take(MOST_MISTAKES) {
        lines.push(format!("  {:34} {}", fault.name(), fault.sentence()));
    }
    if faults.len() > MOST_MISTAKES {
        lines.push(format!("  and {} more: gatecrash list faults", faults.len() - MOST_MISTAKES));
    }
    let clause = clauses.first()?;
    lines.push(format!("see one: gatecrash check --only {clause} --fault {}", first.name()));
    Some(lines.join("\n"))
}

#[cfg(not(feature = "reference-server"))]
pub(super) fn mistakes(_: &[ClauseId]) -> Option<String> {
    None
}

fn request(profile: &Profile, scenario: &Scenario, check: &CheckId) -> Option<String> {
    let binding = profile.flows.get(&scenario.flow)?;
    let label = label(scenario, &scenario.steps, check)?;
    let settings =
        Settings { headers: profile.headers.clone(), seed: 1, effort: Effort::Quick, budget: None };
    let acts = rehearse(binding, &settings, scenario, false);
    let of_step = acts.iter().filter(|act| act.step.starts_with(&label));
    of_step.filter(|act| !act.step.contains("control")).rev().find_map(|act| act.request.clone())
}

/// The step that asserts a check.
fn label(scenario: &Scenario, steps: &[Step], check: &CheckId) -> Option<String> {
    steps.iter().find_map(|step| {
        let own = step.own_sets().into_iter().any(|set| {
            let mut expectations = scenario.expectations(set).iter();
            expectations.any(|expectation| expectation.check.as_ref() == Some(check))
        });
        if own { Some(step.label.clone()) } else { label(scenario, step.inner(), check) }
    })
}

/// The lines that assert a check, as they stand in the file.
fn asserted(text: &str, check: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut depth = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if depth.is_some_and(|depth| indent > depth && !line.trim().is_empty()) {
            lines.push(line);
            continue;
        }
        depth = None;
        let named =
            line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == check);
        if named && line.contains("check:") && lines.len() < MOST_LINES {
            lines.push(line);
            depth = Some(indent);
        }
    }
    undented(&lines)
}

/// The blocks of a flow file that say what the named outcomes are.
fn outcomes(flow: &str, asserted: &str) -> Vec<String> {
    let lines: Vec<&str> = flow.lines().collect();
    let Some(start) = lines.iter().position(|line| line.trim_end() == "outcomes:") else {
        return Vec::new();
    };
    let mut blocks = Vec::new();
    let own = lines[start + 1..].iter().take_while(|line| line.is_empty() || line.starts_with(' '));
    let own: Vec<&str> = own.copied().collect();
    for (at, line) in own.iter().enumerate() {
        let name = line.trim().trim_end_matches(':');
        let heads = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        let mut words = asserted.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if heads && words.any(|word| word == name) {
            let block = own[at + 1..].iter().take_while(|line| line.starts_with("   "));
            let block: Vec<&str> = [*line].into_iter().chain(block.copied()).collect();
            blocks.push(undented(&block));
        }
    }
    blocks
}

fn undented(lines: &[&str]) -> String {
    let least = lines.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(least..).unwrap_or(line)).collect();
    lines.join("\n")
}

fn indented(text: &str) -> String {
    let lines: Vec<String> =
        text.trim_end().lines().take(MOST_LINES).map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
