//! What a check concluded.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckId, ClauseId, Evidence, Flow};

/// How binding a clause is (RFC 2119), or that it only records what a server does.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// The documents leave it open: recorded, never failed.
    Record,
    /// Allowed, not asked for.
    May,
    /// Recommended: a breach is a warning.
    Should,
    /// Required: a breach is a failure.
    Must,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Record => "RECORD",
            Self::May => "MAY",
            Self::Should => "SHOULD",
            Self::Must => "MUST",
        })
    }
}

/// The conclusion of a check. The order is the order of weight when several are merged.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Filtered out by the user.
    Excluded,
    /// The profile declares that the server does not have it.
    #[serde(rename = "na")]
    NotApplicable,
    /// Ran, its controls held, and the clause was kept.
    Pass,
    /// The documents do not decide; what the server did is in the fingerprint.
    Info,
    /// Failed, and listed in the baseline.
    Known,
    /// A SHOULD is broken, or a MUST of an RFC that the flow's own document overrides.
    Warn,
    /// Listed in the baseline, but it passed, or the entry has expired.
    Stale,
    /// Not proved: a prerequisite, a control, a hook or a person was missing.
    Blocked,
    /// The harness failed.
    Error,
    /// Repeats disagree.
    Unstable,
    /// A MUST is broken.
    Fail,
}

impl Verdict {
    /// All verdicts, in the order of a summary line.
    pub const ALL: [Self; 11] = [
        Self::Pass,
        Self::Fail,
        Self::Warn,
        Self::Info,
        Self::Blocked,
        Self::Unstable,
        Self::Error,
        Self::NotApplicable,
        Self::Excluded,
        Self::Known,
        Self::Stale,
    ];

    /// The word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Error => "error",
            Self::Excluded => "excluded",
            Self::Fail => "fail",
            Self::Info => "info",
            Self::Known => "known",
            Self::NotApplicable => "na",
            Self::Pass => "pass",
            Self::Stale => "stale",
            Self::Unstable => "unstable",
            Self::Warn => "warn",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What one check concluded, with what it rests on.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: CheckId,
    /// What it asserts, in a sentence.
    pub title: String,
    /// The flow it ran for.
    pub flow: Flow,
    /// The scenario that made it.
    pub scenario: String,
    /// The clauses it covers.
    pub covers: Vec<ClauseId>,
    /// How binding those clauses are.
    pub level: Level,
    /// The conclusion.
    pub verdict: Verdict,
    /// Why a breach of an RFC is only a warning for this flow.
    pub deviation: Option<String>,
    /// How many times the check was asserted.
    pub assertions: u32,
    /// What the conclusion rests on.
    pub evidence: Evidence,
}
