//! The second job: inputs, orders and races that nobody wrote down.
//!
//! Cases are drawn from a seed, sent to a server in its first state, and held against a model of the flow (`model`) and
//! against the documented answers. A case that fails is made as short as it can be and written down as a scenario, which
//! `check` runs like any other. How that is printed is for the reports.

mod bytes;
mod case;
mod cell;
mod dice;
pub mod entry;
mod export;
mod finding;
mod issued;
mod laws;
mod lower;
mod model;
mod oracle;
mod plan;
mod race;
mod rehearsal;
mod run;
mod scenario_file;
mod session;
mod shrink;
mod track;
mod unit;
mod yaml;

pub use rehearsal::rehearsal;
pub use run::{FuzzError, FuzzOutcome, FuzzSettings, fuzz};
pub use unit::Layer;
