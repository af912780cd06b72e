//! What a scenario would send, without sending it: for whoever wants to see it before a server does.
//!
//! Values that only an answer or a secret can give stand as their names: `${token}`. Nothing here touches a network,
//! and nothing is judged.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use form_urlencoded::byte_serialize;
use serde_json::Value;

use super::capture::plain;
use super::judge::render_request;
use super::request::{PATH, RequestError, build};
use super::run::Settings;
use crate::model::Bindings;
use crate::scenario::{
    Action, Boundary, JsonTemplate, Moment, Scenario, SendStep, Span, Step, StreamAct, StreamStep,
    uses_hooks,
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
    /// How long is waited for it.
    pub wait: Duration,
    /// How much time has passed in the scenario when it is done, requests not counted.
    pub elapsed: Duration,
}

/// Every act of a scenario against a server, in order. Steps that other choices would take are left out, and in real
/// time what asks at a moment itself.
pub fn rehearse(
    binding: &FlowBinding,
    settings: &Settings,
    scenario: &Scenario,
    real_time: bool,
) -> Vec<Rehearsed> {
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
        real_time,
        random,
        bindings,
        item: String::new(),
        elapsed: Duration::ZERO,
        marks: BTreeMap::new(),
        acts: Vec::new(),
    };
    rehearsal.steps(&scenario.steps);
    rehearsal.acts
}

struct Rehearsal<'a> {
    binding: &'a FlowBinding,
    settings: &'a Settings,
    scenario: &'a Scenario,
    real_time: bool,
    random: RefCell<Random>,
    bindings: Bindings,
    item: String,
    elapsed: Duration,
    /// When the marks were set, from the start of the scenario.
    marks: BTreeMap<String, Duration>,
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
                let count = if sample.scaled { effort.sample(sample.count) } else { sample.count };
                self.send(&label, &sample.send, count);
            }
            Action::Send(send) => self.send(&label, send, 1),
            Action::Stream(stream) => self.stream(&label, stream),
            Action::Timing(timing) => {
                let pairs = effort.scale(timing.pairs);
                timing.requests.iter().for_each(|request| self.send(&label, request, pairs));
            }
            Action::Wait(wait) => {
                let since = wait.since.as_ref().and_then(|name| self.marks.get(name)).copied();
                let due = since.unwrap_or(self.elapsed) + self.span(&wait.span);
                let span = due.saturating_sub(self.elapsed);
                self.wait(&label, format!("wait {span:?}"), span);
            }
        }
        if let Some(mark) = &step.mark {
            self.marks.insert(mark.clone(), self.elapsed);
        }
        for capture in &step.capture {
            self.bindings.insert(capture.name.clone(), format!("${{{}}}", capture.name));
        }
    }

    fn stream(&mut self, label: &str, stream: &StreamStep) {
        match &stream.act {
            StreamAct::Open(send, copies) => {
                self.send(label, send, self.settings.effort.crowd(*copies));
            }
            StreamAct::Close(code) => {
                self.note(label, format!("socket {}: close {code}", stream.connection));
            }
            StreamAct::Ping(_) => {
                self.note(label, format!("socket {}: ping", stream.connection));
            }
            StreamAct::Receive(within) => {
                let act = format!("socket {}: receive within {within:?}", stream.connection);
                self.note(label, act);
            }
            StreamAct::Transmit(_) => {
                self.note(label, format!("socket {}: transmit", stream.connection));
            }
        }
    }

    /// Each side prepares for itself. Where that touches nothing that the other sides share, all of them wait together
    /// in real time.
    fn boundary(&mut self, label: &str, boundary: &Boundary) {
        let at = match &boundary.at {
            Moment::After { duration, .. } => format!("{:?}", self.span(duration)),
            Moment::Until(template) => format!("until {}", self.text(template)),
        };
        let sides = [
            (boundary.just_before, "just before"),
            (boundary.exactly_at.filter(|_| !self.real_time), "at"),
            (boundary.just_after, "just after"),
        ];
        let together =
            self.real_time && !uses_hooks(&boundary.prepare) && self.binding.keeps_earlier_tokens();
        let (start, mut end) = (self.elapsed, self.elapsed);
        for (_, side) in sides.into_iter().filter(|(set, _)| set.is_some()) {
            if together {
                self.elapsed = start;
            }
            self.steps(&boundary.prepare);
            let wait = self.until(&boundary.at);
            self.wait(label, format!("wait, {side} {at}"), wait);
            self.send(label, &boundary.probe, 1);
            end = end.max(self.elapsed);
        }
        self.elapsed = end;
    }

    /// How long it still takes until a moment. One that only an answer names is taken for now.
    fn until(&self, at: &Moment) -> Duration {
        let Moment::After { duration, from } = at else {
            return Duration::ZERO;
        };
        let mark = from.as_ref().and_then(|name| self.marks.get(name)).copied();
        (mark.unwrap_or(self.elapsed) + self.span(duration)).saturating_sub(self.elapsed)
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
        self.push(label, act, request, Duration::ZERO);
    }

    fn note(&mut self, label: &str, act: String) {
        self.push(label, act, None, Duration::ZERO);
    }

    fn wait(&mut self, label: &str, act: String, wait: Duration) {
        self.elapsed += wait;
        self.push(label, act, None, wait);
    }

    fn push(&mut self, label: &str, act: String, request: Option<String>, wait: Duration) {
        let (step, elapsed) = (label.to_owned(), self.elapsed);
        self.acts.push(Rehearsed { step, act, request, wait, elapsed });
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

    fn span(&self, span: &Span) -> Duration {
        match span {
            Span::Fixed(duration) => *duration,
            Span::Lifetime { name, percent } => self.binding.lifetime(name) * *percent / 100,
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
