//! What happened in a second in more detail than a report needs: for whoever watches a run from outside while it goes on.
//! It is written down only where somebody asked for it.

use super::recorder::Failure;
use crate::stats::Histogram;

/// What happened in one second, of all workers or of one.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// By case, in the order of the report.
    pub cases: Vec<CaseDetail>,
    /// Service times of all cases, where there is a schedule; elsewhere they are the response times.
    pub service: Histogram,
    /// How late requests were written because of the generator, where there is a schedule.
    pub lateness: Histogram,
    /// What was wrong with answers, or not as it should be.
    pub complaints: Vec<Grievance>,
    /// The first reason of each kind of failure.
    pub reasons: [Option<String>; Failure::ALL.len()],
}

/// The same of one case.
#[derive(Clone, Debug, Default)]
pub struct CaseDetail {
    /// Requests written.
    pub sent: u64,
    /// Response times of its answers.
    pub response: Histogram,
    /// Answers by outcome, in the order of [`Columns::outcomes`].
    pub outcomes: Vec<u64>,
    /// Answers that were wrong.
    pub wrong: u64,
    /// Requests without an answer, by kind, in the order of [`Columns::failures`].
    pub failures: [u64; Failure::ALL.len()],
    /// Bytes read.
    pub bytes: u64,
}

/// Something wrong with answers of a case, or not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grievance {
    /// The case.
    pub case: usize,
    /// What it is.
    pub what: String,
    /// Whether it makes the answer wrong.
    pub wrong: bool,
    /// How many answers.
    pub count: u64,
}

/// What the numbers of a [`Detail`] are about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Columns {
    /// The cases: operation, HTTP method and name.
    pub cases: Vec<CaseColumn>,
    /// The outcomes.
    pub outcomes: Vec<String>,
    /// The kinds of failures.
    pub failures: Vec<&'static str>,
    /// Whether there is a schedule.
    pub scheduled: bool,
}

/// A case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CaseColumn {
    /// Its name: `valid`.
    pub name: String,
    /// What is asked: `validate`; empty where a scenario asks many things.
    pub operation: String,
    /// The method of its requests; empty where there are several.
    pub method: String,
}

impl Detail {
    /// Of so many cases and outcomes, with nothing in it.
    pub fn new(cases: usize, outcomes: usize) -> Self {
        let case = CaseDetail { outcomes: vec![0; outcomes], ..CaseDetail::default() };
        Self { cases: vec![case; cases], ..Self::default() }
    }

    /// Adds what another worker saw, or what happened later.
    pub fn add(&mut self, other: &Self) {
        self.cases.resize_with(self.cases.len().max(other.cases.len()), CaseDetail::default);
        self.cases.iter_mut().zip(&other.cases).for_each(|(mine, other)| mine.add(other));
        self.service.add(&other.service);
        self.lateness.add(&other.lateness);
        for one in &other.complaints {
            let same = |mine: &&mut Grievance| mine.case == one.case && mine.what == one.what;
            match self.complaints.iter_mut().find(same) {
                Some(mine) => mine.count += one.count,
                None => self.complaints.push(one.clone()),
            }
        }
        for (mine, other) in self.reasons.iter_mut().zip(&other.reasons) {
            if mine.is_none() {
                mine.clone_from(other);
            }
        }
    }
}

impl CaseDetail {
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.response.add(&other.response);
        self.outcomes.resize(self.outcomes.len().max(other.outcomes.len()), 0);
        self.outcomes.iter_mut().zip(&other.outcomes).for_each(|(mine, other)| *mine += other);
        self.wrong += other.wrong;
        self.failures.iter_mut().zip(&other.failures).for_each(|(mine, other)| *mine += other);
        self.bytes += other.bytes;
    }
}
