//! Requests, bodies and messages.

use serde_json::Value;

use super::Context;
use crate::model::WireKind;
use crate::scenario::action::{Body, ParameterValue, Place, SendStep, StreamMessage};
use crate::scenario::raw::{RawBody, RawMessage, RawPart, RawPlace, RawSend, RawWire};
use crate::source::{Template, YamlPath};

impl Context<'_> {
    pub(super) fn send(&mut self, raw: &RawSend, path: &YamlPath) -> SendStep {
        self.operation(raw, path);
        if let Some(role) = &raw.identity {
            self.needs_identity(role, &path.key("identity"));
        }
        if let Some(environment) = raw.environment.as_deref().filter(|e| !e.contains("${")) {
            let known = &self.vocabulary.environments;
            if !known.contains(environment) {
                let message = format!("`{environment}` is not an environment of this flow");
                self.out.value("scenario::environment", &path.key("environment"), message);
                self.out.did_you_mean(environment, known.iter().map(String::as_str));
            }
        }
        let wire = match raw.wire {
            Some(RawWire::Raw) => WireKind::Raw,
            _ if raw.connection.is_some() || raw.verbatim.is_some() => WireKind::Raw,
            Some(RawWire::Http) | None => WireKind::Http,
        };
        SendStep {
            operation: raw.operation.clone(),
            environment: self.optional(raw.environment.as_deref(), &path.key("environment")),
            identity: self.optional(raw.identity.as_deref(), &path.key("identity")),
            token: self.optional(raw.token.as_deref(), &path.key("token")),
            authorization: self.optional(raw.authorization.as_deref(), &path.key("authorization")),
            with: self.parameters(raw, path),
            without: raw.without.clone(),
            place: self.places(raw, path),
            headers: raw
                .headers
                .iter()
                .enumerate()
                .map(|(index, header)| {
                    let path = path.key("headers").index(index).key("value");
                    (header.name.clone(), self.template(&header.value, &path))
                })
                .collect(),
            method: raw.method.clone(),
            path: self.optional(raw.path.as_deref(), &path.key("path")),
            query: self.optional(raw.query.as_deref(), &path.key("query")),
            body: raw.body.as_ref().map(|body| self.body(body, &path.key("body"))),
            wire,
            connection: raw.connection.clone(),
            verbatim: self.optional(raw.verbatim.as_deref(), &path.key("verbatim")),
        }
    }

    fn operation(&mut self, raw: &RawSend, path: &YamlPath) {
        let Some(words) = self.vocabulary.operations.get(&raw.operation) else {
            let message = format!("`{}` is not an operation of this flow", raw.operation);
            self.out.value("scenario::operation", &path.key("operation"), message);
            self.out.did_you_mean(
                &raw.operation,
                self.vocabulary.operations.keys().map(String::as_str),
            );
            return;
        };
        let parameters = words.parameters.clone();
        let known = |name: &String| parameters.contains(name) || raw.place.contains_key(name);
        for name in raw.with.keys().filter(|name| !known(name)) {
            let message = format!("`{name}` is not a parameter of this operation");
            self.out.key("scenario::parameter", &path.key("with").key(name), message);
            self.out.did_you_mean(name, parameters.iter().map(String::as_str));
            self.out.help("an undocumented parameter needs a `place`");
        }
        for (index, name) in raw.without.iter().enumerate().filter(|(_, name)| !known(name)) {
            let message = format!("`{name}` is not a parameter of this operation");
            self.out.value("scenario::parameter", &path.key("without").index(index), message);
            self.out.did_you_mean(name, parameters.iter().map(String::as_str));
        }
    }

    fn places(&mut self, raw: &RawSend, path: &YamlPath) -> Vec<(String, Place)> {
        let mut places = Vec::new();
        for (name, raw) in &raw.place {
            if raw.scheme.is_some() && raw.part != RawPart::Header {
                let path = path.key("place").key(name).key("scheme");
                let message = "a `scheme` stands before a value in a header";
                self.out.key("scenario::place", &path, message);
            }
            let RawPlace { part, name: other, scheme } = raw.clone();
            places.push((name.clone(), Place { part, name: other, scheme }));
        }
        places
    }

    fn parameters(&mut self, raw: &RawSend, path: &YamlPath) -> Vec<(String, Vec<ParameterValue>)> {
        let mut parameters = Vec::new();
        for (name, value) in &raw.with {
            let path = path.key("with").key(name);
            let values = match value {
                Value::Array(values) => {
                    values.iter().map(|value| self.json(value, &path)).collect()
                }
                one => vec![self.json(one, &path)],
            };
            parameters.push((name.clone(), values));
        }
        parameters
    }

    pub(super) fn body(&mut self, raw: &RawBody, path: &YamlPath) -> Body {
        if raw.text.is_some() == raw.json.is_some() {
            self.out.value("scenario::body", path, "a body has exactly one of `text` and `json`");
        }
        Body {
            media_type: raw.media_type.clone(),
            text: self.optional(raw.text.as_deref(), &path.key("text")),
            json: raw.json.as_ref().map(|value| self.json(value, &path.key("json"))),
        }
    }

    pub(super) fn message(&mut self, raw: &RawMessage, path: &YamlPath) -> StreamMessage {
        let mut messages: Vec<StreamMessage> = Vec::new();
        if let Some(text) = &raw.text {
            messages.push(StreamMessage::Text(self.template(text, &path.key("text"))));
        }
        if let Some(value) = &raw.json {
            messages.push(StreamMessage::Json(self.json(value, &path.key("json"))));
        }
        if let Some(digits) = &raw.binary {
            match Template::parse(&format!("${{hex({digits})}}")) {
                Ok(template) => {
                    let scope = crate::source::Scope {
                        bindings: &std::collections::BTreeMap::new(),
                        random: None,
                    };
                    messages
                        .push(StreamMessage::Binary(template.bytes(&scope).unwrap_or_default()));
                }
                Err(message) => {
                    self.out.value("scenario::message", &path.key("binary"), message);
                }
            }
        }
        if let Some(letters) = raw.letters {
            messages.push(StreamMessage::Text(Template::plain("x".repeat(letters.min(16 << 20)))));
        }
        if !raw.fragments.is_empty() {
            let path = path.key("fragments");
            let parts = raw
                .fragments
                .iter()
                .enumerate()
                .map(|(i, text)| self.template(text, &path.index(i)));
            messages.push(StreamMessage::Fragments(parts.collect()));
        }
        if let Some(text) = &raw.unmasked {
            messages.push(StreamMessage::Unmasked(self.template(text, &path.key("unmasked"))));
        }
        if messages.len() != 1 {
            let message = "a message has exactly one of `text`, `json`, `binary`, `letters`, `fragments`, `unmasked`";
            self.out.value("scenario::message", path, message);
        }
        messages.into_iter().next().unwrap_or_else(|| StreamMessage::Text(Template::plain("")))
    }
}
