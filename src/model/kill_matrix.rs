//! The proof that the checks can fail: which of them notice which deliberate defect.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckId, ClauseId, Verdict};

/// What a self-test found.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct KillMatrix {
    /// One row for each fault, in the order of the server's table.
    pub faults: Vec<FaultRow>,
    /// Findings on the server without a fault.
    pub false_alarms: Vec<FalseAlarm>,
    /// How many runs of the server without a fault were done, each with its own seed and variants.
    pub clean_runs: usize,
    /// Checks that noticed no fault and are not observational, by their id without the flow.
    pub idle: BTreeSet<String>,
    /// Checks that noticed at least one fault, by their id without the flow.
    pub sharp: BTreeSet<String>,
    /// Checks that are declared observational: they record, or hold what no fault could break.
    pub observational: BTreeSet<String>,
    /// How long the self-test took.
    pub elapsed: Duration,
}

/// One fault and the checks that noticed it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct FaultRow {
    /// Its name.
    pub name: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// The clauses that it breaks.
    pub clauses: Vec<ClauseId>,
    /// The variants that it shows with, `FLOW.GAP=ANSWER`.
    pub variants: Vec<String>,
    /// How many checks ran against it.
    pub ran: usize,
    /// The checks that noticed it, with what they said.
    pub killers: Vec<(CheckId, Verdict)>,
    /// Why no check could run, when none could.
    pub error: Option<String>,
}

impl FaultRow {
    /// Whether no check noticed it.
    pub fn survived(&self) -> bool {
        self.killers.is_empty()
    }
}

/// A finding on a server that has no fault.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct FalseAlarm {
    /// The seed of the run.
    pub seed: u64,
    /// The variants of the server in that run.
    pub variants: Vec<String>,
    /// The check; none when the run itself failed.
    pub check: Option<CheckId>,
    /// What it said.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

impl KillMatrix {
    /// The faults that no check noticed.
    pub fn survivors(&self) -> impl Iterator<Item = &FaultRow> {
        self.faults.iter().filter(|row| row.survived())
    }

    /// How many faults were noticed.
    pub fn killed(&self) -> usize {
        self.faults.len() - self.survivors().count()
    }

    /// Whether the proof holds: every fault noticed, every check of use, no false alarm, and not
    /// out of nothing.
    pub fn holds(&self) -> bool {
        !self.faults.is_empty()
            && self.clean_runs > 0
            && self.survivors().next().is_none()
            && self.false_alarms.is_empty()
            && self.idle.is_empty()
    }
}
