//! One request with its answer: data, also when the answer never came.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Bytes, Millis};

/// Which of the wires carries a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireKind {
    /// An ordinary HTTP client.
    #[default]
    Http,
    /// Bytes on a TCP or TLS connection, as they stand.
    Raw,
}

/// A header field as it was sent or received; values are bytes (RFC 9110 section 5.5).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Header {
    /// The field name, case kept.
    pub name: String,
    /// The field value without the spaces around it.
    pub value: Bytes,
}

impl Header {
    /// A header from text.
    pub fn new(name: impl Into<String>, value: &str) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A request, ready to be sent.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Request {
    /// Scheme and authority of the target: `http://127.0.0.1:8080`.
    pub base: String,
    /// The method (RFC 9110 section 9).
    pub method: String,
    /// The request target in origin form: path and query.
    pub target: String,
    /// Header fields in sending order. `Host` and `Content-Length` are added by the wire when absent.
    pub headers: Vec<Header>,
    /// The content; empty when there is none.
    pub body: Bytes,
    /// The wire that carries it.
    pub wire: WireKind,
    /// All bytes of the request, when they are given instead of being put together.
    pub verbatim: Option<Bytes>,
    /// The named kept-open connection to use; `None` leaves the choice to the wire.
    pub connection: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Response {
    /// The status code (RFC 9110 section 15).
    pub status: u16,
    /// Header fields in the order received.
    pub headers: Vec<Header>,
    /// The content after any transfer coding was removed.
    pub body: Bytes,
}

impl Response {
    /// All values of a header field, by case-insensitive name (RFC 9110 section 5.1).
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> + 'a {
        self.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).map(|h| &h.value)
    }

    /// The first value of a header field as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.header_values(name).next().map(|value| value.text().into_owned())
    }

    /// The media type without parameters, in lower case (RFC 9110 section 8.3.1).
    pub fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum WireError {
    /// The connection ended before an answer was complete.
    #[error("the connection was closed before an answer was complete ({0})")]
    Closed(String),
    /// No connection could be made.
    #[error("no connection: {0}")]
    Connect(String),
    /// No complete answer within the deadline of the profile.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    /// What came back is no HTTP answer (RFC 9112).
    #[error("the answer is not HTTP: {0}")]
    Nonsense(String),
    /// An answer came, but its content is in a coding that nobody asked for.
    #[error("the content of the answer cannot be read: {0}")]
    Unreadable(String),
    /// The request could not be put on this wire.
    #[error("the request cannot be sent on this wire: {0}")]
    Unsendable(String),
}

/// An answer, or why there is none.
pub type Reply = Result<Response, WireError>;

/// When things happened, measured from the start of the run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Timing {
    /// The moment before the first byte was written.
    pub sent: Duration,
    /// The moment after the last byte was read.
    pub done: Duration,
}

/// One request with its answer and its timing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Exchange {
    /// The operation of the flow that was called.
    pub operation: String,
    /// The environment it was called in, for flows that have several.
    pub environment: Option<String>,
    /// What was sent.
    pub request: Request,
    /// What came back.
    pub reply: Reply,
    /// When, on the harness's clock.
    pub timing: Timing,
    /// What the server's clock showed, where it can be read.
    pub server_now: Option<Millis>,
}
