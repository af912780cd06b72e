//! A run as people and other programs read it. Knows events and the model, and nothing of how a
//! run is done.

mod diagnosis;
mod json;
mod junit;
mod kill_matrix;
mod load;
mod paint;
mod terminal;

pub use diagnosis::{write_diagnosis, write_problems};
pub use json::{LOAD_SCHEMA_VERSION, SCHEMA_VERSION, write_json, write_load_json};
pub use junit::write_junit;
pub use kill_matrix::write_kill_matrix;
pub use load::{load_line, write_load, write_load_csv};
pub use paint::Paint;
pub use terminal::{Detail, Terminal};
