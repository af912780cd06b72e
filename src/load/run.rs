//! A run from its first connection to its report: starts the workers, hears of each second, puts everything together.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::client::ClientWorker;
use super::court::{Clerk, Tallied};
use super::null::NullServer;
use super::pacer::{Arrival, Pacer, Share, Stage};
use super::prepare::{PrepareError, Prepared};
use super::recorder::{Counts, Failure, Recorder, Slice};
use super::renewal::{FreshTokens, TokenUpkeep};
use super::seconds::{Seconds, quantiles};
use super::stream::Endpoint;
use super::threshold::Threshold;
use super::verdict;
use super::worker::{Orders, Shared, Work, Worker};
use crate::model::{
    CaseReport, ComplaintReport, FailureReport, GeneratorReport, LoadReport, SecondReport,
};
use crate::source::Random;
use crate::stats::Histogram;
use crate::wire::{Origin, TlsRoots, Transport, WireSettings, tls_settings};

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
}

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
        ..settings.clone()
    };
    let mut plan = Plan::new(prepared, &settings)?;
    plan.road = Road::Own(Endpoint::Tcp(server.address));
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
    let (prepared, settings) = (plan.prepared, plan.settings);
    let (done, finished) = mpsc::channel();
    let barrier = Arc::new(Barrier::new(settings.workers + 1));
    let start: Arc<OnceLock<Instant>> = Arc::default();
    let (seconds_done, slices) = mpsc::channel();
    let mut threads = Vec::new();
    for number in 0..settings.workers {
        let mut worker = plan.worker(number, Arc::clone(&stop.0), seconds_done.clone())?;
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
    if begins {
        start.get_or_init(Instant::now);
    }
    barrier.wait();
    if !begins {
        let why = why.unwrap_or_else(|| "nobody answers".to_owned());
        return Err(LoadError::Unreachable(format!("no connection to {}: {why}", plan.base)));
    }
    let mut seconds = Seconds::new(settings.workers);
    let mut upkeep = TokenUpkeep::new(prepared.renewal);
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
    let mut report = plan.report(works, seconds);
    report.interrupted = stop.is_set();
    if let Road::Client = plan.road {
        report.notes.push(HTTP2.to_owned());
    }
    report.notes.extend(verdict::wave(&report));
    report.notes.extend(upkeep.note());
    if up < settings.connections && settings.keep_alive {
        let why = why.unwrap_or_default();
        report.notes.push(format!(
            "{up} of {} connections could be made at the start: {why}",
            settings.connections
        ));
    }
    report.invalid = verdict::invalid(&report);
    report.thresholds = settings.thresholds.iter().map(|one| one.hold(&report)).collect();
    Ok(report)
}

const HTTP2: &str = "HTTP/2 is spoken by a common client, which costs more than the generator's own connections and is late by up to a millisecond; the first request of each connection includes connecting, and bytes are those of contents";

/// What a worker brings back.
fn ended(thread: thread::JoinHandle<Option<std::io::Result<Work>>>) -> std::io::Result<Work> {
    let work = thread.join().map_err(|_| std::io::Error::other("a worker panicked"))?;
    work.unwrap_or_else(|| Err(std::io::Error::other("a worker did not start")))
}

/// A run with its schedule.
struct Plan<'a> {
    prepared: &'a Prepared,
    settings: &'a LoadSettings,
    road: Road,
    base: String,
    schedule: Option<(Arc<Pacer>, Arrival)>,
    outcomes: Vec<String>,
}

impl<'a> Plan<'a> {
    fn new(prepared: &'a Prepared, settings: &'a LoadSettings) -> Result<Self, LoadError> {
        let base = prepared.pool.case(0).form.base().to_owned();
        let schedule = match &settings.model {
            Model::Closed(_) => None,
            Model::Open(stages, arrival) => {
                let mut all = Vec::new();
                if let Some(first) = stages.first().filter(|_| !settings.warm_up.is_zero()) {
                    all.push(Stage::steady(settings.warm_up, first.from));
                }
                all.extend(stages);
                Some((Arc::new(Pacer::new(&all)), *arrival))
            }
        };
        let road = road(&base, prepared, settings)?;
        let outcomes = prepared.court.outcomes();
        Ok(Self { prepared, settings, road, base, schedule, outcomes })
    }

    /// The moment at which nothing is sent any more.
    fn end(&self) -> Duration {
        match (&self.schedule, &self.settings.model) {
            // A queue that the server left behind is still sent, for as long as an answer may take.
            (Some((pacer, _)), _) => pacer.length() + self.settings.deadline,
            (None, Model::Closed(Some(length))) => self.settings.warm_up + *length,
            (None, _) => Duration::MAX,
        }
    }

    fn worker(
        &self,
        number: usize,
        shared: Arc<Shared>,
        seconds: mpsc::Sender<Slice>,
    ) -> Result<AnyWorker, LoadError> {
        let settings = self.settings;
        let workers = settings.workers;
        let part = |whole: usize| whole / workers + usize::from(number < whole % workers);
        let requests = settings
            .requests
            .map(|all| all / workers as u64 + u64::from((number as u64) < all % workers as u64));
        let orders = Orders {
            connections: part(settings.connections),
            first_user: number * (settings.connections / workers)
                + number.min(settings.connections % workers),
            requests,
            end: self.end(),
            warm_up: settings.warm_up,
            deadline: settings.deadline,
            limit: settings.max_answer_bytes,
            keep_alive: settings.keep_alive,
            random: Random::derive(settings.seed, &format!("worker {number}")),
        };
        let (pool, court) = (Arc::clone(&self.prepared.pool), Arc::clone(&self.prepared.court));
        let cases = pool.cases().len();
        let scheduled = self.schedule.is_some();
        let recorder = Recorder::new(settings.warm_up, scheduled, cases, self.outcomes.len());
        let share = self.schedule.as_ref().map(|(pacer, arrival)| {
            Share::new(Arc::clone(pacer), *arrival, number, workers, settings.seed)
        });
        let clerk = Clerk::new(court, cases);
        Ok(match &self.road {
            Road::Own(endpoint) => {
                let end = (endpoint.clone(), seconds);
                AnyWorker::Own(Box::new(Worker::new(
                    orders, shared, pool, clerk, recorder, share, end,
                )?))
            }
            Road::Client => {
                let wires = WireSettings {
                    deadline: settings.deadline,
                    max_answer_bytes: settings.max_answer_bytes,
                    roots: settings.roots.clone(),
                    started: Instant::now(),
                };
                let judge = (pool, clerk);
                let way = (&wires, &settings.transport);
                let made = ClientWorker::new(orders, shared, judge, recorder, share, seconds, way);
                AnyWorker::Client(Box::new(
                    made.map_err(|error| LoadError::Unreachable(error.to_string()))?,
                ))
            }
        })
    }

    fn report(&self, works: Vec<Work>, seconds: Seconds) -> LoadReport {
        let settings = self.settings;
        let Seconds { response, timeline, .. } = seconds;
        let mut service = Histogram::default();
        let mut lateness = Histogram::default();
        let mut counts = Counts::default();
        let mut generator =
            GeneratorReport { workers: works.len(), idle: 1.0, ..Default::default() };
        let mut tallies: Vec<Tallied> = Vec::new();
        let mut last = 0;
        for work in works {
            service.add(&work.recorder.service);
            lateness.add(&work.recorder.lateness);
            counts.add(&work.recorder.counts);
            generator.idle = generator.idle.min(work.idle as f64 / work.ran.max(1) as f64);
            generator.judged += work.clerk.judged;
            last = last.max(work.last);
            merge(&mut tallies, work.clerk.tallies);
        }
        if self.schedule.is_none() {
            service.add(&response);
        }
        generator.calibrated = settings.calibrated;
        generator.connects = counts.connects;
        generator.lateness = self.schedule.is_some().then(|| quantiles(&lateness));
        let elapsed = Duration::from_nanos(last).saturating_sub(settings.warm_up);
        let asked = self.schedule.as_ref().map(|(pacer, _)| {
            let asked = pacer.requests_between(settings.warm_up, pacer.length()).round() as u64;
            asked.min(settings.requests.unwrap_or(u64::MAX))
        });
        LoadReport {
            target: settings.target.clone(),
            flow: self.prepared.flow,
            seed: settings.seed,
            model: match &settings.model {
                Model::Closed(_) => "closed".to_owned(),
                Model::Open(_, arrival) => format!("open, {arrival}"),
            },
            connections: settings.connections,
            asked,
            elapsed,
            sent: counts.sent,
            answers: response.count(),
            rate: a_second(response.count(), elapsed),
            wrong: counts.wrong,
            response: quantiles(&response),
            service: quantiles(&service),
            cases: self.cases(&counts),
            complaints: self.complaints(tallies),
            failures: failures(&counts),
            bytes_sent: counts.bytes_sent,
            bytes_received: counts.bytes_received,
            generator,
            timeline,
            thresholds: Vec::new(),
            invalid: Vec::new(),
            notes: self.prepared.notes.clone(),
            interrupted: false,
        }
    }

    fn cases(&self, counts: &Counts) -> Vec<CaseReport> {
        let rows = counts.outcomes.chunks(self.outcomes.len());
        let cases = self.prepared.pool.cases().iter().zip(rows);
        cases
            .map(|(case, row)| {
                let named = self.outcomes.iter().cloned().zip(row.iter().copied());
                let outcomes: BTreeMap<String, u64> =
                    named.filter(|(_, count)| *count > 0).collect();
                CaseReport {
                    name: case.name.clone(),
                    expected: case.expected.word().to_owned(),
                    tokens: case.tokens.len(),
                    outcomes,
                }
            })
            .collect()
    }

    fn complaints(&self, mut tallies: Vec<Tallied>) -> Vec<ComplaintReport> {
        tallies.sort_by_key(|one| (!one.complaint.wrong, std::cmp::Reverse(one.count)));
        let report = |tallied: Tallied| ComplaintReport {
            case: self.prepared.pool.case(tallied.case).name.clone(),
            what: tallied.complaint.what,
            wrong: tallied.complaint.wrong,
            count: tallied.count,
            first: Duration::from_nanos(tallied.first),
            exchange: tallied.complaint.exchange,
        };
        tallies.into_iter().map(report).collect()
    }
}

fn a_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}

/// How requests get to the server.
enum Road {
    /// Over connections of the workers' own.
    Own(Endpoint),
    /// Over a common client.
    Client,
}

/// A worker of one kind or the other.
enum AnyWorker {
    Own(Box<Worker>),
    Client(Box<ClientWorker>),
}

impl AnyWorker {
    /// Makes the connections before the clock starts. Says how many could be made, and why the first other one could not.
    fn prepare(&mut self) -> std::io::Result<(usize, Option<String>)> {
        match self {
            Self::Own(worker) => worker.prepare(),
            // They connect with their first requests.
            Self::Client(_) => Ok((usize::MAX / 1_000, None)),
        }
    }

    fn run(self, started: Instant) -> std::io::Result<Work> {
        match self {
            Self::Own(worker) => worker.run(started),
            Self::Client(worker) => worker.run(started),
        }
    }
}

fn road(base: &str, prepared: &Prepared, settings: &LoadSettings) -> Result<Road, LoadError> {
    use std::net::ToSocketAddrs as _;
    let unreachable =
        |why: String| LoadError::Unreachable(format!("no connection to {base}: {why}"));
    let origin = Origin::parse(base).map_err(|error| unreachable(error.to_string()))?;
    let Transport { http2, identity, unix_socket, .. } = &settings.transport;
    if *http2 {
        return match (prepared.pool.talks(), settings.keep_alive) {
            (false, true) => Ok(Road::Client),
            (true, _) => Err(unreachable("a WebSocket is opened with HTTP/1.1".to_owned())),
            (_, false) => Err(unreachable("connections of HTTP/2 stay open".to_owned())),
        };
    }
    #[cfg(unix)]
    if let Some(path) = unix_socket {
        return match origin.secure {
            true => Err(unreachable("a load run speaks no TLS over a Unix socket".to_owned())),
            false => Ok(Road::Own(Endpoint::Unix(path.clone()))),
        };
    }
    let address = (origin.host.as_str(), origin.port)
        .to_socket_addrs()
        .map_err(|error| unreachable(error.to_string()))?
        .next()
        .ok_or_else(|| unreachable("the name has no address".to_owned()))?;
    if !origin.secure {
        return Ok(Road::Own(Endpoint::Tcp(address)));
    }
    let config = tls_settings(&settings.roots, identity.as_ref())
        .map_err(|error| unreachable(error.to_string()))?;
    let name = origin.host.try_into().map_err(|_| unreachable("the host is no name".to_owned()))?;
    Ok(Road::Own(Endpoint::Tls(address, Arc::new(config), name)))
}

fn merge(all: &mut Vec<Tallied>, more: Vec<Tallied>) {
    for tallied in more {
        let same = |one: &&mut Tallied| {
            one.case == tallied.case && one.complaint.what == tallied.complaint.what
        };
        match all.iter_mut().find(same) {
            Some(found) => {
                found.count += tallied.count;
                found.first = found.first.min(tallied.first);
            }
            None => all.push(tallied),
        }
    }
}

fn failures(counts: &Counts) -> Vec<FailureReport> {
    Failure::ALL
        .iter()
        .map(|(failure, kind)| FailureReport {
            kind: (*kind).to_owned(),
            count: counts.failures[*failure as usize],
            reason: counts.reasons[*failure as usize].clone().unwrap_or_default(),
        })
        .filter(|failure| failure.count > 0)
        .collect()
}
