//! The default binding of a flow and a profile, as they are typed.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::scenario::one_or_many::OneOrMany;
use crate::scenario::raw::{RawCheck, RawControl, RawExpectation, RawPlace, RawStep};

/// A flow file: how the documented server spells operations and outcomes, and what every scenario
/// of the flow shares.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFlow {
    /// The flow.
    pub flow: String,
    /// The durations that the documents give, by name.
    #[serde(default)]
    pub lifetimes: IndexMap<String, String>,
    /// The words and names that the documents give and a server may choose, by name: `${constant.NAME}`.
    #[serde(default)]
    pub constants: IndexMap<String, String>,
    /// The environments, for a flow that has several.
    #[serde(default)]
    pub environments: Vec<String>,
    /// The operations by name.
    #[serde(default)]
    pub operations: IndexMap<String, RawOperation>,
    /// The outcomes by name; an answer is the first one that recognises it.
    #[serde(default)]
    pub outcomes: IndexMap<String, RawOutcome>,
    /// Steps that scenarios share, by name.
    #[serde(default)]
    pub procedures: IndexMap<String, RawProcedure>,
    /// Positive controls by name.
    #[serde(default)]
    pub controls: IndexMap<String, RawControl>,
    /// The checks that `always` makes.
    #[serde(default)]
    pub checks: IndexMap<String, RawCheck>,
    /// What every HTTP answer of every scenario of the flow is held against.
    #[serde(default)]
    pub always: Vec<RawExpectation>,
}

/// One thing that a flow offers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOperation {
    /// What it does, in a sentence.
    pub title: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The path. `{environment}` is the environment's name, unless the profile gives it a base URL of its own.
    pub path: Option<String>,
    /// In a flow file: the capabilities without which a server has no such operation.
    pub capability: Option<OneOrMany<String>>,
    /// How a token is presented; none is when it is missing.
    pub credential: Option<RawCredential>,
    /// Where parameters go, by name. In a profile, `null` says that the server has no such parameter: what is
    /// about it is `na`.
    #[serde(default)]
    pub parameters: IndexMap<String, Option<RawPlace>>,
    /// Parameters that are always sent, unless a step leaves them out. In a profile, `null` takes one away.
    #[serde(default)]
    pub defaults: IndexMap<String, Value>,
    /// Parameters that an identity fills: the parameter, and the field of the identity. `{environment}`
    /// in the field's name is the environment.
    #[serde(default)]
    pub identity: IndexMap<String, String>,
    /// Header fields that are always sent.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// A body that is always sent.
    pub body: Option<crate::scenario::raw::RawBody>,
    /// Where the fields of a successful answer are. A field named `token` or `..._token` is a secret.
    #[serde(default)]
    pub answer: IndexMap<String, RawField>,
}

/// How a token is presented.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCredential {
    /// The header field; `Authorization` when nothing is given.
    pub header: Option<String>,
    /// The scheme word before the token in that header.
    pub scheme: Option<String>,
    /// A parameter that carries the token instead of a header.
    pub parameter: Option<String>,
}

/// Where a field of an answer is: exactly one of `json`, `text`, `header`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawField {
    /// A path into the JSON body.
    pub json: Option<String>,
    /// The whole body, without one line end behind it.
    #[serde(default)]
    pub text: bool,
    /// A header field.
    pub header: Option<String>,
    /// In a flow file: the capabilities without which an answer does not have the field.
    pub capability: Option<OneOrMany<String>>,
}

/// A class of answers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOutcome {
    /// What it means, in a sentence.
    pub title: Option<String>,
    /// `success` or `refusal`.
    pub kind: Option<RawOutcomeKind>,
    /// The operations it is for; all of them without it.
    #[serde(default)]
    pub operations: Vec<String>,
    /// What an answer of this class is told by: as little as tells it from the others.
    pub recognise: Option<RawExpectation>,
    /// The documented answer, to the letter.
    pub documented: Option<RawExpectation>,
}

/// Whether a class of answers grants or refuses.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum RawOutcomeKind {
    /// Grants what was asked for.
    Success,
    /// Refuses it.
    Refusal,
}

/// Steps that scenarios share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawProcedure {
    /// What it does, in a sentence.
    pub title: String,
    /// What it cannot do without; added to the needs of the scenarios that run it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Its variables with their default values; a value may be empty.
    #[serde(default)]
    pub with: IndexMap<String, String>,
    /// What it does.
    pub steps: Vec<RawStep>,
}

/// A profile: adapts the scenarios to one server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawProfile {
    /// The server's name in reports.
    pub target: String,
    /// Scheme and authority: `http://127.0.0.1:8080`.
    pub base_url: String,
    /// Own authorities, a client certificate, or no check at all, for `https://`.
    pub tls: Option<super::transport::RawTls>,
    /// `1.1`, or `2` for HTTP/2: by ALPN for `https://`, with prior knowledge for `http://`.
    #[schemars(extend("enum" = ["1.1", "2", 1.1, 2]))]
    pub http_version: Option<Value>,
    /// A socket that every request to the server goes through, by its path from the profile's folder.
    /// The base URL still gives the scheme and `Host`.
    pub unix_socket: Option<String>,
    /// The flows that the server offers, by name, each with what differs from the documents.
    pub flows: IndexMap<String, RawFlowProfile>,
    /// How the clock is moved and read.
    pub clock: Option<RawClock>,
    /// Physical and administrative acts by name; the first driver that can act does.
    #[serde(default)]
    pub hooks: IndexMap<String, Vec<RawHookDriver>>,
    /// Bounds on what the run may do.
    pub limits: Option<RawLimits>,
    /// Header fields sent with every request.
    #[serde(default)]
    pub headers: Vec<crate::scenario::raw::RawHeader>,
    /// Findings that are known and accepted for a while.
    #[serde(default)]
    pub baseline: Vec<RawBaseline>,
}

/// What differs from the documented flow.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFlowProfile {
    /// Another base URL for this flow.
    pub base_url: Option<String>,
    /// Base URLs of environments by name.
    #[serde(default)]
    pub environments: IndexMap<String, String>,
    /// Operations that differ; the given keys replace the documented ones.
    #[serde(default)]
    pub operations: IndexMap<String, RawOperation>,
    /// Outcomes that differ; the given keys replace the documented ones.
    #[serde(default)]
    pub outcomes: IndexMap<String, RawOutcome>,
    /// Answers to gaps, by gap.
    #[serde(default)]
    pub choices: IndexMap<String, String>,
    /// What the server offers or lacks, by name: `false` makes what needs it `na`. `identity.unverified: false`
    /// says that there is no such account to be had.
    #[serde(default)]
    pub capabilities: IndexMap<String, bool>,
    /// Durations that differ from the documented ones.
    #[serde(default)]
    pub lifetimes: IndexMap<String, String>,
    /// Words and names that differ from the documented ones.
    #[serde(default)]
    pub constants: IndexMap<String, String>,
    /// Accounts by role (`first`, `second`, `blocked`, ...), each a list of fields.
    #[serde(default)]
    pub identities: IndexMap<String, IndexMap<String, RawValue>>,
}

/// A value that may be a secret: exactly one of its keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawValue {
    /// The name of an environment variable that holds a secret.
    pub env: Option<String>,
    /// The name of an environment variable whose value is no secret, as a user name: reports may show it.
    pub public_env: Option<String>,
    /// A file whose content, without a line end, is the value.
    pub file: Option<String>,
    /// The value itself, when it is no secret.
    pub public: Option<String>,
    /// A secret that is published anyway, as of a test double. Never for a real account.
    pub published: Option<String>,
}

/// How the server's clock is moved and read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClock {
    /// `virtual` moves when told, `real` runs by itself, `none` must not be waited for.
    pub mode: RawClockMode,
    /// How far the server's clock may be off at a boundary; `0s` for a virtual one.
    pub tolerance: Option<String>,
    /// The longest real wait of one probe.
    pub max_wait: Option<String>,
    /// The control plane of a reference server.
    pub control: Option<String>,
    /// A request that moves a virtual clock; `${milliseconds}` is by how much.
    pub advance: Option<RawHookRequest>,
}

/// A mode of the clock.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum RawClockMode {
    /// Moves only when told.
    Virtual,
    /// Runs by itself.
    Real,
    /// Must not be waited for.
    None,
}

/// How a hook acts: exactly one of its keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHookDriver {
    /// Through the control plane of a reference server at this address.
    pub simulated: Option<String>,
    /// With an HTTP request.
    pub http: Option<RawHookRequest>,
    /// With a program: JSON on its standard input, exit code 0 when done.
    pub exec: Option<RawExec>,
    /// By whoever reads a named pipe: one JSON line for each act.
    pub fifo: Option<RawFifo>,
    /// By a person at the terminal.
    pub tty: Option<RawTty>,
}

/// An HTTP request of a hook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHookRequest {
    /// The method; POST without it.
    pub method: Option<String>,
    /// The whole address.
    pub url: String,
    /// A JSON body; strings are templates over what the hook is told.
    pub json: Option<Value>,
    /// Header fields.
    #[serde(default)]
    pub headers: Vec<crate::scenario::raw::RawHeader>,
}

/// A program that acts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// How long it may take; 10 s without it.
    pub timeout: Option<String>,
}

/// Named pipes, by their paths from the profile's folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFifo {
    /// The pipe into which `{"hook": ..., "say": ..., "with": ...}` is written as one line.
    pub request: String,
    /// The pipe from which one line acknowledges the act; `{"error": "why"}` says that it failed. Without it the act
    /// is taken for done when it is written.
    pub answer: Option<String>,
    /// How long both may take; 10 s without it.
    pub timeout: Option<String>,
}

/// A person who acts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTty {
    /// What to ask; `${say}` is the scenario's own text.
    pub prompt: Option<String>,
    /// How long to wait for the answer; 60 s without it.
    pub timeout: Option<String>,
}

/// Bounds on what a run may do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    /// How long an answer may take; 5 s without it.
    pub deadline: Option<String>,
    /// How many wrong passwords may be tried in a run.
    pub max_failed_logins: Option<u32>,
    /// The largest answer that is read; 8 MiB without it.
    pub max_answer_bytes: Option<usize>,
}

/// A finding that is known and accepted for a while.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBaseline {
    /// The check.
    pub check: String,
    /// Why it is accepted.
    pub because: String,
    /// The day from which it no longer is: `2027-03-01`.
    pub until: String,
    /// Only these items of a repeated step, by the names that reports give them; breaches in other items still count.
    pub item: Option<OneOrMany<String>>,
    /// Only breaches of which the report's `got` matches this regular expression.
    pub got: Option<String>,
    /// It happens now and then, as what rests on chance does: a run in which it passes does not make the entry stale.
    #[serde(default)]
    pub sometimes: bool,
}
