//! Parts of a scenario side by side: each goes on by itself, and what they saw is put together again.

use std::cell::RefCell;
use std::sync::Arc;

use futures_util::future::join_all;

use super::run::{Runner, Stopped};
use crate::scenario::{Action, Step, uses_hooks};
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
        fork.groups = Arc::clone(&self.groups);
        (fork.group, fork.deadlines) = (self.group, self.deadlines);
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
        self.deadlines = self.deadlines.max(fork.deadlines);
    }

    /// Runs parts side by side, each by itself and with a name of its own, and takes over what each saw: real time is
    /// waited for once.
    pub(super) async fn abreast<T>(
        &mut self,
        parts: impl IntoIterator<Item = (String, T)>,
        run: impl AsyncFn(&mut Self, T) -> Stopped,
    ) -> Stopped {
        let runs = parts.into_iter().map(|(name, part)| {
            let mut fork = self.fork(&name);
            let run = &run;
            async move {
                let result = run(&mut fork, part).await;
                (fork, result)
            }
        });
        let runs = join_all(runs).await;
        let mut stopped = Ok(());
        for (fork, result) in runs {
            self.join(fork);
            stopped = stopped.and(result);
        }
        stopped
    }

    /// How many steps from here on only wait for a moment, each on a preparation of its own: what none of them
    /// shares with another can be waited for at the same time.
    pub(super) fn waiting_alone(&self, steps: &[Step]) -> usize {
        if self.engine.clock.mode() != "real"
            || self.is_connected()
            || !self.engine.binding.keeps_earlier_tokens()
        {
            return 0;
        }
        let alone = |step: &&Step| {
            let bare = step.controls.is_empty() && step.capture.is_empty() && step.mark.is_none();
            bare && matches!(&step.action, Action::Boundary(it) if !uses_hooks(&it.prepare))
        };
        steps.iter().take_while(alone).count()
    }

    /// Whether a connection is open that a fork would not have.
    pub(super) fn is_connected(&self) -> bool {
        !self.sockets.is_empty() || !self.listeners.is_empty()
    }
}
