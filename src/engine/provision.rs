//! Where servers come from: a job asks for one, and does not know who has it.

use std::any::Any;
use std::sync::Arc;

use crate::target::Profile;

/// A server in its first state.
pub struct Provided {
    /// The profile, with the server's addresses.
    pub profile: Arc<Profile>,
    /// What keeps the server alive.
    pub guard: Option<Box<dyn Any + Send>>,
}

impl std::fmt::Debug for Provided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provided").field("profile", &self.profile.name).finish_non_exhaustive()
    }
}

/// Where servers come from: one for each scenario, or the same for all.
pub trait Provision: Sync {
    /// A server in its first state.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    fn provide(&self) -> Result<Provided, String>;

    /// Whether all scenarios share one server; they then run one after the other.
    fn is_shared(&self) -> bool;
}
