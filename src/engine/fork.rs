//! Parts of a scenario side by side: each goes on by itself, and what they saw is put together again.

use std::cell::RefCell;
use std::sync::Arc;

use super::run::Runner;
use crate::source::Random;

impl Runner<'_> {
    /// A runner that goes on from here by itself, with what is known now and without the open connections.
    pub(super) fn fork(&self, name: &str) -> Self {
        let mut fork = Self::new(self.engine, self.scenario);
        fork.trace.secrets.clone_from(&self.trace.secrets);
        fork.trace.lacking.clone_from(&self.trace.lacking);
        fork.bindings = Arc::clone(&self.bindings);
        fork.marks.clone_from(&self.marks);
        fork.item.clone_from(&self.item);
        fork.item_name.clone_from(&self.item_name);
        (fork.server_now, fork.elapsed) = (self.server_now, self.elapsed);
        (fork.group, fork.groups, fork.deadlines) = (self.group, self.groups, self.deadlines);
        let part = format!("{}@{} {name}", self.scenario.name, self.scenario.flow);
        fork.random = RefCell::new(Random::derive(self.engine.settings.seed, &part));
        fork
    }

    /// Takes over what a fork saw.
    pub(super) fn join(&mut self, fork: Self) {
        self.trace.entries.extend(fork.trace.entries);
        self.trace.unasked.extend(fork.trace.unasked);
        for skipped in fork.trace.skipped {
            if !self.trace.skipped.contains(&skipped) {
                self.trace.skipped.push(skipped);
            }
        }
        self.trace.lacking.extend(fork.trace.lacking);
        for kept in fork.trace.secrets {
            if !self.trace.secrets.iter().any(|known| known.value == kept.value) {
                self.trace.secrets.push(kept);
            }
        }
        self.groups = self.groups.max(fork.groups);
        self.deadlines = self.deadlines.max(fork.deadlines);
    }

    /// Whether a connection is open that a fork would not have.
    pub(super) fn is_connected(&self) -> bool {
        !self.sockets.is_empty() || !self.listeners.is_empty()
    }
}
