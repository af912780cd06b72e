//! Login throttling, where a variant asks for it: ten wrong passwords for one user name within a minute, and the
//! rest of that minute is refused. The owner is locked out for no longer than that, and names that do not exist are
//! counted like those that do.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::account::Flow;
use crate::store::lock;

/// Wrong passwords that one name may have in one minute.
const FAILURES: u32 = 10;

const MINUTE: u64 = 60_000;

/// More names than this, and the minutes that are over are forgotten; still more, and all are.
const MAX_NAMES: usize = 10_000;

/// Seconds to wait, as `Retry-After` says it (RFC 9110 section 10.2.3).
pub(crate) const RETRY_AFTER: &str = "60";

#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<HashMap<(Flow, String), Minute>>);

#[derive(Debug, Clone, Copy)]
struct Minute {
    began: u64,
    failures: u32,
}

impl Throttle {
    /// Whether a login for this name is refused unread.
    pub(crate) fn refuses(&self, now: u64, flow: Flow, name: &str) -> bool {
        let names = lock(&self.0);
        names
            .get(&(flow, name.to_lowercase()))
            .is_some_and(|minute| minute.failures >= FAILURES && now < minute.began + MINUTE)
    }

    /// Counts a wrong password.
    pub(crate) fn failed(&self, now: u64, flow: Flow, name: &str) {
        let mut names = lock(&self.0);
        if names.len() >= MAX_NAMES {
            names.retain(|_, minute| now < minute.began + MINUTE);
        }
        if names.len() >= MAX_NAMES {
            names.clear();
        }
        let minute =
            names.entry((flow, name.to_lowercase())).or_insert(Minute { began: now, failures: 0 });
        if now >= minute.began + MINUTE {
            *minute = Minute { began: now, failures: 0 };
        }
        minute.failures += 1;
    }

    pub(crate) fn reset(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_close_a_name_for_the_rest_of_its_minute_and_no_other_name() {
        let throttle = Throttle::default();
        for _ in 0..FAILURES {
            assert!(!throttle.refuses(5, Flow::JwtLogin, "a"));
            throttle.failed(5, Flow::JwtLogin, "A");
        }
        assert!(throttle.refuses(5 + MINUTE - 1, Flow::JwtLogin, "a"));
        assert!(!throttle.refuses(5 + MINUTE, Flow::JwtLogin, "a"));
        assert!(!throttle.refuses(5, Flow::JwtLogin, "b"));
        assert!(!throttle.refuses(5, Flow::VisitorLogin, "a"));
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..MAX_NAMES * 2 + 5 {
            throttle.failed(0, Flow::JwtLogin, &number.to_string());
        }
        assert!(lock(&throttle.0).len() <= MAX_NAMES);
    }
}
