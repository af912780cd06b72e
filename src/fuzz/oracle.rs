//! Holds what a server answered against the model and the laws: walks a trace along every state that the answers so far
//! allow, and stops where none is left.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::case::{Act, Call, Case, Step, TokenId, TokenKind};
use super::cell::{cell, fingerprint};
use super::issued::Issued;
use super::laws::{LawId, Laws};
use super::lower;
use super::model::{Branch, Fact, Rules, State, fits};
use crate::engine::{Class, Face, Observed, classify, picture, shown, timeline};
use crate::model::{
    Act as Happened, CheckId, Entry, Exchange, SentAndReceived, Stop, StopKind, Trace, Violation,
    WireError,
};
use crate::source::JsonPath;
use crate::target::{FlowBinding, OutcomeKind};

/// More ways than this are not followed.
const MOST_WAYS: usize = 48;

/// What is wrong with an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Oracle {
    /// Its class is none that the state machine allows.
    State(Vec<String>),
    /// A value in it is another one.
    Fact(&'static str, String),
    /// A token that should be the same is another one.
    OtherToken(TokenId),
    /// A law of answers.
    Law(LawId),
    /// A token that was issued before, or that tells another.
    Repeated(TokenId),
    /// The server failed.
    Failed,
    /// There was none.
    Unanswered,
    /// No order of two requests explains it.
    Race(Vec<(String, String)>),
    /// A token stands in it.
    Echoed,
    /// The request behind it on the connection is not answered as ever.
    OutOfStep,
    /// What a server says on a socket, in a sentence.
    Frames(String),
    /// A change that means nothing has another answer than this class.
    Differs(String),
}

impl Oracle {
    /// A name for the kind of failure: failures of one kind and one clause are one finding.
    pub(crate) fn check_name(&self) -> String {
        match self {
            Self::State(_) => "state".to_owned(),
            Self::Fact(path, _) => format!("fact {path}"),
            Self::OtherToken(_) => "another token".to_owned(),
            Self::Law(law) => law.check().to_string(),
            Self::Repeated(_) => "repeated".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::Unanswered => "unanswered".to_owned(),
            Self::Race(_) => "race".to_owned(),
            Self::Echoed => "echoed".to_owned(),
            Self::OutOfStep => "out of step".to_owned(),
            Self::Differs(_) => "differs".to_owned(),
            Self::Frames(_) => "frames".to_owned(),
        }
    }

    /// Whether two failures are of one kind, so that one may stand for the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::State(_), Self::State(_))
            | (Self::OtherToken(_), Self::OtherToken(_))
            | (Self::Repeated(_), Self::Repeated(_))
            | (Self::Race(_), Self::Race(_))
            | (Self::Differs(_), Self::Differs(_)) => true,
            (Self::Fact(path, _), Self::Fact(other, _)) => path == other,
            (Self::Law(law), Self::Law(other)) => law.check() == other.check(),
            (one, other) => one == other,
        }
    }
}

/// A case that a server did not answer as it must.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The step.
    pub(crate) step: u16,
    /// What is wrong.
    pub(crate) oracle: Oracle,
    /// The clause that is broken; a law has its own.
    pub(crate) clause: &'static str,
    /// What was wanted and what was there.
    pub(crate) violation: Violation,
    /// The classes of answer that the state machine allows.
    pub(crate) allowed: Vec<String>,
    /// The exchange that shows it.
    pub(crate) exchange: Option<SentAndReceived>,
    /// What had happened before.
    pub(crate) timeline: Vec<String>,
}

/// What came of a case.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// What is wrong, if anything is.
    pub(crate) failure: Option<Failure>,
    /// Why the case ended early, if the server did not end it.
    pub(crate) stopped: Option<Stop>,
    /// The cells that were seen.
    pub(crate) cells: Vec<u64>,
    /// How many steps were done.
    pub(crate) steps: usize,
}

/// What is wrong, the clause that is broken, and how.
type Wrong = (Oracle, &'static str, Violation);

/// Who judges the answers of one flow of one server, from case to case.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    pub(super) binding: &'a FlowBinding,
    pub(super) rules: &'a Rules,
    laws: &'a Laws,
    /// Answers that were held against the laws already.
    judged: HashSet<u64>,
    issued: Issued,
    /// Whether a token was tried with keys from a dictionary.
    guessed: bool,
    /// Checks that are known to be broken: a case goes on where one is broken again.
    pub(super) excused: HashSet<CheckId>,
}

impl<'a> Judge<'a> {
    /// A judge who has seen nothing yet.
    pub(crate) fn new(binding: &'a FlowBinding, rules: &'a Rules, laws: &'a Laws) -> Self {
        Self {
            binding,
            rules,
            laws,
            judged: HashSet::new(),
            issued: Issued::default(),
            guessed: false,
            excused: HashSet::new(),
        }
    }

    /// Walks a trace.
    pub(crate) fn walk(&mut self, case: &Case, trace: &Trace) -> Walk {
        let mut walk = Walk { stopped: trace.stop.clone(), ..Walk::default() };
        let mut ways = vec![self.start()];
        let entries: BTreeMap<&str, usize> =
            trace.entries.iter().enumerate().map(|(at, entry)| (entry.step.as_str(), at)).collect();
        for step in &case.steps {
            let Some(at) = entries.get(lower::label(step.id).as_str()).copied() else {
                // Left out by the engine: nothing is known of its effect because there was none.
                if trace.stop.is_some() {
                    break;
                }
                continue;
            };
            walk.steps += 1;
            let entry = &trace.entries[at];
            let followed = match (&step.act, &entry.act) {
                (Act::Call(call), Happened::Exchange(exchange)) => {
                    self.follow(&ways, (step, call), (trace, entry), exchange, &mut walk)
                }
                (Act::Race(pair), Happened::Race { trials }) => {
                    walk.steps += 1;
                    let trial = trials.first();
                    match trial {
                        Some(trial) => {
                            self.follow_race(&ways, (step, pair), (trace, entry), trial, &mut walk)
                        }
                        None => Ok(ways.clone()),
                    }
                }
                (act, _) => Ok(unique(ways.iter().flat_map(|state| self.rules.act(state, act)))),
            };
            match followed {
                Ok(next) => ways = next,
                Err(mut failure) => {
                    failure.timeline = timeline(trace, at);
                    walk.failure = Some(*failure);
                    return walk;
                }
            }
        }
        Self::notice_silence(case, trace, &mut walk);
        walk
    }

    fn start(&self) -> State {
        let mut state = self.rules.start();
        state.window_unknown = !self.rules.fresh;
        state
    }

    /// A server that is gone, or hangs, is what the last request found.
    fn notice_silence(case: &Case, trace: &Trace, walk: &mut Walk) {
        let Some(stop) = trace.stop.as_ref().filter(|stop| stop.kind == StopKind::Unreachable)
        else {
            return;
        };
        let done = trace
            .entries
            .iter()
            .rev()
            .find_map(|entry| entry.step.strip_prefix("step ")?.parse::<u16>().ok());
        let step = done.or_else(|| case.steps.first().map(|step| step.id)).unwrap_or(1);
        walk.failure = Some(Failure {
            step,
            oracle: Oracle::Unanswered,
            clause: "X-68",
            violation: Violation::new("an answer", stop.reason.clone()),
            allowed: Vec::new(),
            exchange: None,
            timeline: timeline(trace, trace.entries.len().saturating_sub(1)),
        });
    }

    fn follow(
        &mut self,
        ways: &[State],
        (step, call): (&Step, &Call),
        (trace, entry): (&Trace, &Entry),
        exchange: &Exchange,
        walk: &mut Walk,
    ) -> Result<Vec<State>, Box<Failure>> {
        let face = Face::new(exchange);
        let class = classify(self.binding, &face);
        let known: Vec<Branch> =
            ways.iter().flat_map(|state| self.rules.answers(state, call, (step.id, 0))).collect();
        walk.cells.push(cell(call, &class, exchange));
        let allowed = allowed(&known);
        let fail = |oracle: Oracle, clause: &'static str, violation: Violation| {
            Box::new(Failure {
                step: step.id,
                oracle,
                clause,
                violation,
                allowed: allowed.clone(),
                exchange: Some(picture(exchange)),
                timeline: Vec::new(),
            })
        };
        let got = || shown(self.binding, &Observed { face: &face, event: None, entry, trace });
        let tolerant = known.iter().any(|branch| branch.outcomes.contains(&"refused"));
        if let Err(error) = &exchange.reply {
            if tolerant && matches!(error, WireError::Closed(_)) {
                return Ok(unique(known.into_iter().map(|branch| branch.next)));
            }
            return Err(fail(
                Oracle::Unanswered,
                "X-68",
                Violation::new("an answer", error.to_string()),
            ));
        }
        let fitting: Vec<&Branch> =
            known.iter().filter(|branch| is_one_of(&branch.outcomes, &class, exchange)).collect();
        if fitting.is_empty() {
            if status(exchange) >= 500 {
                return Err(fail(
                    Oracle::Failed,
                    "X-68",
                    Violation { wanted: allowed.clone(), got: got() },
                ));
            }
            let clause = known.first().map_or("X-66", |branch| branch.clause);
            let wanted = allowed.clone();
            return Err(fail(
                Oracle::State(allowed.clone()),
                clause,
                Violation { wanted, got: got() },
            ));
        }
        let next = Self::factual(&fitting, step.id, exchange, entry)
            .map_err(|(oracle, clause, violation)| fail(oracle, clause, violation))?;
        self.hold(call, step.id, (trace, entry), &face, &class)
            .map_err(|(oracle, clause, violation)| fail(oracle, clause, violation))?;
        Ok(unique(next.into_iter()))
    }

    /// The states of the branches whose facts stand in the answer.
    fn factual(
        fitting: &[&Branch],
        step: u16,
        exchange: &Exchange,
        entry: &Entry,
    ) -> Result<Vec<State>, Wrong> {
        let mut wrong = None;
        let mut next = Vec::new();
        for branch in fitting {
            match Self::facts(branch, (step, 0), exchange, &entry.bindings) {
                Ok(()) => next.push(branch.next.clone()),
                Err(fact) => wrong = wrong.or(Some(fact)),
            }
        }
        match wrong {
            Some(wrong) if next.is_empty() => Err(wrong),
            _ => Ok(next),
        }
    }

    /// Holds an answer against the laws, and its tokens against all that came before.
    fn hold(
        &mut self,
        call: &Call,
        step: u16,
        (trace, entry): (&Trace, &Entry),
        face: &Face<'_>,
        class: &Class<'_>,
    ) -> Result<(), Wrong> {
        let issued = matches!(class, Class::Known(outcome) if outcome.name == "issued");
        let print = fingerprint(call, face.exchange);
        // A failure that the state of the server explains: HEAD has no body to say so in.
        if class.name() == "server_error" {
            return Ok(());
        }
        if issued || self.judged.insert(print) {
            let observed = Observed { face, event: None, entry, trace };
            let documented = call.method.is_none();
            if let Some((law, violation)) =
                self.laws.broken(self.binding, &observed, documented, &self.excused)
            {
                self.judged.remove(&print);
                return Err((Oracle::Law(law), "", violation));
            }
        }
        if !issued || call.operation == "current" {
            return Ok(());
        }
        self.issued(step, (trace, entry), face)
    }

    fn issued(
        &mut self,
        step: u16,
        (trace, entry): (&Trace, &Entry),
        face: &Face<'_>,
    ) -> Result<(), Wrong> {
        let value = |kind: TokenKind| {
            entry.bindings.get(&TokenId { step, side: 0, kind }.to_string()).cloned()
        };
        let access = value(TokenKind::Access);
        if let Some(token) = &access {
            let mut bindings = (*entry.bindings).clone();
            bindings.insert("token".to_owned(), token.clone());
            if let Some(refresh) = value(TokenKind::Refresh) {
                bindings.insert("refresh_token".to_owned(), refresh);
            }
            let named = Entry { bindings: Arc::new(bindings), ..entry.clone() };
            let observed = Observed { face, event: None, entry: &named, trace };
            let thorough = !std::mem::replace(&mut self.guessed, true);
            if let Some((law, violation)) =
                self.laws.broken_issue(self.binding, &observed, thorough, &self.excused)
            {
                self.guessed &= !thorough;
                return Err((Oracle::Law(law), "", violation));
            }
        }
        for kind in [TokenKind::Access, TokenKind::Refresh] {
            let Some(token) = value(kind) else {
                continue;
            };
            if let Some(violation) = self.issued.repeats(&token) {
                let id = TokenId { step, side: 0, kind };
                return Err((Oracle::Repeated(id), "X-61", violation));
            }
        }
        Ok(())
    }

    fn facts(
        branch: &Branch,
        at: (u16, u8),
        exchange: &Exchange,
        bindings: &BTreeMap<String, String>,
    ) -> Result<(), Wrong> {
        for fact in &branch.facts {
            match fact {
                Fact::Json(path, wanted, clause) => {
                    let json =
                        exchange.reply.as_ref().ok().and_then(|response| response.body.json());
                    let found = JsonPath::parse(path)
                        .ok()
                        .and_then(|path| path.first(json.as_ref()?).cloned());
                    if !matches(wanted, found.as_ref()) {
                        let got = found
                            .map_or_else(|| "nothing there".to_owned(), |found| found.to_string());
                        let violation =
                            Violation::new(format!("{path}: {wanted}"), format!("{path}: {got}"));
                        return Err((Oracle::Fact(path, wanted.to_string()), clause, violation));
                    }
                }
                Fact::SameToken(id, clause) => {
                    let own = TokenId { step: at.0, side: at.1, kind: TokenKind::Access };
                    let (first, again) =
                        (bindings.get(&id.to_string()), bindings.get(&own.to_string()));
                    if first.is_some() && first != again {
                        let violation = Violation::new(
                            format!("the token that was issued as {id}"),
                            "another one",
                        );
                        return Err((Oracle::OtherToken(*id), clause, violation));
                    }
                }
            }
        }
        Ok(())
    }
}

pub(super) fn unique(states: impl Iterator<Item = State>) -> Vec<State> {
    let mut kept: Vec<State> = Vec::new();
    for state in states {
        if kept.len() < MOST_WAYS && !kept.contains(&state) {
            kept.push(state);
        }
    }
    kept
}

/// The names of all outcomes that branches allow.
fn allowed(branches: &[Branch]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in branches.iter().flat_map(|branch| &branch.outcomes) {
        if !names.iter().any(|known| known == name) {
            names.push((*name).to_owned());
        }
    }
    names
}

fn status(exchange: &Exchange) -> u16 {
    exchange.reply.as_ref().map_or(0, |response| response.status)
}

pub(super) fn is_one_of(outcomes: &[&str], class: &Class<'_>, exchange: &Exchange) -> bool {
    let (name, kind): (&str, Option<OutcomeKind>) = match class {
        Class::Known(outcome) => (&outcome.name, Some(outcome.kind)),
        Class::Closed | Class::None | Class::Unrecognised => (class.name(), None),
    };
    let closed = matches!(class, Class::Closed) && outcomes.contains(&"refused");
    closed
        || fits(outcomes, name, kind, exchange.reply.as_ref().ok().map(|response| response.status))
}

fn matches(wanted: &Value, found: Option<&Value>) -> bool {
    let Some(found) = found else {
        return false;
    };
    match wanted.as_object() {
        None => wanted == found,
        Some(operators) => operators.iter().all(|(operator, operand)| match operator.as_str() {
            "type" => found.is_string(),
            "starts_with" => found
                .as_str()
                .zip(operand.as_str())
                .is_some_and(|(found, start)| found.starts_with(start)),
            _ => false,
        }),
    }
}
