//! What is checked: how the documented server spells operations and outcomes, and the profile
//! that adapts that to another one.
//!
//! Reads no files and no environment: whoever does hands the values in.

mod binding;
mod condition;
mod library;
mod operation;
mod profile;
pub mod raw;
mod transport;

pub use binding::{FlowBinding, Identity, Outcome, OutcomeKind};
pub use library::Library;
pub use operation::{Credential, Field, Operation};
pub use profile::{
    Baseline, ClockSetting, HookRequest, HookSetting, KEY_HOLDERS, Limits, Profile, SecretReference,
};
pub use transport::{Pem, RawTls, Transport, Trust};

#[cfg(test)]
mod tests;
