//! What a scenario would send, without sending it: for whoever wants to see it before a server does.
//!
//! Values that only an answer or a secret can give stand as their names: `${token}`. Nothing here touches a network,
//! and nothing is judged.

use std::cell::RefCell;

use form_urlencoded::byte_serialize;
use serde_json::Value;

use super::capture::plain;
use super::judge::render_request;
use super::request::{PATH, RequestError, build};
use super::run::Settings;
use crate::model::Bindings;
use crate::scenario::{
    Action, Boundary, JsonTemplate, Moment, Scenario, SendStep, Span, Step, StreamAct,
};
use crate::source::{Random, RenderError, Scope, Template};
use crate::target::FlowBinding;

/// One act of a rehearsal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rehearsed {
    /// The step, as a person finds it in the file.
    pub step: String,
    /// The act in a line: `POST /auth/jwt/login`, `hook press`, `wait 120s`.
    pub act: String,
    /// The request as it would stand on the wire, where there is one.
    pub request: Option<String>,
}

/// Every act of a scenario against a server, in order. Steps that other choices would take are left out.
pub fn rehearse(binding: &FlowBinding, settings: &Settings, scenario: &Scenario) -> Vec<Rehearsed> {
    let mut binding = binding.clone();
    let mut bindings = Bindings::new();
    for (role, identity) in &mut binding.identities {
        for (field, value) in &mut identity.fields {
            let name = format!("identity.{role}.{field}");
            if identity.secret.contains(field) {
                *value = format!("${{{name}}}");
            }
            bindings.insert(name, value.clone());
        }
    }
    for (name, duration) in &binding.lifetimes {
        bindings.insert(format!("lifetime.{name}"), duration.as_secs().to_string());
    }
    bindings.insert("path".to_owned(), PATH.to_owned());
    let random = RefCell::new(Random::derive(settings.seed, &scenario.name));
    let mut rehearsal = Rehearsal {
        binding: &binding,
        settings,
        scenario,
        random,
        bindings,
        item: String::new(),
        acts: Vec::new(),
    };
    rehearsal.steps(&scenario.steps);
    rehearsal.acts
}

struct Rehearsal<'a> {
    binding: &'a FlowBinding,
    settings: &'a Settings,
    scenario: &'a Scenario,
    random: RefCell<Random>,
    bindings: Bindings,
    item: String,
    acts: Vec<Rehearsed>,
}

impl Rehearsal<'_> {
    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            if step.when.as_ref().is_none_or(|when| self.binding.refuses(when).is_none()) {
                self.controls(step);
                self.items(step);
                self.controls(step);
            }
        }
    }

    fn controls(&mut self, step: &Step) {
        let scenario = self.scenario;
        for control in step.controls.iter().filter_map(|name| scenario.controls.get(name)) {
            self.send(&format!("{} control", step.label), &control.send, 1);
        }
    }

    fn items(&mut self, step: &Step) {
        let outer = self.item.clone();
        for vector in step.forge.iter().flat_map(|forge| &forge.vectors) {
            self.item = format!("{outer} vector {}", vector.id);
            self.bindings.insert("each.id".to_owned(), vector.id.clone());
            self.bindings.insert("each.token".to_owned(), format!("${{forged.{}}}", vector.id));
            self.once(step);
        }
        for (index, item) in step.each.iter().enumerate() {
            self.item = format!("{outer} item {}", index + 1);
            let template = JsonTemplate::parse(item).unwrap_or(JsonTemplate::Plain(Value::Null));
            let filled = self.symbolic(|scope| template.fill(scope)).unwrap_or_default();
            for (key, value) in filled.as_object().into_iter().flatten() {
                let text = plain(value).unwrap_or_default();
                self.bindings.insert(format!("each.{key}"), text);
            }
            self.bindings.insert("each".to_owned(), plain(&filled).unwrap_or_default());
            self.once(step);
        }
        if step.each.is_empty() && step.forge.is_none() {
            self.once(step);
        }
        self.item = outer;
        self.bindings.retain(|name, _| name != "each" && !name.starts_with("each."));
    }

    fn once(&mut self, step: &Step) {
        let (label, effort) = (format!("{}{}", step.label, self.item), self.settings.effort);
        match &step.action {
            Action::Boundary(boundary) => self.boundary(&label, boundary),
            Action::Hook(hook) => self.note(&label, format!("hook {}", hook.name)),
            Action::Listen(name) => self.note(&label, format!("listen on loopback as {name}")),
            Action::Race(race) => {
                self.steps(&race.prepare);
                let repeats = effort.scale(race.repeats);
                for request in race.requests.iter().chain(&race.after) {
                    self.send(&label, request, repeats);
                }
            }
            Action::Run { with, steps, exports } => {
                let outer = self.bindings.clone();
                for (name, template) in with {
                    let text = self.text(template);
                    self.bindings.insert(name.clone(), text);
                }
                self.steps(steps);
                self.bindings = outer;
                for (_, name) in exports {
                    self.bindings.insert(name.clone(), format!("${{{name}}}"));
                }
            }
            Action::Sample(sample) => {
                self.steps(&sample.prepare);
                let count = if sample.scaled { effort.scale(sample.count) } else { sample.count };
                self.send(&label, &sample.send, count);
            }
            Action::Send(send) => self.send(&label, send, 1),
            Action::Stream(stream) => match &stream.act {
                StreamAct::Open(send, copies) => self.send(&label, send, effort.crowd(*copies)),
                StreamAct::Close(code) => {
                    self.note(&label, format!("socket {}: close {code}", stream.connection));
                }
                StreamAct::Ping(_) => {
                    self.note(&label, format!("socket {}: ping", stream.connection));
                }
                StreamAct::Receive(within) => {
                    let act = format!("socket {}: receive within {within:?}", stream.connection);
                    self.note(&label, act);
                }
                StreamAct::Transmit(_) => {
                    self.note(&label, format!("socket {}: transmit", stream.connection));
                }
            },
            Action::Timing(timing) => {
                let pairs = effort.scale(timing.pairs);
                timing.requests.iter().for_each(|request| self.send(&label, request, pairs));
            }
            Action::Wait(span) => self.note(&label, format!("wait {}", self.span(span))),
        }
        for capture in &step.capture {
            self.bindings.insert(capture.name.clone(), format!("${{{}}}", capture.name));
        }
    }

    fn boundary(&mut self, label: &str, boundary: &Boundary) {
        let at = match &boundary.at {
            Moment::After { duration, .. } => self.span(duration),
            Moment::Until(template) => format!("until {}", self.text(template)),
        };
        let sides = [
            (boundary.just_before, "just before"),
            (boundary.exactly_at, "at"),
            (boundary.just_after, "just after"),
        ];
        for (_, side) in sides.into_iter().filter(|(set, _)| set.is_some()) {
            self.steps(&boundary.prepare);
            self.note(label, format!("wait, {side} {at}"));
            self.send(label, &boundary.probe, 1);
        }
    }

    fn send(&mut self, label: &str, send: &SendStep, times: u32) {
        let (binding, headers) = (self.binding, &self.settings.headers);
        let built = self.symbolic(|scope| match build(binding, headers, send, scope) {
            Ok((request, _)) => Ok(Ok(request)),
            Err(RequestError::Render(error)) => Err(error),
            Err(RequestError::Missing(reason) | RequestError::Absent(reason)) => Ok(Err(reason)),
        });
        let times = if times == 1 { String::new() } else { format!(" x {times}") };
        let (act, request) = match built {
            Some(Ok(request)) => {
                let act = format!("{} {}{times}", request.method, self.readable(&request.target));
                (act, Some(self.readable(&render_request(&request))))
            }
            Some(Err(reason)) => (format!("{}: {reason}", send.operation), None),
            None => (format!("{}{times}, made from earlier answers", send.operation), None),
        };
        self.acts.push(Rehearsed { step: label.to_owned(), act, request });
    }

    fn note(&mut self, label: &str, act: String) {
        self.acts.push(Rehearsed { step: label.to_owned(), act, request: None });
    }

    fn text(&mut self, template: &Template) -> String {
        self.symbolic(|scope| template.text(scope)).unwrap_or_default()
    }

    /// Renders something, with each name that has no value yet standing for itself.
    fn symbolic<T>(&mut self, render: impl Fn(&Scope<'_>) -> Result<T, RenderError>) -> Option<T> {
        loop {
            let scope = Scope { bindings: &self.bindings, random: Some(&self.random) };
            match render(&scope) {
                Ok(made) => return Some(made),
                Err(RenderError::Unbound(name)) if !self.bindings.contains_key(&name) => {
                    let symbol = format!("${{{name}}}");
                    self.bindings.insert(name, symbol);
                }
                Err(_) => return None,
            }
        }
    }

    fn span(&self, span: &Span) -> String {
        match span {
            Span::Fixed(duration) => format!("{duration:?}"),
            Span::Lifetime(name) => {
                format!("{:?}", self.binding.lifetimes.get(name).copied().unwrap_or_default())
            }
        }
    }

    /// Names that were percent-encoded with their request are written out again.
    fn readable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for symbol in self.bindings.values().filter(|value| value.starts_with("${")) {
            let encoded: String = byte_serialize(symbol.as_bytes()).collect();
            text = text.replace(&encoded, symbol);
        }
        text
    }
}
