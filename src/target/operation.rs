//! Operations of one flow, bound to one server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::binding::Sources;
use super::raw::{RawField, RawFlowProfile, RawOperation};
use crate::scenario::one_or_many::OneOrMany;
use crate::scenario::raw::{RawBody, RawPlace};
use crate::scenario::{Part, Place};
use crate::source::{Diagnostic, Diagnostics, JsonPath, SourceFile, YamlPath};

/// One thing that a flow offers, as this server spells it.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// The method.
    pub method: String,
    /// The path; `{environment}` and path parameters stand in braces.
    pub path: String,
    /// The capabilities without which there is no such operation.
    pub capabilities: Vec<String>,
    /// How a token is presented.
    pub credential: Option<Credential>,
    /// Where parameters go.
    pub parameters: IndexMap<String, Place>,
    /// Documented parameters that this server does not have.
    pub removed: BTreeSet<String>,
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
    /// The capabilities without which the answer does not have a field, by field.
    pub field_capabilities: BTreeMap<String, Vec<String>>,
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

/// Binds the operations of a flow.
pub(super) fn operations(
    sources: &Sources<'_>,
    changes: &RawFlowProfile,
    changes_file: &Arc<SourceFile>,
    wrong: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Operation> {
    let mut out = Diagnostics::new(changes_file);
    let root = YamlPath::default().key("flows").key(sources.flow.name()).key("operations");
    let known = &sources.documented.operations;
    for (name, change) in &changes.operations {
        let path = root.key(name);
        match known.get(name) {
            Some(documented) => changed(documented, change, &path, &mut out),
            None => {
                let message = format!("`{name}` is not an operation of {}", sources.flow);
                out.key("profile::operation", &path, message);
                out.did_you_mean(name, known.keys().map(String::as_str));
            }
        }
    }
    wrong.extend(out.into_list());
    let mut own = Diagnostics::new(sources.file);
    let bound = known.iter().map(|(name, raw)| {
        let path = YamlPath::default().key("operations").key(name);
        documented(raw, &path, &mut own);
        (name.clone(), operation(raw, changes.operations.get(name), &path, &mut own))
    });
    let bound = bound.collect();
    wrong.extend(own.into_list());
    bound
}

/// Complains of what only a profile can say.
fn documented(raw: &RawOperation, path: &YamlPath, out: &mut Diagnostics) {
    for (name, place) in &raw.parameters {
        let path = path.key("parameters").key(name);
        match place {
            Some(place) => at_place(place, &path, out),
            None => {
                out.value("flow::parameter", &path, "only a profile takes a parameter away");
            }
        }
    }
    for (name, _) in raw.defaults.iter().filter(|(_, value)| value.is_null()) {
        let path = path.key("defaults").key(name);
        out.value("flow::parameter", &path, "only a profile takes a default away");
    }
}

/// Complains of what a profile takes away although it is not there.
fn changed(raw: &RawOperation, change: &RawOperation, path: &YamlPath, out: &mut Diagnostics) {
    for (name, place) in &change.parameters {
        let path = path.key("parameters").key(name);
        match place {
            Some(place) => at_place(place, &path, out),
            None if raw.parameters.contains_key(name) => {}
            None => {
                let message = format!("this operation has no parameter `{name}` to take away");
                out.key("profile::parameter", &path, message);
                out.did_you_mean(name, raw.parameters.keys().map(String::as_str));
            }
        }
    }
    let removed = change.defaults.iter().filter(|(_, value)| value.is_null());
    for (name, _) in removed.filter(|(name, _)| !raw.defaults.contains_key(*name)) {
        let message = format!("this operation has no default for `{name}` to take away");
        out.key("profile::parameter", &path.key("defaults").key(name), message);
        out.did_you_mean(name, raw.defaults.keys().map(String::as_str));
    }
}

fn at_place(place: &RawPlace, path: &YamlPath, out: &mut Diagnostics) {
    if place.part == Part::Body {
        let message = "`body` is for scenarios; an operation says `form`, `json` or `multipart`";
        out.value("flow::parameter", &path.key("in"), message);
    }
    if place.scheme.is_some() && place.part != Part::Header {
        let message = "a `scheme` stands before a value in a header";
        out.key("flow::parameter", &path.key("scheme"), message);
    }
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
    let mut places: IndexMap<String, Option<RawPlace>> = raw.parameters.clone();
    places.extend(change.parameters.clone());
    let removed: BTreeSet<String> =
        places.iter().filter(|(_, place)| place.is_none()).map(|(name, _)| name.clone()).collect();
    let place = |raw: RawPlace| Place { part: raw.part, name: raw.name, scheme: raw.scheme };
    let parameters =
        places.into_iter().filter_map(|(name, raw)| Some((name, place(raw?)))).collect();
    let mut defaults = raw.defaults.clone();
    defaults.extend(change.defaults.clone());
    defaults.retain(|name, value| !value.is_null() && !removed.contains(name));
    let mut identity = layered(|o| &o.identity);
    identity.retain(|name, _| !removed.contains(name));
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
        capabilities: many(raw.capability.as_ref()),
        credential,
        parameters,
        removed,
        defaults,
        identity,
        headers: layered(|o| &o.headers),
        body: change.body.clone().or_else(|| raw.body.clone()),
        field_capabilities: raw
            .answer
            .iter()
            .map(|(name, field)| (name.clone(), many(field.capability.as_ref())))
            .collect(),
        answer: answer
            .iter()
            .filter_map(|(name, raw)| {
                Some((name.clone(), field(raw, &path.key("answer").key(name), out)?))
            })
            .collect(),
    }
}

fn many(raw: Option<&OneOrMany<String>>) -> Vec<String> {
    raw.map(|raw| raw.0.clone()).unwrap_or_default()
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
