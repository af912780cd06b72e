//! From an operation in a scenario to the request of this server.

use std::collections::BTreeMap;

use form_urlencoded::byte_serialize;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::capture::plain;
use crate::model::{Bytes, Header, Request, WireKind};
use crate::scenario::{Body, JsonTemplate, Part, Place, SendStep};
use crate::source::{RenderError, Scope, Template, bytes_of};
use crate::target::{Credential, FlowBinding, Operation};

/// Why a request cannot be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum RequestError {
    /// A template has no value.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The profile says that the server does not have what the request is about.
    #[error("{0}")]
    Absent(String),
    /// The profile lacks something.
    #[error("{0}")]
    Missing(String),
}

/// The request of a call, made with the given values.
///
/// # Errors
/// Why it cannot be made, in a sentence.
pub fn prepare(
    binding: &FlowBinding,
    common: &[Header],
    send: &SendStep,
    scope: &Scope<'_>,
) -> Result<Request, String> {
    build(binding, common, send, scope)
        .map(|(request, _)| request)
        .map_err(|error| error.to_string())
}

/// Makes the request of a step.
pub(super) fn build(
    binding: &FlowBinding,
    common: &[Header],
    send: &SendStep,
    outer: &Scope<'_>,
) -> Result<(Request, Option<String>), RequestError> {
    let missing = |what: String| RequestError::Missing(what);
    let operation = binding
        .operations
        .get(&send.operation)
        .ok_or_else(|| missing(format!("the flow has no operation `{}`", send.operation)))?;
    if let Some(reason) = binding.absent(send) {
        return Err(RequestError::Absent(reason));
    }
    let environment = send.environment.as_ref().map(|template| template.text(outer)).transpose()?;
    let environment = environment.or_else(|| binding.environments.first().cloned());
    let (base, own) = binding.base(environment.as_deref());
    let mut bindings = outer.bindings.clone();
    bindings.insert("host".to_owned(), base.split("://").last().unwrap_or(base).to_owned());
    bindings.insert("flow".to_owned(), binding.flow.name().to_owned());
    bindings.insert("environment".to_owned(), environment.clone().unwrap_or_default());
    let documented_path = if own {
        operation.path.replace("/{environment}", "")
    } else {
        operation.path.replace("{environment}", environment.as_deref().unwrap_or_default())
    };
    let scope = Scope { bindings: &bindings, random: outer.random };

    let mut draft = Draft::new(operation, send, &scope);
    draft.parameters(binding, environment.as_deref())?;
    draft.present_token()?;
    let mut path = match &send.path {
        // Items of a repeated step are filled before the operation is known: `${path}` stays as it is until here.
        Some(template) => template.text(&scope)?.replace(PATH, &documented_path),
        None => documented_path,
    };
    draft.distribute(&mut path)?;
    let headers = draft.headers(common)?;
    let mut request = Request {
        base: base.to_owned(),
        method: send.method.clone().unwrap_or_else(|| operation.method.clone()),
        target: draft.target(path)?,
        headers,
        wire: send.wire,
        connection: send.connection.clone(),
        ..Request::default()
    };
    draft.body(&mut request)?;
    if let Some(verbatim) = &send.verbatim {
        request.verbatim = Some(Bytes(verbatim.bytes(&scope)?));
        request.wire = WireKind::Raw;
    }
    // A value that is not UTF-8, or that has control bytes, does not fit an ordinary client.
    if request
        .headers
        .iter()
        .any(|h| h.value.0.iter().any(|b| *b != b'\t' && (*b < 0x20 || *b >= 0x7f)))
    {
        request.wire = WireKind::Raw;
    }
    Ok((request, environment))
}

/// What `${path}` stands for until the operation's path is known.
pub(super) const PATH: &str = "${path}";

struct Draft<'a> {
    operation: &'a Operation,
    send: &'a SendStep,
    scope: &'a Scope<'a>,
    values: IndexMap<String, Vec<Value>>,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    multipart: Vec<(String, String)>,
    json: Map<String, Value>,
    cookies: Vec<String>,
    fields: Vec<Header>,
}

impl<'a> Draft<'a> {
    fn new(operation: &'a Operation, send: &'a SendStep, scope: &'a Scope<'a>) -> Self {
        Self {
            operation,
            send,
            scope,
            values: IndexMap::new(),
            query: Vec::new(),
            form: Vec::new(),
            multipart: Vec::new(),
            json: Map::new(),
            cookies: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn parameters(
        &mut self,
        binding: &FlowBinding,
        environment: Option<&str>,
    ) -> Result<(), RequestError> {
        for (name, value) in &self.operation.defaults {
            let filled =
                JsonTemplate::parse(value).map_err(RequestError::Missing)?.fill(self.scope)?;
            self.values.insert(name.clone(), vec![filled]);
        }
        if let Some(role) = &self.send.identity {
            let role = role.text(self.scope)?;
            let identity = binding.identities.get(&role).ok_or_else(|| {
                RequestError::Missing(format!(
                    "the profile has no identity `{role}` for {}",
                    binding.flow
                ))
            })?;
            for (parameter, field) in &self.operation.identity {
                let field = field.replace("{environment}", environment.unwrap_or_default());
                let value = identity.fields.get(&field).ok_or_else(|| {
                    RequestError::Missing(format!(
                        "the identity `{role}` of {} has no `{field}`",
                        binding.flow
                    ))
                })?;
                self.values.insert(parameter.clone(), vec![Value::String(value.clone())]);
            }
        }
        for (name, values) in &self.send.with {
            let filled: Result<Vec<Value>, RenderError> =
                values.iter().map(|value| value.fill(self.scope)).collect();
            self.values.insert(name.clone(), filled?);
        }
        for name in &self.send.without {
            self.values.shift_remove(name);
        }
        Ok(())
    }

    fn present_token(&mut self) -> Result<(), RequestError> {
        let Some(template) = &self.send.token else {
            return Ok(());
        };
        let token = template.bytes(self.scope)?;
        match &self.operation.credential {
            Some(Credential::Header { name, scheme }) => {
                let mut value = scheme
                    .as_ref()
                    .map(|scheme| format!("{scheme} ").into_bytes())
                    .unwrap_or_default();
                value.extend(token);
                self.fields.push(Header { name: name.clone(), value: Bytes(value) });
            }
            Some(Credential::Parameter(name)) => {
                let text = String::from_utf8(token).map_err(|_| RenderError::NotText)?;
                self.values.insert(name.clone(), vec![Value::String(text)]);
            }
            None => {
                let message = format!("the operation `{}` takes no token", self.send.operation);
                return Err(RequestError::Missing(message));
            }
        }
        Ok(())
    }

    /// Puts each parameter in its part of the request, in the order in which the flow lists them.
    fn distribute(&mut self, path: &mut String) -> Result<(), RequestError> {
        let overrides: BTreeMap<&String, &Place> =
            self.send.place.iter().map(|(name, place)| (name, place)).collect();
        let operation = self.operation;
        let listed = operation.parameters.keys();
        let further: Vec<String> = self
            .values
            .keys()
            .filter(|name| !operation.parameters.contains_key(*name))
            .cloned()
            .collect();
        let moved = self.moved_to();
        let order: Vec<String> = listed.cloned().chain(further).collect();
        for name in order {
            let Some(values) = self.values.get(&name).cloned() else {
                continue;
            };
            let place = overrides.get(&name).copied().or_else(|| operation.parameters.get(&name));
            let (part, key, scheme) = place.map_or((Part::Query, name.clone(), None), |place| {
                let key = place.name.clone().unwrap_or_else(|| name.clone());
                (place.part, key, place.scheme.as_deref())
            });
            let part = match part {
                Part::Body => self.body_part(),
                part if BODIES.contains(&part) && !overrides.contains_key(&name) => {
                    moved.unwrap_or(part)
                }
                part => part,
            };
            if part == Part::Json {
                let value =
                    if values.len() == 1 { values[0].clone() } else { Value::Array(values) };
                self.json.insert(key, value);
                continue;
            }
            for value in values {
                let text = plain(&value).unwrap_or_default();
                match part {
                    Part::Query => self.query.push((key.clone(), text)),
                    Part::Form => self.form.push((key.clone(), text)),
                    Part::Multipart => self.multipart.push((key.clone(), text)),
                    Part::Cookie => self.cookies.push(format!("{key}={text}")),
                    Part::Header => {
                        if !overrides.contains_key(&name) && self.is_taken(&key) {
                            return Err(RequestError::Absent(format!(
                                "the profile puts `{name}` into the header field {key}, where this presents something else"
                            )));
                        }
                        let mut value = scheme
                            .map(|scheme| format!("{scheme} ").into_bytes())
                            .unwrap_or_default();
                        value.extend(bytes_of(&text));
                        self.fields.push(Header { name: key.clone(), value: Bytes(value) });
                    }
                    Part::Path => *path = path.replace(&format!("{{{key}}}"), &encode(&text)),
                    Part::Body | Part::Json => {}
                }
            }
        }
        self.one_body()
    }

    /// Whether the step presents a credential of its own in a header field.
    fn is_taken(&self, field: &str) -> bool {
        let own = self.send.authorization.is_some() && field.eq_ignore_ascii_case("authorization");
        let token = self.send.token.is_some()
            && matches!(&self.operation.credential, Some(Credential::Header { name, .. })
                if name.eq_ignore_ascii_case(field));
        own || token
    }

    /// The kind of body in which the operation has its other parameters.
    fn body_part(&self) -> Part {
        let mut parts = self.operation.parameters.values().map(|place| place.part);
        parts.find(|part| BODIES.contains(part)).unwrap_or(Part::Form)
    }

    /// The kind of body whose last parameter the step leaves out. It is sent empty: a request without any body lacks
    /// more than the parameter, and may be refused for that.
    fn emptied(&self) -> Option<Part> {
        let left_out =
            self.send.without.iter().filter_map(|name| self.operation.parameters.get(name));
        left_out.map(|place| place.part).find(|part| BODIES.contains(part))
    }

    /// The kind of body that the step moves the operation's own parameters to, if it does: what goes along with them by
    /// default is moved too.
    fn moved_to(&self) -> Option<Part> {
        let own = |name: &str| {
            let place = self.operation.parameters.get(name);
            place.is_some_and(|place| BODIES.contains(&place.part))
        };
        let mut moved = self.send.place.iter().filter(|(name, _)| own(name));
        moved.find_map(|(_, place)| BODIES.contains(&place.part).then_some(place.part))
    }

    /// A request has one body: parameters in two kinds of it would leave one of them out in silence.
    fn one_body(&self) -> Result<(), RequestError> {
        let kinds = [
            (Part::Form, !self.form.is_empty()),
            (Part::Json, !self.json.is_empty()),
            (Part::Multipart, !self.multipart.is_empty()),
        ];
        let used: Vec<&str> =
            kinds.iter().filter(|(_, used)| *used).map(|(part, _)| part.name()).collect();
        if used.len() <= 1 || self.send.body.is_some() {
            return Ok(());
        }
        Err(RequestError::Missing(format!(
            "the request has parameters in {}, and only one body: say `in: body` in the scenario for the kind that \
             the profile uses",
            used.join(" and in ")
        )))
    }

    fn target(&self, path: String) -> Result<String, RequestError> {
        let mut query = form(&self.query);
        if let Some(template) = &self.send.query {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&template.text(self.scope)?);
        }
        if query.is_empty() && self.send.query.is_none() {
            return Ok(path);
        }
        let join = if path.contains('?') { '&' } else { '?' };
        Ok(format!("{path}{join}{query}"))
    }

    fn headers(&mut self, common: &[Header]) -> Result<Vec<Header>, RequestError> {
        let mut own = Vec::new();
        if let Some(template) = &self.send.authorization {
            own.push(Header {
                name: "Authorization".to_owned(),
                value: Bytes(template.bytes(self.scope)?),
            });
        }
        for (name, template) in &self.send.headers {
            own.push(Header { name: name.clone(), value: Bytes(template.bytes(self.scope)?) });
        }
        let given = |name: &str| own.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        let mut headers: Vec<Header> = common.to_vec();
        for (name, text) in self.operation.headers.iter().filter(|(name, _)| !given(name)) {
            let template = Template::parse(text).map_err(RequestError::Missing)?;
            headers.push(Header { name: name.clone(), value: Bytes(template.bytes(self.scope)?) });
        }
        headers.append(&mut self.fields);
        if !self.cookies.is_empty() {
            headers.push(Header::new("Cookie", &self.cookies.join("; ")));
        }
        headers.extend(own);
        Ok(headers)
    }

    fn body(&self, request: &mut Request) -> Result<(), RequestError> {
        let (media_type, bytes) = if let Some(body) = &self.send.body {
            self.given_body(body)?
        } else if !self.multipart.is_empty() {
            (
                Some(format!("multipart/form-data; boundary={BOUNDARY}")),
                multipart(&self.multipart).into_bytes(),
            )
        } else if !self.form.is_empty() {
            (Some("application/x-www-form-urlencoded".to_owned()), form(&self.form).into_bytes())
        } else if !self.json.is_empty() {
            (
                Some("application/json".to_owned()),
                Value::Object(self.json.clone()).to_string().into_bytes(),
            )
        } else if let Some(part) = self.emptied() {
            match part {
                Part::Json => (Some("application/json".to_owned()), b"{}".to_vec()),
                Part::Multipart => (
                    Some(format!("multipart/form-data; boundary={BOUNDARY}")),
                    multipart(&[]).into_bytes(),
                ),
                _ => (Some("application/x-www-form-urlencoded".to_owned()), Vec::new()),
            }
        } else if let Some(raw) = &self.operation.body {
            let text = match (&raw.text, &raw.json) {
                (Some(text), _) => text.clone(),
                (None, Some(json)) => json.to_string(),
                (None, None) => String::new(),
            };
            (raw.media_type.clone(), text.into_bytes())
        } else {
            return Ok(());
        };
        let given =
            request.headers.iter().any(|header| header.name.eq_ignore_ascii_case("content-type"));
        if let Some(media_type) = media_type.filter(|_| !given) {
            request.headers.push(Header::new("Content-Type", &media_type));
        }
        request.body = Bytes(bytes);
        Ok(())
    }

    fn given_body(&self, body: &Body) -> Result<(Option<String>, Vec<u8>), RequestError> {
        let bytes = match (&body.text, &body.json) {
            (Some(template), _) => template.bytes(self.scope)?,
            (None, Some(json)) => json.fill(self.scope)?.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let default = body.json.as_ref().map(|_| "application/json".to_owned());
        Ok((body.media_type.clone().or(default), bytes))
    }
}

/// Encodes pairs as `application/x-www-form-urlencoded`; values need not be UTF-8.
fn form(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| byte_serialize(&bytes_of(text)).collect::<String>();
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

const BODIES: [Part; 3] = [Part::Form, Part::Json, Part::Multipart];

const BOUNDARY: &str = "gatecrash-part-5f3a9c";

fn multipart(parts: &[(String, String)]) -> String {
    let part = |(name, value): &(String, String)| {
        let name = name.replace('"', "%22");
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        format!("--{BOUNDARY}\r\n{head}\r\n\r\n{value}\r\n")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--{BOUNDARY}--\r\n")
}

/// Percent-encodes a path segment (RFC 3986 section 3.3).
fn encode(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    text.bytes()
        .map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[cfg(test)]
mod tests;
