//! What a failing case is in a report.

use super::laws::Laws;
use super::oracle::{Failure, Oracle};
use super::scenario_file::{Written, file_name};
use super::unit::Layer;
use crate::model::{
    CheckId, ClauseId, Evidence, Finding, Flow, Level, SecretBook, SentAndReceived, Verdict,
    Violation,
};
use crate::target::Library;

/// What came of a failing case when it was run again, on a server in its first state and a fresh connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Again {
    /// It failed in the same way.
    Failed,
    /// It could not be: the server takes no connection any more.
    Gone,
    /// It did not fail.
    Passed,
}

/// A failure that was followed to its shortest form.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The flow.
    pub(crate) flow: Flow,
    /// The layer.
    pub(crate) layer: Layer,
    /// The number of the case.
    pub(crate) number: u64,
    /// How many steps it had, and has.
    pub(crate) steps: (usize, usize),
    /// What is wrong.
    pub(crate) failure: Failure,
    /// The scenario of it.
    pub(crate) written: Option<Written>,
    /// What came of it when it was run again.
    pub(crate) again: Again,
    /// The secrets that stand in what was seen.
    pub(crate) book: SecretBook,
}

/// The clause of a failure, with its sentence and its level where the laws know it.
pub(crate) fn origin_of(failure: &Failure, laws: &Laws) -> (String, String, Level) {
    match &failure.oracle {
        Oracle::Law(law) => match laws.check(law.check()) {
            Some(check) => {
                let clause = check.covers.first().map_or_else(String::new, ToString::to_string);
                (clause, check.title.clone(), check.level)
            }
            None => (String::new(), String::new(), Level::Must),
        },
        _ => {
            let (sentence, level) = laws.clause(failure.clause);
            (failure.clause.to_owned(), sentence, level)
        }
    }
}

/// The finding of a failure.
pub(crate) fn finding(library: &Library, laws: &Laws, found: &Found, seed: u64) -> Finding {
    let failure = &found.failure;
    let (covers, level, title) = match &failure.oracle {
        Oracle::Law(law) => match laws.check(law.check()) {
            Some(check) => (check.covers.clone(), check.level, check.title.clone()),
            None => (Vec::new(), Level::Must, law.check().to_string()),
        },
        _ => {
            let id = ClauseId::new(failure.clause);
            let clause = library.catalogue.clause(&id);
            let level = clause.map_or(Level::Must, |clause| clause.level);
            (vec![id], level, clause.map_or_else(String::new, |clause| clause.text.clone()))
        }
    };
    let deviation = covers
        .iter()
        .find_map(|id| library.catalogue.clause(id)?.deviations.get(&found.flow).cloned());
    let verdict = verdict(found, level, deviation.is_some());
    let check = match (&found.written, &failure.oracle) {
        (_, Oracle::Law(law)) => law.check().clone(),
        (Some(written), _) => CheckId::new(&written.check),
        (None, oracle) => {
            CheckId::new(format!("{}-FUZZ-{}", found.flow.prefix(), oracle.check_name()))
        }
    };
    let mut finding = Finding {
        check,
        title,
        flow: found.flow,
        scenario: format!("fuzz {}", found.layer.name()),
        covers,
        level,
        verdict,
        deviation: deviation.filter(|_| verdict == Verdict::Warn),
        assertions: 1,
        evidence: evidence(found, seed),
    };
    redact(&mut finding.evidence, &found.book);
    finding
}

fn verdict(found: &Found, level: Level, deviates: bool) -> Verdict {
    if found.again == Again::Passed {
        return Verdict::Unstable;
    }
    match (&found.failure.oracle, level) {
        // No input may cost a failure of the server, whatever an RFC says of how binding that is.
        (Oracle::Failed | Oracle::Unanswered, _) => Verdict::Fail,
        (_, Level::Should) => Verdict::Warn,
        (_, Level::Must) if deviates => Verdict::Warn,
        _ => Verdict::Fail,
    }
}

fn evidence(found: &Found, seed: u64) -> Evidence {
    let failure = &found.failure;
    let case = format!("{} {} of seed {seed}", found.layer.name(), found.number);
    let reason = match &found.written {
        _ if found.again == Again::Gone => {
            format!("{case}; since then the server takes no connection, so it was not run again")
        }
        Some(written) => {
            let (before, after) = found.steps;
            let file = file_name(found.flow, &written.topic);
            format!("{case}, {before} steps made {after}: {file} of the folder of `--corpus`")
        }
        None if found.again == Again::Failed => case,
        None => format!("{case}; it did not fail when it was run again"),
    };
    Evidence {
        step: Some(format!("step {}", failure.step)),
        reason: Some(reason),
        written: found.written.as_ref().map(|written| file_name(found.flow, &written.topic)),
        violation: Some(failure.violation.clone()),
        exchange: failure.exchange.clone(),
        timeline: failure.timeline.clone(),
        ..Evidence::default()
    }
}

/// What is said of a layer in which nothing was found.
pub(crate) fn passed(flow: Flow, layer: Layer, cases: u64, blocked: Option<&String>) -> Finding {
    let (word, title, clause) = match layer {
        Layer::Bytes => (
            "BYTES",
            "no bytes make the server fail, let anyone in, or put a connection out of step",
            "X-68",
        ),
        Layer::Races => {
            ("RACES", "requests at the same moment are answered as one after the other", "X-70")
        }
        Layer::Sequences => {
            ("SEQUENCES", "requests in any order are answered as the state machine allows", "X-69")
        }
    };
    let evidence = Evidence {
        reason: blocked.filter(|_| cases == 0).cloned(),
        observed: vec![format!("{cases} cases")],
        ..Evidence::default()
    };
    Finding {
        check: CheckId::new(format!("{}-FUZZ-{word}", flow.prefix())),
        title: title.to_owned(),
        flow,
        scenario: format!("fuzz {}", layer.name()),
        covers: vec![ClauseId::new(clause)],
        level: Level::Must,
        verdict: if cases > 0 { Verdict::Pass } else { Verdict::Blocked },
        deviation: None,
        assertions: u32::try_from(cases).unwrap_or(u32::MAX),
        evidence,
    }
}

fn redact(evidence: &mut Evidence, book: &SecretBook) {
    let clean = |text: &mut String| *text = book.redact(text);
    evidence.timeline.iter_mut().for_each(clean);
    evidence.reason.iter_mut().for_each(clean);
    if let Some(Violation { wanted, got }) = &mut evidence.violation {
        wanted.iter_mut().chain([got]).for_each(clean);
    }
    if let Some(SentAndReceived { sent, received, curl }) = &mut evidence.exchange {
        [sent, received, curl].into_iter().for_each(clean);
    }
}
