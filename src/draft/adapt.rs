//! From the endpoints that were found to the keys of a profile.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::description::{Description, Endpoint, Parameter, Place, Security};
use super::matching::{
    Hit, all_parameters, counterpart, documented_form, in_body, is_token, normal, token_parameter,
};
use crate::source::JsonPath;
use crate::target::{Credential, Field, FlowBinding, Operation};

/// What was found of an operation in a server's description.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The operationId.
    pub id: Option<String>,
    /// How many other endpoints fit as well.
    pub rivals: usize,
    /// Parameters of the flow that the endpoint does not describe.
    pub lacks: Vec<String>,
    /// Parameters that the endpoint asks for and the flow does not know.
    pub asks: Vec<String>,
}

/// What a description changes of a flow.
#[derive(Clone, Debug, Default)]
pub(super) struct Adapted {
    pub(super) operations: BTreeMap<String, Changed>,
    /// What the server lacks, with the reason.
    pub(super) capabilities: BTreeMap<String, String>,
    pub(super) found: Vec<(String, Option<Found>)>,
}

/// What a description changes of an operation.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    /// The keys in use.
    pub(super) keys: Map<String, Value>,
    /// Keys for a person to fill in.
    pub(super) open: Map<String, Value>,
    pub(super) notes: Vec<String>,
}

/// Turns what was found into keys.
pub(super) fn adapt(
    binding: &FlowBinding,
    description: &Description,
    hits: Vec<(String, Option<Hit>)>,
) -> Adapted {
    let mut adapted = Adapted::default();
    for (name, hit) in hits {
        let found = hit.map(|hit| {
            let endpoint = &description.endpoints[hit.endpoint];
            let pair = Pair::new(&name, &binding.operations[&name], endpoint);
            let path = documented_form(endpoint, binding);
            let (changed, found) = pair.changes(path, hit.rivals);
            adapted.operations.insert(name.clone(), changed);
            pair.lacking(&mut adapted.capabilities);
            found
        });
        adapted.found.push((name, found));
    }
    adapted
}

/// An operation and the endpoint that it was found at.
struct Pair<'a> {
    name: &'a str,
    operation: &'a Operation,
    endpoint: &'a Endpoint,
    /// The form of the body: the documented one where the endpoint takes it.
    body: Option<Place>,
}

impl<'a> Pair<'a> {
    fn new(name: &'a str, operation: &'a Operation, endpoint: &'a Endpoint) -> Self {
        let documented = operation.parameters.values().map(|place| place.part);
        let mut documented = documented.filter(|part| in_body(*part));
        let offered = |place: &Place| endpoint.bodies.iter().any(|(offered, _)| offered == place);
        let body = documented.find(offered);
        let body = body.or_else(|| endpoint.bodies.first().map(|(place, _)| *place));
        Self { name, operation, endpoint, body }
    }

    fn find(&self, name: &str) -> Option<&'a Parameter> {
        let wire_name = self.operation.parameters.get(name).and_then(|place| place.name.as_deref());
        counterpart(name, wire_name.unwrap_or(name), self.endpoint, self.body)
    }

    fn changes(&self, path: String, rivals: usize) -> (Changed, Found) {
        let endpoint = self.endpoint;
        let mut changed = Changed::default();
        changed.keys.insert("method".to_owned(), json!(endpoint.method));
        changed.keys.insert("path".to_owned(), json!(path));
        self.credential(&mut changed.keys);
        let mut parameters = Map::new();
        let (used, lacks) = self.documented_parameters(&mut parameters);
        let asks = self.further_parameters(&used, &mut parameters);
        if let Some((place, name)) = self.key_in_parameter() {
            parameters.insert(name.to_owned(), json!({"in": place.name()}));
        }
        if !parameters.is_empty() {
            changed.keys.insert("parameters".to_owned(), Value::Object(parameters));
        }
        self.answer(&mut changed.keys);
        let from = endpoint.id.as_ref().map_or_else(
            || format!("From {} {}, which has no operationId.", endpoint.method, endpoint.path),
            |id| format!("From operationId {id}."),
        );
        changed.notes.push(from);
        if rivals > 0 {
            changed
                .notes
                .push(format!("As likely as {rivals} more: make sure that it is this one."));
        }
        self.defaults(&asks, &mut changed);
        let found = Found {
            method: endpoint.method.clone(),
            path,
            id: endpoint.id.clone(),
            rivals,
            lacks,
            asks,
        };
        (changed, found)
    }

    /// The places of the parameters that the flow knows; their names at the endpoint, and those that it does not have.
    fn documented_parameters(
        &self,
        places: &mut Map<String, Value>,
    ) -> (Vec<&'a str>, Vec<String>) {
        let Self { operation, endpoint, .. } = *self;
        let (mut used, mut lacks) = (Vec::new(), Vec::new());
        let mut in_path = endpoint.parameters.iter().filter(|one| one.place == Place::Path);
        let only_in_path = in_path.next().filter(|_| in_path.next().is_none());
        for (name, documented) in &operation.parameters {
            let found =
                self.find(name).or_else(|| only_in_path.filter(|_| documented.part == Place::Path));
            if let Some(found) = found.filter(|found| !used.contains(&found.name.as_str())) {
                used.push(found.name.as_str());
                places.insert(name.clone(), place(name, found));
                continue;
            }
            let sent = operation.identity.contains_key(name)
                || operation.defaults.contains_key(name)
                || token_parameter(operation) == Some(name)
                || normal(name) == "refreshtoken";
            if sent {
                lacks.push(name.clone());
            }
            // What stands in its description is all that a body may have; a server is not asked for the rest.
            if name == "grant_type" && self.describes_bodies() {
                places.insert(name.clone(), Value::Null);
                continue;
            }
            // A request has one body: what is sent in it goes along.
            if let Some(body) =
                self.body.filter(|body| in_body(documented.part) && documented.part != *body)
            {
                places.insert(name.clone(), json!({"in": body.name()}));
            }
        }
        (used, lacks)
    }

    /// Parameters that the endpoint cannot do without and the flow does not know.
    fn further_parameters(&self, used: &[&str], places: &mut Map<String, Value>) -> Vec<String> {
        let Self { endpoint, .. } = *self;
        let ours = |parameter: &&Parameter| {
            !in_body(parameter.place) || Some(parameter.place) == self.body
        };
        let environment =
            |one: &Parameter| one.place == Place::Path && !endpoint_keeps(self, &one.name);
        let mut asks = Vec::new();
        for parameter in all_parameters(endpoint).filter(ours) {
            let known = used.contains(&parameter.name.as_str())
                || parameter.name.eq_ignore_ascii_case("authorization")
                || self.is_grant_type(parameter)
                || environment(parameter);
            if parameter.required && !known {
                places.insert(parameter.name.clone(), json!({"in": parameter.place.name()}));
                asks.push(parameter.name.clone());
            }
        }
        if let Some(grant_type) =
            all_parameters(endpoint).filter(ours).find(|one| self.is_grant_type(one))
        {
            places.insert(grant_type.name.clone(), json!({"in": grant_type.place.name()}));
        }
        asks
    }

    /// A token endpoint for several grants (RFC 6749 section 6) is told which one.
    fn is_grant_type(&self, parameter: &Parameter) -> bool {
        self.name == "refresh"
            && parameter.name == "grant_type"
            && !self.operation.parameters.contains_key("grant_type")
    }

    fn defaults(&self, asks: &[String], changed: &mut Changed) {
        if all_parameters(self.endpoint).any(|parameter| self.is_grant_type(parameter)) {
            changed.keys.insert("defaults".to_owned(), json!({"grant_type": "refresh_token"}));
        }
        if asks.is_empty() {
            return;
        }
        let names: Vec<String> = asks.iter().map(|name| format!("`{name}`")).collect();
        changed.notes.push(format!(
            "It cannot do without {}, which the flow does not know: give values under `defaults`.",
            names.join(", ")
        ));
        if !changed.keys.contains_key("defaults") {
            let documented = self.operation.defaults.clone().into_iter();
            let further = asks.iter().map(|name| (name.clone(), json!("CHANGE-ME")));
            changed.open.insert("defaults".to_owned(), documented.chain(further).collect());
        }
    }

    fn credential(&self, keys: &mut Map<String, Value>) {
        let carried = token_parameter(self.operation).is_some_and(|name| self.find(name).is_some());
        if self.operation.credential.is_none() || carried {
            return;
        }
        let scheme = match &self.operation.credential {
            Some(Credential::Header { name, scheme })
                if name.eq_ignore_ascii_case("authorization") =>
            {
                scheme.as_deref()
            }
            _ => None,
        };
        let documented = match &self.endpoint.security {
            Security::Bearer => scheme.is_some_and(|scheme| scheme != "Token"),
            Security::Authorization => scheme.is_some(),
            _ => false,
        };
        let credential = match &self.endpoint.security {
            Security::Bearer | Security::Authorization if !documented => {
                json!({"header": "Authorization", "scheme": "Bearer"})
            }
            Security::Key { place: Place::Header, name } => json!({"header": name}),
            Security::Key { name, .. } => json!({"parameter": name}),
            Security::Bearer | Security::Authorization | Security::None | Security::Other => return,
        };
        keys.insert("credential".to_owned(), credential);
    }

    fn key_in_parameter(&self) -> Option<(Place, &str)> {
        match &self.endpoint.security {
            Security::Key { place, name }
                if *place != Place::Header && self.operation.credential.is_some() =>
            {
                Some((*place, name))
            }
            _ => None,
        }
    }

    /// Where the fields of an answer are, when they are not where the documents have them.
    fn answer(&self, keys: &mut Map<String, Value>) {
        let mut fields = Map::new();
        for (name, field) in &self.operation.answer {
            let documented = match field {
                Field::Json(path) => path.to_string(),
                Field::Text => String::new(),
                Field::Header(_) => continue,
            };
            let answers = &self.endpoint.answers;
            let wildcard = documented.contains('*');
            if wildcard || answers.iter().any(|(_, path)| *path == documented) {
                continue;
            }
            let token = is_token(name);
            let found = answers.iter().find(|(given, _)| normal(given) == normal(name));
            let found =
                found.or_else(|| answers.iter().find(|(given, _)| token && is_token(given)));
            if let Some((_, path)) = found.filter(|(_, path)| JsonPath::parse(path).is_ok()) {
                fields.insert(name.clone(), json!({"json": path}));
            }
        }
        if !fields.is_empty() {
            keys.insert("answer".to_owned(), Value::Object(fields));
        }
    }

    fn describes_bodies(&self) -> bool {
        self.endpoint.bodies.iter().any(|(_, members)| !members.is_empty())
    }

    /// What the description shows the server to lack.
    fn lacking(&self, lacking: &mut BTreeMap<String, String>) {
        match self.name {
            "login" if self.describes_bodies() => {
                let client =
                    all_parameters(self.endpoint).find(|one| normal(&one.name) == "clientid");
                if client.is_some_and(|client| client.required) {
                    let reason = "The description of the login says that it must be there.";
                    lacking.insert("optional_client_id".to_owned(), reason.to_owned());
                }
            }
            "refresh" => {
                let elsewhere = self.find("refresh_token").filter(|one| one.place != Place::Header);
                if elsewhere.is_some() {
                    let reason = "The description of the refresh has it elsewhere.";
                    lacking.insert("refresh_header".to_owned(), reason.to_owned());
                }
            }
            _ => {}
        }
    }
}

/// Whether a parameter of the path still stands in braces, and is not the environment.
fn endpoint_keeps(pair: &Pair<'_>, name: &str) -> bool {
    !pair.operation.path.contains("{environment}") || !normal(name).contains("env")
}

fn place(name: &str, found: &Parameter) -> Value {
    if found.name == name {
        json!({"in": found.place.name()})
    } else {
        json!({"in": found.place.name(), "name": found.name})
    }
}
