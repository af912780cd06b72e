//! What a job says while it runs. Reports and the terminal listen; nobody answers.

use std::io;
use std::time::Duration;

use crate::model::{Finding, Flow, Report, ScenarioRecord};

/// Something happened in a job.
#[derive(Debug)]
pub enum Event<'a> {
    /// A case of a fuzz run was made shorter and written down.
    CaseFound {
        /// Its flow.
        flow: Flow,
        /// The name of its scenario.
        name: &'a str,
        /// A name for its file.
        file: &'a str,
        /// The scenario.
        text: &'a str,
    },
    /// How far a fuzz run has come.
    CasesRun {
        /// How many cases were run.
        cases: u64,
        /// How many requests and acts they had.
        steps: u64,
        /// How many different kinds of answer to kinds of request were seen.
        cells: usize,
        /// How many findings there are.
        found: usize,
        /// Since the run began.
        elapsed: Duration,
    },
    /// All findings are there.
    RunFinished(&'a Report),
    /// A job begins.
    RunStarted {
        /// What is checked.
        target: &'a str,
        /// The seed of random choices.
        seed: u64,
        /// The clock's mode.
        clock: &'a str,
        /// How many scenarios are planned.
        scenarios: usize,
        /// How many of them each flow has.
        flows: &'a [(Flow, usize)],
        /// What a reader must know before believing any finding.
        remarks: &'a [String],
    },
    /// A scenario was run and judged.
    ScenarioFinished {
        /// Its flow.
        flow: Flow,
        /// Its name.
        name: &'a str,
        /// Its findings.
        findings: &'a [Finding],
        /// What it did, when somebody who listens wants to know.
        record: Option<&'a ScenarioRecord>,
    },
}

/// Somebody who listens.
pub trait Observer {
    /// Hears an event.
    ///
    /// # Errors
    /// When what is heard could not be written.
    fn hear(&mut self, event: &Event<'_>) -> io::Result<()>;

    /// Whether it wants to know what each scenario did. Keeping that takes time.
    fn wants_records(&self) -> bool {
        false
    }
}
