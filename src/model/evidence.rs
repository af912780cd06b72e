//! What a finding rests on, in a form for people: secrets replaced by their names, sizes bounded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A difference between what was wanted and what was there.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SentAndReceived {
    /// The request as it stood on the wire.
    pub sent: String,
    /// The answer, or why there is none.
    pub received: String,
    /// A command line that sends the same request.
    pub curl: String,
}

/// One breach of a check that several items, or several answers, are held against.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Breach {
    /// The step, as a person finds it in the file.
    pub step: String,
    /// The item of a repeated step, by its name.
    pub item: Option<String>,
    /// What was wrong.
    pub violation: Violation,
    /// The exchange that shows it; a report shows one of a finding.
    #[serde(skip)]
    pub exchange: Option<SentAndReceived>,
    /// What had happened before.
    #[serde(skip)]
    pub timeline: Vec<String>,
}

/// How the items of repeated steps did.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Items {
    /// On how many the check was held.
    pub held: usize,
    /// The names of those on which it broke.
    pub broken: Vec<String>,
}

/// What a finding rests on.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Evidence {
    /// The step of the scenario, as a person finds it in the file.
    pub step: Option<String>,
    /// Why there is no conclusion, for `blocked`, `error` and `na`.
    pub reason: Option<String>,
    /// The file, in a folder of found scenarios, that `fuzz` writes it down in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// What was wrong, for `fail` and `warn`.
    pub violation: Option<Violation>,
    /// The exchange that shows it.
    pub exchange: Option<SentAndReceived>,
    /// Every breach, the first one again among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaches: Vec<Breach>,
    /// How many breaches are not listed because they are too many.
    #[serde(default)]
    pub further: usize,
    /// The items of repeated steps, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Items>,
    /// What the server did where the documents do not decide, one line each.
    pub observed: Vec<String>,
    /// What had happened before, one line each, with the virtual time.
    pub timeline: Vec<String>,
}

/// More breaches of one check than this are only counted.
pub const MOST_BREACHES: usize = 100;

impl Evidence {
    /// Puts the evidence of the same check from another scenario beside this.
    pub fn join(&mut self, other: Self) {
        let room = MOST_BREACHES.saturating_sub(self.breaches.len());
        self.further += other.further + other.breaches.len().saturating_sub(room);
        self.breaches.extend(other.breaches.into_iter().take(room));
        if let Some(more) = other.items {
            let items = self.items.get_or_insert_default();
            items.held += more.held;
            items.broken.extend(more.broken);
        }
    }

    /// Has a breach stand for the finding.
    pub fn show(&mut self, index: usize) {
        if let Some(breach) = self.breaches.get(index) {
            self.step = Some(breach.step.clone());
            self.violation = Some(breach.violation.clone());
            self.exchange.clone_from(&breach.exchange);
            self.timeline.clone_from(&breach.timeline);
        }
    }
}
