//! What an answer is held against, as meant.

use std::time::Duration;

use serde_json::Value;

use super::condition::When;
use super::matcher::Matcher;
use crate::model::{CheckId, ClauseId, Level};
use crate::source::{JsonPath, Template};

/// The declaration of a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// What it asserts, in a sentence.
    pub title: String,
    /// The clauses it covers.
    pub covers: Vec<ClauseId>,
    /// How binding it is.
    pub level: Level,
    /// Why no fault of the reference server shows in it, when none can.
    pub observational: Option<String>,
}

impl Check {
    /// Whether a self-test may find that it notices nothing: it records, or says why.
    pub fn is_observational(&self) -> bool {
        matches!(self.level, Level::Record | Level::May) || self.observational.is_some()
    }
}

/// One thing that is expected.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The check that asserts it; a prerequisite without one.
    pub check: Option<CheckId>,
    /// Only for servers of which this holds.
    pub when: Option<When>,
    /// Only for the answers that this describes.
    pub filter: Option<Filter>,
    /// What is expected.
    pub kind: Kind,
}

/// The kinds of expectation.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The two requests of a timing take equally long.
    Alike,
    /// Something about the answer.
    Answer(Box<Assertion>),
    /// Something about all values that a sample collected, or all its answers.
    Collection {
        /// All collected values differ.
        distinct: bool,
        /// All answers are the same.
        identical: bool,
        /// The values show no order, no counter and no clock.
        patternless: bool,
        /// The values have room for chance: at least so many bits.
        random_bits: Option<u32>,
    },
    /// The number of answers of a race's pair, or of the requests after it, with these outcomes.
    Count {
        /// Among the answers to the requests after the pair.
        after: bool,
        /// The outcomes.
        outcome: Vec<String>,
        /// The least number.
        at_least: Option<u32>,
        /// The greatest number.
        at_most: Option<u32>,
    },
    /// The answer shows how the server decides a gap.
    Decide {
        /// The gap.
        gap: String,
        /// What shows each allowed answer.
        answers: Vec<(String, Assertion)>,
    },
    /// What the server does is written down under a label.
    Record(String),
}

/// Which answers an expectation is for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Answers to these operations.
    pub operation: Vec<String>,
    /// Answers with these status codes.
    pub status: Vec<StatusPattern>,
    /// Answers of these outcomes.
    pub outcome: Vec<String>,
    /// Answers to these methods.
    pub method: Vec<String>,
    /// Answers of these media types.
    pub media_type: Vec<String>,
    /// Answers to requests with, or without, a credential.
    pub credential: Option<bool>,
}

/// Everything that must hold of one answer.
#[derive(Clone, Debug, Default)]
pub struct Assertion {
    /// One of these classes.
    pub outcome: Vec<String>,
    /// To the letter the documented answer of one of these outcomes.
    pub documented: Vec<String>,
    /// One of these status codes.
    pub status: Vec<StatusPattern>,
    /// One of these media types.
    pub media_type: Vec<String>,
    /// Header fields.
    pub headers: Vec<(String, Matcher)>,
    /// The body as text.
    pub text: Option<Matcher>,
    /// Parts of the JSON body.
    pub json: Vec<(JsonPath, Matcher)>,
    /// Parts of a JWT.
    pub jwt: Option<JwtAssertion>,
    /// Captured values.
    pub values: Vec<(Template, Matcher)>,
    /// The same as an earlier answer.
    pub same_as: Option<SameAs>,
    /// No secret but these captures stands in the answer.
    pub no_secrets: Option<Vec<String>>,
    /// The body's member at this path is the status code.
    pub status_equals: Option<JsonPath>,
    /// One of these is seen on the WebSocket.
    pub event: Vec<String>,
    /// The close frame's status code.
    pub close_code: Option<Matcher>,
    /// The answer came within this time.
    pub within: Option<Duration>,
}

/// Parts of a JWT.
#[derive(Clone, Debug)]
pub struct JwtAssertion {
    /// The token.
    pub token: Template,
    /// Parts of its header.
    pub header: Vec<(JsonPath, Matcher)>,
    /// Parts of its payload.
    pub payload: Vec<(JsonPath, Matcher)>,
    /// Whether its key may be in a dictionary.
    pub guessable: bool,
}

/// The same as an earlier answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SameAs {
    /// The step.
    pub step: String,
    /// Header fields that may differ, in lower case.
    pub except: Vec<String>,
}

/// A status code, or a class of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatusPattern {
    /// One code.
    Code(u16),
    /// A hundred: `4xx`.
    Class(u16),
}

impl StatusPattern {
    /// Reads `401` or `"4xx"`.
    pub fn parse(value: &Value) -> Option<Self> {
        if let Some(code) = value.as_u64() {
            return u16::try_from(code).ok().filter(|c| (100..=599).contains(c)).map(Self::Code);
        }
        let text = value.as_str()?;
        match text.strip_suffix("xx") {
            Some(class) => class.parse().ok().filter(|c| (1..=5).contains(c)).map(Self::Class),
            None => text.parse().ok().filter(|c| (100..=599).contains(c)).map(Self::Code),
        }
    }

    /// Whether a status code is meant.
    pub const fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl std::fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}
