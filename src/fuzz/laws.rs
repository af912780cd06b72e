//! What every answer of a sequence is held against besides the model: the flow's own checks of every answer, and the
//! documented answers, told by their class.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::engine::{Assessed, Observed, applies, assess};
use crate::model::{CheckId, Flow, Level, Violation};
use crate::scenario::{Action, Assertion, Check, Expectation, Kind, Scenario, Vector};
use crate::source::{Diagnostic, SourceFile};
use crate::target::{FlowBinding, Library};

/// The laws of one flow.
#[derive(Debug)]
pub(crate) struct Laws {
    scenario: Scenario,
    /// The same as it is typed, for what is written into a corpus.
    typed: Value,
    common: Vec<Expectation>,
    checks: IndexMap<CheckId, Check>,
    clauses: BTreeMap<String, (String, Level)>,
}

/// A law, to be found again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum LawId {
    /// A check that the flow holds every answer against.
    Flow(CheckId),
    /// A law of every answer, by its place.
    Answer(CheckId, usize),
    /// A law of issued tokens, by its place.
    Issue(CheckId, usize),
}

impl LawId {
    /// The check that it belongs to.
    pub(crate) const fn check(&self) -> &CheckId {
        match self {
            Self::Flow(check) | Self::Answer(check, _) | Self::Issue(check, _) => check,
        }
    }
}

impl Laws {
    /// Reads the laws of a flow.
    ///
    /// # Errors
    /// What is wrong with them, which is a mistake in this module or in another scenarios folder.
    pub(crate) fn read(flow: Flow, library: &Library) -> Result<Self, Vec<Diagnostic>> {
        let (name, text) = text_of(flow);
        // The list of what every answer is held against is the last thing in each file.
        let text = text.replacen("checks:\n", &format!("checks:\n{COMMON_CHECKS}"), 1);
        let text = format!("{text}{COMMON_ANSWERS}");
        let file = SourceFile::new(format!("fuzz/laws/{name}"), text.as_str());
        let scenario = library.scenario(flow, &file)?;
        let typed = serde_yaml::from_str(&text).unwrap_or_default();
        let common = library.held(flow).to_vec();
        let known = library.always.get(&flow).cloned().unwrap_or_default();
        let mut checks = known;
        checks.extend(scenario.checks.clone());
        let clauses = library.catalogue.clauses();
        let clauses =
            clauses.map(|(_, clause)| (clause.id.to_string(), (clause.text.clone(), clause.level)));
        Ok(Self { scenario, typed, common, checks, clauses: clauses.collect() })
    }

    /// The declaration of a check.
    pub(crate) fn check(&self, id: &CheckId) -> Option<&Check> {
        self.checks.get(id)
    }

    /// The sentence of a clause, and how binding it is.
    pub(crate) fn clause(&self, id: &str) -> (String, Level) {
        self.clauses.get(id).cloned().unwrap_or((String::new(), Level::Must))
    }

    /// Vectors of tokens that nobody issued: those that must be refused, and those that must be answered.
    pub(crate) fn vectors(&self) -> (&[Vector], &[Vector]) {
        let of = |at: usize| {
            let forge = self.scenario.steps.iter().filter_map(|step| step.forge.as_ref()).nth(at);
            forge.map_or(&[][..], |forge| forge.vectors.as_slice())
        };
        (of(0), of(1))
    }

    /// The law as it is typed; nothing for what the flow itself holds.
    pub(crate) fn typed(&self, law: &LawId) -> Option<&Value> {
        match law {
            LawId::Flow(_) => None,
            LawId::Answer(_, at) => self.typed.get("always")?.get(at),
            LawId::Issue(_, at) => self.typed.get("steps")?.get(0)?.get("expect")?.get(at),
        }
    }

    /// The first law that an answer breaks. The checks of the flow are held against every answer, the documented ones
    /// only where the request was made as documented. What is `excused` is known to be broken.
    pub(crate) fn broken(
        &self,
        binding: &FlowBinding,
        observed: &Observed<'_>,
        documented: bool,
        excused: &HashSet<CheckId>,
    ) -> Option<(LawId, Violation)> {
        let common = self.common.iter().filter(|one| counts(one, excused)).filter_map(|one| {
            let violation = breaks(binding, one, observed)?;
            Some((LawId::Flow(one.check.clone()?), violation))
        });
        let own = self
            .scenario
            .always
            .iter()
            .enumerate()
            .filter(|(_, one)| documented && counts(one, excused))
            .filter_map(|(at, one)| {
                let violation = breaks(binding, one, observed)?;
                Some((LawId::Answer(one.check.clone()?, at), violation))
            });
        let mut all = common.chain(own);
        all.next()
    }

    /// The first law of issued tokens that is broken; `thorough` also tries what takes long.
    pub(crate) fn broken_issue(
        &self,
        binding: &FlowBinding,
        observed: &Observed<'_>,
        thorough: bool,
        excused: &HashSet<CheckId>,
    ) -> Option<(LawId, Violation)> {
        let step = self.scenario.steps.first()?;
        let Action::Send(_) = &step.action else {
            return None;
        };
        let expectations = self.scenario.expectations(step.expect?);
        expectations.iter().enumerate().find_map(|(at, one)| {
            let slow = matches!(&one.kind, Kind::Answer(assertion) if assertion.jwt.as_ref().is_some_and(|jwt| !jwt.guessable));
            if slow && !thorough || !counts(one, excused) {
                return None;
            }
            let violation = breaks(binding, one, observed)?;
            Some((LawId::Issue(one.check.clone()?, at), violation))
        })
    }
}

/// Whether an expectation belongs to a check that is not known to be broken.
fn counts(one: &Expectation, excused: &HashSet<CheckId>) -> bool {
    one.check.as_ref().is_none_or(|check| !excused.contains(check))
}

/// What an expectation finds wrong.
fn breaks(binding: &FlowBinding, one: &Expectation, observed: &Observed<'_>) -> Option<Violation> {
    if one.when.as_ref().is_some_and(|when| binding.refuses(when).is_some()) {
        return None;
    }
    if one.filter.as_ref().is_some_and(|filter| !applies(binding, filter, observed.face)) {
        return None;
    }
    let held = |assertion: &Assertion| match assess(binding, assertion, observed) {
        Assessed::Breaks(violation) => Some(violation),
        Assessed::Holds | Assessed::NoAnswer(_) | Assessed::NoValue(_) => None,
    };
    match &one.kind {
        Kind::Answer(assertion) => held(assertion),
        Kind::Decide { gap, answers } => {
            let chosen = binding.choices.get(gap)?;
            let (_, assertion) = answers.iter().find(|(answer, _)| answer == chosen)?;
            held(assertion)
        }
        Kind::Alike | Kind::Collection { .. } | Kind::Count { .. } | Kind::Record(_) => None,
    }
}

const COMMON_CHECKS: &str = include_str!("laws/checks.yaml");
const COMMON_ANSWERS: &str = include_str!("laws/answers.yaml");

fn text_of(flow: Flow) -> (&'static str, &'static str) {
    match flow {
        Flow::GatewayButton => ("gateway-button.yaml", include_str!("laws/gateway-button.yaml")),
        Flow::ChannelLogin => ("channel-login.yaml", include_str!("laws/channel-login.yaml")),
        Flow::VisitorLogin => ("visitor-login.yaml", include_str!("laws/visitor-login.yaml")),
        Flow::JwtLogin => ("jwt-login.yaml", include_str!("laws/jwt-login.yaml")),
        Flow::EnvironmentToken | Flow::Common => {
            ("environment-token.yaml", include_str!("laws/environment-token.yaml"))
        }
    }
}

/// A file that stands for nothing on disk.
pub(crate) fn nowhere() -> Arc<SourceFile> {
    SourceFile::new("fuzz", "")
}
