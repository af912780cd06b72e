//! A run as people and other programs read it. Knows events and the model, and nothing of how a
//! run is done.

mod diagnosis;
mod json;
mod junit;
mod kill_matrix;
mod paint;
mod terminal;

pub use diagnosis::{write_diagnosis, write_problems};
pub use json::{SCHEMA_VERSION, write_json};
pub use junit::write_junit;
pub use kill_matrix::write_kill_matrix;
pub use paint::Paint;
pub use terminal::{Detail, Terminal};
