//! A run as people and other programs read it. Knows events and the model, and nothing of how a
//! run is done.
//!
//! Everything that a server said is hostile here: each format escapes it in its own way and cuts it to a length.

mod badge;
mod changes;
mod diagnosis;
mod document;
mod format;
mod har;
mod html;
mod json;
mod junit;
mod kill_matrix;
mod live;
mod load;
mod markdown;
mod paint;
mod sarif;
mod stream;
mod tap;
mod terminal;
#[cfg(test)]
mod tests;
mod text;

pub use changes::{Changes, write_changes};
pub use diagnosis::{write_diagnosis, write_problems};
pub use document::Document;
pub use format::{Format, Manner, names, write_report};
pub use html::{ComparedRow, write_comparison};
pub use json::{LOAD_SCHEMA_VERSION, SCHEMA_VERSION, load_schema, run_schema};
pub use kill_matrix::write_kill_matrix;
pub use load::{load_line, write_load};
pub use paint::Paint;
pub use stream::write_event;
pub use terminal::{Detail, Terminal};
