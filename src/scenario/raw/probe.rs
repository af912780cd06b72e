//! The shapes of the steps that probe: boundaries, races, samples, timings, listeners, WebSockets.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::super::one_or_many::OneOrMany;
use super::{RawCapture, RawExpectation, RawSend, RawStep};

/// Probes just before and just after a moment; each on a fresh preparation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBoundary {
    /// A lifetime of the contract by name (`button_window`), or a duration (`120s`).
    pub after: Option<String>,
    /// Instead of `after`: an absolute moment in seconds since 1970, as a template.
    pub until: Option<String>,
    /// The mark that `after` counts from; without it, the end of `prepare`.
    pub from: Option<String>,
    /// The steps before each probe.
    #[serde(default)]
    pub prepare: Vec<RawStep>,
    /// The request at the boundary.
    pub probe: RawSend,
    /// What is expected 1 ms (or the tolerance of the clock) before the moment.
    #[serde(default)]
    pub just_before: Vec<RawExpectation>,
    /// What is expected at the moment itself.
    #[serde(default)]
    pub exactly_at: Vec<RawExpectation>,
    /// What is expected 1 ms (or the tolerance of the clock) after the moment.
    #[serde(default)]
    pub just_after: Vec<RawExpectation>,
}

/// Pairs of requests that arrive at the same moment, many times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRace {
    /// How many pairs; 20 without it.
    pub repeats: Option<u32>,
    /// The steps before each pair.
    #[serde(default)]
    pub prepare: Vec<RawStep>,
    /// The requests: one (sent twice) or two.
    pub requests: Vec<RawSend>,
    /// What is kept of the two answers, for the requests that follow: a map for each request.
    #[serde(default)]
    pub keep: Vec<IndexMap<String, RawCapture>>,
    /// The requests that follow each pair, one after the other: what state did the pair leave?
    #[serde(default)]
    pub after: Vec<RawSend>,
    /// What each pair is held against.
    pub expect: Vec<RawRaceExpectation>,
}

/// How many answers of a pair, or of the requests after it, may or must have an outcome.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRaceExpectation {
    /// The check.
    pub check: Option<String>,
    /// The outcomes that are counted.
    pub outcome: OneOrMany<String>,
    /// Counts among the answers to the requests `after` the pair.
    #[serde(default)]
    pub after: bool,
    /// The least number.
    pub at_least: Option<u32>,
    /// The greatest number.
    pub at_most: Option<u32>,
}

/// The same request many times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSample {
    /// How many times.
    pub count: u32,
    /// How many at once; 1 without it.
    pub concurrency: Option<u32>,
    /// The steps before each request; only with a concurrency of 1.
    #[serde(default)]
    pub prepare: Vec<RawStep>,
    /// The request.
    pub send: RawSend,
    /// What to collect from each answer.
    pub collect: Option<RawCapture>,
    /// What each answer is held against.
    #[serde(default)]
    pub each: Vec<RawExpectation>,
    /// What all of them together are held against.
    #[serde(default)]
    pub all: Vec<RawSampleExpectation>,
}

/// What the answers or the collected values of a sample are held against.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSampleExpectation {
    /// The check.
    pub check: Option<String>,
    /// All collected values differ from each other.
    #[serde(default)]
    pub distinct: bool,
    /// All answers have the same status and the same body.
    #[serde(default)]
    pub identical: bool,
    /// The collected values stand in no order, and hold no counter and no clock. Fewer are taken at the quick level.
    #[serde(default)]
    pub patternless: bool,
    /// The collected values never repeat, and hold at least so many random bits. Fewer are taken at the quick level.
    pub random_bits: Option<u32>,
}

impl RawSampleExpectation {
    /// Whether this is about the collected values, and not about the answers.
    pub fn is_of_values(&self) -> bool {
        self.distinct || self.is_statistic()
    }

    /// Whether more values make this finer.
    pub fn is_statistic(&self) -> bool {
        self.patternless || self.random_bits.is_some()
    }
}

/// Two requests in turn, many times: does the time of the answer tell them apart?
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTiming {
    /// How many pairs; 400 without it. The quick level takes a quarter, the thorough one five times as many.
    pub pairs: Option<u32>,
    /// The two requests.
    pub requests: Vec<RawSend>,
    /// The checks that hold when no difference stands out from chance.
    pub alike: Vec<String>,
}

/// A listener on loopback that nobody should connect to: `${listener.NAME}` is its URL, `${listener.NAME.hits}` how
/// many came.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawListen {
    /// Its name.
    pub name: String,
}

/// One act on a WebSocket connection: exactly one of `open`, `transmit`, `ping`, `receive`, `close`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStream {
    /// The connection's name in the scenario.
    pub connection: String,
    /// Opens it with a handshake.
    pub open: Option<RawSend>,
    /// Opens so many connections of that name; `receive` then tells of the one that is furthest from its end.
    pub copies: Option<u32>,
    /// Sends a message.
    pub transmit: Option<RawMessage>,
    /// Sends a ping with this payload and waits for the pong.
    pub ping: Option<String>,
    /// Waits this long in real time for the next message or the end: `2s`.
    pub receive: Option<String>,
    /// Sends a close frame with this status code.
    pub close: Option<u16>,
}

/// A WebSocket message: exactly one of its keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMessage {
    /// A text message.
    pub text: Option<String>,
    /// A text message that is JSON.
    pub json: Option<Value>,
    /// A binary message, in hexadecimal digits.
    pub binary: Option<String>,
    /// A text message of so many letters.
    pub letters: Option<usize>,
    /// A text message in several frames.
    #[serde(default)]
    pub fragments: Vec<String>,
    /// A text message in a frame without a mask, as a client must not send it (RFC 6455 section 5.1).
    pub unmasked: Option<String>,
}
