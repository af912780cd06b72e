//! One scenario of a run: its server, its needs, its trace, its findings.

use std::sync::{Arc, PoisonError};

use super::lanes::SHAKING;
use super::plan::Planned;
use super::run::Course;
use crate::engine::{Connection, Engine, Law, Provided, Settings, judge};
use crate::hook::HookCall;
use crate::model::{
    CheckId, Evidence, Finding, SecretBook, SentAndReceived, Trace, Verdict, Violation,
};
use crate::scenario::{Action, Check, HookStep, Need, Scenario};
use crate::target::{FlowBinding, KEY_HOLDERS};

/// Runs a scenario as often as the settings ask, each time with a server in its first state; one that is shared is
/// `reset`, unless others are at work on it.
pub(super) async fn run(planned: &Planned<'_>, course: &Course<'_>, resets: bool) -> Vec<Finding> {
    let scenario = planned.scenario;
    let mut repeats: Vec<Vec<Finding>> = Vec::new();
    for repeat in 0..course.settings.repeat.max(1) {
        let findings = match course.provision.provide() {
            Ok(provided) => {
                let resets = resets && provided.guard.is_none();
                run_provided(scenario, course, &provided, (u64::from(repeat), resets)).await
            }
            Err(reason) => without(scenario, Verdict::Error, &reason),
        };
        repeats.push(findings);
    }
    settle_repeats(repeats)
}

async fn run_provided(
    scenario: &Scenario,
    course: &Course<'_>,
    provided: &Provided,
    (repeat, resets): (u64, bool),
) -> Vec<Finding> {
    let Course { library, settings, started, .. } = course;
    let profile = &provided.profile;
    let Some(binding) = profile.flows.get(&scenario.flow) else {
        return Vec::new();
    };
    let connection = match Connection::new(profile, settings.input_allowed, *started) {
        Ok(connection) => connection,
        Err(error) => return without(scenario, Verdict::Error, &error.to_string()),
    };
    if settings.gentle && could_harm(scenario) {
        let reason = "it could harm a server that others use; --destructive runs it all the same";
        return without(scenario, Verdict::Excluded, reason);
    }
    if let Some((verdict, reason)) = unmet(scenario, binding, &connection) {
        return without(scenario, verdict, &reason);
    }
    let engine_settings = Settings {
        headers: profile.headers.clone(),
        seed: settings.seed.wrapping_add(repeat),
        effort: settings.effort,
        budget: course.budget.clone(),
    };
    let engine = Engine {
        binding,
        wires: Arc::clone(&connection.wires),
        hooks: &connection.hooks,
        clock: &connection.clock,
        settings: &engine_settings,
    };
    if resets && connection.hooks.offers("reset") && scenario_resets(scenario) {
        let call = HookCall { name: "reset".to_owned(), ..Default::default() };
        if let Err(error) = connection.hooks.fire(&call).await {
            return without(scenario, Verdict::Blocked, &error.to_string());
        }
    }
    let trace = engine.run(scenario).await;
    let empty = indexmap::IndexMap::new();
    let law = Law {
        catalogue: &library.catalogue,
        binding,
        always: library.always.get(&scenario.flow).unwrap_or(&empty),
    };
    let mut findings = judge(&law, scenario, &trace);
    let book = secrets(&trace);
    {
        let mut all = course.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        trace.secrets.iter().for_each(|kept| all.note(&kept.value, &kept.name));
        trace.unasked.iter().for_each(|(name, value)| all.note(value, name));
    }
    findings.iter_mut().for_each(|finding| redact(finding, &book));
    findings
}

/// A shared server is brought to its first state before each scenario, unless that is what the scenario is about.
fn scenario_resets(scenario: &Scenario) -> bool {
    !scenario
        .steps
        .iter()
        .any(|step| matches!(&step.action, Action::Hook(HookStep { name, .. }) if name == "reset"))
}

/// Whether a scenario guesses passwords, sends bursts, or shakes the whole server.
pub(super) fn could_harm(scenario: &Scenario) -> bool {
    let bursts = |need: &Need| matches!(need, Need::Capability(name) if name == "burst");
    scenario.needs.iter().any(bursts) || scenario.hooks().iter().any(|hook| SHAKING.contains(hook))
}

/// What the scenario cannot do without and the profile does not have.
pub(super) fn unmet(
    scenario: &Scenario,
    binding: &FlowBinding,
    connection: &Connection,
) -> Option<(Verdict, String)> {
    for need in &scenario.needs {
        let name = need.to_string();
        let lacking = match need {
            Need::Parameter(placed) => binding.misplaces(placed),
            _ => binding.lacks(name.trim_start_matches("capability.")),
        };
        if let Some(reason) = lacking {
            return Some((Verdict::NotApplicable, reason));
        }
        let missing = match need {
            Need::Capability(_) | Need::Parameter(_) => None,
            Need::Clock => (connection.clock.mode() == "none")
                .then(|| "the clock can neither be moved nor waited for".to_owned()),
            Need::Environments => (binding.environments.len() < 2)
                .then(|| "there are not two environments".to_owned()),
            Need::Hook(hook) => (!connection.hooks.offers(hook))
                .then(|| format!("the profile has no hook `{hook}`")),
            // Not every server has such keys, and not everybody who checks one has them.
            Need::Identity(role)
                if KEY_HOLDERS.contains(&role.as_str())
                    && !binding.identities.contains_key(role) =>
            {
                let reason = format!("the profile gives no key (identity `{role}`)");
                return Some((Verdict::NotApplicable, reason));
            }
            Need::Identity(role) => (!binding.identities.contains_key(role))
                .then(|| format!("the profile has no identity `{role}` for {}", binding.flow)),
        };
        if let Some(reason) = missing {
            return Some((Verdict::Blocked, reason));
        }
    }
    None
}

fn without(scenario: &Scenario, verdict: Verdict, reason: &str) -> Vec<Finding> {
    let finding = |(id, check): (&CheckId, &Check)| Finding {
        check: id.clone(),
        title: check.title.clone(),
        flow: scenario.flow,
        scenario: scenario.name.clone(),
        covers: check.covers.clone(),
        level: check.level,
        verdict,
        deviation: None,
        assertions: 0,
        evidence: Evidence { reason: Some(reason.to_owned()), ..Evidence::default() },
    };
    scenario.checks.iter().map(finding).collect()
}

fn settle_repeats(mut repeats: Vec<Vec<Finding>>) -> Vec<Finding> {
    let mut settled = repeats.remove(0);
    for finding in &mut settled {
        for other in repeats.iter().flatten().filter(|other| other.check == finding.check) {
            if other.verdict != finding.verdict {
                let reason =
                    format!("one run says {}, another says {}", finding.verdict, other.verdict);
                if other.verdict > finding.verdict {
                    *finding = other.clone();
                }
                finding.verdict = Verdict::Unstable;
                finding.evidence.reason = Some(reason);
                break;
            }
        }
    }
    settled
}

/// Every secret of a trace with its name.
pub(super) fn secrets(trace: &Trace) -> SecretBook {
    let mut book = SecretBook::default();
    for kept in &trace.secrets {
        book.note(&kept.value, &kept.name);
    }
    for (name, value) in &trace.unasked {
        book.note(value, name);
    }
    book
}

pub(super) fn redact(finding: &mut Finding, book: &SecretBook) {
    let evidence = &mut finding.evidence;
    let clean = |text: &mut String| *text = book.redact(text);
    evidence.reason.iter_mut().for_each(clean);
    evidence.observed.iter_mut().for_each(clean);
    evidence.timeline.iter_mut().for_each(clean);
    evidence.violation.iter_mut().for_each(|violation| redact_violation(violation, book));
    evidence.exchange.iter_mut().for_each(|exchange| redact_exchange(exchange, book));
    for breach in &mut evidence.breaches {
        redact_violation(&mut breach.violation, book);
        breach.exchange.iter_mut().for_each(|exchange| redact_exchange(exchange, book));
        breach.timeline.iter_mut().for_each(clean);
    }
}

fn redact_violation(violation: &mut Violation, book: &SecretBook) {
    let Violation { wanted, got } = violation;
    wanted.iter_mut().chain([got]).for_each(|text| *text = book.redact(text));
}

fn redact_exchange(exchange: &mut SentAndReceived, book: &SecretBook) {
    let SentAndReceived { sent, received, curl } = exchange;
    [sent, received, curl].into_iter().for_each(|text| *text = book.redact(text));
}
