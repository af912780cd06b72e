//! Runs the job: units of cases, on a thread for each core where each has a server of its own, until the time is up, the
//! cases are done, or nothing new is seen any more.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::finding::{Found, finding, passed};
use super::laws::Laws;
use super::model::Rules;
use super::session::{Session, Site, means};
use super::unit::{Bench, Layer, Unit, run_unit};
use crate::engine::Provision;
use crate::event::{Event, Observer};
use crate::model::{Finding, Flow, KnownSecrets, Report};
use crate::source::Diagnostic;
use crate::target::Library;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct FuzzSettings {
    /// The seed of every case.
    pub seed: u64,
    /// The flows; all that the profile has when empty.
    pub flows: Vec<Flow>,
    /// Ends after so many cases.
    pub cases: Option<u64>,
    /// Ends after so long.
    pub time: Option<Duration>,
    /// Ends when so many cases showed nothing new.
    pub patience: Option<u64>,
    /// The layers; all of them when empty.
    pub layers: Vec<Layer>,
    /// Threads, where each has a server of its own.
    pub jobs: usize,
    /// Ends at the first finding, and does not make it shorter: for whoever only wants to know whether there is one.
    pub first_only: bool,
    /// Ends the run early when it is set; what was found until then is reported.
    pub interrupt: Arc<AtomicBool>,
}

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum FuzzError {
    /// No server could be had, or reached.
    #[error("no server: {0}")]
    Provision(String),
    /// The laws do not fit the scenarios folder.
    #[error("the laws of {flow} cannot be read with these scenarios: {message}")]
    Laws {
        /// The flow.
        flow: Flow,
        /// The first mistake.
        message: String,
    },
    /// An observer could not write.
    #[error("a report could not be written: {0}")]
    Report(#[from] std::io::Error),
}

/// What a run came to.
#[derive(Debug)]
pub struct FuzzOutcome {
    /// The findings.
    pub report: Report,
    /// How many cases were run.
    pub cases: u64,
    /// How many requests and acts they had.
    pub steps: u64,
    /// How many cells were seen.
    pub cells: usize,
}

/// Runs cases against servers. Blocks until the run has ended.
///
/// # Errors
/// When there is no server, or a report cannot be written.
pub fn fuzz(
    library: &Library,
    provision: &dyn Provision,
    settings: &FuzzSettings,
    observer: &mut dyn Observer,
) -> Result<FuzzOutcome, FuzzError> {
    let started = Instant::now();
    let first = provision.provide().map_err(FuzzError::Provision)?;
    let site = Site::new(first, settings.seed).map_err(FuzzError::Provision)?;
    if provision.is_shared() {
        present(&site)?;
    }
    let bench = bench(library, &site, settings)?;
    let (target, clock) = (site.provided.profile.name.clone(), site.connection.clock.mode());
    let flows: Vec<Flow> = bench.keys().copied().collect();
    observer.hear(&Event::RunStarted {
        target: &target,
        seed: settings.seed,
        clock,
        scenarios: flows.len(),
        flows: &[],
        remarks: &[],
    })?;
    let course = Course {
        bench: &bench,
        provision,
        settings,
        plan: plan(&flows, &settings.layers),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        known: Mutex::default(),
        spare: Mutex::new(Some(site)),
        started,
    };
    let tally = course.run(observer)?;
    let findings = findings(&tally, library, &bench, settings.seed);
    let report = Report {
        target,
        seed: settings.seed,
        clock: clock.to_owned(),
        verdict: Report::conclude(&findings, false),
        interrupted: settings.interrupt.load(Ordering::Relaxed),
        excluded: 0,
        findings,
        clauses: BTreeMap::new(),
        catalogue: BTreeMap::new(),
        scenarios: Vec::new(),
        origin: None,
        started: 0,
        remarks: Vec::new(),
        elapsed: started.elapsed(),
        secrets: tally.secrets,
    };
    for flow in flows {
        let of_flow = report.findings.iter().filter(|finding| finding.flow == flow);
        let findings: Vec<Finding> = of_flow.cloned().collect();
        let (name, record) = ("fuzz", None);
        observer.hear(&Event::ScenarioFinished { flow, name, findings: &findings, record })?;
    }
    observer.hear(&Event::RunFinished(&report))?;
    let cases = tally.cases.values().sum();
    Ok(FuzzOutcome { report, cases, steps: tally.steps, cells: tally.cells.len() })
}

/// A server that is not there at all has done nothing wrong yet.
fn present(site: &Site) -> Result<(), FuzzError> {
    let runtime = runtime().map_err(FuzzError::Provision)?;
    for binding in site.provided.profile.flows.values() {
        if !runtime.block_on(site.is_there(&binding.base_url)) {
            return Err(FuzzError::Provision(format!("{} takes no connection", binding.base_url)));
        }
    }
    Ok(())
}

/// The findings of a run, and what is said of the layers in which nothing was found.
fn findings(
    tally: &Tally,
    library: &Library,
    bench: &BTreeMap<Flow, Bench>,
    seed: u64,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tally
        .found
        .iter()
        .map(|found| finding(library, &bench[&found.flow].laws, found, seed))
        .collect();
    let broken: BTreeSet<(Flow, Layer)> =
        tally.found.iter().map(|found| (found.flow, found.layer)).collect();
    for ((flow, layer), cases) in &tally.cases {
        if !broken.contains(&(*flow, *layer)) {
            findings.push(passed(*flow, *layer, *cases, tally.blocked.get(flow)));
        }
    }
    findings.sort_by(|a, b| (a.flow, &a.scenario, &a.check).cmp(&(b.flow, &b.scenario, &b.check)));
    findings
}

/// Rules and laws of each flow that is to be tried.
fn bench(
    library: &Library,
    site: &Site,
    settings: &FuzzSettings,
) -> Result<BTreeMap<Flow, Bench>, FuzzError> {
    let means = means(&site.connection);
    let mut bench = BTreeMap::new();
    for (flow, binding) in &site.provided.profile.flows {
        if !settings.flows.is_empty() && !settings.flows.contains(flow) {
            continue;
        }
        let laws =
            Laws::read(*flow, library).map_err(|wrong: Vec<Diagnostic>| FuzzError::Laws {
                flow: *flow,
                message: wrong.first().map_or_else(String::new, |first| first.message.clone()),
            })?;
        bench.insert(*flow, Bench { rules: Rules::new(binding, &means), laws });
    }
    Ok(bench)
}

/// Which layer of which flow has its turn when.
fn plan(flows: &[Flow], layers: &[Layer]) -> Vec<(Layer, Flow)> {
    let turns = [Layer::Bytes, Layer::Sequences, Layer::Races, Layer::Sequences];
    let wanted = |layer: &&Layer| layers.is_empty() || layers.contains(layer);
    let turns: Vec<Layer> = turns.iter().filter(wanted).copied().collect();
    turns.iter().flat_map(|layer| flows.iter().map(|flow| (*layer, *flow))).collect()
}

/// What the workers of a run share.
struct Course<'a> {
    bench: &'a BTreeMap<Flow, Bench>,
    provision: &'a dyn Provision,
    settings: &'a FuzzSettings,
    plan: Vec<(Layer, Flow)>,
    next: AtomicU64,
    stop: AtomicBool,
    /// The kinds of failure that are known, so that each is made shorter once.
    known: Mutex<HashSet<String>>,
    /// The server that was looked at first.
    spare: Mutex<Option<Site>>,
    started: Instant,
}

/// What the workers tell.
#[derive(Default)]
struct Tally {
    cases: BTreeMap<(Flow, Layer), u64>,
    steps: u64,
    cells: HashSet<u64>,
    found: Vec<Found>,
    blocked: BTreeMap<Flow, String>,
    secrets: KnownSecrets,
    /// The number of cases when the last new cell was seen.
    newest: u64,
}

/// A unit that was run.
pub(crate) struct Told {
    /// Its layer and flow.
    pub(crate) of: (Layer, Flow),
    /// How many cases were run.
    pub(crate) cases: u64,
    /// How many steps they had.
    pub(crate) steps: u64,
    /// The cells that were seen.
    pub(crate) cells: Vec<u64>,
    /// What was found.
    pub(crate) found: Vec<Found>,
    /// Why a case could not be run to its end.
    pub(crate) blocked: Option<String>,
    /// Whether the server takes no connection any more.
    pub(crate) gone: bool,
    /// The secrets that stand in what was found.
    pub(crate) secrets: KnownSecrets,
}

impl Course<'_> {
    fn run(&self, observer: &mut dyn Observer) -> Result<Tally, FuzzError> {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let jobs =
            if self.provision.is_shared() { 1 } else { self.settings.jobs.clamp(1, 4 * cores) };
        let (tell, told) = channel();
        let (fail, failed) = channel();
        let tally = std::thread::scope(|scope| {
            for _ in 0..jobs {
                let (tell, fail) = (tell.clone(), fail.clone());
                scope.spawn(move || {
                    if let Err(reason) = self.work(&tell) {
                        self.stop.store(true, Ordering::Relaxed);
                        // Nobody listens any more when the run has ended.
                        drop(fail.send(reason));
                    }
                });
            }
            drop(tell);
            let tally = self.listen(&told, observer);
            self.stop.store(true, Ordering::Relaxed);
            tally
        })?;
        drop(fail);
        match failed.try_recv() {
            Ok(reason) if tally.cases.is_empty() => Err(FuzzError::Provision(reason)),
            _ => Ok(tally),
        }
    }

    fn listen(
        &self,
        told: &Receiver<Told>,
        observer: &mut dyn Observer,
    ) -> Result<Tally, FuzzError> {
        let mut tally = Tally::default();
        let mut said = Instant::now();
        loop {
            match told.recv_timeout(Duration::from_millis(100)) {
                Ok(unit) => Self::note(&mut tally, unit, observer)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(tally),
            }
            let cases: u64 = tally.cases.values().sum();
            let up = self.settings.time.is_some_and(|time| self.started.elapsed() >= time);
            let stale = self.settings.patience.is_some_and(|most| cases > tally.newest + most);
            let found = self.settings.first_only && !tally.found.is_empty();
            if up || stale || found || self.settings.interrupt.load(Ordering::Relaxed) {
                self.stop.store(true, Ordering::Relaxed);
            }
            if said.elapsed() >= Duration::from_secs(1) {
                said = Instant::now();
                observer.hear(&Event::CasesRun {
                    cases,
                    steps: tally.steps,
                    cells: tally.cells.len(),
                    found: tally.found.len(),
                    elapsed: self.started.elapsed(),
                })?;
            }
        }
    }

    fn note(tally: &mut Tally, unit: Told, observer: &mut dyn Observer) -> Result<(), FuzzError> {
        let (layer, flow) = unit.of;
        *tally.cases.entry((flow, layer)).or_default() += unit.cases;
        tally.steps += unit.steps;
        let before = tally.cells.len();
        tally.cells.extend(unit.cells);
        if tally.cells.len() > before {
            tally.newest = tally.cases.values().sum();
        }
        if let Some(reason) = unit.blocked {
            tally.blocked.entry(flow).or_insert(reason);
        }
        tally.secrets.absorb(&unit.secrets);
        for found in unit.found {
            // Two long cases can come down to one.
            let name = |found: &Found| found.written.as_ref().map(|written| written.check.clone());
            if name(&found).is_some() && tally.found.iter().any(|known| name(known) == name(&found))
            {
                continue;
            }
            if let Some(written) = &found.written {
                let name = format!("{}/{}", found.flow, written.topic);
                let file = super::scenario_file::file_name(found.flow, &written.topic);
                observer.hear(&Event::CaseFound {
                    flow: found.flow,
                    name: &name,
                    file: &file,
                    text: &written.text,
                })?;
            }
            tally.found.push(found);
        }
        Ok(())
    }

    /// The next unit, unless the run ends.
    fn claim(&self) -> Option<Unit> {
        if self.stop.load(Ordering::Relaxed) || self.plan.is_empty() {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        unit_at(&self.plan, self.settings.cases, number)
    }

    /// One thread: takes units until there are none.
    fn work(&self, tell: &Sender<Told>) -> Result<(), String> {
        let runtime = runtime()?;
        loop {
            let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut site = match spare {
                Some(site) => site,
                None => Site::new(self.provision.provide()?, self.settings.seed)?,
            };
            let profile = Arc::clone(&site.provided.profile);
            let mut sessions: BTreeMap<Flow, Session<'_>> = BTreeMap::new();
            for (flow, bench) in self.bench {
                if let Some(binding) = profile.flows.get(flow) {
                    sessions.insert(*flow, Session::new((&bench.rules, &bench.laws), binding));
                }
            }
            loop {
                let Some(unit) = self.claim() else {
                    return Ok(());
                };
                let Some(session) = sessions.get_mut(&unit.flow) else {
                    continue;
                };
                let bench = &self.bench[&unit.flow];
                let told = run_unit(
                    &runtime,
                    &mut site,
                    session,
                    bench,
                    &unit,
                    (self.settings, &self.known, &self.stop),
                );
                let exhausted =
                    (told.blocked.is_some() || told.gone) && !self.provision.is_shared();
                if told.gone && self.provision.is_shared() {
                    self.stop.store(true, Ordering::Relaxed);
                }
                if tell.send(told).is_err() {
                    return Ok(());
                }
                if (site.is_worn() || exhausted) && !self.provision.is_shared() {
                    break;
                }
            }
        }
    }
}

/// The unit of a number: nothing when all cases are in earlier ones. It is the same whoever runs it.
fn unit_at(plan: &[(Layer, Flow)], most: Option<u64>, number: u64) -> Option<Unit> {
    let turn = usize::try_from(number).ok()? % plan.len();
    let round = number / plan.len() as u64;
    let (layer, flow) = plan[turn];
    // Layers that come several times in a round have numbers of their own each time.
    let earlier = plan[..turn].iter().filter(|of| **of == (layer, flow)).count() as u64;
    let times = plan.iter().filter(|of| **of == (layer, flow)).count() as u64;
    let whole: u64 = plan.iter().map(|(layer, _)| layer.unit()).sum();
    // A few cases are for every layer of every flow as well.
    let part = most.unwrap_or(whole).min(whole);
    let size = |layer: Layer| (layer.unit() * part / whole).max(1);
    let sum = |units: &[(Layer, Flow)]| units.iter().map(|(layer, _)| size(*layer)).sum::<u64>();
    let mut cases = size(layer);
    if let Some(most) = most {
        cases = cases.min(most.saturating_sub(sum(&plan[..turn]) + round * sum(plan)));
    }
    let first = (round * times + earlier) * size(layer);
    (cases > 0).then_some(Unit { layer, flow, first, cases })
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{plan, unit_at};
    use crate::model::Flow;

    #[test]
    fn workers_share_the_cases_without_a_gap_and_none_is_run_twice() {
        let plan = plan(&[Flow::JwtLogin, Flow::VisitorLogin, Flow::GatewayButton], &[]);
        for most in [1, 7, 512, 600, 5_000, 12_345] {
            let units: Vec<_> =
                (0..).map_while(|number| unit_at(&plan, Some(most), number)).collect();
            let mut next: BTreeMap<_, u64> = BTreeMap::new();
            for unit in &units {
                let next = next.entry((unit.layer, unit.flow)).or_default();
                assert_eq!(unit.first, *next, "{unit:?}");
                *next += unit.cases;
            }
            assert_eq!(next.values().sum::<u64>(), most);
        }
    }
}
