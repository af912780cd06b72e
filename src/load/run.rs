//! A run from its first connection to its report: starts the workers, hears of each second, puts everything together.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::detail::{Columns, Detail};
use super::null::NullServer;
use super::pacer::{Arrival, Stage};
use super::plan::Plan;
use super::prepare::{PrepareError, Prepared};
use super::renewal::{FreshTokens, TokenUpkeep};
use super::script::Script;
use super::seconds::Seconds;
use super::shard::Shard;
use super::start;
use super::stream::Endpoint;
use super::threshold::Threshold;
use super::verdict;
use super::worker::{Shared, Work};
use crate::model::{LoadReport, LoadSetup, SecondReport};
use crate::stats::Histogram;
use crate::wire::{TlsRoots, Transport};

/// Who decides when a request is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Each connection sends its next request when the last one is answered, for so long.
    Closed(Option<Duration>),
    /// A schedule, whatever the answers do.
    Open(Vec<Stage>, Arrival),
}

/// How a run is done.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    /// What is asked, for the report.
    pub target: String,
    /// Connections of all workers together.
    pub connections: usize,
    /// Worker threads.
    pub workers: usize,
    /// Who decides when a request is sent.
    pub model: Model,
    /// Not measured at the beginning, with the schedule's first rate where there is one.
    pub warm_up: Duration,
    /// Requests at most, those of the warm-up among them.
    pub requests: Option<u64>,
    /// How long an answer may take.
    pub deadline: Duration,
    /// The largest answer, in bytes.
    pub max_answer_bytes: usize,
    /// Whether connections stay open between requests.
    pub keep_alive: bool,
    /// How the target is reached.
    pub transport: Transport,
    /// Whom to trust when the target speaks TLS.
    pub roots: TlsRoots,
    /// The seed of random choices.
    pub seed: u64,
    /// What the run must keep to.
    pub thresholds: Vec<Threshold>,
    /// Answers a second that the generator gets at most, where that was tried.
    pub calibrated: Option<f64>,
    /// Which part of a larger run it is. Connections and requests are those of the part; rates are those of the whole.
    pub shard: Shard,
    /// When to begin; without it as soon as everything is ready.
    pub start_at: Option<SystemTime>,
    /// Whether users come and go while it runs, as [`Stop::users`] says, from nobody up to `connections`.
    pub ramped: Option<Pace>,
    /// How it was set up, for the report.
    pub setup: LoadSetup,
}

/// How fast each user of a run sends, whose number changes: so many requests a second, or, without that, the next one when the
/// last one is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace(pub Option<f64>);

/// Why a run did not take place.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody answers there.
    #[error("{0}")]
    Unreachable(String),
    /// The operating system refused something that the generator needs.
    #[error("the load generator could not run: {0}")]
    Generator(#[from] std::io::Error),
}

/// Somebody who watches a run.
pub trait Watcher {
    /// A second is over.
    ///
    /// # Errors
    /// When what is shown or written could not be.
    fn second(&mut self, report: &SecondReport, response: &Histogram) -> std::io::Result<()>;

    /// Wants to know more of each second, of what these columns say. Asked once, before the run begins.
    fn wants_detail(&mut self, columns: &Columns) -> bool {
        let _ = columns;
        false
    }

    /// More of a second that is over, where that was wanted.
    ///
    /// # Errors
    /// As for [`Self::second`].
    fn detail(&mut self, report: &SecondReport, detail: &Detail) -> std::io::Result<()> {
        let _ = (report, detail);
        Ok(())
    }

    /// The valid tokens will expire soon: gets new ones. `None` when that is not its business.
    fn renew(&mut self) -> Option<Result<FreshTokens, PrepareError>> {
        None
    }
}

/// A handle that ends a run from another thread.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

impl Stop {
    /// Ends the run as soon as may be; its report is still made.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }

    /// Ends the run when what is under way is answered. That is no interruption.
    pub fn finish(&self) {
        self.0.finish();
    }

    /// Lets users come or go until there are so many, in a run whose settings allow that.
    pub fn users(&self, users: usize) {
        self.0.want(users);
    }

    /// Whether somebody wants the run to end.
    pub fn is_set(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }
}

/// Runs the load.
///
/// # Errors
/// When no connection can be made, or the generator itself fails.
pub fn load(
    prepared: &Prepared,
    settings: &LoadSettings,
    watcher: &mut dyn Watcher,
    stop: &Stop,
) -> Result<LoadReport, LoadError> {
    run(&Plan::new(prepared, settings)?, watcher, stop)
}

/// Runs the load of users who each go through a scenario again and again.
///
/// # Errors
/// As for [`load`], and when the profile's certificates cannot be read.
pub fn load_scenario(
    script: &Arc<Script>,
    settings: &LoadSettings,
    watcher: &mut dyn Watcher,
    stop: &Stop,
) -> Result<LoadReport, LoadError> {
    run(&Plan::of_users(script, settings), watcher, stop)
}

/// Runs the same requests against a server in this process that does nothing but answer: the report says what the
/// generator does at most on this machine, with this many connections and workers.
///
/// # Errors
/// As for [`load`].
pub fn calibrate(
    prepared: &Prepared,
    settings: &LoadSettings,
    stop: &Stop,
) -> Result<LoadReport, LoadError> {
    let form = &prepared.pool.case(0).form;
    let server = NullServer::start(&prepared.sample, form.content())?;
    let settings = LoadSettings {
        model: match settings.requests {
            Some(_) => Model::Closed(None),
            None => Model::Closed(Some(CALIBRATION)),
        },
        warm_up: Duration::ZERO,
        transport: Transport::default(),
        thresholds: Vec::new(),
        start_at: None,
        ..settings.clone()
    };
    let plan = Plan::over(prepared, &settings, Endpoint::Tcp(server.address));
    let mut report = run(&plan, &mut Nobody, stop)?;
    report.invalid.clear();
    Ok(report)
}

/// How long the generator is tried.
const CALIBRATION: Duration = Duration::from_millis(500);

/// Watches nothing.
struct Nobody;

impl Watcher for Nobody {
    fn second(&mut self, _: &SecondReport, _: &Histogram) -> std::io::Result<()> {
        Ok(())
    }
}

fn run(plan: &Plan<'_>, watcher: &mut dyn Watcher, stop: &Stop) -> Result<LoadReport, LoadError> {
    let settings = plan.settings;
    let (done, finished) = mpsc::channel();
    let barrier = Arc::new(Barrier::new(settings.workers + 1));
    let start: Arc<OnceLock<Instant>> = Arc::default();
    let (seconds_done, slices) = mpsc::channel();
    let detailed = watcher.wants_detail(&plan.columns());
    let mut threads = Vec::new();
    for number in 0..settings.workers {
        let to = seconds_done.clone();
        let mut worker = plan.worker(number, Arc::clone(&stop.0), to, detailed)?;
        let (done, barrier, start) = (done.clone(), Arc::clone(&barrier), Arc::clone(&start));
        let named = thread::Builder::new().name(format!("load-{number}"));
        threads.push(named.spawn(move || {
            let ready = worker.prepare();
            let up = ready.as_ref().map_or(0, |(up, _)| *up);
            let why = ready.map_or_else(|error| Some(error.to_string()), |(_, why)| why);
            // A receiver that is gone wants to hear nothing.
            drop(done.send((up, why)));
            barrier.wait();
            // Set before the barrier opens; not set when there is nothing to run for.
            start.get().map(|start| worker.run(*start))
        })?);
    }
    drop((done, seconds_done));
    let ready: Vec<(usize, Option<String>)> = finished.iter().take(settings.workers).collect();
    let up: usize = ready.iter().map(|(up, _)| up).sum();
    let why = ready.into_iter().find_map(|(_, why)| why);
    // Whoever ends the run before it began gets an empty report, not an error.
    let begins = up > 0 || stop.is_set();
    let begun = begins.then(|| start::wait(settings.start_at, stop));
    if let Some((moment, _)) = begun {
        start.get_or_init(|| moment);
    }
    barrier.wait();
    if !begins {
        let why = why.unwrap_or_else(|| "nobody answers".to_owned());
        return Err(LoadError::Unreachable(format!("no connection to {}: {why}", plan.base)));
    }
    let mut seconds = Seconds::new(settings.workers);
    let mut upkeep = TokenUpkeep::new(plan.renewal);
    loop {
        match slices.recv_timeout(upkeep.wait()) {
            Ok(slice) => seconds.hear(slice, watcher)?,
            Err(mpsc::RecvTimeoutError::Timeout) => upkeep.renew(watcher, &stop.0),
            // The last worker has ended.
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let works = threads.into_iter().map(ended).collect::<std::io::Result<_>>()?;
    seconds.finish(watcher)?;
    let mut report = plan.table.report(plan, works, seconds);
    report.interrupted = stop.is_set();
    if settings.ramped.is_some() {
        report.connections = stop.0.most_users();
    }
    report.notes.extend(upkeep.note());
    report.start = begun.map(|(_, at)| start::report(at, settings.start_at, plan.skew));
    report.notes.extend(remarks(plan, &report, (up, why)));
    report.invalid = verdict::invalid(&report);
    report.thresholds = settings.thresholds.iter().map(|one| one.hold(&report)).collect();
    Ok(report)
}

/// What a reader of the report should know.
fn remarks(
    plan: &Plan<'_>,
    report: &LoadReport,
    (up, why): (usize, Option<String>),
) -> Vec<String> {
    let settings = plan.settings;
    let mut notes: Vec<String> = Vec::new();
    notes.extend(plan.remark());
    notes.extend(shard_note(settings.shard));
    notes.extend(settings.start_at.and(report.start.as_ref()).and_then(start::note));
    notes.extend(verdict::wave(report));
    if up < settings.connections && settings.keep_alive && settings.ramped.is_none() {
        let why = why.unwrap_or_default();
        notes.push(format!(
            "{up} of {} connections could be made at the start: {why}",
            settings.connections
        ));
    }
    notes
}

/// What a reader of the report of a shard should know.
fn shard_note(shard: Shard) -> Option<String> {
    (!shard.is_whole()).then(|| {
        let (number, of) = (shard.number(), shard.of());
        format!("this is shard {number} of {of}: `gatecrash merge` puts the reports of all of them together")
    })
}

/// What a worker brings back.
fn ended(thread: thread::JoinHandle<Option<std::io::Result<Work>>>) -> std::io::Result<Work> {
    let work = thread.join().map_err(|_| std::io::Error::other("a worker panicked"))?;
    work.unwrap_or_else(|| Err(std::io::Error::other("a worker did not start")))
}
