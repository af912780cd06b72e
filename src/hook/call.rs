//! A request to something that acts: a control plane, a relay, a clock.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::{Header, Request, WireError};
use crate::wire::Wires;

use super::template::{fill, fill_json, plain};

/// A request, possibly with `${key}` in its address and its content.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) json: Option<Value>,
    pub(crate) headers: Vec<Header>,
}

/// Why a request did not do what it was to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum CallError {
    Refused { status: u16, answer: String },
    Wire(WireError),
}

impl Call {
    pub(crate) fn get(url: String) -> Self {
        Self { method: "GET".to_owned(), url, ..Self::default() }
    }

    pub(crate) fn post(url: String, json: Value) -> Self {
        Self { method: "POST".to_owned(), url, json: Some(json), headers: Vec::new() }
    }

    /// Puts values in the places of their names.
    ///
    /// # Errors
    /// The first name that stands for nothing.
    pub(crate) fn filled(mut self, value: &dyn Fn(&str) -> Option<Value>) -> Result<Self, String> {
        self.url = fill(&self.url, &|key| value(key).map(|value| percent_encode(&plain(&value))))?;
        self.json = self.json.map(|json| fill_json(&json, value)).transpose()?;
        Ok(self)
    }

    /// Sends the request; the content of a 2xx answer comes back when it is JSON.
    pub(crate) async fn send(&self, wires: &Wires) -> Result<Option<Value>, CallError> {
        let (reply, _) = wires.send_once(&self.request()).await;
        let response = reply.map_err(CallError::Wire)?;
        if (200..300).contains(&response.status) {
            return Ok(response.body.json());
        }
        // The reference server explains itself in `error`.
        let explained =
            response.body.json().and_then(|json| Some(json.get("error")?.as_str()?.to_owned()));
        let answer = explained.unwrap_or_else(|| response.body.text().into_owned());
        let answer = answer.chars().take(MAX_SHOWN).collect();
        Err(CallError::Refused { status: response.status, answer })
    }

    fn request(&self) -> Request {
        let (base, target) = split(&self.url);
        let mut headers = self.headers.clone();
        let mut body = Vec::new();
        if let Some(json) = &self.json {
            body = json.to_string().into_bytes();
            if !headers.iter().any(|header| header.name.eq_ignore_ascii_case("content-type")) {
                headers.push(Header::new("Content-Type", "application/json"));
            }
        }
        let method = self.method.clone();
        Request { base, method, target, headers, body: body.into(), ..Request::default() }
    }
}

/// An address as base and target. The wire tells what is wrong with a base.
fn split(url: &str) -> (String, String) {
    let url = url.split('#').next().unwrap_or_default();
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[authority..].find(['/', '?']).map_or(url.len(), |at| authority + at);
    let (base, target) = url.split_at(end);
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    (base.to_owned(), target)
}

/// Everything but the unreserved characters of RFC 3986 section 2.3 percent-encoded, so that a
/// value cannot end the part of the address that it stands in.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_taken_apart_behind_the_authority() {
        for (url, base, target) in [
            ("http://h:1", "http://h:1", "/"),
            ("http://h:1/", "http://h:1", "/"),
            ("https://h/a/b?c=d#e", "https://h", "/a/b?c=d"),
            ("http://h?x=/", "http://h", "/?x=/"),
            ("no address", "no address", "/"),
        ] {
            assert_eq!(split(url), (base.to_owned(), target.to_owned()), "{url}");
        }
    }

    #[test]
    fn a_value_cannot_leave_its_place_in_an_address() {
        let call = Call::get("http://h/relay/${who}?on=${ms}".to_owned());
        let value = |key: &str| match key {
            "who" => Some(json!("a/../b&ü")),
            "ms" => Some(json!(5)),
            _ => None,
        };
        let filled = call.filled(&value).unwrap();
        assert_eq!(filled.url, "http://h/relay/a%2F..%2Fb%26%C3%BC?on=5");
    }
}
