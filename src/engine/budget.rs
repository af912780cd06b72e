//! How many wrong logins a run may make: more of them could lock an account of a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Wrong logins that a run may still make, shared by all its scenarios: more of them could lock an account.
#[derive(Clone, Debug)]
pub struct Budget {
    pub(super) allowed: u32,
    made: Arc<AtomicU32>,
}

impl Budget {
    /// A budget of so many wrong logins.
    pub fn new(allowed: u32) -> Self {
        Self { allowed, made: Arc::default() }
    }

    /// Takes one of them for a login that may be wrong; whether there was one left.
    pub(super) fn take(&self) -> bool {
        let one_more = |made: u32| (made < self.allowed).then_some(made + 1);
        self.made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// The login was right after all.
    pub(super) fn give_back(&self) {
        let one_less = |made: u32| Some(made.saturating_sub(1));
        self.made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok();
    }

    /// A login that was meant to be right was not.
    pub(super) fn count(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}
