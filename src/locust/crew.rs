//! Whoever does what a master wants.

use std::future::Future;
use std::time::Duration;

use super::statistics::Statistics;

/// Users who can be told to come and to go.
pub trait Crew {
    /// Lets users come or go until there are so many; begins a run where none is on.
    ///
    /// # Errors
    /// Why no run can begin, in a sentence.
    fn users(&mut self, count: usize) -> Result<(), String>;

    /// Ends the run that is on: what is under way is answered first, for at most so long. Its report is written.
    fn end(&mut self, patience: Duration) -> impl Future<Output = ()>;

    /// What happened since this was asked last.
    fn statistics(&mut self) -> Statistics;

    /// Why the run ended by itself, once.
    fn failure(&mut self) -> Option<String>;

    /// What the work takes.
    fn strain(&mut self) -> Strain;

    /// Says something to whoever looks at this worker.
    fn say(&mut self, line: &str);
}

/// What the work of this process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strain {
    /// Per cent of all processors.
    pub processor: f64,
    /// Bytes.
    pub memory: u64,
}
