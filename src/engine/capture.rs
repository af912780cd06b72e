//! Values that are kept from an answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::model::{Act, Bytes, Response, SocketEvent};
use crate::scenario::Source;
use crate::source::{JsonPath, Scope};
use crate::target::Field;

/// Finds a value.
///
/// # Errors
/// Why it is not there, in a sentence.
pub(super) fn capture(
    source: &Source,
    act: &Act,
    field: Option<&Field>,
    scope: &Scope<'_>,
) -> Result<String, String> {
    match source {
        Source::Value(template) => template.text(scope).map_err(|error| error.to_string()),
        Source::Claim(token, path) => {
            let token = token.text(scope).map_err(|error| error.to_string())?;
            claim(&token, path)
        }
        Source::Field(name) => {
            let answer = answer(act)?;
            let field =
                field.ok_or_else(|| format!("the operation's answer has no field `{name}`"))?;
            from_field(field, &answer)
                .ok_or_else(|| format!("the answer has no `{name}` ({})", place(field)))
        }
        Source::Header(name) => answer(act)?
            .header(name)
            .ok_or_else(|| format!("the answer has no header field {name}")),
        Source::Json(path) => {
            from_json(path, &answer(act)?.body).ok_or_else(|| format!("the answer has no {path}"))
        }
        Source::Text(regex) => {
            let answer = answer(act)?;
            let text = answer.body.text();
            let found = regex
                .captures(&text)
                .ok_or_else(|| format!("the answer does not match /{regex}/"))?;
            let group = found.get(1).or_else(|| found.get(0)).map_or("", |group| group.as_str());
            Ok(group.to_owned())
        }
    }
}

/// Finds a field of an answer.
pub fn from_field(field: &Field, response: &Response) -> Option<String> {
    match field {
        Field::Header(name) => response.header(name),
        Field::Json(path) => from_json(path, &response.body),
        Field::Text => {
            let text = response.body.text();
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            (!text.is_empty()).then(|| text.to_owned())
        }
    }
}

fn place(field: &Field) -> String {
    match field {
        Field::Header(name) => format!("header field {name}"),
        Field::Json(path) => path.to_string(),
        Field::Text => "the body".to_owned(),
    }
}

fn from_json(path: &JsonPath, body: &Bytes) -> Option<String> {
    plain(path.first(&body.json()?)?)
}

fn claim(token: &str, path: &JsonPath) -> Result<String, String> {
    let payload = token.split('.').nth(1).ok_or("the token is no JWT")?;
    let decoded =
        URL_SAFE_NO_PAD.decode(payload).map_err(|error| format!("the token is no JWT: {error}"))?;
    let json: Value = serde_json::from_slice(&decoded)
        .map_err(|error| format!("the token is no JWT: {error}"))?;
    path.first(&json).and_then(plain).ok_or_else(|| format!("the token's payload has no {path}"))
}

/// A JSON value as text: a string without its quotes. Null is no value.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn answer(act: &Act) -> Result<Response, String> {
    match act {
        Act::Exchange(exchange) => exchange.reply.clone().map_err(|error| error.to_string()),
        Act::Socket { event: SocketEvent::Message { payload, .. }, .. } => {
            Ok(Response { body: payload.clone(), ..Response::default() })
        }
        Act::Socket {
            event: SocketEvent::Opened(response) | SocketEvent::Refused(response),
            ..
        } => Ok(response.clone()),
        _ => Err("this step has no answer to keep a value of".to_owned()),
    }
}
