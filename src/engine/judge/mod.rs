//! From what happened to what it means. Pure: the same trace is judged the same way, now or later.

mod assess;
mod classify;
mod decide;
mod evidence;
mod face;
mod randomness;
mod relations;
mod tally;
mod timing;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

pub use assess::{Assessed, Observed, applies, assess};
pub use classify::{Class, classify};
pub use evidence::{exchange as picture, render_request, render_response, shown, timeline};
pub(in crate::engine) use evidence::{line, moment};
pub use face::Face;
pub use timing::compare_times;

use crate::contract::Catalogue;
use crate::model::{
    Act, CheckId, Entry, Exchange, Finding, Flow, Lacking, Level, Role, SocketEvent, Trace,
    Violation,
};
use crate::scenario::{Assertion, Check, Expectation, Kind, Scenario, Step, When};
use crate::source::RenderError;
use crate::target::FlowBinding;
use decide::Decision;
use tally::{Site, Tally};

/// What traces are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Law<'a> {
    /// The clauses, for their deviations.
    pub catalogue: &'a Catalogue,
    /// The operations, outcomes and choices.
    pub binding: &'a FlowBinding,
    /// The checks that every answer of the flow is held against.
    pub always: &'a IndexMap<CheckId, Check>,
}

/// Judges a trace: a finding for each check that the scenario declares, and for each check of the
/// flow that an answer was held against.
pub fn judge(law: &Law<'_>, scenario: &Scenario, trace: &Trace) -> Vec<Finding> {
    let mut bench = Bench::new(law, scenario, trace);
    for at in 0..trace.entries.len() {
        bench.entry(at);
    }
    bench.conclude()
}

/// Holds an entry against one expectation by itself: what a prerequisite is told by.
pub(super) fn hold_all(
    binding: &FlowBinding,
    expectation: &Expectation,
    trace: &Trace,
    entry: &Entry,
) -> Assessed {
    match (&expectation.kind, &entry.act) {
        (Kind::Count { .. }, Act::Race { trials }) => {
            tally::race(binding, trials, &expectation.kind)
        }
        (Kind::Collection { .. }, Act::Sample { exchanges, values }) => {
            tally::sample(exchanges, values, &expectation.kind)
        }
        (Kind::Answer(assertion), act) => {
            let mut results = exchanges(act).map(|exchange| {
                let face = Face::new(exchange);
                assess(binding, assertion, &observed(trace, entry, &face))
            });
            results.find(|result| *result != Assessed::Holds).unwrap_or(Assessed::Holds)
        }
        _ => Assessed::Holds,
    }
}

/// One exchange, or what was seen on a socket, with the names that were known then.
fn observed<'a>(trace: &'a Trace, entry: &'a Entry, face: &'a Face<'a>) -> Observed<'a> {
    let event = match &entry.act {
        Act::Socket { event, .. } => Some(event),
        _ => None,
    };
    Observed { face, event, entry, trace }
}

struct Bench<'a> {
    law: &'a Law<'a>,
    scenario: &'a Scenario,
    trace: &'a Trace,
    controls: BTreeMap<u32, Result<(), String>>,
    tallies: IndexMap<CheckId, Tally>,
    sites: BTreeMap<CheckId, BTreeMap<Site, Vec<When>>>,
    /// Expectations that compare with something that the server does not have.
    beyond: BTreeMap<Site, String>,
}

impl<'a> Bench<'a> {
    fn new(law: &'a Law<'a>, scenario: &'a Scenario, trace: &'a Trace) -> Self {
        let mut sites = BTreeMap::new();
        find_sites(scenario, &scenario.steps, &[], &mut sites);
        let mut bench = Self {
            law,
            scenario,
            trace,
            controls: BTreeMap::new(),
            tallies: IndexMap::new(),
            sites,
            beyond: BTreeMap::new(),
        };
        bench.judge_controls();
        bench
    }

    fn judge_controls(&mut self) {
        for entry in &self.trace.entries {
            let (name, moment) = match &entry.role {
                Role::Step => continue,
                Role::Before(name) => (name, "before"),
                Role::After(name) => (name, "after"),
            };
            let state = self.controls.entry(entry.group).or_insert(Ok(()));
            let (Act::Exchange(exchange), Some(set)) = (&entry.act, entry.expectations) else {
                continue;
            };
            for expectation in self.scenario.expectations(set) {
                let Kind::Answer(assertion) = &expectation.kind else {
                    continue;
                };
                let face = Face::new(exchange);
                let observed = observed(self.trace, entry, &face);
                let failure = match assess(self.law.binding, assertion, &observed) {
                    Assessed::Holds => continue,
                    Assessed::Breaks(violation) => violation.got,
                    Assessed::NoAnswer(reason) => reason,
                    Assessed::NoValue(error) => error.to_string(),
                };
                if state.is_ok() {
                    *state = Err(format!(
                        "the control `{name}` did not hold {moment} the step: {failure}"
                    ));
                }
            }
        }
    }

    fn entry(&mut self, at: usize) {
        let entry = &self.trace.entries[at];
        let faces: Vec<Face<'_>> = exchanges(&entry.act).map(Face::new).collect();
        self.hold_always(at, entry, &faces);
        if entry.role != Role::Step {
            return;
        }
        let Some(set) = entry.expectations else {
            return;
        };
        for (index, expectation) in self.scenario.expectations(set).iter().enumerate() {
            let Some(check) = &expectation.check else {
                continue;
            };
            if !self.chosen(expectation.when.as_ref()) {
                continue;
            }
            let site = Site { set, index };
            self.hold(check, expectation, at, site, &faces);
        }
    }

    fn hold(
        &mut self,
        check: &CheckId,
        expectation: &Expectation,
        at: usize,
        site: Site,
        faces: &[Face<'_>],
    ) {
        let entry = &self.trace.entries[at];
        match (&expectation.kind, &entry.act) {
            (Kind::Count { .. }, Act::Race { trials }) => {
                let result = tally::race(self.law.binding, trials, &expectation.kind);
                self.note(check, result, at, Some(site));
            }
            (Kind::Collection { .. }, Act::Sample { exchanges, values }) => {
                let result = tally::sample(exchanges, values, &expectation.kind);
                self.note(check, result, at, Some(site));
            }
            (Kind::Alike, Act::Timing { first, second, again, statuses, .. }) => {
                let (result, seen) = timing::alike(first, second, again, statuses);
                self.tally(check).observe(seen);
                self.note(check, result, at, Some(site));
            }
            (_, Act::Exchange(_) | Act::Sample { .. } | Act::Socket { .. }) => {
                for face in faces {
                    self.hold_exchange(check, expectation, face, at, Some(site));
                }
            }
            _ => {}
        }
    }

    fn hold_exchange(
        &mut self,
        check: &CheckId,
        expectation: &Expectation,
        face: &Face<'_>,
        at: usize,
        site: Option<Site>,
    ) {
        let entry = &self.trace.entries[at];
        let exchange = face.exchange;
        let observed = observed(self.trace, entry, face);
        let binding = self.law.binding;
        match &expectation.kind {
            Kind::Answer(assertion) => {
                let result = assess(binding, assertion, &observed);
                self.note_of(check, result, at, site, Some(exchange));
            }
            Kind::Decide { gap, answers } => {
                self.decide(check, gap, answers, &observed, at, site);
            }
            Kind::Record(label) => {
                let line = format!("{label}: {}", shown(binding, &observed));
                self.tally(check).observe(line);
                self.tally(check).record(site);
            }
            Kind::Alike | Kind::Collection { .. } | Kind::Count { .. } => {}
        }
    }

    fn decide(
        &mut self,
        check: &CheckId,
        gap: &str,
        answers: &[(String, Assertion)],
        observed: &Observed<'_>,
        at: usize,
        site: Option<Site>,
    ) {
        let binding = self.law.binding;
        let own = self.scenario.checks.get(check).or_else(|| self.law.always.get(check));
        let level = own.map_or(Level::Must, |check| check.level);
        match decide::decide(binding, gap, answers, observed, level) {
            Decision::NoAnswer(reason) => {
                self.note(check, Assessed::NoAnswer(reason), at, site);
            }
            Decision::Recorded(seen) => {
                let tally = self.tally(check);
                tally.observe(seen);
                tally.record(site);
            }
            Decision::Kept(seen) => {
                self.tally(check).observe(seen);
                self.note(check, Assessed::Holds, at, site);
            }
            Decision::Broken { seen, wanted, contradicted } => {
                let tally = self.tally(check);
                tally.observe(seen.clone());
                tally.contradicted |= contradicted;
                let result = Assessed::Breaks(Violation { wanted, got: seen });
                self.note_of(check, result, at, site, Some(observed.face.exchange));
            }
        }
    }

    fn hold_always(&mut self, at: usize, entry: &'a Entry, faces: &[Face<'_>]) {
        for face in faces {
            // The report of what was seen on an open socket repeats its handshake; that was held once.
            if matches!(&entry.act, Act::Socket { event, .. } if !matches!(event, SocketEvent::Opened(_) | SocketEvent::Refused(_)))
            {
                continue;
            }
            for expectation in &self.scenario.always {
                let Some(check) = &expectation.check else {
                    continue;
                };
                let applies = expectation
                    .filter
                    .as_ref()
                    .is_none_or(|filter| applies(self.law.binding, filter, face));
                if face.exchange.reply.is_err()
                    || !applies
                    || !self.chosen(expectation.when.as_ref())
                {
                    continue;
                }
                self.hold_exchange(check, expectation, face, at, None);
            }
        }
    }

    /// Notes what an assertion on an entry came to; the last exchange of the entry shows it.
    fn note(&mut self, check: &CheckId, result: Assessed, at: usize, site: Option<Site>) {
        let last = exchanges(&self.trace.entries[at].act).last();
        self.note_of(check, result, at, site, last);
    }

    fn note_of(
        &mut self,
        check: &CheckId,
        result: Assessed,
        at: usize,
        site: Option<Site>,
        exchange: Option<&Exchange>,
    ) {
        let entry = &self.trace.entries[at];
        // What every answer is held against does not rest on the controls around some of them.
        let weighed = entry.group != 0 && site.is_some();
        let control = self.controls.get(&entry.group).filter(|_| weighed).cloned();
        let result = match (result, control) {
            (Assessed::NoValue(error), _) => match self.lacking(&error, site) {
                Some(reason) => Assessed::NoAnswer(reason),
                None => return,
            },
            (Assessed::Holds, Some(Err(reason))) => Assessed::NoAnswer(reason),
            // The server answered the good request before and after: that it did not answer this
            // one is something that it did.
            (Assessed::NoAnswer(reason), Some(Ok(()))) => {
                let got =
                    format!("no answer, while the controls around it were answered: {reason}");
                Assessed::Breaks(Violation::new("an answer", got))
            }
            (result, _) => result,
        };
        let shown = || exchange.map(picture);
        self.tally(check).add(result, (at, entry), site, shown);
    }

    /// Why there was nothing to compare with; nothing, and noted, where that is because of what the server lacks.
    fn lacking(&mut self, error: &RenderError, site: Option<Site>) -> Option<String> {
        let RenderError::Unbound(name) = error else {
            return Some(error.to_string());
        };
        match (self.trace.lacking.get(name), site) {
            (Some(Lacking { reason, absent: true }), Some(site)) => {
                self.beyond.insert(site, reason.clone());
                None
            }
            (Some(Lacking { reason, .. }), _) => Some(format!("{error}: {reason}")),
            (None, _) => Some(error.to_string()),
        }
    }

    fn tally(&mut self, check: &CheckId) -> &mut Tally {
        self.tallies.entry(check.clone()).or_default()
    }

    fn chosen(&self, when: Option<&When>) -> bool {
        when.is_none_or(|when| self.law.binding.refuses(when).is_none())
    }

    /// Why an expectation does not apply to the server.
    fn inapplicable(&self, site: Site, conditions: &[When]) -> Option<String> {
        let skipped = self.trace.skipped.iter().find(|skipped| skipped.sets.contains(&site.set));
        conditions
            .iter()
            .find_map(|when| self.law.binding.refuses(when))
            .or_else(|| skipped.map(|skipped| skipped.reason.clone()))
            .or_else(|| self.beyond.get(&site).cloned())
    }

    fn conclude(mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let declared: Vec<(CheckId, Check, bool)> =
            (self.scenario.checks.iter().map(|(id, c)| (id, c, true)))
                .chain(self.law.always.iter().map(|(id, c)| (id, c, false)))
                .map(|(id, check, own)| (id.clone(), check.clone(), own))
                .collect();
        let none = BTreeMap::new();
        for (id, check, own) in declared {
            let tally = self.tallies.shift_remove(&id).unwrap_or_default();
            if !own && tally.assertions == 0 {
                continue;
            }
            let sites = self.sites.get(&id).unwrap_or(&none);
            let mut open = BTreeSet::new();
            let mut gate = None;
            for (site, conditions) in sites {
                match self.inapplicable(*site, conditions).filter(|_| !tally.has_reached(*site)) {
                    Some(reason) => drop(gate.get_or_insert(reason)),
                    None => drop(open.insert(*site)),
                }
            }
            let law = tally::Terms {
                check: &check,
                gate: gate.filter(|_| open.is_empty()),
                open: &open,
                stop: self.trace.stop.as_ref(),
                trace: self.trace,
                deviation: deviation(self.law.catalogue, &check, self.law.binding.flow),
            };
            let scenario = if own { self.scenario.name.clone() } else { "always".to_owned() };
            findings.push(tally.conclude(&law, id, self.law.binding.flow, scenario));
        }
        findings
    }
}

fn deviation(catalogue: &Catalogue, check: &Check, flow: Flow) -> Option<String> {
    check.covers.iter().find_map(|id| catalogue.clause(id)?.deviations.get(&flow).cloned())
}

fn exchanges(act: &Act) -> Box<dyn Iterator<Item = &Exchange> + '_> {
    match act {
        Act::Exchange(exchange) | Act::Socket { exchange, .. } => {
            Box::new(std::iter::once(&**exchange))
        }
        Act::Race { trials } => {
            Box::new(trials.iter().flat_map(|trial| trial.exchanges.iter().chain(&trial.after)))
        }
        Act::Sample { exchanges, .. } | Act::Timing { exchanges, .. } => Box::new(exchanges.iter()),
        Act::Hook { .. } | Act::Wait { .. } => Box::new(std::iter::empty()),
    }
}

/// Every place at which a check is asserted, with the conditions under which it is.
fn find_sites(
    scenario: &Scenario,
    steps: &[Step],
    outer: &[When],
    sites: &mut BTreeMap<CheckId, BTreeMap<Site, Vec<When>>>,
) {
    for step in steps {
        let conditions: Vec<When> = outer.iter().chain(&step.when).cloned().collect();
        find_sites(scenario, step.inner(), &conditions, sites);
        for set in step.own_sets() {
            for (index, expectation) in scenario.expectations(set).iter().enumerate() {
                if let Some(check) = &expectation.check {
                    let all = conditions.iter().chain(&expectation.when).cloned().collect();
                    sites.entry(check.clone()).or_default().insert(Site { set, index }, all);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
