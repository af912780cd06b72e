//! Holds every answer against the contract, each kind of answer once.
//!
//! The first answer of its kind is judged in full: its outcome, the documented answer of that outcome, and the checks
//! that every answer of the flow is held against. An answer that is the same but for its `Date` needs no second judging.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::detail::Grievance;
use super::recorder::Slice;
use crate::engine::{
    Assessed, Class, Face, Law, Observed, assess, classify, from_field, judge, picture,
};
use crate::model::{
    Act, Bindings, ClauseId, Entry, Exchange, Finding, Flow, Kept, Level, Role, SecretBook,
    SentAndReceived, Trace, Verdict,
};
use crate::scenario::{Assertion, Scenario};
use crate::target::{Baseline, Field, FlowBinding, Library, OutcomeKind};

/// What an answer must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// Of this outcome.
    Outcome(String),
    /// Any refusal but a failure of the server.
    Refusal,
}

impl Expected {
    /// In a word.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::Outcome(name) => name,
            Self::Refusal => "a refusal",
        }
    }
}

/// Something wrong with an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Complaint {
    /// What is wrong, in a sentence.
    pub(super) what: String,
    /// Whether the answer is wrong, or only not as it should be.
    pub(super) wrong: bool,
    /// The exchange, without its secrets.
    pub(super) exchange: SentAndReceived,
}

/// What an answer was found to be.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// The place of its outcome among those of the flow; behind the last one when none recognises it.
    pub(super) outcome: usize,
    pub(super) complaints: Vec<Complaint>,
}

/// What answers are judged by. Shared by all workers.
#[derive(Debug)]
pub(super) struct Court {
    library: Arc<Library>,
    binding: FlowBinding,
    /// Has what every answer of the flow is held against.
    scenario: Scenario,
    /// Findings that the profile accepts.
    accepted: Vec<Baseline>,
    /// Tokens beside that of the request which must not be shown.
    secrets: Vec<String>,
}

impl Court {
    pub(super) const fn new(
        library: Arc<Library>,
        binding: FlowBinding,
        scenario: Scenario,
        accepted: Vec<Baseline>,
        secrets: Vec<String>,
    ) -> Self {
        Self { library, binding, scenario, accepted, secrets }
    }

    /// The names of all outcomes, and of what none of them is.
    pub(super) fn outcomes(&self) -> Vec<String> {
        let names = self.binding.outcomes.iter().map(|outcome| outcome.name.clone());
        names.chain(["unrecognised".to_owned()]).collect()
    }

    /// Judges an exchange in full. `token` is what must not be shown; `complaint`, what is wrong with it already.
    pub(super) fn judge(
        &self,
        expected: &Expected,
        exchange: Exchange,
        token: &str,
        complaint: Option<String>,
    ) -> Judgement {
        let face = Face::new(&exchange);
        let class = classify(&self.binding, &face);
        let (at, right) = match class {
            Class::Known(outcome) => {
                let at = self.binding.outcomes.iter().position(|one| one.name == outcome.name);
                let right = match expected {
                    Expected::Outcome(name) => *name == outcome.name,
                    Expected::Refusal => {
                        let broke = exchange.reply.as_ref().is_ok_and(|reply| reply.status >= 500);
                        outcome.kind == OutcomeKind::Refusal && !broke
                    }
                };
                (at.unwrap_or(self.binding.outcomes.len()), right)
            }
            _ => (self.binding.outcomes.len(), false),
        };
        let mut found = Vec::new();
        if !right {
            let clause = promised(self.binding.flow, &exchange.operation, expected);
            let clause = clause.map(|id| format!(" ({id})")).unwrap_or_default();
            let what = format!("`{}` instead of `{}`{clause}", class.name(), expected.word());
            found.push((what, true));
        }
        found.extend(complaint.filter(|_| right).map(|what| (what, true)));
        let trace = self.trace(exchange.clone(), token);
        if right {
            found.extend(self.undocumented(&class, &face, &trace));
        }
        let law = Law {
            catalogue: &self.library.catalogue,
            binding: &self.binding,
            always: self.library.always.get(&self.binding.flow).unwrap_or(&self.scenario.checks),
        };
        for finding in judge(&law, &self.scenario, &trace) {
            let breaks = matches!(finding.verdict, Verdict::Fail | Verdict::Warn);
            if breaks && !self.accepts(&finding) {
                let wrong = finding.verdict == Verdict::Fail && finding.level == Level::Must;
                let covers: Vec<&str> = finding.covers.iter().map(ClauseId::as_str).collect();
                let clauses = if covers.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", covers.join(", "))
                };
                found
                    .push((format!("breaks {}: {}{clauses}", finding.check, finding.title), wrong));
            }
        }
        let book = self.book(token, &exchange);
        let shown = |exchange: &Exchange| {
            let SentAndReceived { sent, received, curl } = picture(exchange);
            let [sent, received, curl] = [sent, received, curl].map(|text| book.redact(&text));
            SentAndReceived { sent, received, curl }
        };
        let complaints = found.into_iter().map(|(what, wrong)| Complaint {
            what: book.redact(&what),
            wrong,
            exchange: shown(&exchange),
        });
        Judgement { outcome: at, complaints: complaints.collect() }
    }

    /// Whether the profile's baseline excuses a finding; one for single items of a repeated step does not.
    fn accepts(&self, finding: &Finding) -> bool {
        let got = finding.evidence.violation.as_ref().map_or("", |violation| &violation.got);
        let names = |name: &str| name == finding.check.as_str() || name == finding.check.base();
        self.accepted.iter().any(|one| {
            names(&one.check)
                && one.item.is_empty()
                && one.got.as_ref().is_none_or(|pattern| pattern.is_match(got))
        })
    }

    /// How an answer of the right class differs from the documented one.
    fn undocumented(
        &self,
        class: &Class<'_>,
        face: &Face<'_>,
        trace: &Trace,
    ) -> Option<(String, bool)> {
        let Class::Known(outcome) = class else { return None };
        outcome.documented.as_ref()?;
        let assertion =
            Assertion { documented: vec![outcome.name.clone()], ..Assertion::default() };
        let observed = Observed { face, event: None, entry: trace.entries.first()?, trace };
        match assess(&self.binding, &assertion, &observed) {
            Assessed::Breaks(violation) => {
                let wanted = violation.wanted.join(" or ");
                Some((
                    format!("is not the documented answer; wanted {wanted}; got {}", violation.got),
                    true,
                ))
            }
            Assessed::Holds | Assessed::NoAnswer(_) | Assessed::NoValue(_) => None,
        }
    }

    /// A trace with nothing but this exchange, for the judge.
    fn trace(&self, exchange: Exchange, token: &str) -> Trace {
        let secret = |name: &str, value: &str| Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            origin: "the load".to_owned(),
        };
        let secrets: Vec<Kept> =
            if token.is_empty() { vec![] } else { vec![secret("token", token)] };
        let entry = Entry {
            step: "load".to_owned(),
            item: None,
            group: 0,
            role: Role::Step,
            expectations: None,
            bindings: Arc::new(Bindings::from([("token".to_owned(), token.to_owned())])),
            known_before: secrets.len(),
            act: Act::Exchange(Box::new(exchange)),
        };
        Trace {
            scenario: self.scenario.name.clone(),
            flow: self.binding.flow,
            entries: vec![entry],
            stop: None,
            secrets,
            unasked: Vec::new(),
            lacking: BTreeMap::new(),
            skipped: Vec::new(),
        }
    }

    fn book(&self, token: &str, exchange: &Exchange) -> SecretBook {
        let mut book = SecretBook::default();
        book.note(token, "token");
        self.secrets.iter().for_each(|secret| book.note(secret, "token"));
        if let (Some(operation), Ok(reply)) =
            (self.binding.operations.get(&exchange.operation), &exchange.reply)
        {
            let issued = operation.answer.iter().filter(|(name, _)| Field::is_token(name));
            for (name, field) in issued {
                from_field(field, reply).iter().for_each(|token| book.note(token, name));
            }
        }
        for (role, identity) in &self.binding.identities {
            for (field, value) in &identity.fields {
                if identity.secret.contains(field) {
                    book.note(value, &format!("identity.{role}.{field}"));
                }
            }
        }
        book
    }
}

/// The clause that says what a validation is answered with: one of a good token, or one of a token that was never issued.
fn promised(flow: Flow, operation: &str, expected: &Expected) -> Option<&'static str> {
    let (accepted, denied) = match flow {
        Flow::GatewayButton => ("BTN-40", "BTN-44"),
        Flow::ChannelLogin => ("CHN-15", "CHN-16"),
        Flow::VisitorLogin => ("VMS-28", "VMS-31"),
        Flow::JwtLogin => ("JWT-40", "JWT-44"),
        Flow::EnvironmentToken => ("SUC-15", "SUC-16"),
        Flow::Common => return None,
    };
    match expected.word() {
        _ if operation != "validate" => None,
        "accepted" => Some(accepted),
        "denied" => Some(denied),
        _ => None,
    }
}

/// A complaint with how often it was made.
#[derive(Clone, Debug)]
pub(super) struct Tallied {
    pub(super) case: usize,
    pub(super) complaint: Complaint,
    pub(super) count: u64,
    /// When it was made first, in nanoseconds from the start.
    pub(super) first: u64,
}

/// An answer that nobody has judged yet.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) exchange: Exchange,
    /// The token of the request, which must not be shown.
    pub(super) token: &'a str,
    /// Its bytes, when they are all that the connection held and the same may come again.
    pub(super) known: Option<&'a [u8]>,
    /// What is wrong with it beside what the contract of HTTP says.
    pub(super) complaint: Option<String>,
    /// When it was read, in nanoseconds from the start.
    pub(super) now: u64,
}

/// What a worker needs to know of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ruling {
    pub(super) outcome: u16,
    pub(super) wrong: bool,
}

/// An answer that was judged, to know it again.
#[derive(Debug)]
struct Precedent {
    bytes: Box<[u8]>,
    /// Where the value of its `Date` is; empty without one.
    date: Range<usize>,
    ruling: Ruling,
    /// The places of its complaints.
    complaints: Box<[u32]>,
}

impl Precedent {
    fn is(&self, answer: &[u8]) -> bool {
        answer.len() == self.bytes.len()
            && answer[..self.date.start] == self.bytes[..self.date.start]
            && answer[self.date.end..] == self.bytes[self.date.end..]
    }
}

/// What one worker remembers of the answers of one case.
#[derive(Debug, Default)]
struct Memory {
    precedents: Vec<Precedent>,
    /// The one that fitted last.
    last: usize,
    by_hash: HashMap<u64, usize>,
    bytes: usize,
}

/// What memories may hold: so many answers, and so many bytes, for each case.
const MOST_PRECEDENTS: usize = 1 << 12;
const MOST_BYTES: usize = 2 << 20;
/// More kinds of complaint than this are counted under the last one.
const MOST_COMPLAINTS: usize = 100;

/// Judges the answers of one worker.
#[derive(Debug)]
pub(super) struct Clerk {
    court: Arc<Court>,
    memories: Vec<Memory>,
    pub(super) tallies: Vec<Tallied>,
    /// How many answers were judged in full.
    pub(super) judged: u64,
    /// How much of each tally was told already.
    told: Vec<u64>,
}

impl Clerk {
    pub(super) fn new(court: Arc<Court>, cases: usize) -> Self {
        let memories = (0..cases).map(|_| Memory::default()).collect();
        Self { court, memories, tallies: Vec::new(), judged: 0, told: Vec::new() }
    }

    /// The same clerk, with nothing left where it was.
    pub(super) fn retire(&mut self) -> Self {
        let empty = Self::new(Arc::clone(&self.court), 0);
        std::mem::replace(self, empty)
    }

    /// A second of the recorder with what was wrong in it, where somebody watches.
    pub(super) fn sign(&mut self, mut slice: Slice) -> Slice {
        let Some(detail) = &mut slice.detail else { return slice };
        self.told.resize(self.tallies.len(), 0);
        for (tallied, told) in self.tallies.iter().zip(&mut self.told) {
            let count = tallied.count - *told;
            if count > 0 {
                let Complaint { what, wrong, .. } = &tallied.complaint;
                let (case, what, wrong) = (tallied.case, what.clone(), *wrong);
                detail.complaints.push(Grievance { case, what, wrong, count });
            }
            *told = tallied.count;
        }
        slice
    }

    /// The ruling on an answer that is known already.
    #[inline]
    pub(super) fn remembered(&mut self, case: usize, answer: &[u8]) -> Option<Ruling> {
        let memory = &mut self.memories[case];
        let last = memory.precedents.get(memory.last)?;
        let found = if last.is(answer) {
            last
        } else {
            let at = *memory.by_hash.get(&hash(answer, &last.date)?)?;
            let found = memory.precedents.get(at).filter(|found| found.is(answer))?;
            memory.last = at;
            found
        };
        for at in &found.complaints {
            self.tallies[*at as usize].count += 1;
        }
        Some(found.ruling)
    }

    /// Judges an answer in full.
    pub(super) fn judge(&mut self, case: usize, expected: &Expected, answer: Answer<'_>) -> Ruling {
        let Answer { exchange, token, known, complaint, now } = answer;
        self.judged += 1;
        let judgement = self.court.judge(expected, exchange, token, complaint);
        let outcome = u16::try_from(judgement.outcome).unwrap_or(u16::MAX);
        let ruling = Ruling { outcome, wrong: judgement.complaints.iter().any(|one| one.wrong) };
        let complaints: Vec<u32> = judgement
            .complaints
            .into_iter()
            .map(|complaint| self.tally(case, complaint, now))
            .collect();
        if let Some(answer) = known {
            self.memories[case].keep(answer, ruling, complaints);
        }
        ruling
    }

    fn tally(&mut self, case: usize, complaint: Complaint, now: u64) -> u32 {
        let same = |one: &Tallied| one.case == case && one.complaint.what == complaint.what;
        let mut at = self.tallies.iter().position(same);
        if at.is_none() && self.tallies.len() >= MOST_COMPLAINTS {
            at = Some(self.tallies.len() - 1);
        }
        let at = at.unwrap_or_else(|| {
            self.tallies.push(Tallied { case, complaint, count: 0, first: now });
            self.tallies.len() - 1
        });
        self.tallies[at].count += 1;
        at as u32
    }
}

impl Memory {
    fn keep(&mut self, answer: &[u8], ruling: Ruling, complaints: Vec<u32>) {
        if answer.len() > MOST_BYTES / 4 {
            return;
        }
        if self.precedents.len() >= MOST_PRECEDENTS || self.bytes > MOST_BYTES {
            *self = Self::default();
        }
        let date = date(answer);
        self.bytes += answer.len();
        self.last = self.precedents.len();
        if let Some(hash) = hash(answer, &date) {
            self.by_hash.insert(hash, self.last);
        }
        let (bytes, complaints) = (answer.into(), complaints.into());
        self.precedents.push(Precedent { bytes, date, ruling, complaints });
    }
}

/// Where the value of the `Date` field is (RFC 9110 section 6.6.1): the one part of an answer that time changes by itself.
fn date(answer: &[u8]) -> Range<usize> {
    const NAME: &[u8] = b"\r\ndate:";
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
    let found = answer[..head].windows(NAME.len()).position(|part| part.eq_ignore_ascii_case(NAME));
    let Some(found) = found else { return 0..0 };
    let start = found + NAME.len();
    let length = answer[start..].windows(2).position(|two| two == b"\r\n").unwrap_or(0);
    start..start + length
}

/// A hash of everything but the `Date`; `None` when there is none at this place. Equality is tested after it.
fn hash(answer: &[u8], date: &Range<usize>) -> Option<u64> {
    let (head, tail) = (answer.get(..date.start)?, answer.get(date.end..)?);
    let mut state = answer.len() as u64;
    for part in [head, tail] {
        let mut words = part.chunks_exact(8);
        for word in &mut words {
            let word = u64::from_le_bytes(word.try_into().ok()?);
            state = (state.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        for byte in words.remainder() {
            state = (state.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
    Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATED: &[u8] =
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok";

    fn right() -> Ruling {
        Ruling { outcome: 0, wrong: false }
    }

    #[test]
    fn only_the_date_may_differ_between_answers_that_are_the_same() {
        let mut memory = Memory::default();
        memory.keep(DATED, right(), Vec::new());
        let text = String::from_utf8_lossy(DATED).into_owned();
        for (other, same) in [
            (text.clone(), true),
            (text.replace("08:49:37", "08:49:38"), true),
            (text.replace("ok", "no"), false),
            (text.replace("200", "201"), false),
            (text.replace("Date", "Late"), false),
            (text.replace("GMT", "GMT+1"), false),
            (format!("{text}x"), false),
            (String::new(), false),
        ] {
            assert_eq!(memory.precedents[0].is(other.as_bytes()), same, "{other:?}");
        }
    }

    #[test]
    fn a_date_is_looked_for_in_the_head_alone() {
        for (answer, wanted) in [
            ("HTTP/1.1 200 OK\r\ndate:x\r\n\r\n", 22..23),
            ("HTTP/1.1 200 OK\r\n\r\n\r\ndate: x\r\n", 0..0),
            ("HTTP/1.1 200 OK\r\nX-Date: x\r\n\r\n", 0..0),
        ] {
            assert_eq!(date(answer.as_bytes()), wanted, "{answer:?}");
        }
    }

    #[test]
    fn a_memory_does_not_grow_without_end() {
        let mut memory = Memory::default();
        for n in 0..3 * MOST_PRECEDENTS {
            memory.keep(format!("{n:0900}").as_bytes(), right(), Vec::new());
        }
        assert!(memory.bytes <= MOST_BYTES + 900 && memory.precedents.len() <= MOST_PRECEDENTS);
    }
}
