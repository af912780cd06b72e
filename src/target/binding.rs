//! Operations and outcomes of one flow, bound to one server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::operation::{Operation, operations};
use super::raw::{RawFlow, RawFlowProfile, RawOutcome, RawOutcomeKind};
use crate::contract::Catalogue;
use crate::model::{Flow, parse_duration};
use crate::scenario::raw::RawExpectation;
use crate::scenario::{Assertion, OperationWords, SharedSteps, Vocabulary, lower_assertion};
use crate::source::{Diagnostic, Diagnostics, SourceFile, YamlPath};

/// Whether a class of answers grants or refuses.
pub type OutcomeKind = RawOutcomeKind;

/// A class of answers, as this server spells it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Whether it grants or refuses.
    pub kind: OutcomeKind,
    /// The operations it is for; all of them when empty.
    pub operations: Vec<String>,
    /// What it is recognised by.
    pub recognise: Assertion,
    /// The documented answer, to the letter.
    pub documented: Option<Assertion>,
}

/// An account: its fields by name, and which of them are secrets.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The values.
    pub fields: BTreeMap<String, String>,
    /// The names of those that must not be printed.
    pub secret: BTreeSet<String>,
}

/// One flow, bound to one server.
#[derive(Clone, Debug)]
pub struct FlowBinding {
    /// The flow.
    pub flow: Flow,
    /// Scheme and authority.
    pub base_url: String,
    /// The names of the environments.
    pub environments: Vec<String>,
    /// Base URLs that environments have of their own.
    pub environment_urls: BTreeMap<String, String>,
    /// The operations.
    pub operations: BTreeMap<String, Operation>,
    /// The outcomes, in the order in which they are tried.
    pub outcomes: Vec<Outcome>,
    /// Decided gaps.
    pub choices: BTreeMap<String, String>,
    /// Declared capabilities.
    pub capabilities: BTreeMap<String, bool>,
    /// Durations.
    pub lifetimes: BTreeMap<String, Duration>,
    /// Words and names that servers choose.
    pub constants: BTreeMap<String, String>,
    /// Accounts by role.
    pub identities: BTreeMap<String, Identity>,
}

/// What a flow file and a profile say of one flow, before they are put together.
pub(super) struct Sources<'a> {
    pub(super) flow: Flow,
    pub(super) documented: &'a RawFlow,
    pub(super) file: &'a Arc<SourceFile>,
    pub(super) vocabulary: &'a Vocabulary,
}

impl FlowBinding {
    /// Puts the documented flow and what a profile changes of it together, with everything that is wrong: what is
    /// wrong is left out.
    pub(super) fn new(
        sources: &Sources<'_>,
        base_url: &str,
        profile: Option<(&RawFlowProfile, &Arc<SourceFile>)>,
    ) -> (Self, Vec<Diagnostic>) {
        let empty = RawFlowProfile::default();
        let (changes, changes_file) =
            profile.map_or((&empty, sources.file), |(raw, file)| (raw, file));
        let mut wrong = Vec::new();
        let operations = operations(sources, changes, changes_file, &mut wrong);
        let outcomes = outcomes(sources, changes, changes_file, &mut wrong);
        let mut lifetimes = sources.vocabulary.lifetimes.clone();
        let mut out = Diagnostics::new(changes_file);
        let root = YamlPath::default().key("flows").key(sources.flow.name());
        for (name, text) in &changes.lifetimes {
            let path = root.key("lifetimes").key(name);
            match parse_duration(text) {
                Ok(duration) if lifetimes.contains_key(name) => {
                    lifetimes.insert(name.clone(), duration);
                }
                Ok(_) => {
                    out.key(
                        "profile::lifetime",
                        &path,
                        format!("the flow has no lifetime `{name}`"),
                    );
                    out.did_you_mean(name, sources.vocabulary.lifetimes.keys().map(String::as_str));
                }
                Err(message) => {
                    out.value("profile::lifetime", &path, message);
                }
            }
        }
        let constants = constants(sources, changes, &root, &mut out);
        choices(sources, changes, &root, &mut out);
        wrong.extend(out.into_list());
        let binding = Self {
            flow: sources.flow,
            base_url: changes
                .base_url
                .as_deref()
                .unwrap_or(base_url)
                .trim_end_matches('/')
                .to_owned(),
            environments: sources.documented.environments.clone(),
            environment_urls: changes
                .environments
                .iter()
                .map(|(name, url)| (name.clone(), url.trim_end_matches('/').to_owned()))
                .collect(),
            operations,
            outcomes,
            choices: changes.choices.clone().into_iter().collect(),
            capabilities: changes.capabilities.clone().into_iter().collect(),
            lifetimes,
            constants,
            identities: BTreeMap::new(),
        };
        (binding, wrong)
    }

    /// The outcome of a name.
    pub fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.name == name)
    }

    /// The base URL of an environment, and whether it is the environment's own.
    pub fn base(&self, environment: Option<&str>) -> (&str, bool) {
        match environment.and_then(|name| self.environment_urls.get(name)) {
            Some(url) => (url, true),
            None => (&self.base_url, false),
        }
    }
}

/// The words of a flow, for its scenarios.
pub(super) fn vocabulary(
    flow: Flow,
    raw: &RawFlow,
    file: &Arc<SourceFile>,
    catalogue: &Catalogue,
    out: &mut Diagnostics,
) -> Vocabulary {
    let mut lifetimes = BTreeMap::new();
    for (name, text) in &raw.lifetimes {
        match parse_duration(text) {
            Ok(duration) => {
                lifetimes.insert(name.clone(), duration);
            }
            Err(message) => {
                let path = YamlPath::default().key("lifetimes").key(name);
                out.value("flow::lifetime", &path, message);
            }
        }
    }
    let operations = raw.operations.iter().map(|(name, operation)| {
        let parameters = operation.parameters.keys().cloned().collect();
        let fields = operation.answer.keys().cloned().collect();
        (name.clone(), OperationWords { parameters, fields })
    });
    let gaps = catalogue.contract(flow).into_iter().flat_map(|contract| &contract.gaps);
    let procedures = raw.procedures.iter().map(|(name, procedure)| {
        let shared = SharedSteps {
            needs: procedure.needs.clone(),
            with: procedure.with.clone().into_iter().collect(),
            steps: procedure.steps.clone(),
            file: Arc::clone(file),
        };
        (name.clone(), shared)
    });
    Vocabulary {
        flow,
        operations: operations.collect(),
        outcomes: raw.outcomes.keys().cloned().collect(),
        gaps: gaps
            .map(|(name, gap)| (name.clone(), gap.answers.keys().cloned().collect()))
            .collect(),
        clauses: catalogue.clauses().map(|(_, clause)| (clause.id.clone(), clause.level)).collect(),
        lifetimes,
        constants: raw.constants.keys().cloned().collect(),
        environments: raw.environments.iter().cloned().collect(),
        procedures: procedures.collect(),
        controls: raw.controls.clone().into_iter().collect(),
        vectors: None,
    }
}

fn constants(
    sources: &Sources<'_>,
    changes: &RawFlowProfile,
    root: &YamlPath,
    out: &mut Diagnostics,
) -> BTreeMap<String, String> {
    let documented = &sources.documented.constants;
    let mut constants: BTreeMap<String, String> = documented.clone().into_iter().collect();
    for (name, value) in &changes.constants {
        if constants.contains_key(name) {
            constants.insert(name.clone(), value.clone());
        } else {
            let path = root.key("constants").key(name);
            out.key("profile::constant", &path, format!("the flow has no constant `{name}`"));
            out.did_you_mean(name, documented.keys().map(String::as_str));
        }
    }
    constants
}

fn choices(
    sources: &Sources<'_>,
    changes: &RawFlowProfile,
    root: &YamlPath,
    out: &mut Diagnostics,
) {
    for (gap, answer) in &changes.choices {
        let path = root.key("choices").key(gap);
        match sources.vocabulary.gaps.get(gap) {
            None => {
                out.key(
                    "profile::choice",
                    &path,
                    format!("`{gap}` is not a gap of {}", sources.flow),
                );
                out.did_you_mean(gap, sources.vocabulary.gaps.keys().map(String::as_str));
            }
            Some(answers) if !answers.contains(answer) => {
                out.value(
                    "profile::choice",
                    &path,
                    format!("`{answer}` is not an allowed answer to `{gap}`"),
                );
                out.did_you_mean(answer, answers.iter().map(String::as_str));
            }
            Some(_) => {}
        }
    }
}

fn outcomes(
    sources: &Sources<'_>,
    changes: &RawFlowProfile,
    changes_file: &Arc<SourceFile>,
    wrong: &mut Vec<Diagnostic>,
) -> Vec<Outcome> {
    let profile_root = YamlPath::default().key("flows").key(sources.flow.name()).key("outcomes");
    let known = &sources.documented.outcomes;
    let mut out = Diagnostics::new(changes_file);
    for name in changes.outcomes.keys().filter(|name| !known.contains_key(*name)) {
        let message = format!("`{name}` is not an outcome of {}", sources.flow);
        out.key("profile::outcome", &profile_root.key(name), message);
        out.did_you_mean(name, known.keys().map(String::as_str));
    }
    wrong.extend(out.into_list());
    let empty = RawOutcome::default();
    let mut bound = Vec::new();
    for (name, documented) in known {
        let change = changes.outcomes.get(name).unwrap_or(&empty);
        let mut lower =
            |pick: fn(&RawOutcome) -> Option<&RawExpectation>, key: &str| -> Option<Assertion> {
                let (raw, file, path) = match pick(change) {
                    Some(raw) => (raw, changes_file, profile_root.key(name).key(key)),
                    None => (
                        pick(documented)?,
                        sources.file,
                        YamlPath::default().key("outcomes").key(name).key(key),
                    ),
                };
                lower_assertion(raw, file, &path, sources.vocabulary)
                    .map_err(|list| wrong.extend(list))
                    .ok()
            };
        let recognise = lower(|o| o.recognise.as_ref(), "recognise").unwrap_or_default();
        let exact = lower(|o| o.documented.as_ref(), "documented");
        bound.push(Outcome {
            name: name.clone(),
            kind: change.kind.or(documented.kind).unwrap_or(RawOutcomeKind::Refusal),
            operations: if change.operations.is_empty() {
                documented.operations.clone()
            } else {
                change.operations.clone()
            },
            recognise,
            documented: exact,
        });
    }
    bound
}
