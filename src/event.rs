//! What a job says while it runs. Reports and the terminal listen; nobody answers.

use std::io;

use crate::model::{Finding, Flow, Report};

/// Something happened in a job.
#[derive(Debug)]
pub enum Event<'a> {
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
    },
}

/// Somebody who listens.
pub trait Observer {
    /// Hears an event.
    ///
    /// # Errors
    /// When what is heard could not be written.
    fn hear(&mut self, event: &Event<'_>) -> io::Result<()>;
}
