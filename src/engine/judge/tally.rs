//! What a check gathers while a trace is read, and the verdict that it comes to.

use std::collections::{BTreeMap, BTreeSet};

use super::assess::Assessed;
use super::classify::{classify, is_class};
use super::evidence::timeline;
use super::face::Face;
use super::randomness;
use crate::model::{
    Breach, CheckId, Entry, Evidence, Exchange, ExpectationSet, Finding, Flow, Items, Level,
    MOST_BREACHES, SentAndReceived, Stop, StopKind, Trace, Trial, Verdict, Violation, WireError,
};
use crate::scenario::{Check, Kind};
use crate::target::FlowBinding;

/// One expectation in a scenario.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Site {
    pub(super) set: ExpectationSet,
    pub(super) index: usize,
}

/// What a check has gathered so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) assertions: u32,
    /// The profile decided a gap otherwise than the server.
    pub(super) contradicted: bool,
    reached: BTreeSet<Site>,
    breaches: Vec<Found>,
    further: usize,
    /// The items on which the check was held, each with its step.
    held: BTreeSet<(String, String)>,
    broken: BTreeSet<(String, String)>,
    blocked: Option<String>,
    observed: Vec<String>,
    proved: bool,
    recorded: bool,
}

/// A breach in the entry at which it was found.
#[derive(Debug)]
struct Found {
    at: usize,
    step: String,
    item: Option<String>,
    violation: Violation,
    exchange: Option<SentAndReceived>,
}

/// What a verdict depends on besides the tally.
pub(super) struct Terms<'a> {
    pub(super) check: &'a Check,
    pub(super) open: &'a BTreeSet<Site>,
    /// Why the check does not apply to the server.
    pub(super) gate: Option<String>,
    pub(super) stop: Option<&'a Stop>,
    pub(super) deviation: Option<String>,
    pub(super) trace: &'a Trace,
}

/// More lines than this say nothing new.
const MOST_OBSERVED: usize = 40;

impl Tally {
    /// Takes what an assertion on an entry came to; `exchange` shows it where it is a breach.
    pub(super) fn add(
        &mut self,
        result: Assessed,
        (at, entry): (usize, &Entry),
        site: Option<Site>,
        exchange: impl FnOnce() -> Option<SentAndReceived>,
    ) {
        self.assertions += 1;
        self.reached.extend(site);
        let item = site.and_then(|_| Some((entry.step.clone(), entry.item.clone()?)));
        self.held.extend(item.clone());
        match result {
            Assessed::Holds => self.proved = true,
            Assessed::Breaks(violation) => {
                self.broken.extend(item);
                self.breach(violation, (at, entry), site.is_some(), exchange);
            }
            Assessed::NoAnswer(reason) => {
                self.blocked.get_or_insert(reason);
            }
            Assessed::NoValue(error) => {
                self.blocked.get_or_insert(error.to_string());
            }
        }
    }

    /// Keeps a breach that is not like one before: of the same step, or anywhere in the scenario where every
    /// answer is held against it.
    fn breach(
        &mut self,
        violation: Violation,
        (at, entry): (usize, &Entry),
        own_step: bool,
        exchange: impl FnOnce() -> Option<SentAndReceived>,
    ) {
        let known = |one: &Found| {
            one.violation.got == violation.got && (!own_step || one.step == entry.step)
        };
        if self.breaches.iter().any(known) {
            return;
        }
        if self.breaches.len() >= MOST_BREACHES {
            self.further += 1;
            return;
        }
        let (step, item) = (entry.step.clone(), entry.item.clone());
        self.breaches.push(Found { at, step, item, violation, exchange: exchange() });
    }

    pub(super) fn has_reached(&self, site: Site) -> bool {
        self.reached.contains(&site)
    }

    pub(super) fn observe(&mut self, line: String) {
        if self.observed.len() < MOST_OBSERVED && !self.observed.contains(&line) {
            self.observed.push(line);
        }
    }

    /// Notes that something was written down which the profile does not decide.
    pub(super) fn record(&mut self, site: Option<Site>) {
        self.assertions += 1;
        self.reached.extend(site);
        self.recorded = true;
    }

    pub(super) fn conclude(
        self,
        terms: &Terms<'_>,
        check: CheckId,
        flow: Flow,
        scenario: String,
    ) -> Finding {
        let (verdict, reason) = self.verdict(terms);
        let name = |(_, item): (String, String)| item;
        let items = (!self.held.is_empty()).then(|| Items {
            held: self.held.len(),
            broken: self.broken.into_iter().map(name).collect(),
        });
        let breach = |found: Found| Breach {
            step: found.step,
            item: found.item,
            violation: found.violation,
            exchange: found.exchange,
            timeline: timeline(terms.trace, found.at),
        };
        let mut evidence = Evidence {
            reason,
            breaches: self.breaches.into_iter().map(breach).collect(),
            further: self.further,
            items,
            observed: self.observed,
            ..Evidence::default()
        };
        evidence.show(0);
        Finding {
            check,
            title: terms.check.title.clone(),
            flow,
            scenario,
            covers: terms.check.covers.clone(),
            level: terms.check.level,
            verdict,
            deviation: terms.deviation.clone().filter(|_| verdict == Verdict::Warn),
            assertions: self.assertions,
            evidence,
        }
    }

    fn verdict(&self, terms: &Terms<'_>) -> (Verdict, Option<String>) {
        if !self.breaches.is_empty() {
            return (self.gravity(terms), None);
        }
        if let Some(reason) = &self.blocked {
            return (Verdict::Blocked, Some(reason.clone()));
        }
        if terms.gate.is_some() {
            return (Verdict::NotApplicable, terms.gate.clone());
        }
        if let Some(reason) = self.missed(terms) {
            let broke = terms.stop.is_some_and(|stop| stop.kind == StopKind::Harness);
            return (if broke { Verdict::Error } else { Verdict::Blocked }, Some(reason));
        }
        match terms.check.level {
            // What the documents do not decide is proved only where the profile decided it.
            Level::Record if self.recorded || self.observed.is_empty() => (Verdict::Info, None),
            _ if self.recorded && !self.proved => (Verdict::Info, None),
            _ => (Verdict::Pass, None),
        }
    }

    fn gravity(&self, terms: &Terms<'_>) -> Verdict {
        match terms.check.level {
            Level::Must if terms.deviation.is_some() => Verdict::Warn,
            Level::Must => Verdict::Fail,
            Level::Should => Verdict::Warn,
            Level::May | Level::Record if self.contradicted => Verdict::Fail,
            Level::May | Level::Record => Verdict::Info,
        }
    }

    /// Why the check is not proved although nothing that was seen breaks it.
    fn missed(&self, terms: &Terms<'_>) -> Option<String> {
        let all_reached = terms.open.is_subset(&self.reached);
        match terms.stop {
            Some(stop) if !all_reached => {
                Some(format!("the scenario ended at {}: {}", stop.step, stop.reason))
            }
            None if !all_reached => Some("a step that asserts this never ran".to_owned()),
            _ if self.assertions == 0 => Some("nothing asserted this".to_owned()),
            _ => None,
        }
    }
}

/// Whether an answer, or that there is none, is something that these outcomes speak of. That a server gave up waiting for
/// the rest of a request (RFC 9110 section 15.5.9) says nothing of how it judges: on a machine that stands still for
/// seconds between the parts of a pair, every server does.
fn counts(outcome: &[String], exchange: &Exchange) -> bool {
    let names = |wanted: &str| outcome.iter().any(|name| name == wanted);
    match exchange.reply {
        Err(WireError::Closed(_)) => names("closed") || names("answered"),
        Err(_) => names("answered"),
        Ok(ref reply) => reply.status != 408,
    }
}

/// Counts outcomes in each pair of a race, or in what was asked after it.
pub(super) fn race(binding: &FlowBinding, trials: &[Trial], kind: &Kind) -> Assessed {
    let Kind::Count { after, outcome, at_least, at_most } = kind else {
        return Assessed::Holds;
    };
    let (after, at_least, at_most) = (*after, *at_least, *at_most);
    let mut wrong: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut unanswered, mut why) = (0, None);
    let mut answers = None;
    for trial in trials {
        let asked = if after { &trial.after } else { &trial.exchanges };
        // Where the pair left nothing to ask with, as on a server that throttles, nothing is said of its state.
        if asked.is_empty() {
            unanswered += 1;
            continue;
        }
        let failed = asked.iter().find(|exchange| !counts(outcome, exchange));
        if let Some(exchange) = failed {
            unanswered += 1;
            why.get_or_insert_with(|| words(binding, std::slice::from_ref(exchange)));
        }
        let is = |exchange: &&Exchange| {
            outcome.iter().any(|name| is_class(binding, &Face::new(exchange), name))
        };
        let count = asked.iter().filter(is).count();
        // An answer that never came may have been one of those that are missed.
        let few = failed.is_none() && at_least.is_some_and(|least| count < least as usize);
        if few || at_most.is_some_and(|most| count > most as usize) {
            *wrong.entry(count).or_default() += 1;
            answers.get_or_insert_with(|| words(binding, asked));
        }
    }
    let answered_wrong = wrong.values().sum::<usize>();
    if answered_wrong == 0 && unanswered == 0 && !trials.is_empty() {
        return Assessed::Holds;
    }
    if answered_wrong == 0 || (unanswered == trials.len()) {
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        let of = trials.len();
        return Assessed::NoAnswer(format!("{unanswered} of {of} pairs were not answered{why}"));
    }
    let bounds = bounds(at_least, at_most);
    let got: Vec<String> =
        wrong.iter().map(|(count, times)| format!("{count} in {times}")).collect();
    let whose = if after { "of what is asked after each pair" } else { "of each pair" };
    let wanted = format!("{bounds} {whose} {}", outcome.join(" or "));
    Assessed::Breaks(Violation::new(
        wanted,
        format!(
            "{} of {} trials; first: {}",
            got.join(", "),
            trials.len(),
            answers.unwrap_or_default()
        ),
    ))
}

fn bounds(at_least: Option<u32>, at_most: Option<u32>) -> String {
    match (at_least, at_most) {
        (Some(least), Some(most)) if least == most => format!("exactly {least}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, most) => format!("at most {}", most.unwrap_or_default()),
    }
}

/// Answers in a few words each: `401 denied`.
fn words(binding: &FlowBinding, exchanges: &[Exchange]) -> String {
    let word = |exchange: &Exchange| match &exchange.reply {
        Ok(reply) => format!("{} {}", reply.status, classify(binding, &Face::new(exchange)).name()),
        Err(error) => error.to_string(),
    };
    exchanges.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Holds all answers of a sample against each other.
pub(super) fn sample(exchanges: &[Exchange], values: &[Option<String>], kind: &Kind) -> Assessed {
    let Kind::Collection { distinct, identical, patternless, random_bits } = *kind else {
        return Assessed::Holds;
    };
    if let Some(error) = exchanges.iter().find_map(|exchange| exchange.reply.as_ref().err()) {
        return Assessed::NoAnswer(error.to_string());
    }
    if distinct {
        let found: Vec<&String> = values.iter().flatten().collect();
        if found.len() < values.len() || found.is_empty() {
            let missing = values.len() - found.len();
            return Assessed::NoAnswer(format!(
                "{missing} of {} answers had no value to compare",
                values.len()
            ));
        }
        let different: BTreeSet<&String> = found.iter().copied().collect();
        if different.len() < found.len() {
            let got = format!("{} different values among {}", different.len(), found.len());
            return Assessed::Breaks(Violation::new(
                format!("{} different values", found.len()),
                got,
            ));
        }
    }
    if identical {
        let face =
            |exchange: &Exchange| exchange.reply.as_ref().map(|r| (r.status, r.body.clone())).ok();
        let first = exchanges.first().and_then(face);
        if let Some(at) = exchanges.iter().position(|exchange| face(exchange) != first) {
            let got = format!("answer {} differs from the first", at + 1);
            return Assessed::Breaks(Violation::new("the same answer each time", got));
        }
    }
    let room = random_bits.map(|bits| randomness::roomy(values, bits));
    match room {
        Some(assessed) if assessed != Assessed::Holds => assessed,
        _ if patternless => randomness::patternless(values),
        _ => Assessed::Holds,
    }
}
