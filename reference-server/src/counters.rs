//! What a test may ask about afterwards: how often things happened, and the last things that happened, in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::account::Flow;
use crate::store::lock;

/// How many events are kept; older ones are forgotten.
const EVENTS: usize = 1024;

/// What is counted for each flow.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tally {
    /// A token was presented and accepted.
    Accepted,
    /// No token, or one that does not count.
    Denied,
    /// A token was issued.
    Issued,
    /// A token was revoked.
    Revoked,
}

const TALLIES: [(Tally, &str); 4] = [
    (Tally::Accepted, "accepted"),
    (Tally::Denied, "denied"),
    (Tally::Issued, "issued"),
    (Tally::Revoked, "revoked"),
];

/// Relaxed atomics only: counting must not cost a validation anything worth measuring.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    flows: [[AtomicU64; TALLIES.len()]; Flow::ALL.len()],
    pub(crate) connections: AtomicU64,
    pub(crate) open_connections: AtomicU64,
    pub(crate) open_sockets: AtomicU64,
    statuses: [AtomicU64; 5],
}

impl Counters {
    pub(crate) fn count(&self, flow: Flow, tally: Tally) {
        self.flows[flow as usize][tally as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.statuses[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for flow in Flow::ALL {
            for (tally, name) in TALLIES {
                let count = self.flows[flow as usize][tally as usize].load(Ordering::Relaxed);
                all.insert(format!("{flow}.{name}"), count);
            }
        }
        for (class, count) in (1..).zip(&self.statuses) {
            all.insert(format!("answers.{class}xx"), count.load(Ordering::Relaxed));
        }
        for (name, counter) in [
            ("connections.accepted", &self.connections),
            ("connections.open", &self.open_connections),
            ("sockets.open", &self.open_sockets),
        ] {
            all.insert(name.to_owned(), counter.load(Ordering::Relaxed));
        }
        all
    }

    /// Back to zero; what is open now stays counted as open.
    pub(crate) fn reset(&self) {
        for counter in self.flows.iter().flatten().chain(&self.statuses) {
            counter.store(0, Ordering::Relaxed);
        }
        self.connections.store(0, Ordering::Relaxed);
    }
}

/// Something that happened, without any secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// When, in milliseconds since the UNIX epoch on the server's clock.
    pub at_ms: u64,
    /// What kind of thing, as one word with hyphens: `pressed`, `issued`, `revoked`, `window-closed`, ...
    pub kind: &'static str,
    /// What it happened to, in words.
    pub detail: String,
}

/// The last events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<VecDeque<Event>>);

impl Events {
    pub(crate) fn push(&self, at_ms: u64, kind: &'static str, detail: impl Into<String>) {
        let mut events = lock(&self.0);
        if events.len() == EVENTS {
            events.pop_front();
        }
        events.push_back(Event { at_ms, kind, detail: detail.into() });
    }

    pub(crate) fn snapshot(&self) -> Vec<Event> {
        lock(&self.0).iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_events_are_kept() {
        let events = Events::default();
        for number in 0..EVENTS as u64 + 5 {
            events.push(number, "pressed", "");
        }
        let kept = events.snapshot();
        assert_eq!(kept.len(), EVENTS);
        assert_eq!(kept[0].at_ms, 5);
    }

    #[test]
    fn counters_are_named_by_flow_and_start_again_at_zero() {
        let counters = Counters::default();
        counters.count(Flow::JwtLogin, Tally::Issued);
        counters.answered(401);
        let snapshot = counters.snapshot();
        assert_eq!(snapshot["jwt-login.issued"], 1);
        assert_eq!(snapshot["answers.4xx"], 1);
        counters.reset();
        assert!(counters.snapshot().values().all(|count| *count == 0));
    }
}
