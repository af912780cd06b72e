//! Runs the steps of a scenario and writes down what happened.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::judge::{Assessed, Class, Face, classify, hold_all};
use super::request::{PATH, RequestError, build};
use crate::clock::Clock;
use crate::hook::Hooks;
use crate::model::{
    Act, Bindings, Entry, Exchange, ExpectationSet, Header, Kept, Lacking, Millis, Reply, Request,
    Role, Skipped, Stop, StopKind, Timing, Trace, WireError,
};
use crate::scenario::{Action, Scenario, SendStep, Span, Step, StreamAct, When};
use crate::source::{Random, Scope};
use crate::target::{FlowBinding, OutcomeKind};
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

/// How often races and statistics are repeated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Effort {
    /// A quarter: for each change of the code.
    Quick,
    /// As the scenarios say.
    #[default]
    Normal,
    /// Five times: for a release.
    Thorough,
}

impl Effort {
    /// A number of repeats at this effort.
    pub fn scale(self, repeats: u32) -> u32 {
        match self {
            Self::Quick => repeats.div_ceil(4),
            Self::Normal => repeats,
            Self::Thorough => repeats.saturating_mul(5),
        }
    }
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

/// More answers than this that miss their deadline, and the target counts as not answering.
const MOST_DEADLINES: u32 = 3;

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
    pub(super) groups: u32,
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
            groups: 0,
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
            for step in steps {
                self.step(step).await?;
            }
            Ok(())
        })
    }

    async fn step(&mut self, step: &Step) -> Stopped {
        if let Some(reason) = self.inapplicable(step) {
            self.skip(step, reason);
            return Ok(());
        }
        if !self.chosen(step.when.as_ref()) {
            return Ok(());
        }
        let outer_group = self.group;
        if !step.controls.is_empty() {
            self.groups += 1;
            self.group = self.groups;
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
            Action::Wait(span) => {
                let duration = self.span(span);
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

    /// Makes and sends the request of a step.
    pub(super) async fn send(&mut self, send: &SendStep, label: &str) -> Result<Act, Stop> {
        let (request, environment) = self.request(send, label)?;
        let (reply, timing) = self.engine.wires.send(&request).await;
        let exchange = self.exchange(send, environment, request, reply, timing);
        self.note_tokens(&exchange);
        if let Err(error) = &exchange.reply {
            self.give_up(error, label)?;
        }
        Ok(Act::Exchange(Box::new(exchange)))
    }

    pub(super) fn request(
        &self,
        send: &SendStep,
        label: &str,
    ) -> Result<(Request, Option<String>), Stop> {
        let settings = self.engine.settings;
        if let Some(budget) = settings.budget.as_ref().filter(|budget| budget.is_used_up())
            && self.logs_in(&send.operation)
            && !send.is_plain_login()
        {
            let reason = format!(
                "the budget of {} wrong logins is used up (`limits.max_failed_logins`)",
                budget.allowed
            );
            return Err(stop(label, StopKind::Missing, reason));
        }
        build(self.engine.binding, &settings.headers, send, &self.scope()).map_err(|error| {
            match &error {
                RequestError::Absent(reason) => stop(label, StopKind::Absent, reason.clone()),
                RequestError::Missing(reason) => stop(label, StopKind::Missing, reason.clone()),
                RequestError::Render(render) => self.explain(label, &render.to_string()),
            }
        })
    }

    pub(super) fn exchange(
        &self,
        send: &SendStep,
        environment: Option<String>,
        request: Request,
        reply: Reply,
        timing: Timing,
    ) -> Exchange {
        let operation = send.operation.clone();
        let exchange = Exchange {
            operation,
            environment,
            request,
            reply,
            timing,
            server_now: self.server_now,
        };
        if let Some(budget) = &self.engine.settings.budget
            && self.logs_in(&exchange.operation)
            && matches!(
                classify(self.engine.binding, &Face::new(&exchange)),
                Class::Known(outcome) if outcome.kind == OutcomeKind::Refusal
            )
        {
            budget.count();
        }
        exchange
    }

    /// Whether an operation takes the secret of an account.
    fn logs_in(&self, operation: &str) -> bool {
        let operation = self.engine.binding.operations.get(operation);
        operation.is_some_and(|operation| !operation.identity.is_empty())
    }

    /// Ends the scenario when the target is not there, instead of waiting for it again and again.
    pub(super) fn give_up(&mut self, error: &WireError, label: &str) -> Stopped {
        match error {
            WireError::Connect(_) => Err(stop(label, StopKind::Unreachable, error.to_string())),
            WireError::Deadline(_) => {
                self.deadlines += 1;
                if self.deadlines < MOST_DEADLINES {
                    return Ok(());
                }
                Err(stop(label, StopKind::Unreachable, format!("{error}, {MOST_DEADLINES} times")))
            }
            WireError::Closed(_)
            | WireError::Nonsense(_)
            | WireError::Unreadable(_)
            | WireError::Unsendable(_) => Ok(()),
        }
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

    /// How long a span is for this server.
    pub(super) fn span(&self, span: &Span) -> Duration {
        match span {
            Span::Fixed(duration) => *duration,
            Span::Lifetime(name) => {
                self.engine.binding.lifetimes.get(name).copied().unwrap_or_default()
            }
        }
    }

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
    fn explain(&self, label: &str, error: &str) -> Stop {
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

pub(super) fn stop(label: &str, kind: StopKind, reason: String) -> Stop {
    Stop { step: label.to_owned(), kind, reason }
}
