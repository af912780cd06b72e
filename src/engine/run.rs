//! Runs the steps of a scenario and writes down what happened.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::effort::Effort;
use super::judge::{Assessed, hold_all};
use super::request::PATH;
use crate::clock::Clock;
use crate::hook::Hooks;
use crate::model::{
    Act, Bindings, Entry, Exchange, ExpectationSet, Header, Kept, Lacking, Millis, Role, Skipped,
    Stop, StopKind, Trace,
};
use crate::scenario::{Action, Scenario, Span, Step, StreamAct, Wait, When};
use crate::source::Random;
use crate::target::FlowBinding;
use crate::wire::{Listener, Socket, Wires};

/// What the requests of a run have in common.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Header fields of every request.
    pub headers: Vec<Header>,
    /// The seed of random choices.
    pub seed: u64,
    /// How often what rests on chance is repeated.
    pub effort: Effort,
    /// How many wrong logins there may be; without it as many as the scenarios ask for.
    pub budget: Option<Budget>,
}

/// Runs scenarios against one flow of one server.
#[derive(Debug)]
pub struct Engine<'a> {
    /// The flow as this server spells it.
    pub binding: &'a FlowBinding,
    /// The wires.
    pub wires: Arc<Wires>,
    /// Physical and administrative acts.
    pub hooks: &'a Hooks,
    /// The server's clock.
    pub clock: &'a Clock,
    /// What all requests have in common.
    pub settings: &'a Settings,
}

impl Engine<'_> {
    /// Runs a scenario. Never fails: a refused connection is data in the trace.
    pub async fn run(&self, scenario: &Scenario) -> Trace {
        let mut runner = Runner::new(self, scenario);
        runner.server_now = self.clock.now().await;
        if let Err(stop) = runner.steps(&scenario.steps).await {
            runner.trace.stop = Some(stop);
        }
        for (_, mut open) in std::mem::take(&mut runner.sockets) {
            open.socket.close(1000).await;
        }
        runner.trace
    }
}

pub(super) type Stopped = Result<(), Stop>;

/// When something was done, on the server's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) asked: Millis,
    pub(super) acknowledged: Millis,
}

/// An open WebSocket with the exchange that opened it.
pub(super) struct OpenSocket {
    pub(super) socket: Socket,
    /// Further connections of the same name.
    pub(super) copies: Vec<Socket>,
    pub(super) handshake: Exchange,
}

pub(super) struct Runner<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) scenario: &'a Scenario,
    pub(super) trace: Trace,
    pub(super) bindings: Arc<Bindings>,
    pub(super) marks: BTreeMap<String, Mark>,
    pub(super) sockets: BTreeMap<String, OpenSocket>,
    /// Handshakes that were refused, by the connection's name.
    pub(super) refused: BTreeMap<String, Exchange>,
    pub(super) listeners: BTreeMap<String, Listener>,
    pub(super) server_now: Option<Millis>,
    /// How far the clock was moved, for a clock that cannot be read.
    pub(super) elapsed: Millis,
    /// When the last act ended that a server can answer with a message of its own.
    pub(super) caused: Instant,
    pub(super) group: u32,
    /// How many groups there are, those of parts that run side by side counted.
    pub(super) groups: Arc<AtomicU32>,
    pub(super) deadlines: u32,
    pub(super) random: RefCell<Random>,
    /// The part of the label that tells the items of a repeated step apart.
    pub(super) item: String,
    /// The name of that item.
    pub(super) item_name: Option<String>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(engine: &'a Engine<'a>, scenario: &'a Scenario) -> Self {
        let mut bindings = Bindings::new();
        let mut secrets = Vec::new();
        for (role, identity) in &engine.binding.identities {
            for (field, value) in &identity.fields {
                let name = format!("identity.{role}.{field}");
                if identity.secret.contains(field) {
                    let (name, value) = (name.clone(), value.clone());
                    secrets.push(Kept { name, value, origin: "the profile".to_owned() });
                }
                bindings.insert(name, value.clone());
            }
        }
        for (name, duration) in &engine.binding.lifetimes {
            bindings.insert(format!("lifetime.{name}"), duration.as_secs().to_string());
        }
        for (name, value) in &engine.binding.constants {
            bindings.insert(format!("constant.{name}"), value.clone());
        }
        let host = engine.binding.base_url.split("://").last().unwrap_or_default();
        bindings.insert("host".to_owned(), host.to_owned());
        bindings.insert("flow".to_owned(), engine.binding.flow.name().to_owned());
        bindings.insert("environment".to_owned(), String::new());
        bindings.insert("path".to_owned(), PATH.to_owned());
        let part = format!("{}@{}", scenario.name, scenario.flow);
        Self {
            engine,
            scenario,
            trace: Trace {
                scenario: scenario.name.clone(),
                flow: scenario.flow,
                entries: Vec::new(),
                stop: None,
                secrets,
                unasked: Vec::new(),
                skipped: Vec::new(),
                lacking: BTreeMap::new(),
            },
            bindings: Arc::new(bindings),
            marks: BTreeMap::new(),
            sockets: BTreeMap::new(),
            refused: BTreeMap::new(),
            listeners: BTreeMap::new(),
            server_now: None,
            elapsed: 0,
            caused: Instant::now(),
            group: 0,
            groups: Arc::default(),
            deadlines: 0,
            random: RefCell::new(Random::derive(engine.settings.seed, &part)),
            item: String::new(),
            item_name: None,
        }
    }

    pub(super) fn steps<'s>(
        &'s mut self,
        steps: &'s [Step],
    ) -> Pin<Box<dyn Future<Output = Stopped> + 's>> {
        Box::pin(async move {
            let mut rest = steps;
            while let Some((step, later)) = rest.split_first() {
                let abreast = self.waiting_alone(rest);
                if abreast > 1 {
                    let parts = rest[..abreast].iter().map(|step| (step.label.clone(), step));
                    self.abreast(parts, async |fork, step| fork.step(step).await).await?;
                    rest = &rest[abreast..];
                } else {
                    self.step(step).await?;
                    rest = later;
                }
            }
            Ok(())
        })
    }

    pub(super) async fn step(&mut self, step: &Step) -> Stopped {
        if let Some(reason) = self.inapplicable(step) {
            self.skip(step, reason);
            return Ok(());
        }
        if !self.chosen(step.when.as_ref()) {
            return Ok(());
        }
        let outer_group = self.group;
        if !step.controls.is_empty() {
            self.group = self.groups.fetch_add(1, Ordering::Relaxed) + 1;
        }
        let mut result = self.controls(step, Role::Before).await;
        if result.is_ok() {
            result = self.items(step).await;
        }
        if result.is_ok() {
            result = self.controls(step, Role::After).await;
        }
        self.group = outer_group;
        self.pass_over(step, result)
    }

    /// What the server lacks of what a step rests on, as far as that is known before anything is sent.
    fn inapplicable(&self, step: &Step) -> Option<String> {
        let binding = self.engine.binding;
        // A step that is for another answer to a gap is silently left out: the gap's check says so itself.
        let condition = match &step.when {
            Some(When::Choice(_)) | None => None,
            Some(when) => binding.refuses(when),
        };
        condition.or_else(|| step.requests().into_iter().find_map(|send| binding.absent(send)))
    }

    /// Leaves out a step that does not apply to the server; other ends are the scenario's.
    pub(super) fn pass_over(&mut self, step: &Step, result: Stopped) -> Stopped {
        match result {
            Err(Stop { kind: StopKind::Absent, reason, .. }) => {
                self.skip(step, reason);
                Ok(())
            }
            other => other,
        }
    }

    /// Notes that a step was not run, and that what it would have captured is not there.
    fn skip(&mut self, step: &Step, reason: String) {
        let mut names: Vec<&String> = step.capture.iter().map(|capture| &capture.name).collect();
        if let Action::Run { exports, .. } = &step.action {
            names.extend(exports.iter().map(|(_, outer)| outer));
        }
        for name in names {
            self.unbind(name, Lacking { reason: reason.clone(), absent: true });
        }
        let skipped = Skipped { sets: step.sets(), reason };
        if !self.trace.skipped.contains(&skipped) {
            self.trace.skipped.push(skipped);
        }
    }

    async fn controls(&mut self, step: &Step, role: fn(String) -> Role) -> Stopped {
        let scenario = self.scenario;
        for name in &step.controls {
            let Some(control) = scenario.controls.get(name) else {
                continue;
            };
            let known_before = self.known();
            let act = self.send(&control.send, &step.label).await?;
            let entry = self.entry(
                &step.label,
                role(name.clone()),
                Some(control.expect),
                known_before,
                act,
            );
            self.trace.entries.push(entry);
        }
        Ok(())
    }

    pub(super) async fn once(&mut self, step: &Step) -> Stopped {
        let asked = self.moment().await;
        match &step.action {
            Action::Boundary(boundary) => self.boundary(step, boundary).await?,
            Action::Hook(hook) => self.hook(step, hook).await?,
            Action::Race(race) => self.race(step, race).await?,
            Action::Run { with, steps, exports } => {
                self.procedure(step, with, steps, exports).await?;
            }
            Action::Sample(sample) => self.sample(step, sample).await?,
            Action::Send(send) => {
                let known_before = self.known();
                let act = self.send(send, &step.label).await?;
                self.finish(step, act, known_before, Some(&send.operation))?;
            }
            Action::Listen(name) => self.listen(step, name).await?,
            Action::Stream(stream) => self.stream(step, stream).await?,
            Action::Timing(timing) => self.timing(step, timing).await?,
            Action::Wait(wait) => {
                let duration = self.length(wait, &step.label).await?;
                self.wait(duration, &step.label).await?;
                let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                let known = self.known();
                let entry =
                    self.entry(&step.label, Role::Step, None, known, Act::Wait { milliseconds });
                self.trace.entries.push(entry);
            }
        }
        let listens = matches!(&step.action, Action::Stream(stream) if matches!(stream.act, StreamAct::Receive(_)));
        if !listens {
            self.caused = Instant::now();
        }
        if let Some(mark) = &step.mark {
            let acknowledged = self.moment().await;
            let asked = asked.or(acknowledged).unwrap_or_default();
            let acknowledged = acknowledged.unwrap_or(asked);
            self.marks.insert(mark.clone(), Mark { asked, acknowledged });
        }
        Ok(())
    }

    /// The server's clock: a virtual one moves only when told, so it is read only then.
    pub(super) async fn moment(&mut self) -> Option<Millis> {
        if self.engine.clock.mode() != "virtual" {
            self.server_now = self.engine.clock.now().await;
        }
        self.server_now.or(Some(self.elapsed))
    }

    pub(super) async fn wait(&mut self, duration: Duration, label: &str) -> Stopped {
        let missing = |reason: String| stop(label, StopKind::Missing, reason);
        self.engine.clock.can_wait(duration).map_err(|error| missing(error.to_string()))?;
        self.engine.clock.advance(duration).await.map_err(|error| missing(error.to_string()))?;
        self.server_now = self.engine.clock.now().await;
        self.elapsed += Millis::try_from(duration.as_millis()).unwrap_or_default();
        Ok(())
    }

    /// Keeps what the step captures, writes the entry, and ends the scenario when a prerequisite
    /// does not hold.
    pub(super) fn finish(
        &mut self,
        step: &Step,
        act: Act,
        known_before: usize,
        operation: Option<&str>,
    ) -> Stopped {
        self.keep(step, &act, operation);
        self.count_hits();
        let entry = self.entry(&step.label, Role::Step, step.expect, known_before, act);
        self.trace.entries.push(entry);
        match step.expect {
            Some(set) => self.prerequisites(set, &step.label),
            None => Ok(()),
        }
    }

    pub(super) fn entry(
        &self,
        label: &str,
        role: Role,
        expectations: Option<ExpectationSet>,
        known_before: usize,
        act: Act,
    ) -> Entry {
        let step = format!("{label}{}", self.item);
        Entry {
            step,
            item: self.item_name.clone(),
            group: self.group,
            role,
            expectations,
            bindings: Arc::clone(&self.bindings),
            known_before,
            act,
        }
    }

    /// Ends the scenario when an expectation without a check does not hold on the entry written last.
    pub(super) fn prerequisites(&self, set: ExpectationSet, label: &str) -> Stopped {
        let Some(entry) = self.trace.entries.last() else {
            return Ok(());
        };
        for expectation in self.scenario.expectations(set) {
            if expectation.check.is_some() || !self.chosen(expectation.when.as_ref()) {
                continue;
            }
            match hold_all(self.engine.binding, expectation, &self.trace, entry) {
                Assessed::Holds => {}
                Assessed::Breaks(violation) => {
                    let wanted = violation.wanted.join(" or ");
                    let reason = format!(
                        "a step that the rest builds on wanted {wanted} and got {}",
                        violation.got
                    );
                    return Err(stop(label, StopKind::Prerequisite, reason));
                }
                Assessed::NoAnswer(reason) => {
                    return Err(stop(label, StopKind::Unreachable, reason));
                }
                Assessed::NoValue(error) => return Err(self.explain(label, &error.to_string())),
            }
        }
        Ok(())
    }

    pub(super) fn chosen(&self, when: Option<&When>) -> bool {
        when.is_none_or(|when| self.engine.binding.refuses(when).is_none())
    }

    /// How long a wait takes from now on.
    async fn length(&mut self, wait: &Wait, label: &str) -> Result<Duration, Stop> {
        let span = self.span(&wait.span);
        let Some(mark) = wait.since.as_ref().and_then(|name| self.marks.get(name)).copied() else {
            return Ok(span);
        };
        let since = self.moment().await.unwrap_or_default() - mark.acknowledged;
        let passed = Duration::from_millis(u64::try_from(since).unwrap_or_default());
        span.checked_sub(passed).ok_or_else(|| {
            let reason =
                format!("the steps before took {:?} too long", passed.saturating_sub(span));
            stop(label, StopKind::Missing, reason)
        })
    }

    /// How long a span is for this server.
    pub(super) fn span(&self, span: &Span) -> Duration {
        match span {
            Span::Fixed(duration) => *duration,
            Span::Lifetime { name, percent } => self.engine.binding.lifetime(name) * *percent / 100,
        }
    }
}

pub(super) fn stop(label: &str, kind: StopKind, reason: String) -> Stop {
    Stop { step: label.to_owned(), kind, reason }
}
