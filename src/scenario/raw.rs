//! A scenario as it is typed: the shape of the YAML file, and the source of its JSON Schema.
//!
//! Every union is a struct of optional keys, so that a mistake is reported at its own place; what
//! the keys mean together is for the lowering to say.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mod probe;

use super::one_or_many::OneOrMany;
use crate::model::Level;

pub use probe::{
    RawBoundary, RawListen, RawMessage, RawRace, RawRaceExpectation, RawSample,
    RawSampleExpectation, RawStream, RawTiming,
};

/// A scenario file: steps that prove clauses of one contract. It knows operations and outcomes,
/// never paths.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawScenario {
    /// The scenario's name, `FLOW/TOPIC`; permanent.
    pub scenario: String,
    /// What it shows, in a sentence.
    pub title: String,
    /// The flows it runs for, one after the other. In the folder `common` only; elsewhere the folder decides.
    #[serde(default)]
    pub flows: Vec<String>,
    /// What it cannot do without: hooks (`press`, `accounts`, `restart`, `orders`, `database`), `clock`,
    /// `environments`, `identity.NAME`, `capability.NAME`, `parameter.OPERATION.NAME` or
    /// `parameter.OPERATION.NAME.PART`. What a profile lacks makes the checks `blocked`, or `na` when it
    /// declares the capability absent, or binds the parameter elsewhere.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The checks that it makes. A check that is declared but never emitted is `blocked`.
    pub checks: IndexMap<String, RawCheck>,
    /// Positive controls by name, for the `controls` of steps.
    #[serde(default)]
    pub controls: IndexMap<String, RawControl>,
    /// What is done, in order.
    pub steps: Vec<RawStep>,
    /// What every HTTP answer of the scenario is held against.
    #[serde(default)]
    pub always: Vec<RawExpectation>,
}

/// The declaration of a check.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCheck {
    /// What it asserts, in a sentence.
    pub title: String,
    /// The clauses it covers; all of one level, unless `level` is given.
    pub covers: Vec<String>,
    /// How binding the assertion is, where the clauses' own level does not say.
    pub level: Option<Level>,
    /// Why no fault of the reference server can show in it; the self-test then does not ask for one.
    pub observational: Option<String>,
}

/// A request that must succeed, so that a refusal beside it means something.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawControl {
    /// The request.
    pub send: RawSend,
    /// What its answer must be.
    pub expect: Vec<RawExpectation>,
}

/// One step: exactly one action, and what is expected of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStep {
    /// A name for reports and for `same_as`.
    pub id: Option<String>,
    /// Only for servers of which this holds; without them it is `na`.
    pub when: Option<RawWhen>,
    /// Repeats the step for each item; `${each}` or `${each.KEY}` is the item.
    #[serde(default)]
    pub each: Vec<Value>,
    /// Repeats the step for each attack vector of some flags; `${each.token}` is the forged token.
    pub forge: Option<RawForge>,
    /// The named controls that run before and after the step.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Names the moment of this step for a `boundary`.
    pub mark: Option<String>,

    /// Action: calls an operation.
    pub send: Option<RawSend>,
    /// Action: a physical or administrative act.
    pub hook: Option<RawHook>,
    /// Action: moves a virtual clock, or lets real time pass: `120s`.
    pub wait: Option<String>,
    /// Action: runs a named procedure of the flow.
    pub run: Option<RawRun>,
    /// Action: probes just before and just after a documented duration.
    pub boundary: Option<RawBoundary>,
    /// Action: lets pairs of requests go at the same moment.
    pub race: Option<RawRace>,
    /// Action: sends the same request many times.
    pub sample: Option<RawSample>,
    /// Action: opens, uses or watches a WebSocket.
    pub stream: Option<RawStream>,
    /// Action: compares how long two requests take.
    pub timing: Option<RawTiming>,
    /// Action: listens on loopback for connections that must not come.
    pub listen: Option<RawListen>,

    /// What the answer is held against. An expectation without `check` is a prerequisite: when it
    /// does not hold, the scenario ends and its open checks are `blocked`.
    #[serde(default)]
    pub expect: Vec<RawExpectation>,
    /// Values to keep from the answer.
    #[serde(default)]
    pub capture: IndexMap<String, RawCapture>,
}

/// A condition on the server: exactly one of `choice`, `capability`, `parameter`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWhen {
    /// A gap, with `is` or `is_not`.
    pub choice: Option<String>,
    /// The answers to the gap of which the profile must have chosen one.
    pub is: Option<OneOrMany<String>>,
    /// Instead of `is`: the answers that the profile must not have chosen; an undecided gap will do.
    pub is_not: Option<OneOrMany<String>>,
    /// A capability that the profile does not declare absent.
    pub capability: Option<String>,
    /// A parameter that an operation of this server has: `login.username`, or in one part of the request,
    /// `login.username.form`.
    pub parameter: Option<String>,
}

/// A request, in terms of the flow's operations.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSend {
    /// The operation.
    pub operation: String,
    /// The environment, for flows that have several.
    pub environment: Option<String>,
    /// The identity whose credentials fill the operation's parameters.
    pub identity: Option<String>,
    /// The token to present in the way that the operation documents. None is presented without it.
    pub token: Option<String>,
    /// A whole value for the `Authorization` header, in place of a token.
    pub authorization: Option<String>,
    /// Parameters by name; a list repeats the parameter.
    #[serde(default)]
    pub with: IndexMap<String, Value>,
    /// Parameters to leave out although the operation or the identity would fill them.
    #[serde(default)]
    pub without: Vec<String>,
    /// Puts parameters elsewhere than documented.
    #[serde(default)]
    pub place: IndexMap<String, RawPlace>,
    /// Further header fields; sent as they stand, repeated names included.
    #[serde(default)]
    pub headers: Vec<RawHeader>,
    /// Another method than the operation's.
    pub method: Option<String>,
    /// Another path; `${path}` is the operation's own.
    pub path: Option<String>,
    /// A query to append as it stands.
    pub query: Option<String>,
    /// Another body than the one made from the parameters.
    pub body: Option<RawBody>,
    /// The wire: `http` (the default) or `raw`.
    pub wire: Option<RawWire>,
    /// A named connection that stays open between steps; raw wire.
    pub connection: Option<String>,
    /// All bytes of the request, as they stand; `${host}` is the target's authority. Raw wire.
    pub verbatim: Option<String>,
}

/// A wire.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawWire {
    /// An ordinary HTTP client.
    Http,
    /// Bytes on a connection.
    Raw,
}

/// A header field.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHeader {
    /// The field name.
    pub name: String,
    /// The field value.
    pub value: String,
}

/// A body as it stands.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBody {
    /// Its media type; none is sent without it.
    pub media_type: Option<String>,
    /// The content as text.
    pub text: Option<String>,
    /// The content as JSON.
    pub json: Option<Value>,
}

/// Where a parameter goes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPlace {
    /// The part of the request.
    #[serde(rename = "in")]
    pub part: RawPart,
    /// The name there, when it is not the parameter's own.
    pub name: Option<String>,
    /// In a header: a scheme word before the value, as in `Authorization: Bearer VALUE`.
    pub scheme: Option<String>,
}

/// A part of a request that can hold a parameter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum RawPart {
    /// The query of the target, form-encoded.
    Query,
    /// An `application/x-www-form-urlencoded` body.
    Form,
    /// In scenarios: the kind of body that holds the operation's other parameters, a form where none is there.
    Body,
    /// A member of a JSON object body.
    Json,
    /// A part of a `multipart/form-data` body.
    Multipart,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// A `{NAME}` in the path.
    Path,
}

impl RawPart {
    /// The parts in which an operation can have a parameter.
    pub const ALL: [Self; 7] = [
        Self::Query,
        Self::Form,
        Self::Json,
        Self::Multipart,
        Self::Header,
        Self::Cookie,
        Self::Path,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Form => "form",
            Self::Body => "body",
            Self::Json => "json",
            Self::Multipart => "multipart",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Path => "path",
        }
    }
}

/// A physical or administrative act: `press`, `accounts`, `restart`, `reset`, `orders`, `database`, `revoke`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHook {
    /// The hook.
    pub name: String,
    /// What a person at the device is asked to do.
    pub say: Option<String>,
    /// What the hook is told, by name.
    #[serde(default)]
    pub with: IndexMap<String, String>,
}

/// Attack vectors of the flow's `vectors.yaml`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawForge {
    /// The genuine token that they are made from, as a template.
    pub from: String,
    /// Vectors that have at least one of these flags; all of them must expect the same.
    pub flags: Vec<String>,
}

/// A call of a procedure of the flow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRun {
    /// The procedure.
    pub procedure: String,
    /// Values for the procedure's variables.
    #[serde(default)]
    pub with: IndexMap<String, String>,
    /// New names for what the procedure captures: `{token: first}`.
    #[serde(default)]
    pub yields: IndexMap<String, String>,
}

/// What an answer is held against. All given keys must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExpectation {
    /// The check that this asserts. Without one it is a prerequisite.
    pub check: Option<String>,
    /// Only for servers of which this holds; without them it is `na`.
    pub when: Option<RawWhen>,
    /// In `always`: only for the answers that this describes.
    #[serde(rename = "where")]
    pub filter: Option<RawFilter>,
    /// The class of the answer, or several that are right. `refused` stands for every refusal,
    /// `succeeded` for every success, `closed` for a connection that ended without an answer,
    /// `answered` for any answer at all: that there is none then breaks the expectation.
    pub outcome: Option<OneOrMany<String>>,
    /// The answer is, to the letter, the documented one of this outcome.
    pub documented: Option<OneOrMany<String>>,
    /// The status code, or a class of them: `401`, `4xx`.
    pub status: Option<OneOrMany<Value>>,
    /// The media type without parameters.
    pub media_type: Option<OneOrMany<String>>,
    /// Header fields by name.
    #[serde(default)]
    pub headers: IndexMap<String, Value>,
    /// The whole body as text.
    pub text: Option<Value>,
    /// Parts of the JSON body by path: `$.token.name`.
    #[serde(default)]
    pub json: IndexMap<String, Value>,
    /// Parts of a JWT.
    pub jwt: Option<RawJwt>,
    /// Captured values: a template, and what its value is held against.
    #[serde(default)]
    pub values: IndexMap<String, Value>,
    /// The answer is the same as that of an earlier step: status, body, and header fields but `Date`
    /// and those named in `except`.
    pub same_as: Option<RawSameAs>,
    /// No secret known before the request stands in the answer; `except` names captures that may.
    pub no_secrets: Option<RawNoSecrets>,
    /// The JSON body's member at this path is the status code.
    pub status_equals: Option<String>,
    /// What is seen on a WebSocket: `opened`, `refused`, `message`, `closed`, `silent`, `pong`.
    pub event: Option<OneOrMany<String>>,
    /// The status code of the close frame.
    pub close_code: Option<Value>,
    /// The answer came within this time.
    pub within: Option<String>,
    /// The gap that the answer decides; `answers` says how.
    pub choice: Option<String>,
    /// For each allowed answer to the gap, what shows it. The first that holds is what the server does.
    #[serde(default)]
    pub answers: IndexMap<String, Self>,
    /// Records what the server does, with this label; never fails.
    pub record: Option<String>,
}

/// Which answers an `always` expectation is for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFilter {
    /// Answers to these operations.
    pub operation: Option<OneOrMany<String>>,
    /// Answers with these status codes.
    pub status: Option<OneOrMany<Value>>,
    /// Answers of these outcomes.
    pub outcome: Option<OneOrMany<String>>,
    /// Answers to requests with these methods.
    pub method: Option<OneOrMany<String>>,
    /// Answers of these media types.
    pub media_type: Option<OneOrMany<String>>,
    /// Answers to requests that presented a credential, or that did not.
    pub credential: Option<bool>,
}

/// A comparison with an earlier answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSameAs {
    /// The step's id.
    pub step: String,
    /// Header fields that may differ.
    #[serde(default)]
    pub except: Vec<String>,
}

/// Which secrets an answer may show.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawNoSecrets {
    /// Captures that may appear.
    #[serde(default)]
    pub except: Vec<String>,
}

/// Parts of a JWT (RFC 7519), decoded without checking the signature.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawJwt {
    /// The token, as a template.
    pub token: String,
    /// Parts of the JOSE header by path.
    #[serde(default)]
    pub header: IndexMap<String, Value>,
    /// Parts of the payload by path.
    #[serde(default)]
    pub payload: IndexMap<String, Value>,
    /// `false`: the key of its HMAC is none that a dictionary has (RFC 7518 section 3.2).
    pub guessable: Option<bool>,
}

/// Where a value is kept from: exactly one of `field`, `json`, `header`, `text`, `claim`, `value`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCapture {
    /// A field of the operation's answer, by the name that the flow gives it.
    pub field: Option<String>,
    /// A path into the JSON body or message.
    pub json: Option<String>,
    /// A header field.
    pub header: Option<String>,
    /// A regular expression over the body; its first group, or all of it.
    pub text: Option<String>,
    /// A path into the payload of a JWT that a template names: `{token: "${access}", path: $.exp}`.
    pub claim: Option<RawClaim>,
    /// A template.
    pub value: Option<String>,
    /// Whether the value must not be printed; true for a `field`, false for the rest.
    pub secret: Option<bool>,
}

/// A part of a JWT's payload.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClaim {
    /// The token, as a template.
    pub token: String,
    /// The path into its payload.
    pub path: String,
}
