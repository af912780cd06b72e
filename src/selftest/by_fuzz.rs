//! The same question of the other job: does fuzz alone, without a scenario, notice what is wrong with a server?
//!
//! Each flow has a minute for all its faults together. Every fault has a short turn first; what is left of the minute is
//! for those that were not noticed.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::Subject;
use crate::event::{Event, Observer};
use crate::fuzz::{FuzzSettings, fuzz};
use crate::model::{ClauseId, Finding, Flow, Verdict};
use crate::target::Library;

/// How long all faults of a flow together may take.
const MINUTE: Duration = Duration::from_secs(60);

/// What part of the faults of a flow must be noticed.
const SHARE: f64 = 0.7;

/// One fault, tried by fuzz.
#[derive(Clone, Debug)]
pub struct FuzzRow {
    /// The name of the fault.
    pub name: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// What noticed it: the check and the clause.
    pub killer: Option<String>,
    /// How long it took, or was tried.
    pub took: Duration,
}

/// The faults of one flow.
#[derive(Clone, Debug)]
pub struct FuzzGroup {
    /// The flow whose clauses they break; `common` for those of every flow.
    pub flow: Flow,
    /// The faults.
    pub rows: Vec<FuzzRow>,
    /// How long all of them took.
    pub took: Duration,
}

impl FuzzGroup {
    /// How many were noticed.
    pub fn killed(&self) -> usize {
        self.rows.iter().filter(|row| row.killer.is_some()).count()
    }

    /// Whether enough of them were.
    pub fn holds(&self) -> bool {
        self.killed() as f64 >= SHARE * self.rows.len() as f64
    }
}

/// Tries every fault with fuzz alone; `tell` hears of each flow when it is done.
pub fn by_fuzz(
    library: &Library,
    subjects: &[Subject],
    seed: u64,
    tell: &mut dyn FnMut(&FuzzGroup),
) -> Vec<FuzzGroup> {
    let mut groups: BTreeMap<Flow, Vec<&Subject>> = BTreeMap::new();
    for subject in subjects {
        groups.entry(flow_of(subject)).or_default().push(subject);
    }
    let mut done = Vec::new();
    for (flow, subjects) in groups {
        let group = try_group(library, flow, &subjects, seed);
        tell(&group);
        done.push(group);
    }
    done
}

/// The flow that a fault is about: that of the first clause that belongs to one.
fn flow_of(subject: &Subject) -> Flow {
    flows_of(subject).first().copied().unwrap_or(Flow::Common)
}

/// The flows of the clauses that a fault breaks.
fn flows_of(subject: &Subject) -> Vec<Flow> {
    let prefix = |clause: &ClauseId| {
        let (prefix, number) = clause.as_str().split_once('-')?;
        match (prefix, number.parse::<u32>().ok()?) {
            // Clauses of JWTs and of sockets are clauses of the one flow that has them.
            ("X", 50..60) => Some(Flow::JwtLogin),
            ("X", 80..90) => Some(Flow::GatewayButton),
            _ => prefix.parse::<Flow>().ok(),
        }
    };
    let mut flows: Vec<Flow> = Vec::new();
    for flow in subject.clauses.iter().filter_map(prefix).filter(|flow| *flow != Flow::Common) {
        if !flows.contains(&flow) {
            flows.push(flow);
        }
    }
    flows
}

fn try_group(library: &Library, flow: Flow, subjects: &[&Subject], seed: u64) -> FuzzGroup {
    let started = Instant::now();
    let threads = available_parallelism().map_or(1, NonZero::get);
    let mut rows: Vec<FuzzRow> = subjects
        .iter()
        .map(|subject| FuzzRow {
            name: subject.name.clone(),
            sentence: subject.sentence.clone(),
            killer: None,
            took: Duration::ZERO,
        })
        .collect();
    for round in 0_u32..4 {
        let open: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].killer.is_none()).collect();
        let left = MINUTE.saturating_sub(started.elapsed());
        if open.is_empty() || left < Duration::from_millis(200) {
            break;
        }
        // Half of what is left in the first rounds: most faults show at once, and the time goes to the others.
        let share = if round == 3 { 0.95 } else { 0.4 };
        let slice =
            left.mul_f64(share * threads as f64 / open.len() as f64).max(Duration::from_millis(60));
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(at) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let left = MINUTE.saturating_sub(started.elapsed());
                        if left.is_zero() {
                            return;
                        }
                        let begun = Instant::now();
                        let seed = seed.wrapping_add(u64::from(round));
                        let killer = try_one(library, subjects[*at], seed, slice.min(left));
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.push((*at, killer, begun.elapsed()));
                    }
                });
            }
        });
        for (at, killer, took) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            rows[at].killer = killer;
            rows[at].took += took;
        }
    }
    FuzzGroup { flow, rows, took: started.elapsed() }
}

/// The first finding against a server with a fault.
fn try_one(library: &Library, subject: &Subject, seed: u64, time: Duration) -> Option<String> {
    let settings = FuzzSettings {
        seed,
        flows: flows_of(subject),
        cases: None,
        time: Some(time),
        patience: None,
        layers: Vec::new(),
        jobs: 1,
        first_only: true,
        interrupt: Arc::new(AtomicBool::new(false)),
    };
    let outcome = fuzz(library, &*subject.servers, &settings, &mut Deaf).ok()?;
    let accuses = |finding: &&Finding| {
        matches!(finding.verdict, Verdict::Fail | Verdict::Warn | Verdict::Unstable)
    };
    outcome.report.findings.iter().find(accuses).map(|finding| {
        let clause = finding.covers.first().map_or("", ClauseId::as_str);
        format!("{} {clause} ({})", finding.check, finding.scenario)
    })
}

/// Hears nothing.
struct Deaf;

impl Observer for Deaf {
    fn hear(&mut self, _: &Event<'_>) -> std::io::Result<()> {
        Ok(())
    }
}
