//! Operations and outcomes of one flow, bound to one server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::raw::{RawField, RawFlow, RawFlowProfile, RawOperation, RawOutcome, RawOutcomeKind};
use crate::contract::Catalogue;
use crate::model::{Flow, parse_duration};
use crate::scenario::raw::{RawBody, RawExpectation, RawPlace};
use crate::scenario::{Assertion, OperationWords, Place, SharedSteps, Vocabulary, lower_assertion};
use crate::source::{Diagnostic, Diagnostics, JsonPath, SourceFile, YamlPath};

/// One thing that a flow offers, as this server spells it.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// The method.
    pub method: String,
    /// The path; `{environment}` and path parameters stand in braces.
    pub path: String,
    /// How a token is presented.
    pub credential: Option<Credential>,
    /// Where parameters go.
    pub parameters: IndexMap<String, Place>,
    /// Parameters that are always sent.
    pub defaults: IndexMap<String, Value>,
    /// Parameters that an identity fills, with the identity's field.
    pub identity: IndexMap<String, String>,
    /// Header fields that are always sent.
    pub headers: IndexMap<String, String>,
    /// A body that is always sent.
    pub body: Option<RawBody>,
    /// Where the fields of a successful answer are.
    pub answer: IndexMap<String, Field>,
}

/// How a token is presented.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credential {
    /// In a header field, behind a scheme word where there is one.
    Header {
        /// The field name.
        name: String,
        /// The scheme word.
        scheme: Option<String>,
    },
    /// In a parameter.
    Parameter(String),
}

/// Where a field of an answer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Field {
    /// In a header field.
    Header(String),
    /// In the JSON body.
    Json(JsonPath),
    /// The whole body, without one line end behind it.
    Text,
}

impl Field {
    /// Whether a field of this name holds a token, and so a secret.
    pub fn is_token(name: &str) -> bool {
        name == "token" || name.ends_with("_token")
    }
}

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
        environments: raw.environments.iter().cloned().collect(),
        procedures: procedures.collect(),
        controls: raw.controls.clone().into_iter().collect(),
        vectors: None,
    }
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

fn operations(
    sources: &Sources<'_>,
    changes: &RawFlowProfile,
    changes_file: &Arc<SourceFile>,
    wrong: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Operation> {
    let mut out = Diagnostics::new(changes_file);
    let root = YamlPath::default().key("flows").key(sources.flow.name()).key("operations");
    let known = &sources.documented.operations;
    for name in changes.operations.keys().filter(|name| !known.contains_key(*name)) {
        out.key(
            "profile::operation",
            &root.key(name),
            format!("`{name}` is not an operation of {}", sources.flow),
        );
        out.did_you_mean(name, known.keys().map(String::as_str));
    }
    wrong.extend(out.into_list());
    let mut own = Diagnostics::new(sources.file);
    let bound = known.iter().map(|(name, documented)| {
        let path = YamlPath::default().key("operations").key(name);
        (name.clone(), operation(documented, changes.operations.get(name), &path, &mut own))
    });
    let bound = bound.collect();
    wrong.extend(own.into_list());
    bound
}

fn operation(
    raw: &RawOperation,
    change: Option<&RawOperation>,
    path: &YamlPath,
    out: &mut Diagnostics,
) -> Operation {
    let empty = RawOperation::default();
    let change = change.unwrap_or(&empty);
    let layered = |pick: fn(&RawOperation) -> &IndexMap<String, String>| {
        let mut map = pick(raw).clone();
        map.extend(pick(change).clone());
        map
    };
    let mut parameters: IndexMap<String, RawPlace> = raw.parameters.clone();
    parameters.extend(change.parameters.clone());
    let mut defaults = raw.defaults.clone();
    defaults.extend(change.defaults.clone());
    let mut answer: IndexMap<String, RawField> = raw.answer.clone();
    answer.extend(change.answer.clone());
    let credential =
        change.credential.as_ref().or(raw.credential.as_ref()).map(|raw| match &raw.parameter {
            Some(parameter) => Credential::Parameter(parameter.clone()),
            None => Credential::Header {
                name: raw.header.clone().unwrap_or_else(|| "Authorization".to_owned()),
                scheme: raw.scheme.clone(),
            },
        });
    let method = change.method.as_ref().or(raw.method.as_ref()).cloned();
    let target = change.path.as_ref().or(raw.path.as_ref()).cloned();
    if method.is_none() || target.is_none() {
        out.value("flow::operation", path, "an operation has a `method` and a `path`");
    }
    Operation {
        method: method.unwrap_or_default(),
        path: target.unwrap_or_default(),
        credential,
        parameters: parameters
            .into_iter()
            .map(|(name, place)| (name, Place { part: place.part, name: place.name }))
            .collect(),
        defaults,
        identity: layered(|o| &o.identity),
        headers: layered(|o| &o.headers),
        body: change.body.clone().or_else(|| raw.body.clone()),
        answer: answer
            .iter()
            .filter_map(|(name, raw)| {
                Some((name.clone(), field(raw, &path.key("answer").key(name), out)?))
            })
            .collect(),
    }
}

fn field(raw: &RawField, path: &YamlPath, out: &mut Diagnostics) -> Option<Field> {
    match (&raw.json, raw.text, &raw.header) {
        (Some(json), false, None) => match JsonPath::parse(json) {
            Ok(json) => Some(Field::Json(json)),
            Err(message) => {
                out.value("flow::field", &path.key("json"), message);
                None
            }
        },
        (None, true, None) => Some(Field::Text),
        (None, false, Some(header)) => Some(Field::Header(header.clone())),
        _ => {
            out.value(
                "flow::field",
                path,
                "a field has exactly one of `json`, `text: true`, `header`",
            );
            None
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
