//! What happened while a scenario ran, in order: enough to judge it again without a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Bytes, Exchange, Flow, Millis, Response, WireError};

/// The values that templates can name at some moment: `token`, `identity.first.username`.
pub type Bindings = BTreeMap<String, String>;

/// The place of a list of expectations in its scenario.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ExpectationSet(pub usize);

/// Everything that happened in one run of one scenario against one flow.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Trace {
    /// The scenario's name.
    pub scenario: String,
    /// The flow it ran for.
    pub flow: Flow,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// Why the scenario ended before its last step, if it did.
    pub stop: Option<Stop>,
    /// Every secret of the run, in the order in which they became known.
    pub secrets: Vec<Kept>,
    /// Tokens that successful answers held although no step asked for them: reports must not show
    /// these either.
    pub unasked: Vec<(String, String)>,
    /// Steps that were not run because the profile says that the server lacks what they rest on.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Names that have no value, with the reason.
    #[serde(default)]
    pub lacking: BTreeMap<String, Lacking>,
}

/// Expectations that were not held against anything, because they do not apply to the server.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Skipped {
    /// The expectations.
    pub sets: Vec<ExpectationSet>,
    /// What the server lacks, in a sentence.
    pub reason: String,
}

/// Why a name has no value.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lacking {
    /// The reason, in a sentence.
    pub reason: String,
    /// Whether the profile says that the server does not have it; otherwise it should have been there.
    pub absent: bool,
}

/// A secret with where it came from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Kept {
    /// The name it was captured under; it stands for the value in reports.
    pub name: String,
    /// The value.
    pub value: String,
    /// The step that captured it; the profile, for an account's secrets.
    pub origin: String,
}

/// The end of a scenario before its last step.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stop {
    /// The step at which it ended.
    pub step: String,
    /// What kind of end it was.
    pub kind: StopKind,
    /// Why, in a sentence.
    pub reason: String,
}

/// Whose fault a stop is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopKind {
    /// The profile says that the server lacks what the step rests on: the step alone is left out.
    Absent,
    /// A hook, a person, an identity or the clock was missing or failed.
    Missing,
    /// An answer that the following steps build on was not as it must be.
    Prerequisite,
    /// No answer came.
    Unreachable,
    /// The harness itself failed.
    Harness,
}

/// Whether an entry is a step of its own or a positive control around one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A step.
    Step,
    /// The named control, before the steps of its group.
    Before(String),
    /// The named control, after the steps of its group.
    After(String),
}

/// One thing that happened.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Entry {
    /// The step, as a person finds it in the file: `steps[3]` or its own id.
    pub step: String,
    /// The item of a repeated step: its own id, its text, or its number.
    #[serde(default)]
    pub item: Option<String>,
    /// Entries of one group stand between the same controls.
    pub group: u32,
    /// Step or control.
    pub role: Role,
    /// What it is held against.
    pub expectations: Option<ExpectationSet>,
    /// The values that the expectations can name: those known before, and those captured here.
    /// Shared between entries until something new is bound: copies of them took an eighth of a run's time.
    pub bindings: Arc<Bindings>,
    /// How many of the trace's secrets were known before this entry: what an answer may not show again.
    pub known_before: usize,
    /// What was done and what came of it.
    pub act: Act,
}

/// What was done and what came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A request with its answer.
    Exchange(Box<Exchange>),
    /// A physical or administrative act.
    Hook {
        /// The hook's name: `press`.
        hook: String,
        /// When the server's clock said it was done, or why it was not.
        result: Result<Option<Millis>, String>,
    },
    /// Pairs of requests let go at the same moment.
    Race {
        /// One entry for each repeat.
        trials: Vec<Trial>,
    },
    /// The same request many times.
    Sample {
        /// All exchanges, in the order in which they were begun.
        exchanges: Vec<Exchange>,
        /// What was collected from each answer, where it was found.
        values: Vec<Option<String>>,
    },
    /// Something seen on a WebSocket.
    Socket {
        /// The name of the connection.
        connection: String,
        /// The handshake's exchange, or a picture of it, for the report.
        exchange: Box<Exchange>,
        /// What was seen.
        event: SocketEvent,
    },
    /// Two requests in turn, many times, with how long each answer took, in nanoseconds.
    Timing {
        /// The first request.
        first: Vec<u64>,
        /// The second.
        second: Vec<u64>,
        /// The first once more: what equal requests differ by.
        again: Vec<u64>,
        /// The status codes of all answers; 0 where there was none.
        statuses: BTreeSet<u16>,
        /// One exchange of each.
        exchanges: Vec<Exchange>,
    },
    /// The clock was moved, or time was let pass.
    Wait {
        /// By how much.
        milliseconds: u64,
    },
}

/// One repeat of a race.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Trial {
    /// The exchanges, in the order in which the requests were written down.
    pub exchanges: Vec<Exchange>,
    /// What was asked one after the other when the pair was answered.
    pub after: Vec<Exchange>,
}

/// What was seen on a WebSocket (RFC 6455).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketEvent {
    /// The connection ended.
    Closed {
        /// The status code of the close frame; `None` when the connection ended without one.
        code: Option<u16>,
        /// The reason in the close frame.
        reason: String,
    },
    /// Nothing could be seen: the wire failed.
    Failed(WireError),
    /// A text or binary message.
    Message {
        /// Whether it was a text message.
        text: bool,
        /// Its payload.
        payload: Bytes,
    },
    /// The handshake succeeded.
    Opened(Response),
    /// A pong frame.
    Pong(Bytes),
    /// The handshake was answered, but not with 101.
    Refused(Response),
    /// Nothing came in the time that was given.
    Silent,
    /// A frame went out.
    Transmitted,
}

impl SocketEvent {
    /// The event's name in expectations.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Failed(_) => "failed",
            Self::Message { .. } => "message",
            Self::Opened(_) => "opened",
            Self::Pong(_) => "pong",
            Self::Refused(_) => "refused",
            Self::Silent => "silent",
            Self::Transmitted => "transmitted",
        }
    }
}
