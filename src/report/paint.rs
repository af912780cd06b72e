//! Colour, where it helps and is wanted. No meaning is carried by colour alone.

use crate::model::Verdict;

/// Whether and how to colour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Paint {
    /// Whether to colour at all.
    pub colour: bool,
}

impl Paint {
    /// A text in bold.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// A text that steps back.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A text in the colour of a verdict.
    pub fn verdict(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Pass => "32",
            Verdict::Fail | Verdict::Unstable | Verdict::Stale | Verdict::Error => "31",
            Verdict::Warn | Verdict::Blocked => "33",
            Verdict::Info | Verdict::Known => "36",
            Verdict::NotApplicable | Verdict::Excluded => "2",
        };
        self.wrap(code, text)
    }

    /// The sign before a finding.
    pub const fn sign(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Pass => "✓",
            Verdict::Fail => "✗",
            Verdict::Warn => "!",
            Verdict::Info => "i",
            Verdict::Blocked => "?",
            Verdict::Unstable => "~",
            Verdict::Error => "E",
            Verdict::NotApplicable | Verdict::Excluded => "-",
            Verdict::Known => "k",
            Verdict::Stale => "s",
        }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
