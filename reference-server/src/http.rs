//! HTTP that every flow shares: reading the Authorization header, bodies and forms, and building answers.
//!
//! What an error looks like is each flow's own affair; this module only says what is wrong.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;

use crate::app::App;
use crate::fault::Fault;

/// An answer on its way out.
pub(crate) type Answer = Response<Body>;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a request says in its Authorization header (RFC 9110 section 11.6.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials<'a> {
    /// No such header.
    Absent,
    /// The right scheme with nothing after it.
    Empty,
    /// The right scheme, but what follows is no token (RFC 6750 section 2.1), or no text at all.
    Malformed,
    /// Another scheme.
    OtherScheme(Cow<'a, str>),
    /// More than one such header.
    Repeated,
    /// The right scheme and a well-formed token.
    Token(Cow<'a, str>),
}

/// Reads the token that a request presents under `scheme`.
pub(crate) fn credentials<'a>(
    app: &App,
    parts: (&'a HeaderMap, &'a Uri),
    scheme: &str,
    any_case: bool,
) -> Credentials<'a> {
    if app.faults.any() {
        return crate::fault::tampered_credentials(&app.faults, parts, scheme, any_case);
    }
    plain_credentials(parts.0, scheme, any_case)
}

pub(crate) fn plain_credentials<'a>(
    headers: &'a HeaderMap,
    scheme: &str,
    any_case: bool,
) -> Credentials<'a> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Credentials::Absent,
        (Some(value), None) => parse_credentials(value, scheme, any_case),
        (Some(_), Some(_)) => Credentials::Repeated,
    }
}

pub(crate) fn parse_credentials<'a>(
    value: &'a HeaderValue,
    scheme: &str,
    any_case: bool,
) -> Credentials<'a> {
    let Ok(text) = value.to_str() else {
        return Credentials::Malformed;
    };
    let text = text.trim_matches(' ');
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let same = if any_case { word.eq_ignore_ascii_case(scheme) } else { word == scheme };
    let rest = rest.trim_start_matches(' ');
    if !same {
        Credentials::OtherScheme(Cow::Borrowed(word))
    } else if rest.is_empty() {
        Credentials::Empty
    } else if is_token(rest) {
        Credentials::Token(Cow::Borrowed(rest))
    } else {
        Credentials::Malformed
    }
}

/// `b64token` of RFC 6750 section 2.1.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// Why a request body could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It broke off or its encoding is wrong.
    Broken,
    /// It took too long.
    Slow,
    /// It is larger than the limit.
    TooLarge,
}

impl BodyError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

/// Reads a whole body within the limits of the server.
pub(crate) async fn read_body(app: &App, request: Request) -> Result<(Parts, Bytes), BodyError> {
    let (parts, body) = request.into_parts();
    let limit = app.limits.body_bytes;
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge);
    }
    let reading = axum::body::to_bytes(body, limit);
    match tokio::time::timeout(app.limits.slow_body, reading).await {
        Ok(Ok(bytes)) => Ok((parts, bytes)),
        Ok(Err(error)) => Err(body_error(&error)),
        Err(_) => Err(BodyError::Slow),
    }
}

fn body_error(error: &axum::Error) -> BodyError {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // `http-body-util` names no public type through axum; its text is part of its documentation.
        if cause.to_string().contains("length limit exceeded") {
            return BodyError::TooLarge;
        }
        source = cause.source();
    }
    BodyError::Broken
}

/// The media type of a body, lower case, without parameters; empty if none is declared.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// More fields than any documented form could want.
const MAX_FIELDS: usize = 256;

/// The fields of a form or a query, in order.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: Vec<(String, String)>,
}

/// One field of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// Not there.
    Absent,
    /// There once.
    One(&'a str),
    /// There more than once; the last value.
    Repeated(&'a str),
}

impl<'a> Field<'a> {
    /// Its value unless it is absent, empty or repeated.
    pub(crate) fn filled(self) -> Option<&'a str> {
        match self {
            Self::One(value) if !value.is_empty() => Some(value),
            _ => None,
        }
    }
}

impl Form {
    /// Decodes `application/x-www-form-urlencoded` as the WHATWG URL standard does, but refuses bytes that are
    /// not UTF-8: replacing them would make different passwords equal. `None` also for too many fields.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        for pair in bytes.split(|byte| *byte == b'&') {
            if pair.is_empty() {
                continue;
            }
            if fields.len() == MAX_FIELDS {
                return None;
            }
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = match equals {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            fields.push((decode(name)?, decode(value)?));
        }
        Some(Self { fields })
    }

    pub(crate) fn of_query(uri: &Uri) -> Option<Self> {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    /// Whether it has a field of another name than these.
    pub(crate) fn has_other_than(&self, names: &[&str]) -> bool {
        self.fields.iter().any(|(own, _)| !names.iter().any(|name| own.eq_ignore_ascii_case(name)))
    }

    pub(crate) fn push(&mut self, name: String, value: String) {
        self.fields.push((name, value));
    }

    /// The names of its fields, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn field(&self, name: &str) -> Field<'_> {
        self.field_where(|known| known == name)
    }

    pub(crate) fn field_where(&self, is: impl Fn(&str) -> bool) -> Field<'_> {
        let mut matching =
            self.fields.iter().filter(|(name, _)| is(name)).map(|(_, value)| value.as_str());
        match (matching.next(), matching.last()) {
            (None, _) => Field::Absent,
            (Some(value), None) => Field::One(value),
            (Some(_), Some(last)) => Field::Repeated(last),
        }
    }
}

/// Percent-decodes one name or value; a percent sign without two digits stands for itself.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 2;
            }
            (b'+', _, _) => decoded.push(b' '),
            (byte, _, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

/// An answer with a body.
pub(crate) fn answer(status: StatusCode, media: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, media);
    let mut answer = Answer::new(Body::from(body.into()));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, JSON, body)
}

/// A JSON answer from a value.
pub(crate) fn json_value(status: StatusCode, body: &serde_json::Value) -> Answer {
    json(status, body.to_string())
}

/// Adds a header and hands the answer on.
pub(crate) fn with(mut answer: Answer, name: HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}

/// Adds a challenge (RFC 9110 section 11.6.1).
pub(crate) fn challenged(answer: Answer, challenge: &'static str) -> Answer {
    with(answer, WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// Marks an answer that carries a token (RFC 6749 section 5.1); `no-store` is on every answer anyway.
pub(crate) fn secret(app: &App, answer: Answer) -> Answer {
    use axum::http::header::{CACHE_CONTROL, PRAGMA};
    if app.faults.has(Fault::CacheableToken) {
        let public = HeaderValue::from_static("public, max-age=600");
        return with(answer, CACHE_CONTROL, public);
    }
    with(answer, PRAGMA, HeaderValue::from_static("no-cache"))
}

/// Says when to come back after a 429 (RFC 6585 section 4).
pub(crate) fn retry_later(answer: Answer) -> Answer {
    use axum::http::header::RETRY_AFTER;
    let seconds = HeaderValue::from_static(crate::throttle::RETRY_AFTER);
    with(answer, RETRY_AFTER, seconds)
}

/// Lists the methods that a path has, where the router's own list would be wrong (RFC 9110 section 10.2.1).
pub(crate) fn allow(answer: Answer, methods: &'static str) -> Answer {
    with(answer, ALLOW, HeaderValue::from_static(methods))
}

/// A string as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorization_values_fall_into_their_classes() {
        use Credentials::{Empty, Malformed, OtherScheme, Token};
        let cases: &[(&[u8], Credentials<'_>)] = &[
            (b"Bearer abc", Token("abc".into())),
            (b"bearer abc", Token("abc".into())),
            (b"BEARER   a.b-c_d~e+f/g==", Token("a.b-c_d~e+f/g==".into())),
            (b"Bearer abc  ", Token("abc".into())),
            (b"Bearer", Empty),
            (b"Bearer ", Empty),
            (b"Bearer a b", Malformed),
            (b"Bearer a,b", Malformed),
            (b"Bearer =", Malformed),
            (b"Bearer a=b", Malformed),
            (b"Bearer \xff", Malformed),
            (b"Bearer\tabc", OtherScheme("Bearer\tabc".into())),
            (b"Bearer,abc", OtherScheme("Bearer,abc".into())),
            (b"Basic abc", OtherScheme("Basic".into())),
            (b"", OtherScheme("".into())),
        ];
        for (value, expected) in cases {
            let value = HeaderValue::from_bytes(value).unwrap();
            assert_eq!(parse_credentials(&value, "Bearer", true), *expected, "{value:?}");
        }
        let lower = HeaderValue::from_static("bearer abc");
        assert_eq!(parse_credentials(&lower, "Bearer", false), OtherScheme("bearer".into()));
    }

    #[test]
    fn forms_are_decoded_as_the_url_standard_says_and_refuse_bad_utf8() {
        let form = Form::parse("a=1+2%2B3&b=%26%3D%c3%b6&c&=d&e=%zz%4&a=x".as_bytes()).unwrap();
        assert_eq!(form.field("b"), Field::One("&=ö"));
        assert_eq!(form.field("a"), Field::Repeated("x"));
        assert_eq!(form.field("c"), Field::One(""));
        assert_eq!(form.field(""), Field::One("d"));
        assert_eq!(form.field("e"), Field::One("%zz%4"));
        assert_eq!(form.field("f"), Field::Absent);
        for bad in ["a=%ff", "%ED%A0%80=1", "a=%c0%af"] {
            assert!(Form::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Form::parse("a&".repeat(257).as_bytes()).is_none());
    }
}
