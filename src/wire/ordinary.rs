//! The ordinary wire: an HTTP client like those that most callers of an API use. It speaks HTTP/1.1,
//! or HTTP/2 when the target is to be asked in that.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{ClientBuilder, Method, Url, redirect, retry};
use rustls::ClientConfig;

use crate::model::{Bytes, Header, Reply, Request, Response, WireError, WireKind};

use super::answer::uncoded;
use super::connection::Way;
use super::encode::has;
use super::{WireSettings, tls};

/// Whether this wire can send a request without altering it.
pub(super) fn carries(request: &Request) -> bool {
    request.wire == WireKind::Http
        && request.connection.is_none()
        && request.verbatim.is_none()
        && request.method != "CONNECT"
        && !OWN_FIELDS.iter().any(|name| has(request, name))
        && keeps_target(&request.base, &request.target)
}

/// Whether the target comes out of a URL as it went in: `/a/../b`, `/ü` and `*` do not.
fn keeps_target(base: &str, target: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    if !target.starts_with('/') || !target.bytes().all(plain) {
        return false;
    }
    // A base that is no URL is not sent anywhere; the raw wire says what is wrong with it.
    let Ok(url) = Url::parse(&format!("{}{target}", base.trim_end_matches('/'))) else {
        return false;
    };
    let out = url
        .query()
        .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    out == target && super::Origin::parse(base).is_ok()
}

/// What becomes of a request that meets the end of its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Crossing {
    /// It is sent once more.
    AsksAgain,
    /// That is what came of it.
    Ends,
}

/// The client with its pool of connections.
pub(super) struct Ordinary {
    client: reqwest::Client,
    /// Without a pool: for a request that may have crossed with the end of an old connection. Made when it is needed,
    /// since most runs never do.
    fresh: OnceLock<reqwest::Client>,
    recipe: Recipe,
    limit: usize,
    /// For messages: the client's own do not name the socket.
    socket: Option<PathBuf>,
}

/// What a client is made from.
struct Recipe {
    tls: ClientConfig,
    way: Way,
    http2: bool,
    connect_timeout: Duration,
}

impl Recipe {
    fn client(&self, idle_connections: usize) -> Result<reqwest::Client, WireError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .http1_max_headers(MAX_FIELDS)
            .tcp_nodelay(true)
            .tls_backend_preconfigured(self.tls.clone())
            .pool_max_idle_per_host(idle_connections)
            // Servers commonly close an idle connection after five seconds; a request that crosses
            // with the close would be reported as unanswered.
            .pool_idle_timeout(Duration::from_secs(2))
            // Earlier than the deadline, so that a host that swallows packets is told from a
            // server that is slow.
            .connect_timeout(self.connect_timeout);
        let client = if self.http2 { client.http2_prior_knowledge() } else { client.http1_only() };
        through(client, &self.way)
            .build()
            .map_err(|error| WireError::Connect(format!("no HTTP client: {}", chain(&error))))
    }
}

impl Ordinary {
    pub(super) fn new(
        settings: &WireSettings,
        mut tls: ClientConfig,
        way: &Way,
        http2: bool,
    ) -> Result<Self, WireError> {
        if http2 {
            tls.alpn_protocols = vec![b"h2".to_vec()];
        }
        let connect_timeout = settings.deadline.mul_f64(0.9);
        let recipe = Recipe { tls, way: way.clone(), http2, connect_timeout };
        let client = recipe.client(usize::MAX)?;
        let fresh = OnceLock::new();
        let socket = match way {
            Way::Tcp => None,
            Way::Unix(path) => Some(path.clone()),
        };
        Ok(Self { client, fresh, recipe, limit: settings.max_answer_bytes, socket })
    }

    /// Sends a request. A server may end a connection whenever it is idle, and does so after an answer for which it did
    /// not read the whole request (RFC 9112 section 9.3): a request that crosses with that end says nothing of how it is
    /// answered. So one that got no head of an answer is sent once more, on a connection of its own.
    pub(super) async fn send(&self, request: &Request, crossing: Crossing) -> Reply {
        let first = self.client.execute(prepare(request)?).await;
        let mut answer = match first.map_err(|error| self.unanswered(&error)) {
            Err(closed @ WireError::Closed(_)) if crossing == Crossing::AsksAgain => {
                let again = self.fresh()?.execute(prepare(request)?).await;
                again.map_err(|_| closed)?
            }
            other => other?,
        };
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: Bytes(value.as_bytes().to_vec()),
        });
        let headers = headers.collect();
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| wire_error(&error))? {
            if piece.len() > self.limit - body.len() {
                let limit = self.limit;
                return Err(WireError::Nonsense(format!("answer larger than {limit} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        uncoded(Response { status, headers, body: body.into() })
    }

    fn fresh(&self) -> Result<&reqwest::Client, WireError> {
        if let Some(client) = self.fresh.get() {
            return Ok(client);
        }
        let made = self.recipe.client(0)?;
        Ok(self.fresh.get_or_init(|| made))
    }

    fn unanswered(&self, error: &reqwest::Error) -> WireError {
        match (wire_error(error), &self.socket) {
            (WireError::Connect(told), Some(path)) => {
                WireError::Connect(format!("{}: {told}", path.display()))
            }
            (error, _) => error,
        }
    }
}

#[cfg(unix)]
fn through(client: ClientBuilder, way: &Way) -> ClientBuilder {
    match way {
        Way::Tcp => client,
        Way::Unix(path) => client.unix_socket(&**path),
    }
}

/// Without Unix sockets the raw wire says that there are none; nothing may go by TCP instead.
#[cfg(not(unix))]
fn through(client: ClientBuilder, _: &Way) -> ClientBuilder {
    client
}

fn prepare(request: &Request) -> Result<reqwest::Request, WireError> {
    let unsendable = |what: &str, shown: &dyn std::fmt::Display| {
        WireError::Unsendable(format!(
            "{what} `{shown}` is not allowed in HTTP; `wire: raw` sends it"
        ))
    };
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| unsendable("the method", &request.method))?;
    let url = Url::parse(&format!("{}{}", request.base.trim_end_matches('/'), request.target))
        .map_err(|_| unsendable("the target", &request.target))?;
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for header in &request.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| unsendable("the field name", &header.name.escape_debug()))?;
        let value = HeaderValue::from_bytes(&header.value.0).map_err(|_| {
            WireError::Unsendable(format!(
                "the value of `{name}` holds a control byte, which HTTP does not allow; `wire: raw` sends it"
            ))
        })?;
        headers.try_append(name, value).map_err(|_| {
            WireError::Unsendable("it has more than 32,768 header fields".to_owned())
        })?;
    }
    let content = &request.body.0;
    if content.is_empty() && matches!(&*request.method, "POST" | "PUT" | "PATCH") {
        // The client leaves the length out then, and some servers ask for it with 411.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut prepared = reqwest::Request::new(method, url);
    *prepared.headers_mut() = headers;
    if !content.is_empty() {
        *prepared.body_mut() = Some(content.clone().into());
    }
    Ok(prepared)
}

/// What a failure of the client means. The client has no words for the difference between an end
/// and nonsense, so the causes are asked: those of the operating system, else the parser's message.
fn wire_error(error: &reqwest::Error) -> WireError {
    let told = chain(error);
    let shaken = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    if error.is_connect() {
        return WireError::Connect(shaken.map_or(told, tls::explain));
    }
    if let Some(refusal) = shaken.and_then(tls::refusal) {
        return WireError::Connect(refusal);
    }
    let unasked = causes(error).any(|cause| cause.to_string() == UNASKED);
    let ended = !unasked
        && causes(error).any(|cause| match cause.downcast_ref::<io::Error>() {
            Some(error) => !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
            ),
            None => {
                let told = cause.to_string();
                ENDS.contains(&&*told) || ENDS_OF_HTTP2.iter().any(|end| told.starts_with(end))
            }
        });
    if ended { WireError::Closed(told) } else { WireError::Nonsense(told) }
}

/// The message of the innermost causes; the outer ones only say that sending failed, and where to.
fn chain(error: &reqwest::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in causes(error) {
        let message = cause.to_string();
        if !OUTER.contains(&&*message) && told.last() != Some(&message) {
            told.push(message);
        }
    }
    if told.is_empty() { error.to_string() } else { told.join(": ") }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// What the client says when a connection ends, where there is no error of the operating system.
const ENDS: &[&str] =
    &["channel closed", "connection closed before message completed", "operation was canceled"];
/// The same for HTTP/2: the server has reset the stream, or said that it goes away.
const ENDS_OF_HTTP2: &[&str] = &["stream error received", "connection error received"];
/// What it says of bytes that come before it has asked for anything.
const UNASKED: &str = "received unexpected message from connection";
const OUTER: &[&str] =
    &["client error (Canceled)", "client error (Connect)", "client error (SendRequest)"];
/// Fields by which the client frames a message itself (RFC 9112 sections 6 and 9).
const OWN_FIELDS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const MAX_FIELDS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_a_url_would_change_is_not_carried() {
        for (target, kept) in [
            ("/", true),
            ("/v1/get/?a=b&c=%2f", true),
            ("/a?", true),
            ("//x", true),
            ("/a//b;c=d", true),
            ("/%2F%zz", true),
            ("", false),
            ("*", false),
            ("a", false),
            ("?a", false),
            ("http://other/", false),
            ("/a/../b", false),
            ("/./a", false),
            ("/%2e%2e/a", false),
            ("/ü", false),
            ("/a b", false),
            ("/a#b", false),
            ("/a\\b", false),
            ("/?a='b'", false),
            ("/?\"", false),
            ("/a\0", false),
            ("/a\r\nB: c", false),
        ] {
            assert_eq!(keeps_target("http://127.0.0.1:8080", target), kept, "{target:?}");
        }
    }

    #[test]
    fn a_request_that_asks_for_its_own_framing_is_not_carried() {
        let plain = Request {
            base: "http://127.0.0.1:8080".to_owned(),
            method: "GET".to_owned(),
            target: "/".to_owned(),
            headers: vec![Header::new("Host", "other"), Header::new("Authorization", "Bearer x")],
            ..Request::default()
        };
        assert!(carries(&plain));
        for name in ["Content-Length", "TRANSFER-ENCODING", "connection", "Expect"] {
            let mut framed = plain.clone();
            framed.headers.push(Header::new(name, "x"));
            assert!(!carries(&framed), "{name}");
        }
        assert!(!carries(&Request { wire: WireKind::Raw, ..plain.clone() }));
        assert!(!carries(&Request { verbatim: Some("x".into()), ..plain.clone() }));
        assert!(!carries(&Request { connection: Some("a".to_owned()), ..plain.clone() }));
        assert!(!carries(&Request { method: "CONNECT".to_owned(), ..plain }));
    }
}
