//! The parsers by themselves, without a server around them: where fuzzing enters. Each takes any bytes and must neither
//! panic nor hang; what it returns lets a caller hold it against a rule of its own.

use std::borrow::Cow;

use axum::http::{HeaderValue, Uri};

use crate::http::{Credentials, Form, parse_credentials};

/// The token in the value of an `Authorization` field, if it holds one under the scheme `Bearer`.
#[must_use]
pub fn authorization(bytes: &[u8]) -> Option<String> {
    let value = HeaderValue::from_bytes(bytes).ok()?;
    match parse_credentials(&value, "Bearer", true) {
        Credentials::Token(token) => Some(Cow::into_owned(token)),
        _ => None,
    }
}

/// The names of the fields of a form, if the bytes are one.
#[must_use]
pub fn form(bytes: &[u8]) -> Option<Vec<String>> {
    Form::parse(bytes).map(|form| form.names().map(str::to_owned).collect())
}

/// The names of the parameters in the query of a target, if the bytes are one.
#[must_use]
pub fn query(bytes: &[u8]) -> Option<Vec<String>> {
    let target: Uri = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    Form::of_query(&target).map(|form| form.names().map(str::to_owned).collect())
}

/// The token of a first message on a socket, if the text is one.
#[must_use]
pub fn first_message(text: &str) -> Option<String> {
    crate::button::socket::token_of(text)
}
