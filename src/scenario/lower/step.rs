//! Steps and their actions.

use std::time::Duration;

use super::Context;
use super::names::Names;
use crate::model::ExpectationSet;
use crate::scenario::action::{Action, HookStep, Span, Step, Wait};
use crate::scenario::raw::{RawHook, RawRun, RawStep};
use crate::scenario::vocabulary::{HOOKS, Need};
use crate::source::{Template, YamlPath};

/// Procedures that run procedures that run procedures are a mistake, not a need.
const DEEPEST: usize = 6;
pub(super) const NO_TIME: Span = Span::Fixed(Duration::ZERO);

/// What stands for an action that could not be read.
const NOTHING: Action = Action::Wait(Wait { span: NO_TIME, since: None });

impl Context<'_> {
    pub(super) fn steps(&mut self, raw: &[RawStep], path: &YamlPath) -> Vec<Step> {
        raw.iter().enumerate().map(|(index, raw)| self.step(raw, &path.index(index))).collect()
    }

    fn step(&mut self, raw: &RawStep, path: &YamlPath) -> Step {
        let before = self.names.clone();
        if !raw.each.is_empty() {
            for (index, item) in raw.each.iter().enumerate() {
                self.json(item, &path.key("each").index(index));
            }
            self.names.add_item(&raw.each);
        }
        let forge = raw.forge.as_ref().map(|forge| self.forge(forge, &path.key("forge")));
        if forge.is_some() {
            ["each.id", "each.token"].iter().for_each(|name| self.names.add(name));
            if !raw.each.is_empty() {
                self.out.key(
                    "scenario::forge",
                    &path.key("each"),
                    "`forge` repeats the step already",
                );
            }
        }
        self.exactly_one_action(raw, path);
        self.named_controls(raw, path);
        let when = self.when(raw.when.as_ref(), &path.key("when"));
        let (action, own_set) = self.action(raw, path);
        let capture = self.captures(&raw.capture, operation_of(&action), &path.key("capture"));
        let expect = match own_set {
            Some(set) if raw.expect.is_empty() => Some(set),
            _ => self.some_set(&raw.expect, &path.key("expect")),
        };
        if !raw.each.is_empty() || forge.is_some() {
            // What a repeated step captures is known afterwards; the item is not.
            self.names = before;
            capture.iter().for_each(|capture| self.names.add(&capture.name));
        }
        if let Some(id) = &raw.id
            && !self.step_ids.insert(id.clone())
        {
            self.out.value(
                "scenario::step",
                &path.key("id"),
                format!("an earlier step has the id `{id}`"),
            );
        }
        self.marks.extend(raw.mark.clone());
        Step {
            label: raw.id.clone().unwrap_or_else(|| path.to_string()),
            when,
            each: raw.each.clone(),
            forge,
            controls: raw.controls.clone(),
            mark: raw.mark.clone(),
            action,
            expect,
            capture,
        }
    }

    fn exactly_one_action(&mut self, raw: &RawStep, path: &YamlPath) {
        let given = [
            ("send", raw.send.is_some()),
            ("hook", raw.hook.is_some()),
            ("wait", raw.wait.is_some()),
            ("run", raw.run.is_some()),
            ("boundary", raw.boundary.is_some()),
            ("race", raw.race.is_some()),
            ("sample", raw.sample.is_some()),
            ("stream", raw.stream.is_some()),
            ("timing", raw.timing.is_some()),
            ("listen", raw.listen.is_some()),
        ];
        let names: Vec<&str> =
            given.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
        if names.len() != 1 {
            let found = if names.is_empty() { "none".to_owned() } else { names.join(" and ") };
            self.out.value(
                "scenario::step",
                path,
                format!("a step has exactly one action, and this has {found}"),
            );
            self.out.help("the actions are send, hook, wait, run, boundary, race, sample, stream, timing, listen");
        }
        let answered = raw.send.is_some() || raw.stream.is_some();
        for (key, there) in
            [("expect", !raw.expect.is_empty()), ("capture", !raw.capture.is_empty())]
        {
            if there && !answered && !(key == "capture" && raw.hook.is_some()) {
                self.out.key(
                    "scenario::step",
                    &path.key(key),
                    format!("`{key}` goes with `send` and `stream`"),
                );
                self.out.help("boundary, race and sample have expectations inside");
            }
        }
    }

    fn named_controls(&mut self, raw: &RawStep, path: &YamlPath) {
        for (index, name) in raw.controls.iter().enumerate() {
            if !self.own_controls.contains_key(name) && !self.vocabulary.controls.contains_key(name)
            {
                let path = path.key("controls").index(index);
                self.out.value("scenario::control", &path, format!("there is no control `{name}`"));
                let known: Vec<String> = self
                    .own_controls
                    .keys()
                    .chain(self.vocabulary.controls.keys())
                    .cloned()
                    .collect();
                self.out.did_you_mean(name, known.iter().map(String::as_str));
            }
            self.wanted_controls.insert(name.clone());
        }
    }

    fn action(&mut self, raw: &RawStep, path: &YamlPath) -> (Action, Option<ExpectationSet>) {
        if let Some(send) = &raw.send {
            return (Action::Send(Box::new(self.send(send, &path.key("send")))), None);
        }
        if let Some(hook) = &raw.hook {
            return (Action::Hook(self.hook(hook, &path.key("hook"))), None);
        }
        if let Some(run) = &raw.run {
            return (self.run(run, &path.key("run")), None);
        }
        if let Some(boundary) = &raw.boundary {
            return (self.boundary(boundary, &path.key("boundary")), None);
        }
        if let Some(race) = &raw.race {
            let (action, set) = self.race(race, &path.key("race"));
            return (action, Some(set));
        }
        if let Some(sample) = &raw.sample {
            let (action, set) = self.sample(sample, &path.key("sample"));
            return (action, Some(set));
        }
        if let Some(stream) = &raw.stream {
            return (self.stream(stream, &path.key("stream")), None);
        }
        if let Some(timing) = &raw.timing {
            let (action, set) = self.timing(timing, &path.key("timing"));
            return (action, Some(set));
        }
        if let Some(listen) = &raw.listen {
            self.names.add(&format!("listener.{}", listen.name));
            self.names.add(&format!("listener.{}.hits", listen.name));
            return (Action::Listen(listen.name.clone()), None);
        }
        let wait = raw.wait.as_deref().map(|text| self.wait(text, &path.key("wait")));
        (wait.unwrap_or(NOTHING), None)
    }

    /// Reads `SPAN` or `SPAN since MARK`.
    fn wait(&mut self, text: &str, path: &YamlPath) -> Action {
        let (span, since) = match text.split_once(" since ") {
            Some((span, mark)) => (span, Some(mark.trim().to_owned())),
            None => (text, None),
        };
        if let Some(mark) = &since {
            self.mark(Some(mark), path);
        }
        Action::Wait(Wait { span: self.span(span, path).unwrap_or(NO_TIME), since })
    }

    pub(super) fn span(&mut self, text: &str, path: &YamlPath) -> Option<Span> {
        let lifetimes = &self.vocabulary.lifetimes;
        let (percent, name) = match text.split_once("% of ") {
            Some((percent, name)) => (percent.parse::<u32>().ok(), name.trim()),
            None => (Some(100), text),
        };
        if let (Some(percent @ 1..=10_000), true) = (percent, lifetimes.contains_key(name)) {
            return Some(Span::Lifetime { name: name.to_owned(), percent });
        }
        if name == text && text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.duration(text, path).map(Span::Fixed);
        }
        self.out.value(
            "scenario::duration",
            path,
            format!("`{text}` is neither a duration (`5s`) nor a lifetime of the flow (`token`, `50% of token`)"),
        );
        self.out.did_you_mean(name, lifetimes.keys().map(String::as_str));
        None
    }

    fn hook(&mut self, raw: &RawHook, path: &YamlPath) -> HookStep {
        if !HOOKS.contains(&raw.name.as_str()) {
            self.out.value(
                "scenario::hook",
                &path.key("name"),
                format!("`{}` is not a hook", raw.name),
            );
            self.out.did_you_mean(&raw.name, HOOKS);
        }
        self.needed.insert(Need::Hook(raw.name.clone()));
        let with = raw
            .with
            .iter()
            .map(|(name, text)| (name.clone(), self.template(text, &path.key("with").key(name))));
        HookStep { name: raw.name.clone(), say: raw.say.clone(), with: with.collect() }
    }

    fn run(&mut self, raw: &RawRun, path: &YamlPath) -> Action {
        let vocabulary = self.vocabulary;
        let Some(procedure) = vocabulary.procedures.get(&raw.procedure) else {
            let message = format!("`{}` is not a procedure of this flow", raw.procedure);
            self.out.value("scenario::procedure", &path.key("procedure"), message);
            self.out.did_you_mean(&raw.procedure, vocabulary.procedures.keys().map(String::as_str));
            return NOTHING;
        };
        let mut with: Vec<(String, Template)> = Vec::new();
        for (name, text) in &raw.with {
            let path = path.key("with").key(name);
            if !procedure.with.contains_key(name) {
                self.out.key(
                    "scenario::procedure",
                    &path,
                    format!("the procedure has no variable `{name}`"),
                );
                self.out.did_you_mean(name, procedure.with.keys().map(String::as_str));
            }
            if name == "identity" {
                self.needs_identity(text, &path);
            }
            with.push((name.clone(), self.template(text, &path)));
        }
        for (name, text) in procedure.with.iter().filter(|(name, _)| !raw.with.contains_key(*name))
        {
            with.push((
                name.clone(),
                Template::parse(text).unwrap_or_else(|_| Template::plain(text)),
            ));
        }
        if self.depth >= DEEPEST {
            self.out.value(
                "scenario::procedure",
                &path.key("procedure"),
                "procedures run each other without end",
            );
            return NOTHING;
        }
        let needs = self.needs(&procedure.needs, path);
        self.needed.extend(needs);
        let (steps, captured) = self.procedure_steps(&raw.procedure, &procedure.steps, &with);
        for name in raw.yields.keys().filter(|name| !captured.contains(name)) {
            let message = format!("the procedure captures no `{name}`");
            self.out.key("scenario::procedure", &path.key("yields").key(name), message);
            self.out.did_you_mean(name, captured.iter().map(String::as_str));
        }
        let exports: Vec<(String, String)> = captured
            .into_iter()
            .map(|name| {
                let outer = raw.yields.get(&name).unwrap_or(&name).clone();
                (name, outer)
            })
            .collect();
        exports.iter().for_each(|(_, outer)| self.names.add(outer));
        Action::Run { with, steps, exports }
    }

    /// Reads a procedure's steps in a scope of their own. Its mistakes are reported for its own file.
    fn procedure_steps(
        &mut self,
        name: &str,
        raw: &[RawStep],
        with: &[(String, Template)],
    ) -> (Vec<Step>, Vec<String>) {
        let file = std::sync::Arc::clone(&self.vocabulary.procedures[name].file);
        let own = std::mem::replace(&mut self.out, crate::source::Diagnostics::new(&file));
        let outer: Names = std::mem::replace(&mut self.names, Names::new(self.vocabulary));
        let outer_ids = std::mem::take(&mut self.step_ids);
        with.iter().for_each(|(name, _)| self.names.add(name));
        self.depth += 1;
        let mut steps =
            self.steps(raw, &YamlPath::default().key("procedures").key(name).key("steps"));
        self.depth -= 1;
        let prefix = format!("procedures.{name}.");
        for step in &mut steps {
            step.label = step
                .label
                .strip_prefix(&prefix)
                .map_or(step.label.clone(), |rest| format!("{name}.{rest}"));
        }
        self.out = own;
        self.names = outer;
        self.step_ids = outer_ids;
        let captured = steps.iter().flat_map(captured_names).collect();
        (steps, captured)
    }
}

fn operation_of(action: &Action) -> Option<&str> {
    match action {
        Action::Send(send) => Some(&send.operation),
        _ => None,
    }
}

fn captured_names(step: &Step) -> Vec<String> {
    let mut names: Vec<String> = step.capture.iter().map(|capture| capture.name.clone()).collect();
    if let Action::Run { exports, .. } = &step.action {
        names.extend(exports.iter().map(|(_, outer)| outer.clone()));
    }
    names
}
