//! What an examination of a target and its profile came to, before any verdict.

use std::collections::BTreeMap;
use std::fmt;

use super::Flow;

/// An examination of a target and its profile.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diagnosis {
    /// The target's name.
    pub target: String,
    /// What was tried, in order.
    pub examined: Vec<Examined>,
    /// What a run would come to, by flow.
    pub readiness: Vec<Readiness>,
}

/// One thing that was tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Examined {
    /// What it is: `identity first of jwt-login`.
    pub subject: String,
    /// What came of it.
    pub result: Examination,
}

/// What came of trying one thing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Examination {
    /// It works; with what was seen.
    Good(String),
    /// It does not, and that is no finding about the server.
    Problem {
        /// What was seen.
        what: String,
        /// What to change, and where.
        change: String,
    },
    /// It was not tried; with the reason.
    Untried(String),
}

/// What a run over one flow would come to with this profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Readiness {
    /// The flow.
    pub flow: Flow,
    /// The checks of the flow.
    pub checks: usize,
    /// How many checks nothing stands in the way of.
    pub runs: usize,
    /// How many do not apply, by reason.
    pub not_applicable: BTreeMap<String, usize>,
    /// How many would be blocked, by reason.
    pub blocked: BTreeMap<String, usize>,
}

impl Diagnosis {
    /// What does not work.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.examined.iter().filter_map(|examined| match &examined.result {
            Examination::Problem { what, change } => Some((&*examined.subject, &**what, &**change)),
            Examination::Good(_) | Examination::Untried(_) => None,
        })
    }

    /// Whether a run can give a verdict about the server.
    pub fn is_usable(&self) -> bool {
        self.problems().next().is_none()
    }

    /// Notes one thing that was tried.
    pub fn note(&mut self, subject: impl fmt::Display, result: Examination) {
        self.examined.push(Examined { subject: subject.to_string(), result });
    }
}

impl Examination {
    /// A problem, with what to change.
    pub fn problem(what: impl fmt::Display, change: impl fmt::Display) -> Self {
        Self::Problem { what: what.to_string(), change: change.to_string() }
    }
}
