//! The job that judges the judge: every fault is noticed, and a server without a fault is not accused.
//!
//! Which faults and variants there are is told by whoever has the server; nothing here knows it.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

use tokio::sync::Notify;

use crate::check::{CheckSettings, Plan, Provision, Selection, check};
use crate::engine::Effort;
use crate::event::{Event, Observer};
use crate::model::{
    ClauseId, FalseAlarm, FaultRow, Finding, Flow, KillMatrix, Level, Report, Verdict,
};
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

/// How a self-test is done.
#[derive(Clone, Debug)]
pub struct SelfTestSettings {
    /// The seed of the runs with a fault.
    pub seed: u64,
    /// Runs every check against every fault, and not only those whose clauses the fault breaks.
    pub full: bool,
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
    let mut rows = Bench::spread(&together, |(index, subject)| (*index, bench.try_fault(subject)));
    rows.extend(alone.iter().map(|(index, subject)| (*index, bench.try_fault(subject))));
    rows.sort_by_key(|(index, _)| *index);
    let alarms = Bench::spread(innocents, |innocent| bench.try_innocent(innocent));
    let mut matrix = KillMatrix {
        faults: rows.into_iter().map(|(_, row)| row).collect(),
        false_alarms: alarms.into_iter().flatten().collect(),
        clean_runs: innocents.len(),
        ..KillMatrix::default()
    };
    sort_checks(library, offered, &mut matrix);
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
    /// Does the same with each item, on a thread for each core; results in no particular order.
    fn spread<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..available_parallelism().map_or(1, NonZero::get) {
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
            let report = match self.run(only.clone(), (seed, effort), &*subject.servers) {
                Ok(report) => report,
                Err(error) => {
                    row.error = Some(error);
                    break;
                }
            };
            row.ran = report.findings.len();
            row.killers = report
                .findings
                .iter()
                .filter(|finding| accuses(finding))
                .map(|finding| (finding.check.clone(), finding.verdict))
                .collect();
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
        let alarms: Vec<FalseAlarm> =
            match self.run(Vec::new(), (innocent.seed, Effort::Quick), &*innocent.servers) {
                Ok(report) => report
                    .findings
                    .iter()
                    .filter(|finding| is_false_alarm(finding, innocent))
                    .map(|finding| {
                        alarm(Some(finding.check.clone()), finding.verdict, why(finding))
                    })
                    .collect(),
                Err(error) => vec![alarm(None, Verdict::Error, error)],
            };
        self.tell(|witness| witness.clean(innocent, &alarms));
        alarms
    }

    fn run(
        &self,
        only: Vec<String>,
        (seed, effort): (u64, Effort),
        servers: &dyn Provision,
    ) -> Result<Report, String> {
        let known = |pattern: &String| {
            self.library
                .checks()
                .any(|(.., check)| check.covers.iter().any(|clause| clause.as_str() == pattern))
        };
        let wanted = only.len();
        let only: Vec<String> = only.into_iter().filter(known).collect();
        if wanted > 0 && only.is_empty() {
            return Err("no check covers any of its clauses".to_owned());
        }
        let selection = Selection { only, ..Selection::default() };
        let plan =
            Plan::new(self.library, self.offered, &selection).map_err(|error| error.to_string())?;
        let settings = CheckSettings {
            seed,
            effort,
            interrupt: Arc::new(Notify::new()),
            ..self.settings.check.clone()
        };
        check(&plan, self.library, servers, &settings, &mut Silence)
            .map_err(|error| error.to_string())
    }

    fn tell(&self, tell: impl FnOnce(&mut dyn Witness)) {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&mut **witness);
    }
}

/// Nobody listens to a single run.
struct Silence;

impl Observer for Silence {
    fn hear(&mut self, _: &Event<'_>) -> std::io::Result<()> {
        Ok(())
    }
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
