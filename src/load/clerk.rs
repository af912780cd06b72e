//! Who judges the answers of one worker: an answer that was judged before is known again, so that most of them cost a
//! comparison.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::court::{Complaint, Court, Expected};
use super::detail::Grievance;
use super::recorder::Slice;
use crate::model::Exchange;

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
