//! The values that a run knows by name: what is bound, what is a secret, and why a name has no value.

use std::sync::Arc;

use super::run::{Runner, stop};
use crate::model::{Kept, Lacking, Stop, StopKind};
use crate::scenario::Step;
use crate::source::Scope;

impl Runner<'_> {
    pub(super) fn bind(&mut self, name: &str, value: String) {
        Arc::make_mut(&mut self.bindings).insert(name.to_owned(), value);
    }

    /// Takes a name its value, and says why it has none.
    pub(super) fn unbind(&mut self, name: &str, lacking: Lacking) {
        Arc::make_mut(&mut self.bindings).remove(name);
        self.trace.lacking.insert(name.to_owned(), lacking);
    }

    pub(super) fn random_below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope { bindings: &self.bindings, random: Some(&self.random) }
    }

    pub(super) fn known(&self) -> usize {
        self.trace.secrets.len()
    }

    pub(super) fn note_secret(&mut self, name: &str, value: &str, label: &str) {
        if self.trace.secrets.iter().any(|known| known.value == value) {
            return;
        }
        let origin = format!("{label}{}", self.item);
        self.trace.secrets.push(Kept { name: name.to_owned(), value: value.to_owned(), origin });
    }

    pub(super) fn stopped(&self, step: &Step, reason: &str) -> Stop {
        self.explain(&step.label, reason)
    }

    /// A stop because a name has no value, with the reason why it has none.
    pub(super) fn explain(&self, label: &str, error: &str) -> Stop {
        let lacking = &self.trace.lacking;
        match lacking.iter().find(|(name, _)| error.contains(&format!("${{{name}}}"))) {
            Some((_, Lacking { reason, absent: true })) => {
                stop(label, StopKind::Absent, reason.clone())
            }
            Some((_, Lacking { reason, absent: false })) => {
                stop(label, StopKind::Prerequisite, format!("{error}: {reason}"))
            }
            None => stop(label, StopKind::Prerequisite, error.to_owned()),
        }
    }
}
