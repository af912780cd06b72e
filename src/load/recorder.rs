//! What a worker writes down: no lock, no allocation, a fixed amount of memory.

use std::time::Duration;

use super::detail::{CaseDetail, Detail};
use crate::stats::Histogram;

/// Nanoseconds.
pub(super) const SECOND: u64 = 1_000_000_000;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// No connection could be made.
    Connect,
    /// The connection ended before the answer was complete.
    Closed,
    /// No complete answer within the deadline.
    Deadline,
    /// What came back was no HTTP, or too large.
    Nonsense,
    /// A scenario could not go on, for what is no fault of the server: a hook, an account.
    Stopped,
}

impl Failure {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Connect, "no connection"),
        (Self::Closed, "closed before the answer was complete"),
        (Self::Deadline, "no answer within the deadline"),
        (Self::Nonsense, "no HTTP answer, or too large"),
        (Self::Stopped, "the scenario could not go on"),
    ];
}

/// Counts of a whole run or of a part of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Requests that became due and were sent, or could not be.
    pub(super) sent: u64,
    /// Answers, by case and outcome.
    pub(super) outcomes: Vec<u64>,
    pub(super) wrong: u64,
    pub(super) failures: [u64; Failure::ALL.len()],
    /// The first sentence of each kind of failure.
    pub(super) reasons: [Option<String>; Failure::ALL.len()],
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) connects: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.outcomes.resize(self.outcomes.len().max(other.outcomes.len()), 0);
        self.outcomes.iter_mut().zip(&other.outcomes).for_each(|(mine, other)| *mine += other);
        self.wrong += other.wrong;
        self.failures.iter_mut().zip(&other.failures).for_each(|(mine, other)| *mine += other);
        for (mine, other) in self.reasons.iter_mut().zip(&other.reasons) {
            if mine.is_none() {
                mine.clone_from(other);
            }
        }
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.connects += other.connects;
    }
}

/// What happened in one second of one worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    /// The number of the second, counted from the start of the measurement.
    pub(super) second: u64,
    /// Response times; the only place where a worker writes them down.
    pub(super) response: Histogram,
    pub(super) wrong: u64,
    pub(super) failed: u64,
    pub(super) sent: u64,
    /// The longest that a request was written late.
    pub(super) latest: u64,
    /// More of it, where somebody watches.
    pub(super) detail: Option<Box<Detail>>,
}

impl Slice {
    /// Adds what another worker saw in the same second.
    pub(super) fn add(&mut self, other: &Self) {
        self.response.add(&other.response);
        self.wrong += other.wrong;
        self.failed += other.failed;
        self.sent += other.sent;
        self.latest = self.latest.max(other.latest);
        if let (Some(mine), Some(other)) = (&mut self.detail, &other.detail) {
            mine.add(other);
        }
    }
}

/// What one worker measured.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    /// Nothing that was due before this moment is recorded: nanoseconds from the start.
    from: u64,
    /// Whether service time can differ from response time, as it does where there is a schedule.
    scheduled: bool,
    /// Service times, where there is a schedule; elsewhere they are the response times.
    pub(super) service: Histogram,
    pub(super) lateness: Histogram,
    pub(super) counts: Counts,
    pub(super) slice: Slice,
    outcomes: usize,
}

/// The moments of one exchange, in nanoseconds from the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    /// When the schedule wanted it written; the moment of writing where there is no schedule.
    pub(super) due: u64,
    /// When it was written.
    pub(super) sent: u64,
    /// When its answer was read.
    pub(super) done: u64,
}

impl Recorder {
    pub(super) fn new(warm_up: Duration, scheduled: bool, cases: usize, outcomes: usize) -> Self {
        Self {
            from: u64::try_from(warm_up.as_nanos()).unwrap_or(u64::MAX),
            scheduled,
            service: Histogram::default(),
            lateness: Histogram::default(),
            counts: Counts { outcomes: vec![0; cases * outcomes], ..Counts::default() },
            slice: Slice::default(),
            outcomes,
        }
    }

    /// The same with more written down of each second.
    pub(super) fn detailed(mut self, cases: usize) -> Self {
        self.slice.detail = Some(Box::new(Detail::new(cases, self.outcomes)));
        self
    }

    const fn counts_from(&self, due: u64) -> bool {
        due >= self.from
    }

    /// A request was written; `free` is when it could have been at the earliest.
    #[inline]
    pub(super) fn sent(&mut self, due: u64, free: u64, sent: u64, (case, bytes): (usize, usize)) {
        if !self.counts_from(due) {
            return;
        }
        self.counts.sent += 1;
        self.slice.sent += 1;
        self.counts.bytes_sent += bytes as u64;
        if let Some(detail) = self.detail(case) {
            detail.sent += 1;
        }
        if self.scheduled {
            let late = sent.saturating_sub(due.max(free));
            self.lateness.record(late);
            if let Some(detail) = &mut self.slice.detail {
                detail.lateness.record(late);
            }
            self.slice.latest = self.slice.latest.max(late);
        }
    }

    #[inline]
    pub(super) fn answered(
        &mut self,
        moments: Moments,
        case: usize,
        ruling: super::clerk::Ruling,
        bytes: usize,
    ) {
        if !self.counts_from(moments.due) {
            return;
        }
        let response = moments.done.saturating_sub(moments.due);
        self.slice.response.record(response);
        if self.scheduled {
            let service = moments.done.saturating_sub(moments.sent);
            self.service.record(service);
            if let Some(detail) = &mut self.slice.detail {
                detail.service.record(service);
            }
        }
        self.counts.bytes_received += bytes as u64;
        if let Some(detail) = self.detail(case) {
            detail.response.record(response);
            detail.wrong += u64::from(ruling.wrong);
            detail.bytes += bytes as u64;
            if let Some(count) = detail.outcomes.get_mut(usize::from(ruling.outcome)) {
                *count += 1;
            }
        }
        self.mended(case, ruling);
    }

    /// What is written down of a case in detail, where somebody watches.
    #[inline]
    fn detail(&mut self, case: usize) -> Option<&mut CaseDetail> {
        self.slice.detail.as_mut()?.cases.get_mut(case)
    }

    /// Counts an answer and no time: that of a request beside what is measured.
    #[inline]
    pub(super) fn mended(&mut self, case: usize, ruling: super::clerk::Ruling) {
        let place = case * self.outcomes + usize::from(ruling.outcome);
        if let Some(count) = self.counts.outcomes.get_mut(place) {
            *count += 1;
        }
        self.counts.wrong += u64::from(ruling.wrong);
        self.slice.wrong += u64::from(ruling.wrong);
    }

    pub(super) fn failed(&mut self, due: u64, case: usize, failure: Failure, reason: String) {
        if !self.counts_from(due) {
            return;
        }
        self.slice.failed += 1;
        self.counts.failures[failure as usize] += 1;
        if let Some(detail) = &mut self.slice.detail {
            detail.reasons[failure as usize].get_or_insert_with(|| reason.clone());
            if let Some(case) = detail.cases.get_mut(case) {
                case.failures[failure as usize] += 1;
            }
        }
        self.counts.reasons[failure as usize].get_or_insert(reason);
    }

    /// What was recorded in the second that is over, once it is; `now` in nanoseconds from the start.
    pub(super) fn finish_second(&mut self, now: u64) -> Option<Slice> {
        let current = now.checked_sub(self.from)? / SECOND;
        (current > self.slice.second).then(|| {
            let slice = self.take_slice();
            self.slice.second = current;
            slice
        })
    }

    /// Takes what was recorded since the last second ended.
    pub(super) fn take_slice(&mut self) -> Slice {
        let slice = std::mem::take(&mut self.slice);
        self.slice.second = slice.second;
        let detail =
            slice.detail.as_ref().map(|detail| Detail::new(detail.cases.len(), self.outcomes));
        self.slice.detail = detail.map(Box::new);
        slice
    }
}
