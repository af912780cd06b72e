//! A unit of work: some cases of one layer of one flow, the same whoever runs them and whenever.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::test_runner::{TestCaseError, TestError};
use tokio::runtime::Runtime;

use super::bytes::{self, ByteBench, ByteDraw};
use super::case::Case;
use super::export::{Origin, write, write_bytes};
use super::finding::{Found, origin_of};
use super::laws::Laws;
use super::model::Rules;
use super::oracle::Failure;
use super::plan;
use super::run::{FuzzSettings, Told};
use super::session::{Session, Site};
use super::shrink::shrink;
use crate::model::{Flow, KnownSecrets};
use crate::target::FlowBinding;

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

fn part(flow: Flow, layer: Layer, number: u64) -> String {
    format!("{flow} {} {number}", layer.name())
}

/// Runs a unit.
pub(crate) fn run_unit(
    runtime: &Runtime,
    site: &mut Site,
    session: &mut Session<'_>,
    bench: &Bench,
    unit: &Unit,
    shared: Shared<'_>,
) -> Told {
    let mut told = Told {
        of: (unit.layer, unit.flow),
        cases: 0,
        steps: 0,
        cells: Vec::new(),
        found: Vec::new(),
        blocked: None,
        secrets: KnownSecrets::default(),
    };
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
                let mut tracker = Tracker { runtime, site, session, bench, settings, unit, number };
                told.found.push(tracker.track(&case, failure));
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
    let mut tracker = ByteTracker { runtime, site, session, bench, settings, unit, bytes };
    if let Some(failure) = first {
        told.cases += 1;
        if is_new(&failure) {
            told.found.push(tracker.plain(unit.first, failure));
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
                told.found.push(tracker.track(number, &draw, failure));
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
            if !matches!(tracker.lay(), Ok(None)) {
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

/// Follows one failure of bytes to the fewest changes that show it.
struct ByteTracker<'a, 'b> {
    runtime: &'a Runtime,
    site: &'a mut Site,
    session: &'a mut Session<'b>,
    bench: &'a Bench,
    settings: &'a FuzzSettings,
    unit: &'a Unit,
    bytes: ByteBench<'a>,
}

impl ByteTracker<'_, '_> {
    fn lay(&mut self) -> Result<Option<Failure>, String> {
        self.bytes.lay(self.runtime, self.site, self.session)
    }

    fn plain(&self, number: u64, failure: Failure) -> Found {
        Found {
            flow: self.unit.flow,
            layer: self.unit.layer,
            number,
            steps: (1, 1),
            failure,
            written: None,
            again: true,
            book: self.session.book.clone(),
        }
    }

    fn fails(&mut self, draw: &ByteDraw) -> Option<Failure> {
        if !matches!(self.lay(), Ok(None)) {
            return None;
        }
        self.bytes.run(self.runtime, draw).failure
    }

    fn track(&mut self, number: u64, draw: &ByteDraw, failure: Failure) -> Found {
        let found = self.plain(number, failure.clone());
        if self.settings.first_only {
            return found;
        }
        // On a server in its first state and a connection of its own: what an earlier case left behind is no finding of this.
        if !self.fails(draw).is_some_and(|again| again.oracle.is_like(&failure.oracle)) {
            return Found { again: false, ..found };
        }
        let smallest = self.smaller(number, &failure).unwrap_or_else(|| draw.clone());
        let failure = self
            .fails(&smallest)
            .filter(|again| again.oracle.is_like(&failure.oracle))
            .unwrap_or(failure);
        let origin = Origin {
            seed: self.settings.seed,
            case: format!("{} {number}", self.unit.layer.name()),
            steps: draw.1.len(),
            clause: origin_of(&failure, &self.bench.laws),
        };
        let names = named(self.bytes.names(), self.session.binding());
        let written = self.bytes.bytes(&smallest).map(|(operation, bytes)| {
            let parts = (self.session.binding(), &self.bench.rules, &self.bench.laws);
            write_bytes(parts, (operation, bytes::symbolic(&bytes, &names)), &failure, &origin)
        });
        Found {
            steps: (draw.1.len(), smallest.1.len()),
            failure,
            written,
            book: self.session.book.clone(),
            ..found
        }
    }

    fn smaller(&mut self, number: u64, failure: &Failure) -> Option<ByteDraw> {
        let mut runner =
            plan::runner(self.settings.seed, &part(self.unit.flow, self.unit.layer, number));
        let tree = bytes::tree(&mut runner)?;
        let tracker = std::cell::RefCell::new(self);
        let outcome = runner.run_one(tree, |draw| match tracker.borrow_mut().fails(&draw) {
            Some(found) if found.oracle.is_like(&failure.oracle) => {
                Err(TestCaseError::fail("fails alike"))
            }
            _ => Ok(()),
        });
        match outcome {
            Err(TestError::Fail(_, draw)) => Some(draw),
            Ok(_) | Err(TestError::Abort(_)) => None,
        }
    }
}

/// The values that a scenario can name: what `obtain_token` captures, and the accounts.
fn named(names: &BTreeMap<String, String>, binding: &FlowBinding) -> BTreeMap<String, String> {
    let kept = names.iter().filter(|(name, _)| *name == "token" || name.starts_with("identity."));
    let mut named: BTreeMap<String, String> =
        kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(refresh) =
        names.get("refresh_0").filter(|_| binding.operations.contains_key("refresh"))
    {
        named.insert("refresh_token".to_owned(), refresh.clone());
    }
    let host = binding.base_url.split("://").last().unwrap_or_default();
    named.insert("host".to_owned(), host.to_owned());
    named
}

fn is_harness(kind: crate::model::StopKind) -> bool {
    use crate::model::StopKind;
    matches!(kind, StopKind::Harness | StopKind::Unreachable)
}

/// Follows one failure to its shortest form.
struct Tracker<'a, 'b> {
    runtime: &'a Runtime,
    site: &'a mut Site,
    session: &'a mut Session<'b>,
    bench: &'a Bench,
    settings: &'a FuzzSettings,
    unit: &'a Unit,
    number: u64,
}

impl Tracker<'_, '_> {
    fn track(&mut self, case: &Case, failure: Failure) -> Found {
        let found = Found {
            flow: self.unit.flow,
            layer: self.unit.layer,
            number: self.number,
            steps: (case.steps.len(), case.steps.len()),
            failure: failure.clone(),
            written: None,
            again: true,
            book: self.session.book.clone(),
        };
        if self.settings.first_only {
            return found;
        }
        let again = self.fails(case).is_some_and(|again| again.oracle.is_like(&failure.oracle));
        if !again {
            return Found { again: false, ..found };
        }
        let smaller = self.smaller(&failure).unwrap_or_else(|| case.clone());
        let mut fails = |case: &Case| self.session.run(self.runtime, self.site, case).failure;
        let (shortest, failure) = shrink(&smaller, &failure, &mut fails);
        let shortest = shortest.renumbered();
        // The last run leaves the secrets that stand in what is shown.
        let failure = self
            .fails(&shortest)
            .filter(|again| again.oracle.is_like(&failure.oracle))
            .unwrap_or(failure);
        let origin = Origin {
            seed: self.settings.seed,
            case: format!("{} {}", self.unit.layer.name(), self.number),
            steps: case.steps.len(),
            clause: origin_of(&failure, &self.bench.laws),
        };
        let rules = &self.bench.rules;
        let binding = self.session.binding();
        let written =
            write((binding, rules, &self.bench.laws), &shortest, &failure, &origin, false);
        Found {
            steps: (case.steps.len(), shortest.steps.len()),
            failure,
            written: Some(written),
            book: self.session.book.clone(),
            ..found
        }
    }

    fn fails(&mut self, case: &Case) -> Option<Failure> {
        self.session.run(self.runtime, self.site, case).failure
    }

    /// The case with the smallest numbers that still fails, as proptest finds it.
    fn smaller(&mut self, failure: &Failure) -> Option<Case> {
        let rules = &self.bench.rules;
        let race = self.unit.layer == Layer::Races;
        let mut runner =
            plan::runner(self.settings.seed, &part(rules.flow, self.unit.layer, self.number));
        let tree = plan::tree(&mut runner)?;
        let session = std::cell::RefCell::new(self);
        let outcome = runner.run_one(tree, |draws| {
            let mut tracker = session.borrow_mut();
            let case = plan::resolve(&tracker.bench.rules, &draws, race);
            match tracker.fails(&case) {
                Some(found) if found.oracle.is_like(&failure.oracle) => {
                    Err(TestCaseError::fail("fails alike"))
                }
                _ => Ok(()),
            }
        });
        match outcome {
            Err(TestError::Fail(_, draws)) => Some(plan::resolve(rules, &draws, race)),
            Ok(_) | Err(TestError::Abort(_)) => None,
        }
    }
}
