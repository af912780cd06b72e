//! What a finding rests on, in a form for people: secrets replaced by their names, sizes bounded.

use serde::{Deserialize, Serialize};

/// A difference between what was wanted and what was there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Violation {
    /// What would have been right: several answers may be.
    pub wanted: Vec<String>,
    /// What was there.
    pub got: String,
}

impl Violation {
    /// One right answer and what was there instead.
    pub fn new(wanted: impl Into<String>, got: impl Into<String>) -> Self {
        Self { wanted: vec![wanted.into()], got: got.into() }
    }
}

/// One exchange as a person reads it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SentAndReceived {
    /// The request as it stood on the wire.
    pub sent: String,
    /// The answer, or why there is none.
    pub received: String,
    /// A command line that sends the same request.
    pub curl: String,
}

/// What a finding rests on.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// The step of the scenario, as a person finds it in the file.
    pub step: Option<String>,
    /// Why there is no conclusion, for `blocked`, `error` and `na`.
    pub reason: Option<String>,
    /// What was wrong, for `fail` and `warn`.
    pub violation: Option<Violation>,
    /// The exchange that shows it.
    pub exchange: Option<SentAndReceived>,
    /// What the server did where the documents do not decide, one line each.
    pub observed: Vec<String>,
    /// What had happened before, one line each, with the virtual time.
    pub timeline: Vec<String>,
}
