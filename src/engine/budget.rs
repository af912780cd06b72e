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

    pub(super) fn is_used_up(&self) -> bool {
        self.made.load(Ordering::Relaxed) >= self.allowed
    }

    pub(super) fn count(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}
