//! A scenario as meant: what is done, in order.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::condition::When;
use super::expectation::{Check, Expectation};
use super::json_template::JsonTemplate;
pub use super::raw::RawPart as Part;
use super::vector::Forge;
use super::vocabulary::Need;
use crate::model::{CheckId, ExpectationSet, Flow, WireKind};
use crate::source::{JsonPath, Pattern, SourceFile, Template};

/// A scenario for one flow.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its permanent name: `gateway-button/window`.
    pub name: String,
    /// What it shows, in a sentence.
    pub title: String,
    /// The flow it runs for.
    pub flow: Flow,
    /// What it cannot do without.
    pub needs: Vec<Need>,
    /// The checks that it makes, in the order of the file.
    pub checks: IndexMap<CheckId, Check>,
    /// The positive controls that its steps name.
    pub controls: IndexMap<String, Control>,
    /// What is done.
    pub steps: Vec<Step>,
    /// What every HTTP answer is held against; checks of the flow among them are not in `checks`.
    pub always: Vec<Expectation>,
    /// The lists of expectations that the steps refer to.
    pub expectations: Vec<Vec<Expectation>>,
    /// The file.
    pub source: Arc<SourceFile>,
}

impl Scenario {
    /// The expectations of a step.
    pub fn expectations(&self, set: ExpectationSet) -> &[Expectation] {
        self.expectations.get(set.0).map_or(&[], Vec::as_slice)
    }

    /// Whether it is a case that was found, by its topic.
    pub fn was_found(&self) -> bool {
        self.name.split('/').nth(1).is_some_and(|topic| topic.starts_with("found-"))
    }

    /// The conditions of all steps and expectations.
    pub fn conditions(&self) -> impl Iterator<Item = &When> {
        let expectations = self.always.iter().chain(self.expectations.iter().flatten());
        let of_steps = self.steps.iter().flat_map(Step::conditions);
        of_steps.chain(expectations.filter_map(|expectation| expectation.when.as_ref()))
    }
}

/// A request that must succeed around a negative step.
#[derive(Clone, Debug)]
pub struct Control {
    /// The request.
    pub send: SendStep,
    /// What its answer must be.
    pub expect: ExpectationSet,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// How a person finds it: its own id, or its path in the file.
    pub label: String,
    /// Only for servers of which this holds.
    pub when: Option<When>,
    /// Repeats the step for each item.
    pub each: Vec<Value>,
    /// Repeats the step for each attack vector.
    pub forge: Option<Forge>,
    /// The controls around it.
    pub controls: Vec<String>,
    /// The name of its moment.
    pub mark: Option<String>,
    /// What is done.
    pub action: Action,
    /// What is expected.
    pub expect: Option<ExpectationSet>,
    /// What is kept.
    pub capture: Vec<Capture>,
}

impl Step {
    /// The expectations of the step itself and of the steps inside it.
    pub fn sets(&self) -> Vec<ExpectationSet> {
        let mut sets = self.own_sets();
        sets.extend(self.inner().iter().flat_map(Self::sets));
        sets
    }

    /// The expectations of the step itself.
    pub fn own_sets(&self) -> Vec<ExpectationSet> {
        let mut sets: Vec<ExpectationSet> = self.expect.into_iter().collect();
        if let Action::Boundary(boundary) = &self.action {
            sets.extend(boundary.just_before);
            sets.extend(boundary.exactly_at);
            sets.extend(boundary.just_after);
        }
        sets
    }

    /// The steps inside it.
    pub fn inner(&self) -> &[Self] {
        match &self.action {
            Action::Boundary(boundary) => &boundary.prepare,
            Action::Race(race) => &race.prepare,
            Action::Run { steps, .. } => steps,
            Action::Sample(sample) => &sample.prepare,
            Action::Hook(_)
            | Action::Listen(_)
            | Action::Send(_)
            | Action::Stream(_)
            | Action::Timing(_)
            | Action::Wait(_) => &[],
        }
    }

    /// The conditions of the step and of the steps inside it.
    fn conditions(&self) -> Vec<&When> {
        self.when.iter().chain(self.inner().iter().flat_map(Self::conditions)).collect()
    }

    /// The requests that the step cannot do without.
    pub fn requests(&self) -> Vec<&SendStep> {
        match &self.action {
            Action::Boundary(boundary) => vec![&boundary.probe],
            Action::Race(race) => race.requests.iter().chain(&race.after).collect(),
            Action::Sample(sample) => vec![&sample.send],
            Action::Send(send) => vec![&**send],
            Action::Stream(stream) => match &stream.act {
                StreamAct::Open(send, _) => vec![&**send],
                _ => Vec::new(),
            },
            Action::Timing(timing) => timing.requests.iter().collect(),
            Action::Hook(_) | Action::Listen(_) | Action::Run { .. } | Action::Wait(_) => {
                Vec::new()
            }
        }
    }
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Probes around a moment.
    Boundary(Box<Boundary>),
    /// A physical or administrative act.
    Hook(HookStep),
    /// Requests that arrive together.
    Race(Box<Race>),
    /// The steps of a procedure, in a scope of their own.
    Run {
        /// The procedure's variables.
        with: Vec<(String, Template)>,
        /// Its steps.
        steps: Vec<Step>,
        /// The names of what it captured: inside and outside.
        exports: Vec<(String, String)>,
    },
    /// The same request many times.
    Sample(Box<Sample>),
    /// A request.
    Send(Box<SendStep>),
    /// An act on a WebSocket.
    Stream(Box<StreamStep>),
    /// A listener on loopback, by name.
    Listen(String),
    /// Two requests in turn, to compare how long they take.
    Timing(Box<Timing>),
    /// The clock runs.
    Wait(Wait),
}

/// Time that passes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wait {
    /// So long.
    pub span: Span,
    /// Counted from this mark, and from now without one.
    pub since: Option<String>,
}

/// A length of time: `5s`, `token`, `50% of token`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Span {
    /// So long.
    Fixed(Duration),
    /// As long as a part of a lifetime of the flow, which a profile may change.
    Lifetime {
        /// The lifetime's name.
        name: String,
        /// The part of it, in hundredths; more than 100 is longer than it.
        percent: u32,
    },
}

/// A call of an operation.
#[derive(Clone, Debug, Default)]
pub struct SendStep {
    /// The operation.
    pub operation: String,
    /// The environment.
    pub environment: Option<Template>,
    /// The identity whose credentials are used.
    pub identity: Option<Template>,
    /// The token that is presented as documented.
    pub token: Option<Template>,
    /// A whole `Authorization` value.
    pub authorization: Option<Template>,
    /// Parameters; several values repeat the parameter.
    pub with: Vec<(String, Vec<ParameterValue>)>,
    /// Parameters that are left out.
    pub without: Vec<String>,
    /// Parameters that go elsewhere than documented.
    pub place: Vec<(String, Place)>,
    /// Further header fields.
    pub headers: Vec<(String, Template)>,
    /// Another method.
    pub method: Option<String>,
    /// Another path.
    pub path: Option<Template>,
    /// A query to append.
    pub query: Option<Template>,
    /// Another body.
    pub body: Option<Body>,
    /// The wire.
    pub wire: WireKind,
    /// A named connection.
    pub connection: Option<String>,
    /// All bytes of the request.
    pub verbatim: Option<Template>,
}

/// A value of a parameter; texts are templates.
pub type ParameterValue = JsonTemplate;

/// Where a parameter goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The part of the request.
    pub part: Part,
    /// The name there, when it is not the parameter's own.
    pub name: Option<String>,
    /// The scheme word before the value in a header.
    pub scheme: Option<String>,
}

/// A body as it stands.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Its media type.
    pub media_type: Option<String>,
    /// Its content as text.
    pub text: Option<Template>,
    /// Its content as JSON.
    pub json: Option<JsonTemplate>,
}

/// A physical or administrative act.
#[derive(Clone, Debug)]
pub struct HookStep {
    /// The hook.
    pub name: String,
    /// What a person is asked to do.
    pub say: Option<String>,
    /// What the hook is told.
    pub with: Vec<(String, Template)>,
}

/// Probes around a moment.
#[derive(Clone, Debug)]
pub struct Boundary {
    /// The moment.
    pub at: Moment,
    /// The steps before each probe.
    pub prepare: Vec<Step>,
    /// The request.
    pub probe: SendStep,
    /// What is expected just before.
    pub just_before: Option<ExpectationSet>,
    /// What is expected at the moment itself.
    pub exactly_at: Option<ExpectationSet>,
    /// What is expected just after.
    pub just_after: Option<ExpectationSet>,
}

/// The moment of a boundary.
#[derive(Clone, Debug)]
pub enum Moment {
    /// So long after a mark, or after the preparation.
    After {
        /// How long.
        duration: Span,
        /// The mark.
        from: Option<String>,
    },
    /// A moment in seconds since 1970.
    Until(Template),
}

/// Requests that arrive together.
#[derive(Clone, Debug)]
pub struct Race {
    /// How many pairs.
    pub repeats: u32,
    /// The steps before each pair.
    pub prepare: Vec<Step>,
    /// The two requests.
    pub requests: [SendStep; 2],
    /// What is kept of each answer for the requests that follow.
    pub keep: [Vec<Capture>; 2],
    /// The requests that follow each pair.
    pub after: Vec<SendStep>,
}

/// Two requests in turn, to compare how long they take.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How many pairs at the default level.
    pub pairs: u32,
    /// The two requests.
    pub requests: [SendStep; 2],
}

/// The same request many times.
#[derive(Clone, Debug)]
pub struct Sample {
    /// How many times.
    pub count: u32,
    /// Whether the level of effort changes how many: a statistic is finer with more.
    pub scaled: bool,
    /// How many at once.
    pub concurrency: u32,
    /// The steps before each request.
    pub prepare: Vec<Step>,
    /// The request.
    pub send: SendStep,
    /// What is collected from each answer.
    pub collect: Option<Capture>,
}

/// An act on a WebSocket.
#[derive(Clone, Debug)]
pub struct StreamStep {
    /// The connection's name.
    pub connection: String,
    /// What is done.
    pub act: StreamAct,
}

/// What is done on a WebSocket.
#[derive(Clone, Debug)]
pub enum StreamAct {
    /// Sends a close frame.
    Close(u16),
    /// Opens so many connections.
    Open(Box<SendStep>, u32),
    /// Sends a ping.
    Ping(String),
    /// Waits for the next message or the end.
    Receive(Duration),
    /// Sends a message.
    Transmit(StreamMessage),
}

/// A message to send.
#[derive(Clone, Debug)]
pub enum StreamMessage {
    /// A binary message.
    Binary(Vec<u8>),
    /// A text message in several frames.
    Fragments(Vec<Template>),
    /// A text message that is JSON.
    Json(JsonTemplate),
    /// A text message.
    Text(Template),
    /// A text message without a mask.
    Unmasked(Template),
}

/// A value that is kept.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Its name.
    pub name: String,
    /// Where it is found.
    pub source: Source,
    /// Whether it must not be printed.
    pub secret: bool,
}

/// Where a value is found.
#[derive(Clone, Debug)]
pub enum Source {
    /// In the payload of a JWT.
    Claim(Template, JsonPath),
    /// In a field of the operation's answer, by the flow's name for it.
    Field(String),
    /// In a header field.
    Header(String),
    /// In the JSON body.
    Json(JsonPath),
    /// By a regular expression over the body.
    Text(Pattern),
    /// From a template.
    Value(Template),
}
