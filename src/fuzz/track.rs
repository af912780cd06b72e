//! Follows a failure: whether it fails again on a server in its first state and a fresh connection, and how few steps or
//! changes it takes.

use std::collections::BTreeMap;
use std::time::Instant;

use proptest::test_runner::{TestCaseError, TestError};
use tokio::runtime::Runtime;

use super::bytes::{self, ByteBench, ByteDraw};
use super::case::Case;
use super::export::{write, write_bytes};
use super::finding::{Again, Found, origin_of};
use super::oracle::{Failure, Oracle};
use super::plan;
use super::run::FuzzSettings;
use super::scenario_file::{Origin, Written};
use super::session::{Session, Site};
use super::shrink::{shrink, upto};
use super::unit::{Bench, Layer, Unit, part};
use crate::target::FlowBinding;

/// Follows one failure to its shortest form.
pub(super) struct Tracker<'a, 'b> {
    pub(super) runtime: &'a Runtime,
    pub(super) site: &'a mut Site,
    pub(super) session: &'a mut Session<'b>,
    pub(super) bench: &'a Bench,
    pub(super) settings: &'a FuzzSettings,
    pub(super) unit: &'a Unit,
    pub(super) number: u64,
    /// When it is short enough.
    pub(super) until: Instant,
}

impl Tracker<'_, '_> {
    pub(super) fn track(&mut self, case: &Case, failure: Failure) -> Found {
        let found = Found {
            flow: self.unit.flow,
            layer: self.unit.layer,
            number: self.number,
            steps: (case.steps.len(), case.steps.len()),
            failure: failure.clone(),
            written: None,
            again: Again::Failed,
            book: self.session.book.clone(),
        };
        if self.settings.first_only {
            return found;
        }
        if is_gone(&failure, self.runtime, self.site, self.session.binding()) {
            let written = self.written(&upto(case, failure.step), &failure, case.steps.len());
            return Found { again: Again::Gone, written: Some(written), ..found };
        }
        let again = self.fails(case).is_some_and(|again| again.oracle.is_like(&failure.oracle));
        if !again {
            return Found { again: Again::Passed, ..found };
        }
        // Where nothing is answered each attempt takes long, and fewer steps are all that is worth it.
        let silent = failure.oracle == Oracle::Unanswered;
        let smaller = if silent { None } else { self.smaller(&failure) };
        let smaller = smaller.unwrap_or_else(|| case.clone());
        let mut fails = |case: &Case| self.fails(case);
        let (shortest, failure) = shrink(&smaller, &failure, &mut fails);
        let shortest = shortest.renumbered();
        // The last run leaves the secrets that stand in what is shown.
        let failure = self
            .fails(&shortest)
            .filter(|again| again.oracle.is_like(&failure.oracle))
            .unwrap_or(failure);
        let written = self.written(&shortest, &failure, case.steps.len());
        Found {
            steps: (case.steps.len(), shortest.steps.len()),
            failure,
            written: Some(written),
            book: self.session.book.clone(),
            ..found
        }
    }

    fn written(&self, case: &Case, failure: &Failure, steps: usize) -> Written {
        let origin = Origin {
            seed: self.settings.seed,
            case: format!("{} {}", self.unit.layer.name(), self.number),
            steps,
            clause: origin_of(failure, &self.bench.laws),
        };
        let parts = (self.session.binding(), &self.bench.rules, &self.bench.laws);
        write(parts, case, failure, &origin, false)
    }

    fn fails(&mut self, case: &Case) -> Option<Failure> {
        if Instant::now() > self.until {
            return None;
        }
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

/// Follows one failure of bytes to the fewest changes that show it.
pub(super) struct ByteTracker<'a, 'b> {
    pub(super) runtime: &'a Runtime,
    pub(super) site: &'a mut Site,
    pub(super) session: &'a mut Session<'b>,
    pub(super) bench: &'a Bench,
    pub(super) settings: &'a FuzzSettings,
    pub(super) unit: &'a Unit,
    pub(super) bytes: ByteBench<'a>,
    /// When it is short enough.
    pub(super) until: Instant,
}

impl ByteTracker<'_, '_> {
    pub(super) fn lay(&mut self) -> Result<Option<Failure>, String> {
        self.bytes.lay(self.runtime, self.site, self.session)
    }

    pub(super) fn plain(&self, number: u64, failure: Failure) -> Found {
        Found {
            flow: self.unit.flow,
            layer: self.unit.layer,
            number,
            steps: (1, 1),
            failure,
            written: None,
            again: Again::Failed,
            book: self.session.book.clone(),
        }
    }

    fn written(
        &self,
        number: u64,
        draw: &ByteDraw,
        steps: usize,
        failure: &Failure,
    ) -> Option<Written> {
        let origin = Origin {
            seed: self.settings.seed,
            case: format!("{} {number}", self.unit.layer.name()),
            steps,
            clause: origin_of(failure, &self.bench.laws),
        };
        let names = named(self.bytes.names(), self.session.binding());
        let (operation, bytes) = self.bytes.bytes(draw)?;
        let parts = (self.session.binding(), &self.bench.rules, &self.bench.laws);
        Some(write_bytes(parts, (operation, bytes::symbolic(&bytes, &names)), failure, &origin))
    }

    /// Whether the server is still there, after something that was not changed at all.
    pub(super) fn again(&self, failure: &Failure) -> Again {
        if is_gone(failure, self.runtime, self.site, self.session.binding()) {
            Again::Gone
        } else {
            Again::Failed
        }
    }

    fn fails(&mut self, draw: &ByteDraw) -> Option<Failure> {
        if Instant::now() > self.until {
            return None;
        }
        if !matches!(self.lay(), Ok(None)) {
            return None;
        }
        self.bytes.run(self.runtime, draw).failure
    }

    pub(super) fn track(&mut self, number: u64, draw: &ByteDraw, failure: Failure) -> Found {
        let found = self.plain(number, failure.clone());
        if self.settings.first_only {
            return found;
        }
        if is_gone(&failure, self.runtime, self.site, self.session.binding()) {
            let written = self.written(number, draw, draw.1.len(), &failure);
            return Found { again: Again::Gone, written, ..found };
        }
        // On a server in its first state and a connection of its own: what an earlier case left behind is no finding of this.
        if !self.fails(draw).is_some_and(|again| again.oracle.is_like(&failure.oracle)) {
            return Found { again: Again::Passed, ..found };
        }
        let smallest = self.smaller(number, &failure).unwrap_or_else(|| draw.clone());
        let failure = self
            .fails(&smallest)
            .filter(|again| again.oracle.is_like(&failure.oracle))
            .unwrap_or(failure);
        let written = self.written(number, &smallest, draw.1.len(), &failure);
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

/// Whether a server that did not answer takes no connection any more either.
fn is_gone(failure: &Failure, runtime: &Runtime, site: &Site, binding: &FlowBinding) -> bool {
    failure.oracle == Oracle::Unanswered && !runtime.block_on(site.is_there(&binding.base_url))
}
