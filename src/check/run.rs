//! Runs a plan.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{StreamExt, iter};
use tokio::sync::Notify;

use super::connect::Connection;
use super::merge::{apply_baseline, clause_states, merge, unheard};
use super::plan::{Plan, Planned};
use crate::engine::{Engine, Law, Settings, judge};
use crate::event::{Event, Observer};
use crate::model::{
    CheckId, Evidence, Finding, Report, Request, SecretBook, Trace, Verdict, WireError,
};
use crate::scenario::{HookStep, Need, Scenario};
use crate::target::{FlowBinding, Library, Profile};

/// A server for a scenario.
pub struct Provided {
    /// The profile, with the server's addresses.
    pub profile: Arc<Profile>,
    /// What keeps the server alive.
    pub guard: Option<Box<dyn Any + Send>>,
}

impl std::fmt::Debug for Provided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provided").field("profile", &self.profile.name).finish_non_exhaustive()
    }
}

/// Where servers come from: one for each scenario, or the same for all.
pub trait Provision {
    /// A server in its first state.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    fn provide(&self) -> Result<Provided, String>;

    /// Whether all scenarios share one server; they then run one after the other.
    fn is_shared(&self) -> bool;
}

/// How a run is done.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// The seed of random choices.
    pub seed: u64,
    /// How many times each scenario runs; repeats that disagree are `unstable`.
    pub repeat: u32,
    /// Whether a person may be asked.
    pub input_allowed: bool,
    /// Scenarios at once, where they do not share a server.
    pub jobs: usize,
    /// The day, in seconds since 1970, for the baseline.
    pub today: i64,
    /// Ends the run early when it is notified; what was found until then is reported.
    pub interrupt: Arc<Notify>,
}

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The target does not answer.
    #[error("{target} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        target: String,
        /// Why.
        reason: String,
    },
    /// An observer could not write.
    #[error("a report could not be written: {0}")]
    Report(#[from] std::io::Error),
    /// No server could be had.
    #[error("no server: {0}")]
    Provision(String),
}

/// Runs a plan and concludes.
///
/// # Errors
/// When the target is not there at all, or a report cannot be written. What single scenarios meet
/// is in their findings.
pub async fn check(
    plan: &Plan<'_>,
    library: &Library,
    provision: &dyn Provision,
    settings: &CheckSettings,
    observer: &mut dyn Observer,
) -> Result<Report, CheckError> {
    let started = Instant::now();
    let first = provision.provide().map_err(CheckError::Provision)?;
    let connection = connect(&first.profile, settings, started)?;
    reach(&first.profile, &connection).await?;
    let (target, clock) = (first.profile.name.clone(), connection.clock.mode());
    observer.hear(&Event::RunStarted {
        target: &target,
        seed: settings.seed,
        clock,
        scenarios: plan.scenarios.len(),
    })?;

    let (all, interrupted) = run_all(plan, library, provision, settings, started, observer).await?;
    let mut findings = merge(all);
    add_unheard(plan, library, &mut findings);
    apply_baseline(&mut findings, &first.profile.baseline, settings.today);
    findings.sort_by(|a, b| (a.flow, &a.scenario, &a.check).cmp(&(b.flow, &b.scenario, &b.check)));
    let report = Report {
        verdict: Report::conclude(&findings, plan.excluded > 0),
        clauses: clause_states(&library.catalogue, &findings),
        target,
        seed: settings.seed,
        clock: clock.to_owned(),
        interrupted,
        excluded: plan.excluded,
        findings,
        elapsed: started.elapsed(),
    };
    observer.hear(&Event::RunFinished(&report))?;
    Ok(report)
}

fn connect(
    profile: &Profile,
    settings: &CheckSettings,
    started: Instant,
) -> Result<Connection, CheckError> {
    Connection::new(profile, settings.input_allowed, started).map_err(|error| {
        CheckError::Unreachable { target: profile.name.clone(), reason: error.to_string() }
    })
}

/// One request to each base URL, before anything is concluded: an answer of any kind will do.
async fn reach(profile: &Profile, connection: &Connection) -> Result<(), CheckError> {
    let mut bases: BTreeSet<&str> = BTreeSet::new();
    for binding in profile.flows.values() {
        bases.insert(&binding.base_url);
        bases.extend(binding.environment_urls.values().map(String::as_str));
    }
    for base in bases {
        let request = Request {
            base: base.to_owned(),
            method: "GET".to_owned(),
            target: "/".to_owned(),
            headers: profile.headers.clone(),
            ..Request::default()
        };
        if let (Err(error @ (WireError::Connect(_) | WireError::Deadline(_))), _) =
            connection.wires.send(&request).await
        {
            return Err(CheckError::Unreachable {
                target: base.to_owned(),
                reason: error.to_string(),
            });
        }
    }
    Ok(())
}

/// Runs every scenario of the plan; whether the run was interrupted.
async fn run_all(
    plan: &Plan<'_>,
    library: &Library,
    provision: &dyn Provision,
    settings: &CheckSettings,
    started: Instant,
    observer: &mut dyn Observer,
) -> Result<(Vec<Finding>, bool), CheckError> {
    let jobs = if provision.is_shared() { 1 } else { settings.jobs.max(1) };
    let runs = plan.scenarios.iter().enumerate().map(|(index, planned)| async move {
        (index, run_one(planned, library, provision, settings, started).await)
    });
    // A scenario that waits must not hold up the others; they are told in the order of the plan.
    let mut running = iter(runs).buffer_unordered(jobs);
    let mut waiting: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    let mut told = 0;
    let mut all = Vec::new();
    let mut interrupted = false;
    loop {
        let next = tokio::select! {
            next = running.next() => next,
            () = settings.interrupt.notified() => {
                interrupted = true;
                None
            }
        };
        let Some((index, findings)) = next else {
            break;
        };
        waiting.insert(index, findings);
        while let Some(findings) = waiting.remove(&told) {
            let scenario = plan.scenarios[told].scenario;
            told += 1;
            let findings: Vec<Finding> =
                findings.into_iter().filter(|f| plan.checks.contains(&f.check)).collect();
            let (flow, name) = (scenario.flow, scenario.name.as_str());
            observer.hear(&Event::ScenarioFinished { flow, name, findings: &findings })?;
            all.extend(findings);
        }
    }
    // After an interruption, what ended out of order counts as well.
    all.extend(waiting.into_values().flatten().filter(|f| plan.checks.contains(&f.check)));
    Ok((all, interrupted))
}

async fn run_one(
    planned: &Planned<'_>,
    library: &Library,
    provision: &dyn Provision,
    settings: &CheckSettings,
    started: Instant,
) -> Vec<Finding> {
    let scenario = planned.scenario;
    let mut repeats: Vec<Vec<Finding>> = Vec::new();
    for repeat in 0..settings.repeat.max(1) {
        let findings = match provision.provide() {
            Ok(provided) => {
                run_provided(scenario, library, &provided, settings, u64::from(repeat), started)
                    .await
            }
            Err(reason) => without(scenario, Verdict::Error, &reason),
        };
        repeats.push(findings);
    }
    settle_repeats(repeats)
}

async fn run_provided(
    scenario: &Scenario,
    library: &Library,
    provided: &Provided,
    settings: &CheckSettings,
    repeat: u64,
    started: Instant,
) -> Vec<Finding> {
    let profile = &provided.profile;
    let Some(binding) = profile.flows.get(&scenario.flow) else {
        return Vec::new();
    };
    let connection = match Connection::new(profile, settings.input_allowed, started) {
        Ok(connection) => connection,
        Err(error) => return without(scenario, Verdict::Error, &error.to_string()),
    };
    if let Some((verdict, reason)) = unmet(scenario, binding, &connection) {
        return without(scenario, verdict, &reason);
    }
    let engine_settings =
        Settings { headers: profile.headers.clone(), seed: settings.seed.wrapping_add(repeat) };
    let engine = Engine {
        binding,
        wires: Arc::clone(&connection.wires),
        hooks: &connection.hooks,
        clock: &connection.clock,
        settings: &engine_settings,
    };
    if provided.guard.is_none() && connection.hooks.offers("reset") && scenario_resets(scenario) {
        let call = crate::hook::HookCall { name: "reset".to_owned(), ..Default::default() };
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
    findings.iter_mut().for_each(|finding| redact(finding, &book));
    findings
}

/// A shared server is brought to its first state before each scenario, unless that is what the scenario is about.
fn scenario_resets(scenario: &Scenario) -> bool {
    use crate::scenario::Action;
    !scenario
        .steps
        .iter()
        .any(|step| matches!(&step.action, Action::Hook(HookStep { name, .. }) if name == "reset"))
}

/// What the scenario cannot do without and the profile does not have.
fn unmet(
    scenario: &Scenario,
    binding: &FlowBinding,
    connection: &Connection,
) -> Option<(Verdict, String)> {
    for need in &scenario.needs {
        let declared = |name: &str| binding.capabilities.get(name).copied();
        let name = need.to_string();
        if declared(name.trim_start_matches("capability.")) == Some(false) {
            return Some((
                Verdict::NotApplicable,
                format!("the profile declares that the server has no {name}"),
            ));
        }
        let missing = match need {
            // Many requests in a short time are for those who asked for them.
            Need::Capability(name) if name == "burst" && declared(name) != Some(true) => {
                let reason = "the profile does not declare the capability burst".to_owned();
                return Some((Verdict::NotApplicable, reason));
            }
            Need::Capability(_) => None,
            Need::Clock => (connection.clock.mode() == "none")
                .then(|| "the clock can neither be moved nor waited for".to_owned()),
            Need::Environments => (binding.environments.len() < 2)
                .then(|| "there are not two environments".to_owned()),
            Need::Hook(hook) => (!connection.hooks.offers(hook))
                .then(|| format!("the profile has no hook `{hook}`")),
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
    let finding = |(id, check): (&CheckId, &crate::scenario::Check)| Finding {
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

fn add_unheard(plan: &Plan<'_>, library: &Library, findings: &mut Vec<Finding>) {
    let heard: BTreeSet<CheckId> = findings.iter().map(|finding| finding.check.clone()).collect();
    let partial = plan.excluded > 0;
    for (flow, scenario, id, check) in library.checks() {
        // In a run over a part, nobody expects every answer that an `always` check waits for.
        let silent_always = scenario == "always" && partial;
        if heard.contains(id) || !plan.checks.contains(id) || silent_always {
            continue;
        }
        let finding = Finding {
            check: id.clone(),
            title: check.title.clone(),
            flow,
            scenario: scenario.to_owned(),
            covers: check.covers.clone(),
            level: check.level,
            verdict: Verdict::Blocked,
            deviation: None,
            assertions: 0,
            evidence: Evidence::default(),
        };
        findings.push(unheard(finding, "no answer of the run was of the kind that this is about"));
    }
}

/// Every secret of a trace with its name.
fn secrets(trace: &Trace) -> SecretBook {
    let mut book = SecretBook::default();
    for kept in &trace.secrets {
        book.note(&kept.value, &kept.name);
    }
    for (name, value) in &trace.unasked {
        book.note(value, name);
    }
    book
}

fn redact(finding: &mut Finding, book: &SecretBook) {
    let evidence = &mut finding.evidence;
    let clean = |text: &mut String| *text = book.redact(text);
    evidence.reason.iter_mut().for_each(clean);
    evidence.observed.iter_mut().for_each(clean);
    evidence.timeline.iter_mut().for_each(clean);
    if let Some(violation) = &mut evidence.violation {
        violation.wanted.iter_mut().for_each(clean);
        clean(&mut violation.got);
    }
    if let Some(exchange) = &mut evidence.exchange {
        [&mut exchange.sent, &mut exchange.received, &mut exchange.curl]
            .into_iter()
            .for_each(clean);
    }
}
