//! The job that judges the judge: every fault is noticed, and a server without a fault is not accused.
//!
//! Which faults and variants there are is told by whoever has the server; nothing here knows it.

mod by_fuzz;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

pub use by_fuzz::{FuzzGroup, FuzzRow, by_fuzz};
use tokio::sync::Notify;

use crate::check::{CheckSettings, Plan, Selection, check};
use crate::engine::{Effort, Provision};
use crate::event::{Event, Observer};
use crate::model::{
    CheckId, ClauseId, FalseAlarm, FaultRow, Finding, Flow, KillMatrix, Level, Report, Verdict,
};
use crate::scenario::Check;
use crate::target::Library;

/// A server with one deliberate defect.
pub struct Subject {
    /// The name of the fault.
    pub name: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// The clauses that it breaks.
    pub clauses: Vec<ClauseId>,
    /// The variants that it shows with.
    pub variants: Vec<String>,
    /// Whether it is a matter of microseconds, so that nothing else may run beside it.
    pub alone: bool,
    /// Where servers with it come from.
    pub servers: Box<dyn Provision>,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A server without a defect, in one of the forms that the documents allow.
pub struct Innocent {
    /// The seed of the run.
    pub seed: u64,
    /// Its variants.
    pub variants: Vec<String>,
    /// Where such servers come from.
    pub servers: Box<dyn Provision>,
}

impl std::fmt::Debug for Innocent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Innocent").field("variants", &self.variants).finish_non_exhaustive()
    }
}

/// A race or a difference in time can escape a run on a busy machine; it is tried so often. The same for everything
/// else would only hide that a check is not sure.
const ATTEMPTS: u64 = 3;

/// More threads than cores: a defect that shows in something that never comes is waited for, and a core is free
/// for others meanwhile.
const SPARE: usize = 2;

/// How a self-test is done.
#[derive(Clone, Debug)]
pub struct SelfTestSettings {
    /// The seed of the runs with a fault.
    pub seed: u64,
    /// Runs every check against every fault, and not only those whose clauses the fault breaks.
    pub full: bool,
    /// Whether the subjects are a part of what there is: checks that notice nothing are then not looked for.
    pub partial: bool,
    /// How each run is done.
    pub check: CheckSettings,
}

/// Hears what a self-test finds, while it runs; from several threads, one at a time.
pub trait Witness: Send {
    /// A fault has been tried.
    fn fault(&mut self, row: &FaultRow);
    /// A server without a fault has been checked.
    fn clean(&mut self, innocent: &Innocent, alarms: &[FalseAlarm]);
}

/// Runs a self-test.
pub fn selftest(
    library: &Library,
    offered: &[Flow],
    subjects: &[Subject],
    innocents: &[Innocent],
    settings: &SelfTestSettings,
    witness: &mut dyn Witness,
) -> KillMatrix {
    let started = Instant::now();
    let bench = Bench { library, offered, settings, witness: Mutex::new(witness) };
    let (alone, together): (Vec<_>, Vec<_>) =
        subjects.iter().enumerate().partition(|(_, subject)| subject.alone);
    let mut rows =
        Bench::spread(&together, SPARE, |(index, subject)| (*index, bench.try_fault(subject)));
    rows.extend(alone.iter().map(|(index, subject)| (*index, bench.try_fault(subject))));
    rows.sort_by_key(|(index, _)| *index);
    let alarms = Bench::spread(innocents, 0, |innocent| bench.try_innocent(innocent));
    let mut matrix = KillMatrix {
        faults: rows.into_iter().map(|(_, row)| row).collect(),
        false_alarms: alarms.into_iter().flatten().collect(),
        clean_runs: innocents.len(),
        ..KillMatrix::default()
    };
    sort_checks(library, offered, &mut matrix);
    if settings.partial {
        matrix.idle.clear();
    } else if !settings.full {
        bench.look_for_idle(subjects, &mut matrix);
    }
    matrix.elapsed = started.elapsed();
    matrix
}

/// What every run of a self-test shares.
struct Bench<'a> {
    library: &'a Library,
    offered: &'a [Flow],
    settings: &'a SelfTestSettings,
    witness: Mutex<&'a mut dyn Witness>,
}

impl Bench<'_> {
    /// Does the same with each item, on a thread for each core and some more; results in
    /// no particular order.
    fn spread<T: Sync, R: Send>(items: &[T], spare: usize, act: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..available_parallelism().map_or(1, NonZero::get) + spare {
                scope.spawn(|| {
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = act(item);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_fault(&self, subject: &Subject) -> FaultRow {
        let mut row = FaultRow {
            name: subject.name.clone(),
            sentence: subject.sentence.clone(),
            clauses: subject.clauses.clone(),
            variants: subject.variants.clone(),
            ran: 0,
            killers: Vec::new(),
            error: None,
        };
        let only = if self.settings.full {
            Vec::new()
        } else {
            subject.clauses.iter().map(ToString::to_string).collect()
        };
        // What rests on chance is seen surely only with all repeats; the rest needs few.
        let effort = if subject.alone { Effort::Normal } else { Effort::Quick };
        for attempt in 0..if subject.alone { ATTEMPTS } else { 1 } {
            let seed = self.settings.seed.wrapping_add(attempt);
            let result = self.plan(&only).and_then(|plan| {
                let servers = &*subject.servers;
                self.accusations(plan, (seed, effort), servers, &mut row)
            });
            if let Err(error) = result {
                row.error = Some(error);
                break;
            }
            if !row.survived() {
                break;
            }
        }
        self.tell(|witness| witness.fault(&row));
        row
    }

    fn try_innocent(&self, innocent: &Innocent) -> Vec<FalseAlarm> {
        let alarm = |check, verdict, reason| FalseAlarm {
            seed: innocent.seed,
            variants: innocent.variants.clone(),
            check,
            verdict,
            reason,
        };
        let draw = (innocent.seed, Effort::Quick);
        let result = self
            .plan(&[])
            .and_then(|plan| self.run(&plan, draw, &*innocent.servers, Ear::default()));
        let alarms: Vec<FalseAlarm> = match result {
            Ok(report) => report
                .findings
                .iter()
                .filter(|finding| is_false_alarm(finding, innocent))
                .map(|finding| alarm(Some(finding.check.clone()), finding.verdict, why(finding)))
                .collect(),
            Err(error) => vec![alarm(None, Verdict::Error, error)],
        };
        self.tell(|witness| witness.clean(innocent, &alarms));
        alarms
    }

    /// Runs a plan against a fault and notes who accuses.
    ///
    /// Scenarios that only give answers to the checks that hold every answer come last, flow by flow, and end
    /// when each of those clauses has its accuser: with all of them, half of the self-test is spent on answers
    /// that nobody waits for (benches/notes.md).
    fn accusations(
        &self,
        mut plan: Plan<'_>,
        draw: (u64, Effort),
        servers: &dyn Provision,
        row: &mut FaultRow,
    ) -> Result<(), String> {
        (row.ran, row.killers) = (0, Vec::new());
        let rest: Vec<_> = if self.settings.full {
            Vec::new()
        } else {
            plan.scenarios.extract_if(.., |planned| !planned.declares).collect()
        };
        if !plan.scenarios.is_empty() {
            let report = self.run(&plan, draw, servers, Ear::default())?;
            note(row, &report);
        }
        for (flow, declared) in &self.library.always {
            let mut open: BTreeMap<&CheckId, &Check> =
                declared.iter().filter(|(id, _)| plan.checks.contains(*id)).collect();
            for (killer, _) in &row.killers {
                open.remove(killer);
            }
            let scenarios: Vec<_> =
                rest.iter().filter(|planned| planned.scenario.flow == *flow).copied().collect();
            if scenarios.is_empty() || open.is_empty() {
                continue;
            }
            let clauses = open.values().flat_map(|check| check.covers.iter().cloned());
            let ear = Ear::until_accused(clauses.filter(|clause| row.clauses.contains(clause)));
            let checks = open.into_keys().cloned().collect();
            let plan = Plan { scenarios, checks, excluded: plan.excluded };
            let report = self.run(&plan, draw, servers, ear)?;
            note(row, &report);
        }
        Ok(())
    }

    /// A check that has noticed nothing yet may be one that holds every answer, and the answer it waits for came after
    /// the last accusation: it is tried alone, with all answers, on the faults that break its clauses.
    fn look_for_idle(&self, subjects: &[Subject], matrix: &mut KillMatrix) {
        for base in std::mem::take(&mut matrix.idle) {
            let covers: BTreeSet<&ClauseId> = self
                .library
                .checks()
                .filter(|(.., id, _)| id.base() == base)
                .flat_map(|(.., check)| &check.covers)
                .collect();
            let mut fitting = matrix.faults.iter_mut().zip(subjects).filter(|(_, subject)| {
                subject.clauses.iter().any(|clause| covers.contains(clause))
            });
            let noticed = fitting.any(|(row, subject)| {
                let selection = Selection { only: vec![base.clone()], ..Selection::default() };
                let plan = Plan::new(self.library, self.offered, &selection);
                let draw = (self.settings.seed, Effort::Normal);
                let report = plan
                    .map_err(|error| error.to_string())
                    .and_then(|plan| self.run(&plan, draw, &*subject.servers, Ear::default()));
                let before = row.killers.len();
                report.iter().for_each(|report| note(row, report));
                row.killers.len() > before
            });
            let list = if noticed { &mut matrix.sharp } else { &mut matrix.idle };
            list.insert(base);
        }
    }

    /// What runs: every check, or those that cover the given clauses.
    fn plan(&self, clauses: &[String]) -> Result<Plan<'_>, String> {
        let known = |clause: &&String| {
            self.library
                .checks()
                .any(|(.., check)| check.covers.iter().any(|id| id.as_str() == *clause))
        };
        let only: Vec<String> = clauses.iter().filter(known).cloned().collect();
        if !clauses.is_empty() && only.is_empty() {
            return Err("no check covers any of its clauses".to_owned());
        }
        let selection = Selection { flows: own_flow(clauses), only, ..Selection::default() };
        Plan::new(self.library, self.offered, &selection).map_err(|error| error.to_string())
    }

    fn run(
        &self,
        plan: &Plan<'_>,
        (seed, effort): (u64, Effort),
        servers: &dyn Provision,
        mut ear: Ear,
    ) -> Result<Report, String> {
        let interrupt = Arc::clone(&ear.interrupt);
        let settings = CheckSettings { seed, effort, interrupt, ..self.settings.check.clone() };
        check(plan, self.library, servers, &settings, &mut ear).map_err(|error| error.to_string())
    }

    fn tell(&self, tell: impl FnOnce(&mut dyn Witness)) {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&mut **witness);
    }
}

/// The one flow that clauses are about, where there is one: a fault that breaks a clause of one flow and clauses
/// that all have in common is looked for in that flow.
fn own_flow(clauses: &[String]) -> Vec<Flow> {
    let prefixes = clauses.iter().filter_map(|clause| clause.split_once('-'));
    let flows: BTreeSet<Flow> = prefixes
        .filter_map(|(prefix, _)| prefix.parse().ok())
        .filter(|flow| *flow != Flow::Common)
        .collect();
    if flows.len() == 1 { flows.into_iter().collect() } else { Vec::new() }
}

/// Listens to a single run, and ends it when the last of some clauses is accused of being broken.
#[derive(Default)]
struct Ear {
    open: BTreeSet<ClauseId>,
    interrupt: Arc<Notify>,
}

impl Ear {
    fn until_accused(clauses: impl Iterator<Item = ClauseId>) -> Self {
        Self { open: clauses.collect(), interrupt: Arc::default() }
    }
}

impl Observer for Ear {
    fn hear(&mut self, event: &Event<'_>) -> std::io::Result<()> {
        let Event::ScenarioFinished { findings, .. } = event else {
            return Ok(());
        };
        for clause in findings.iter().filter(|finding| accuses(finding)).flat_map(|f| &f.covers) {
            if self.open.remove(clause) && self.open.is_empty() {
                self.interrupt.notify_one();
            }
        }
        Ok(())
    }
}

fn note(row: &mut FaultRow, report: &Report) {
    row.ran += report.findings.len();
    let accusers = report.findings.iter().filter(|finding| accuses(finding));
    row.killers.extend(accusers.map(|finding| (finding.check.clone(), finding.verdict)));
}

fn accuses(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Fail | Verdict::Warn | Verdict::Unstable)
}

/// On a server without a fault nothing may stay open either. An answer to a gap may be one that an RFC advises
/// against: the warning is then right, and only a server without variants must be free of it.
fn is_false_alarm(finding: &Finding, innocent: &Innocent) -> bool {
    match finding.verdict {
        Verdict::Fail | Verdict::Unstable | Verdict::Stale | Verdict::Error => true,
        Verdict::Blocked => finding.level == Level::Must || innocent.variants.is_empty(),
        Verdict::Warn => innocent.variants.is_empty(),
        _ => false,
    }
}

fn why(finding: &Finding) -> String {
    let evidence = &finding.evidence;
    let violation = evidence.violation.as_ref().map(|violation| {
        format!("wanted {}, got {}", violation.wanted.join(" and "), violation.got)
    });
    violation.or_else(|| evidence.reason.clone()).unwrap_or_else(|| finding.title.clone())
}

/// Sorts the checks into those that noticed something, those that need not, and those that should have.
fn sort_checks(library: &Library, offered: &[Flow], matrix: &mut KillMatrix) {
    let sharp: BTreeSet<String> = matrix
        .faults
        .iter()
        .flat_map(|row| &row.killers)
        .map(|(check, _)| check.base().to_owned())
        .collect();
    for (flow, _, id, check) in library.checks() {
        let base = id.base();
        if !offered.contains(&flow) || sharp.contains(base) {
            continue;
        }
        let list =
            if check.is_observational() { &mut matrix.observational } else { &mut matrix.idle };
        list.insert(base.to_owned());
    }
    matrix.sharp = sharp;
}
