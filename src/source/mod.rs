//! Text that people write: YAML with positions, diagnostics that point into it, templates, and
//! paths into JSON.
//!
//! Knows nothing of scenarios or profiles, and reads no files: callers hand it text.

mod decode;
mod diagnostic;
mod json_path;
mod locate;
mod pattern;
mod random;
mod schema;
mod suggest;
mod template;

pub use decode::{decode, decode_partly};
pub use diagnostic::{Diagnostic, Diagnostics, SourceFile};
pub use json_path::JsonPath;
pub use locate::{Location, Segment, YamlPath, locate};
pub use pattern::{Pattern, pattern};
pub use random::Random;
pub use suggest::closest;
pub use template::{RenderError, Scope, Template, bytes_of};
