//! Runs a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};

use super::baseline::apply_baseline;
use super::lanes::{Order, order, replacing};
use super::merge::{clause_states, merge, unheard};
use super::one;
use super::plan::Plan;
use crate::engine::{Budget, Connection, Effort, Provision};
use crate::event::{Event, Observer};
use crate::model::{
    CheckId, Evidence, Finding, Flow, KnownSecrets, Report, Request, Verdict, WireError,
};
use crate::target::{Baseline, Library, Profile};

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
    /// How often what rests on chance is repeated.
    pub effort: Effort,
    /// Leaves out what could harm a server that others use: bursts, guessing, restarts.
    pub gentle: bool,
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
    /// The operating system gave no readiness queue.
    #[error("the runtime did not start: {0}")]
    Runtime(std::io::Error),
}

/// Runs a plan and concludes. Blocks until the run has ended.
///
/// # Errors
/// When the target is not there at all, or a report cannot be written. What single scenarios meet
/// is in their findings.
pub fn check(
    plan: &Plan<'_>,
    library: &Library,
    provision: &dyn Provision,
    settings: &CheckSettings,
    observer: &mut dyn Observer,
) -> Result<Report, CheckError> {
    let started = Instant::now();
    let runtime = runtime()?;
    let first = provision.provide().map_err(CheckError::Provision)?;
    let connection = connect(&first.profile, settings, started)?;
    runtime.block_on(reach(&first.profile, &connection))?;
    let (target, clock) = (first.profile.name.clone(), connection.clock.mode());
    let remarks = first.profile.remarks();
    observer.hear(&Event::RunStarted {
        target: &target,
        seed: settings.seed,
        clock,
        scenarios: plan.scenarios.len(),
        remarks: &remarks,
    })?;

    let baseline = &first.profile.baseline;
    let budget = first.profile.limits.max_failed_logins.map(Budget::new);
    let secrets = Mutex::default();
    let replacing = replacing(&first.profile);
    let course = Course {
        plan,
        library,
        provision,
        settings,
        started,
        baseline,
        budget,
        secrets,
        replacing,
    };
    let (all, interrupted) = run_all(&course, &runtime, observer, clock == "real")?;
    let mut findings = merge(all);
    add_unheard(plan, library, &mut findings);
    let secrets = course.secrets.into_inner().unwrap_or_else(PoisonError::into_inner);
    redact_across(&mut findings, &secrets)?;
    apply_baseline(&mut findings, baseline, settings.today);
    findings.sort_by(|a, b| (a.flow, &a.scenario, &a.check).cmp(&(b.flow, &b.scenario, &b.check)));
    let report = Report {
        verdict: Report::conclude(&findings, plan.excluded > 0),
        clauses: clause_states(library, &plan.flows(), &findings),
        target,
        remarks,
        seed: settings.seed,
        clock: clock.to_owned(),
        interrupted,
        excluded: plan.excluded,
        findings,
        elapsed: started.elapsed(),
        secrets,
    };
    observer.hear(&Event::RunFinished(&report))?;
    Ok(report)
}

/// Takes out of findings what another scenario knows to be a secret: a scenario that only looks for refusals does not
/// know the token that a careless server hands out all the same.
fn redact_across(findings: &mut [Finding], secrets: &KnownSecrets) -> Result<(), CheckError> {
    let text = serde_json::to_vec(findings).map_err(std::io::Error::from)?;
    let book = secrets.book_of(&text);
    if !book.is_empty() {
        findings.iter_mut().for_each(|finding| one::redact(finding, &book));
    }
    Ok(())
}

/// What every scenario of a run is told.
pub(super) struct Course<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) library: &'a Library,
    pub(super) provision: &'a dyn Provision,
    pub(super) settings: &'a CheckSettings,
    pub(super) started: Instant,
    /// Findings that are accepted for a while.
    pub(super) baseline: &'a [Baseline],
    /// How many wrong logins there may still be.
    pub(super) budget: Option<Budget>,
    /// Every secret that any scenario came to know.
    pub(super) secrets: Mutex<KnownSecrets>,
    /// The flows in which a new token of an account may end the one before it.
    pub(super) replacing: BTreeSet<Flow>,
}

pub(super) fn runtime() -> Result<Runtime, CheckError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CheckError::Runtime)
}

pub(super) fn connect(
    profile: &Profile,
    settings: &CheckSettings,
    started: Instant,
) -> Result<Connection, CheckError> {
    Connection::new(profile, settings.input_allowed, started).map_err(|error| {
        CheckError::Unreachable { target: profile.name.clone(), reason: error.to_string() }
    })
}

/// One request to each base URL, before anything is concluded: an answer of any kind will do. In
/// HTTP/2 it must be an answer: a server that does not speak it says something too.
async fn reach(profile: &Profile, connection: &Connection) -> Result<(), CheckError> {
    let bases: BTreeSet<&str> = profile.bases().collect();
    for base in bases {
        let request = Request {
            base: base.to_owned(),
            method: "GET".to_owned(),
            target: "/".to_owned(),
            headers: profile.headers.clone(),
            ..Request::default()
        };
        let Err(error) = connection.wires.send(&request).await.0 else {
            continue;
        };
        let mut reason = error.to_string();
        if profile.transport.http2 {
            reason.push_str("; it was asked in HTTP/2, as `http_version` of the profile says");
        } else if !matches!(error, WireError::Connect(_) | WireError::Deadline(_)) {
            continue;
        }
        return Err(CheckError::Unreachable { target: base.to_owned(), reason });
    }
    Ok(())
}

/// Runs every scenario of the plan; whether the run was interrupted.
///
/// Scenarios that do not share a server run on a thread for each core, each with its own runtime:
/// the second thread takes a third off the wall clock
/// on two cores (benches/notes.md).
fn run_all(
    course: &Course<'_>,
    runtime: &Runtime,
    observer: &mut dyn Observer,
    real_time: bool,
) -> Result<(Vec<Finding>, bool), CheckError> {
    let Course { plan, provision, settings, .. } = course;
    let shared = provision.is_shared();
    let jobs = if shared { 1 } else { settings.jobs.max(1) };
    let cores = available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(jobs).min(plan.scenarios.len()).max(1);
    let next = AtomicUsize::new(0);
    // Dropping the sender is the word to stop.
    let (going, stop) = watch::channel(());
    let (tell, told) = unbounded_channel();
    let runtimes = (0..threads).map(|_| self::runtime()).collect::<Result<Vec<_>, _>>()?;
    std::thread::scope(|scope| {
        for runtime in runtimes {
            let (tell, next, stop) = (tell.clone(), &next, stop.clone());
            let at_once = jobs.div_ceil(threads);
            scope.spawn(move || {
                runtime.block_on(async {
                    if shared {
                        work_shared(course, real_time, stop, tell).await;
                    } else {
                        work(course, at_once, next, stop, tell).await;
                    }
                });
            });
        }
        drop(tell);
        let result = runtime.block_on(listen(course, told, observer));
        drop(going);
        result
    })
}

/// What a scenario of the plan found, by its place in the plan.
type Outcome = (usize, Vec<Finding>);

/// One thread: takes the next scenario until there is none, or until it is told to stop.
async fn work(
    course: &Course<'_>,
    at_once: usize,
    next: &AtomicUsize,
    mut stop: watch::Receiver<()>,
    tell: UnboundedSender<Outcome>,
) {
    let claims = std::iter::from_fn(|| {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let planned = course.plan.scenarios.get(index)?;
        Some(async move { (index, one::run(planned, course, true).await) })
    });
    let mut running = iter(claims).buffer_unordered(at_once);
    loop {
        let outcome = tokio::select! {
            outcome = running.next() => outcome,
            _ = stop.changed() => None,
        };
        let Some(outcome) = outcome else {
            return;
        };
        if tell.send(outcome).is_err() {
            return;
        }
    }
}

/// On a server that all share: first what does not wait, one after the other, then what waits, side by side.
async fn work_shared(
    course: &Course<'_>,
    real_time: bool,
    mut stop: watch::Receiver<()>,
    tell: UnboundedSender<Outcome>,
) {
    let Order { alone, lanes } = order(&course.plan.scenarios, real_time, &course.replacing);
    let go = |lane: Vec<usize>, resets: bool| {
        let tell = tell.clone();
        async move {
            for index in lane {
                let findings = one::run(&course.plan.scenarios[index], course, resets).await;
                if tell.send((index, findings)).is_err() {
                    return;
                }
            }
        }
    };
    let all = async {
        go(alone, true).await;
        join_all(lanes.into_iter().map(|lane| go(lane, false))).await;
    };
    tokio::select! {
        () = all => {}
        _ = stop.changed() => {}
    }
}

/// Tells the observer what is found, in the order of the plan: a scenario that waits must not hold
/// up the others, but nobody wants to read them in another order each time.
async fn listen(
    course: &Course<'_>,
    mut told: UnboundedReceiver<Outcome>,
    observer: &mut dyn Observer,
) -> Result<(Vec<Finding>, bool), CheckError> {
    let plan = course.plan;
    let mut waiting: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    let mut place = 0;
    let mut all = Vec::new();
    let mut interrupted = false;
    loop {
        let next = tokio::select! {
            next = told.recv() => next,
            () = course.settings.interrupt.notified() => {
                interrupted = true;
                None
            }
        };
        let Some((index, findings)) = next else {
            break;
        };
        waiting.insert(index, findings);
        while let Some(findings) = waiting.remove(&place) {
            let scenario = plan.scenarios[place].scenario;
            place += 1;
            let findings: Vec<Finding> =
                findings.into_iter().filter(|f| plan.checks.contains(&f.check)).collect();
            let (flow, name) = (scenario.flow, scenario.name.as_str());
            // What is heard now has the words that the end of the run will have.
            let mut told = findings.clone();
            apply_baseline(&mut told, course.baseline, course.settings.today);
            observer.hear(&Event::ScenarioFinished { flow, name, findings: &told })?;
            all.extend(findings);
        }
    }
    // After an interruption, what ended out of order counts as well.
    all.extend(waiting.into_values().flatten().filter(|f| plan.checks.contains(&f.check)));
    Ok((all, interrupted))
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
