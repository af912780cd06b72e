//! A unit of work: some cases of one layer of one flow, the same whoever runs them and whenever.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::bytes::{self, ByteBench, ByteDraw};
use super::case::Case;
use super::finding::{Again, Found};
use super::laws::Laws;
use super::model::Rules;
use super::oracle::Failure;
use super::plan;
use super::run::{FuzzSettings, Told};
use super::session::{Session, Site};
use super::track::{ByteTracker, Tracker};
use crate::model::{Flow, KnownSecrets};

/// What a kind of case tries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Layer {
    /// Single requests, byte by byte.
    Bytes,
    /// Pairs of requests at the same moment.
    Races,
    /// Requests and acts in any order.
    Sequences,
}

impl Layer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bytes, Self::Races, Self::Sequences];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Races => "races",
            Self::Sequences => "sequences",
        }
    }

    /// How many cases a unit has: each takes some tens of milliseconds.
    pub const fn unit(self) -> u64 {
        match self {
            Self::Bytes => 512,
            Self::Races => 8,
            Self::Sequences => 32,
        }
    }
}

/// The rules and laws of a flow.
#[derive(Debug)]
pub(crate) struct Bench {
    /// What is known of the server.
    pub(crate) rules: Rules,
    /// What every answer is held against.
    pub(crate) laws: Laws,
}

/// Some cases in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    /// The layer.
    pub(crate) layer: Layer,
    /// The flow.
    pub(crate) flow: Flow,
    /// The number of the first case among those of its layer and flow.
    pub(crate) first: u64,
    /// How many.
    pub(crate) cases: u64,
}

/// The settings of a run, the kinds of failure that are known already, and the word to stop.
pub(crate) type Shared<'a> = (&'a FuzzSettings, &'a Mutex<HashSet<String>>, &'a AtomicBool);

/// The case of a number.
pub(crate) fn case_of(rules: &Rules, seed: u64, layer: Layer, number: u64) -> Option<Case> {
    use proptest::strategy::ValueTree as _;
    let mut runner = plan::runner(seed, &part(rules.flow, layer, number));
    let tree = plan::tree(&mut runner)?;
    Some(plan::resolve(rules, &tree.current(), layer == Layer::Races))
}

pub(super) fn part(flow: Flow, layer: Layer, number: u64) -> String {
    format!("{flow} {} {number}", layer.name())
}

impl Told {
    fn new(unit: &Unit) -> Self {
        Self {
            of: (unit.layer, unit.flow),
            cases: 0,
            steps: 0,
            cells: Vec::new(),
            found: Vec::new(),
            blocked: None,
            gone: false,
            secrets: KnownSecrets::default(),
        }
    }

    fn note(&mut self, found: Found) {
        self.gone |= found.again == Again::Gone;
        self.found.push(found);
    }
}

/// When a failure is short enough: a target that hangs would be asked for hours.
fn bound() -> Instant {
    Instant::now() + LONGEST
}

/// So long a failure is made shorter.
const LONGEST: Duration = Duration::from_secs(10);

/// Runs a unit.
pub(crate) fn run_unit(
    runtime: &Runtime,
    site: &mut Site,
    session: &mut Session<'_>,
    bench: &Bench,
    unit: &Unit,
    shared: Shared<'_>,
) -> Told {
    let mut told = Told::new(unit);
    let (settings, known, stop) = shared;
    if unit.layer == Layer::Bytes {
        run_bytes(runtime, site, session, bench, unit, shared, &mut told);
        return told;
    }
    for number in unit.first..unit.first + unit.cases {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Some(case) = case_of(&bench.rules, settings.seed, unit.layer, number) else {
            continue;
        };
        let walk = session.run(runtime, site, &case);
        told.cases += 1;
        told.steps += walk.steps as u64;
        told.cells.extend(walk.cells);
        if let Some(failure) = walk.failure {
            let oracle = failure.oracle.clone();
            let kind = format!("{} {} {}", unit.flow, failure.clause, failure.oracle.check_name());
            let is_new = known.lock().unwrap_or_else(PoisonError::into_inner).insert(kind);
            if is_new {
                let mut tracker = Tracker {
                    runtime,
                    site,
                    session,
                    bench,
                    settings,
                    unit,
                    number,
                    until: bound(),
                };
                told.note(tracker.track(&case, failure));
                session
                    .book
                    .clone()
                    .into_entries()
                    .for_each(|(value, name)| told.secrets.note(&value, &name));
                if settings.first_only {
                    break;
                }
            }
            session.excuse(&oracle);
            if told.gone {
                break;
            }
        } else if let Some(reason) = walk.stopped.filter(|stop| is_harness(stop.kind)) {
            told.blocked = Some(format!("{}: {}", reason.step, reason.reason));
            break;
        }
    }
    told
}

/// Runs a unit of bytes.
fn run_bytes(
    runtime: &Runtime,
    site: &mut Site,
    session: &mut Session<'_>,
    bench: &Bench,
    unit: &Unit,
    (settings, known, stop): Shared<'_>,
    told: &mut Told,
) {
    let mut bytes = ByteBench::new((&bench.rules, &bench.laws), session.binding());
    let is_new = |failure: &Failure| {
        let kind = format!("{} {} {}", unit.flow, failure.clause, failure.oracle.check_name());
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(kind)
    };
    let first = match bytes.lay(runtime, site, session) {
        Ok(first) => first,
        Err(reason) => {
            told.blocked = Some(reason);
            return;
        }
    };
    let mut tracker =
        ByteTracker { runtime, site, session, bench, settings, unit, bytes, until: bound() };
    if let Some(failure) = first {
        told.cases += 1;
        if is_new(&failure) {
            let again = tracker.again(&failure);
            told.note(Found { again, ..tracker.plain(unit.first, failure) });
        }
        return;
    }
    for number in unit.first..unit.first + unit.cases {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Some(draw) = draw_of(settings.seed, &part(unit.flow, unit.layer, number)) else {
            continue;
        };
        let walk = tracker.bytes.run(runtime, &draw);
        told.cases += 1;
        told.steps += 1;
        told.cells.push(walk.cell);
        if let Some(failure) = walk.failure {
            let oracle = failure.oracle.clone();
            if is_new(&failure) {
                tracker.until = bound();
                told.note(tracker.track(number, &draw, failure));
                tracker
                    .session
                    .book
                    .clone()
                    .into_entries()
                    .for_each(|(value, name)| told.secrets.note(&value, &name));
                if settings.first_only {
                    break;
                }
            }
            tracker.session.excuse(&oracle);
            if told.gone || !matches!(tracker.lay(), Ok(None)) {
                break;
            }
        }
    }
}

/// What is drawn for a case of bytes.
pub(crate) fn draw_of(seed: u64, part: &str) -> Option<ByteDraw> {
    use proptest::strategy::ValueTree as _;
    Some(bytes::tree(&mut plan::runner(seed, part))?.current())
}

fn is_harness(kind: crate::model::StopKind) -> bool {
    use crate::model::StopKind;
    matches!(kind, StopKind::Harness | StopKind::Unreachable)
}
