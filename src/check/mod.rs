//! The first job: does a server keep its documented contract?
//!
//! Plans which scenarios run, runs them, merges what they found, and says what it comes to. How
//! that is printed is for the reports.

mod baseline;
mod coverage;
mod doctor;
mod dry;
mod lanes;
mod merge;
mod one;
mod plan;
mod run;
mod waits;

pub use coverage::{Coverage, CoverageRow};
pub use doctor::{DoctorSettings, examine};
pub use dry::{DryScenario, dry_run};
#[cfg(feature = "reference-server")]
pub(crate) use plan::glob;
pub use plan::{NothingMatched, Plan, Planned, Selection};
pub use run::{CheckError, CheckSettings, check};
