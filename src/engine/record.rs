//! From a trace to what a reader of a report wants to see of it. Nothing is judged here.

use std::collections::BTreeSet;

use super::judge::{line, moment};
use crate::model::{
    Act, AnswerRecord, ContentRecord, Entry, Exchange, ExchangeRecord, Finding, Header,
    RequestRecord, Role, ScenarioRecord, StepRecord, Trace, Verdict,
};
use crate::scenario::Scenario;

/// What a scenario did. Longer than what a report shows, and with its secrets still in it: they have to be replaced
/// and then cut (`redact`, `trim`).
pub fn record(scenario: &Scenario, trace: &Trace, findings: &[Finding]) -> ScenarioRecord {
    let broken: BTreeSet<(&str, Option<&str>)> = findings
        .iter()
        .flat_map(|finding| &finding.evidence.breaches)
        .map(|breach| (breach.step.as_str(), breach.item.as_deref()))
        .collect();
    let trouble = findings.iter().any(|finding| finding.verdict > Verdict::Known);
    let most = if trouble { MOST_STEPS } else { FEW_STEPS };
    let chosen = choose(trace, &broken, most);
    let origin = trace.entries.iter().find_map(|entry| moment(&entry.act));
    let full = if trouble { most } else { FEW_EXCHANGES };
    let steps = chosen.iter().enumerate().map(|(place, at)| {
        let entry = &trace.entries[*at];
        step(entry, origin, place < full)
    });
    let steps: Vec<StepRecord> = steps.collect();
    ScenarioRecord {
        name: scenario.name.clone(),
        flow: scenario.flow,
        title: scenario.title.clone(),
        left_out: trace.entries.len() - steps.len(),
        steps,
        stop: trace.stop.as_ref().map(|stop| format!("{}: {}", stop.step, stop.reason)),
    }
}

/// Steps of a scenario in which something is wrong.
const MOST_STEPS: usize = 60;
/// Steps of any other scenario.
const FEW_STEPS: usize = 24;
/// Of those, the steps whose bytes are kept.
const FEW_EXCHANGES: usize = 8;
/// Steps before a breach that show how it came about.
const BEFORE: usize = 4;
/// Requests of one step: a race has pairs, a sample hundreds.
const MOST_EXCHANGES: usize = 4;
/// Kept of a body; cut further when its secrets are replaced.
const LONGEST_BODY: usize = 2_000;

/// The entries to show: first those that show a breach with what came before, then from the beginning on.
fn choose(trace: &Trace, broken: &BTreeSet<(&str, Option<&str>)>, most: usize) -> BTreeSet<usize> {
    let mut chosen = BTreeSet::new();
    for (at, entry) in trace.entries.iter().enumerate() {
        if broken.contains(&(entry.step.as_str(), entry.item.as_deref())) {
            chosen
                .extend((at.saturating_sub(BEFORE)..=at).rev().take(most - chosen.len().min(most)));
        }
    }
    for at in 0..trace.entries.len() {
        if chosen.len() >= most {
            break;
        }
        chosen.insert(at);
    }
    chosen
}

fn step(entry: &Entry, origin: Option<i64>, full: bool) -> StepRecord {
    let exchanges = exchanges(&entry.act);
    let kept = if full { exchanges.len().min(MOST_EXCHANGES) } else { 0 };
    StepRecord {
        step: entry.step.clone(),
        item: entry.item.clone(),
        control: match &entry.role {
            Role::Step => None,
            Role::Before(name) | Role::After(name) => Some(name.clone()),
        },
        at_ms: moment(&entry.act).zip(origin).map(|(now, origin)| now - origin),
        said: line(&entry.act),
        further: exchanges.len() - kept,
        exchanges: exchanges[..kept].iter().map(|exchange| shown(exchange)).collect(),
    }
}

fn exchanges(act: &Act) -> Vec<&Exchange> {
    match act {
        Act::Exchange(exchange) | Act::Socket { exchange, .. } => vec![exchange],
        Act::Race { trials } => {
            trials.iter().flat_map(|trial| trial.exchanges.iter().chain(&trial.after)).collect()
        }
        Act::Sample { exchanges, .. } | Act::Timing { exchanges, .. } => exchanges.iter().collect(),
        Act::Hook { .. } | Act::Wait { .. } => Vec::new(),
    }
}

fn shown(exchange: &Exchange) -> ExchangeRecord {
    let Exchange { operation, request, reply, timing, .. } = exchange;
    let microseconds =
        |moment: std::time::Duration| u64::try_from(moment.as_micros()).unwrap_or(u64::MAX);
    let content = request.verbatim.as_ref().unwrap_or(&request.body);
    let answer = reply.as_ref().ok().map(|response| AnswerRecord {
        status: response.status,
        headers: response.headers.iter().map(field).collect(),
        body: ContentRecord::beginning(&response.body.0, LONGEST_BODY),
    });
    ExchangeRecord {
        operation: operation.clone(),
        request: RequestRecord {
            method: request.method.clone(),
            url: format!("{}{}", request.base, request.target),
            headers: request.headers.iter().map(field).collect(),
            body: ContentRecord::beginning(&content.0, LONGEST_BODY),
            verbatim: request.verbatim.is_some(),
        },
        answer,
        error: reply.as_ref().err().map(ToString::to_string),
        sent_us: microseconds(timing.sent),
        done_us: microseconds(timing.done),
    }
}

fn field(header: &Header) -> (String, String) {
    // A secret in a value that is cut must still be whole when it is looked for.
    (header.name.clone(), header.value.text().chars().take(LONGEST_VALUE).collect())
}

const LONGEST_VALUE: usize = 8_192;
