//! One scenario of a run: its server, its needs, its trace, its findings.

use std::sync::{Arc, PoisonError};

use super::lanes::SHAKING;
use super::plan::Planned;
use super::run::Course;
use crate::engine::{Connection, Engine, Law, Provided, Settings, judge, record};
use crate::hook::HookCall;
use crate::model::{
    CUT, CheckId, Evidence, Finding, ScenarioRecord, SecretBook, SentAndReceived, Trace, Verdict,
    Violation,
};
use crate::scenario::{Action, Check, HookStep, Need, Scenario};
use crate::target::{FlowBinding, KEY_HOLDERS};

/// What a scenario found, and what it did where that is kept.
pub(super) struct Done {
    pub(super) findings: Vec<Finding>,
    pub(super) record: Option<ScenarioRecord>,
}

impl From<Vec<Finding>> for Done {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, record: None }
    }
}

/// Runs a scenario as often as the settings ask, each time with a server in its first state; one that is shared is
/// `reset`, unless others are at work on it.
pub(super) async fn run(planned: &Planned<'_>, course: &Course<'_>, resets: bool) -> Done {
    let scenario = planned.scenario;
    let (mut repeats, mut records) = (Vec::new(), Vec::new());
    for repeat in 0..course.settings.repeat.max(1) {
        let done = match course.provision.provide() {
            Ok(provided) => {
                let resets = resets && provided.guard.is_none();
                run_provided(scenario, course, &provided, (u64::from(repeat), resets)).await
            }
            Err(reason) => without(scenario, Verdict::Error, &reason).into(),
        };
        records.push((worst(&done.findings), done.record));
        repeats.push(done.findings);
    }
    // The repeat with the gravest verdict is the one to read; the first one where they agree.
    let gravest = records.iter().map(|(worst, _)| *worst).max().flatten();
    let record = records.into_iter().find(|(worst, _)| *worst == gravest);
    Done { findings: settle_repeats(repeats), record: record.and_then(|(_, record)| record) }
}

fn worst(findings: &[Finding]) -> Option<Verdict> {
    findings.iter().map(|finding| finding.verdict).max()
}

async fn run_provided(
    scenario: &Scenario,
    course: &Course<'_>,
    provided: &Provided,
    (repeat, resets): (u64, bool),
) -> Done {
    let Course { library, settings, started, .. } = course;
    let profile = &provided.profile;
    let Some(binding) = profile.flows.get(&scenario.flow) else {
        return Vec::new().into();
    };
    let connection = match Connection::new(profile, settings.input_allowed, *started) {
        Ok(connection) => connection,
        Err(error) => return without(scenario, Verdict::Error, &error.to_string()).into(),
    };
    if settings.gentle && could_harm(scenario) {
        let reason = "it could harm a server that others use; --destructive runs it all the same";
        return without(scenario, Verdict::Excluded, reason).into();
    }
    if let Some((verdict, reason)) = unmet(scenario, binding, &connection) {
        return without(scenario, verdict, &reason).into();
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
            return without(scenario, Verdict::Blocked, &error.to_string()).into();
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
    findings.iter_mut().for_each(|finding| redact(finding, &book));
    let kept = course.records.then(|| record(scenario, &trace, &findings));
    let kept = keep_secrets(course, &trace, (&mut findings, kept), &book);
    Done { findings, record: kept }
}

/// Notes the secrets of a trace, and takes out of what goes to a file at once what any scenario knows to be one.
fn keep_secrets(
    course: &Course<'_>,
    trace: &Trace,
    (findings, record): (&mut Vec<Finding>, Option<ScenarioRecord>),
    book: &SecretBook,
) -> Option<ScenarioRecord> {
    let mut all = course.secrets.lock().unwrap_or_else(PoisonError::into_inner);
    trace.secrets.iter().for_each(|kept| all.note(&kept.value, &kept.name));
    trace.unasked.iter().for_each(|(name, value)| all.note(value, name));
    let mut record = record?;
    record.redact(&all.book_of(record.text().as_bytes()));
    let others = all.book_of(&serde_json::to_vec(findings).unwrap_or_default());
    drop(all);
    findings.iter_mut().for_each(|finding| redact(finding, &others));
    record.redact(&book.short());
    let cut = record.steps.iter_mut().filter(|step| step.said.contains(CUT));
    cut.for_each(|step| step.said = book.redact(&step.said));
    record.veil();
    record.trim(if worst(findings) > Some(Verdict::Known) { LONG_BODY } else { SHORT_BODY });
    Some(record)
}

/// Bodies of scenarios in which something is wrong are kept up to this length.
const LONG_BODY: usize = 2_000;
/// Those of all others.
const SHORT_BODY: usize = 500;

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
