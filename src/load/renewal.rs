//! Keeps the valid tokens valid while a run goes on, outside of what is measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::form::Tokens;
use super::run::Watcher;
use super::worker::{Fresh, Shared};

/// Keeps the valid tokens valid while a run goes on.
pub(super) struct TokenUpkeep {
    next: Option<Renewal>,
    renewed: u32,
    failed: Option<String>,
}

impl TokenUpkeep {
    pub(super) const fn new(next: Option<Renewal>) -> Self {
        Self { next, renewed: 0, failed: None }
    }

    pub(super) fn wait(&self) -> Duration {
        // As good as for ever.
        self.next.map_or(Duration::from_secs(86_400), |next| next.wait(Instant::now()))
    }

    pub(super) fn renew(&mut self, watcher: &mut dyn Watcher, shared: &Shared) {
        let Some(renewal) = self.next.take() else { return };
        match watcher.renew().map(|fresh| fresh.map(|fresh| renewal.renewed(fresh))) {
            None => {}
            Some(Ok(Ok((next, fresh)))) => {
                shared.hand_out(fresh);
                self.next = Some(next);
                self.renewed += 1;
            }
            Some(Ok(Err(fewer))) => {
                let count = fewer.tokens.len();
                self.failed = Some(format!("the server handed out only {count}"));
            }
            Some(Err(error)) => self.failed = Some(error.to_string()),
        }
    }

    /// What a reader of the report should know of it.
    pub(super) fn note(&self) -> Option<String> {
        let often = match self.renewed {
            0 => None,
            1 => Some("the valid tokens were renewed once, before they expired".to_owned()),
            times => {
                Some(format!("the valid tokens were renewed {times} times, before they expired"))
            }
        };
        let failed = self.failed.as_ref().map(|why| format!("tokens could not be renewed: {why}"));
        match (often, failed) {
            (Some(often), Some(failed)) => Some(format!("{often}; then {failed}")),
            (often, failed) => often.or(failed),
        }
    }
}

/// Tokens that are renewed before they expire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    /// The case of the tokens.
    pub(super) case: usize,
    /// How many there are.
    pub(super) count: usize,
    pub(super) life: Duration,
    /// When the oldest of them was obtained.
    pub(super) obtained: Instant,
}

impl Renewal {
    /// How long until they should be renewed: with a quarter of their life to go.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        (self.obtained + self.life.mul_f64(0.75)).saturating_duration_since(now)
    }

    /// The next renewal, of these tokens that a renewal has brought.
    pub(super) fn renewed(self, fresh: FreshTokens) -> Result<(Self, Fresh), FreshTokens> {
        if fresh.tokens.len() != self.count {
            return Err(fresh);
        }
        let next = Self { obtained: fresh.obtained, ..self };
        Ok((next, Fresh { case: self.case, tokens: Arc::new(fresh.tokens) }))
    }
}

/// Valid tokens that were obtained while a run went on.
#[derive(Debug)]
pub struct FreshTokens {
    pub(super) tokens: Tokens,
    pub(super) obtained: Instant,
}
