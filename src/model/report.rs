//! The end of every job: findings, and what they come to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClauseId, Finding, Flow, KnownSecrets, Level, Origin, ScenarioRecord, Verdict};

/// The conclusion of a whole run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunVerdict {
    /// Nothing failed, and nothing that was selected stayed open.
    Conformant,
    /// Nothing failed, but the user left checks out or the profile declares core parts absent.
    Partial,
    /// A MUST is broken, repeats disagree, or a baseline entry is stale.
    Nonconformant,
    /// Nothing failed, but a MUST is blocked or the harness erred.
    Inconclusive,
}

impl fmt::Display for RunVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Conformant => "CONFORMANT",
            Self::Partial => "PARTIAL",
            Self::Nonconformant => "NONCONFORMANT",
            Self::Inconclusive => "INCONCLUSIVE",
        })
    }
}

/// How often each verdict was given.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<Verdict, usize>);

impl Counts {
    /// Counts the verdicts of some findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = BTreeMap::new();
        for finding in findings {
            *counts.entry(finding.verdict).or_default() += 1;
        }
        Self(counts)
    }

    /// How many findings have this verdict.
    pub fn with(&self, verdict: Verdict) -> usize {
        self.0.get(&verdict).copied().unwrap_or_default()
    }
}

/// What a run says of one clause.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClauseState {
    /// Every check that covers it passed.
    Proved,
    /// A check that covers it found a breach.
    Broken,
    /// Its behaviour was recorded; the documents do not decide.
    Recorded,
    /// A check covers it but came to no conclusion.
    Open,
    /// No check that ran covers it.
    Unchecked,
}

/// What a clause says, for reports that are read without the contract files.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ClauseText {
    /// The contract that it belongs to.
    pub flow: Flow,
    /// How binding it is.
    pub level: Level,
    /// The sentence.
    pub text: String,
    /// The page or section that it comes from.
    pub source: String,
}

/// The result of a run.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Report {
    /// What was checked: a profile's name or an address.
    pub target: String,
    /// What a reader must know before believing any finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The seed of every random choice of the run.
    pub seed: u64,
    /// The clock's mode: `virtual`, `real` or `none`.
    pub clock: String,
    /// The conclusion.
    pub verdict: RunVerdict,
    /// Whether the run was interrupted.
    pub interrupted: bool,
    /// How many checks the user left out.
    pub excluded: usize,
    /// All findings, by flow, scenario and check.
    pub findings: Vec<Finding>,
    /// What is said of each clause of the catalogue.
    pub clauses: BTreeMap<ClauseId, ClauseState>,
    /// What each of these clauses says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub catalogue: BTreeMap<ClauseId, ClauseText>,
    /// What each scenario did, where that was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<ScenarioRecord>,
    /// How the run was started, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When the run began, in seconds since 1970; 0 where that is not known.
    #[serde(default)]
    pub started: i64,
    /// How long the run took.
    pub elapsed: Duration,
    /// Every secret that the run knew: no artefact may show one.
    #[serde(skip)]
    pub secrets: KnownSecrets,
}

impl Report {
    /// How often each verdict was given.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.findings)
    }

    /// Clauses proved by this run.
    pub fn proved(&self) -> usize {
        self.clauses.values().filter(|state| **state == ClauseState::Proved).count()
    }

    /// The conclusion that a list of findings comes to (design, part 5).
    pub fn conclude(findings: &[Finding], partial: bool) -> RunVerdict {
        let any = |wanted: fn(&Finding) -> bool| findings.iter().any(wanted);
        if any(|f| matches!(f.verdict, Verdict::Fail | Verdict::Unstable | Verdict::Stale)) {
            RunVerdict::Nonconformant
        } else if any(|f| {
            f.verdict == Verdict::Error || (f.verdict == Verdict::Blocked && f.level == Level::Must)
        }) {
            RunVerdict::Inconclusive
        } else if !any(|f| {
            matches!(f.verdict, Verdict::Pass | Verdict::Warn | Verdict::Info | Verdict::Known)
        }) {
            // Nothing was seen of the server: that is never green.
            RunVerdict::Inconclusive
        } else if partial || any(|f| matches!(f.verdict, Verdict::Blocked | Verdict::Excluded)) {
            RunVerdict::Partial
        } else {
            RunVerdict::Conformant
        }
    }
}
