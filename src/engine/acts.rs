//! Hooks, procedures, and what is kept of an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::capture::{capture, from_field};
use super::judge::{Class, Face, classify};
use super::run::{Runner, Stopped, stop};
use crate::forge::own_keys;
use crate::hook::HookCall;
use crate::model::{Act, Exchange, Lacking, StopKind};
use crate::scenario::{Capture, HookStep, Source, Step};
use crate::source::Template;
use crate::target::{Field, OutcomeKind};
use crate::wire::Listener;

impl<'a> Runner<'a> {
    pub(super) async fn hook(&mut self, step: &Step, hook: &HookStep) -> Stopped {
        let mut with = BTreeMap::new();
        for (name, template) in &hook.with {
            let value = template
                .text(&self.scope())
                .map_err(|error| self.stopped(step, &error.to_string()))?;
            with.insert(name.clone(), value);
        }
        with.insert("flow".to_owned(), self.engine.binding.flow.name().to_owned());
        if let Some(role) = with.get("identity") {
            let username = self.bindings.get(&format!("identity.{role}.username")).cloned();
            let username = username.ok_or_else(|| {
                let reason = format!("the profile has no identity `{role}` with a username");
                stop(&step.label, StopKind::Missing, reason)
            })?;
            with.insert("username".to_owned(), username);
        }
        let call = HookCall { name: hook.name.clone(), say: hook.say.clone(), with };
        let result = self.engine.hooks.fire(&call).await;
        self.server_now = self.engine.clock.now().await;
        let failure = result.as_ref().err().map(ToString::to_string);
        let result = result
            .map(|done| done.server_now.or(self.server_now))
            .map_err(|error| error.to_string());
        let known_before = self.known();
        self.finish(step, Act::Hook { hook: hook.name.clone(), result }, known_before, None)?;
        match failure {
            Some(reason) => Err(stop(&step.label, StopKind::Missing, reason)),
            None => Ok(()),
        }
    }

    pub(super) async fn procedure(
        &mut self,
        step: &Step,
        with: &[(String, Template)],
        steps: &[Step],
        exports: &[(String, String)],
    ) -> Stopped {
        let mut inner = Arc::clone(&self.bindings);
        for (name, template) in with {
            let value = template
                .text(&self.scope())
                .map_err(|error| self.stopped(step, &error.to_string()))?;
            Arc::make_mut(&mut inner).insert(name.clone(), value);
        }
        let mut outer = std::mem::replace(&mut self.bindings, inner);
        let result = self.steps(steps).await;
        for (name, exported) in exports {
            match self.bindings.get(name) {
                Some(value) => {
                    drop(Arc::make_mut(&mut outer).insert(exported.clone(), value.clone()));
                }
                None => {
                    let lacking = self.trace.lacking.get(name).cloned();
                    if let Some(lacking) = lacking {
                        self.trace.lacking.insert(exported.clone(), lacking);
                    }
                    Arc::make_mut(&mut outer).remove(exported);
                }
            }
        }
        self.bindings = outer;
        result
    }

    /// Opens a listener that answers with the harness's own keys: a server that fetches and trusts them takes
    /// what is signed with them.
    pub(super) async fn listen(&mut self, step: &Step, name: &str) -> Stopped {
        let listener = Listener::open(own_keys()).await.map_err(|error| {
            stop(&step.label, StopKind::Harness, format!("no listener on loopback: {error}"))
        })?;
        self.bind(&format!("listener.{name}"), listener.url().to_owned());
        self.listeners.insert(name.to_owned(), listener);
        self.count_hits();
        let (known, act) =
            (self.known(), Act::Hook { hook: "listen".to_owned(), result: Ok(None) });
        self.finish(step, act, known, None)
    }

    /// How many connections each listener has seen, for whoever asks next.
    pub(super) fn count_hits(&mut self) {
        let counts: Vec<(String, usize)> =
            self.listeners.iter().map(|(name, listener)| (name.clone(), listener.hits())).collect();
        for (name, hits) in counts {
            self.bind(&format!("listener.{name}.hits"), hits.to_string());
        }
    }

    pub(super) fn keep(&mut self, step: &Step, act: &Act, operation: Option<&str>) {
        self.keep_all(&step.capture, act, operation, &step.label);
    }

    pub(super) fn keep_all(
        &mut self,
        captures: &[Capture],
        act: &Act,
        operation: Option<&str>,
        label: &str,
    ) {
        for one in captures {
            if let Some(reason) = self.absent_field(&one.source, operation) {
                self.unbind(&one.name, Lacking { reason, absent: true });
                continue;
            }
            let field = self.field(&one.source, operation);
            let found = match self.refusal(&one.source, act) {
                Some(reason) => Err(reason),
                None => capture(&one.source, act, field, &self.scope()),
            };
            match found {
                Ok(value) => {
                    if one.secret {
                        self.note_secret(&one.name, &value, label);
                    }
                    self.bind(&one.name, value);
                }
                Err(reason) => {
                    self.unbind(&one.name, Lacking { reason, absent: false });
                }
            }
        }
    }

    pub(super) fn field(&self, source: &Source, operation: Option<&str>) -> Option<&'a Field> {
        let Source::Field(name) = source else {
            return None;
        };
        self.engine.binding.operations.get(operation?)?.answer.get(name)
    }

    /// Why the server's answers do not have a field, where the profile says so.
    fn absent_field(&self, source: &Source, operation: Option<&str>) -> Option<String> {
        let Source::Field(name) = source else {
            return None;
        };
        let binding = self.engine.binding;
        binding.absent_field(binding.operations.get(operation?)?, name)
    }

    /// Why a field cannot be kept of this answer: where tokens and errors are both plain text, the
    /// text of a refusal is no token.
    fn refusal(&self, source: &Source, act: &Act) -> Option<String> {
        let (Source::Field(name), Act::Exchange(exchange)) = (source, act) else { return None };
        match classify(self.engine.binding, &Face::new(exchange)) {
            Class::Known(outcome) if outcome.kind == OutcomeKind::Refusal => {
                Some(format!("the answer has no `{name}`: it is {}", outcome.name))
            }
            _ => None,
        }
    }

    /// Notes the tokens of a successful answer, whether or not a step captures them.
    pub(super) fn note_tokens(&mut self, exchange: &Exchange) {
        let binding = self.engine.binding;
        let (Ok(response), Some(operation)) =
            (&exchange.reply, binding.operations.get(&exchange.operation))
        else {
            return;
        };
        let tokens = operation.answer.iter().filter(|(name, _)| Field::is_token(name));
        let found: Vec<(String, String)> = tokens
            .filter_map(|(name, field)| Some((name.clone(), from_field(field, response)?)))
            .collect();
        let granted =
            |class: Class<'_>| matches!(class, Class::Known(o) if o.kind == OutcomeKind::Success);
        if !found.is_empty() && granted(classify(binding, &Face::new(exchange))) {
            self.trace.unasked.extend(found);
        }
    }
}
