//! Servers that stand in front of another one: they add TLS, HTTP/2 or a socket, or say in another
//! form what the other one says. What is behind keeps its contract, so nothing in front may be held
//! against it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional, split,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Bytes in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// A listening server on a thread of its own. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Front {
    /// Does the same with each connection to a free port of this address.
    pub(crate) fn at<F, Done>(host: &str, act: F) -> Self
    where
        F: Fn(TcpStream) -> Done + Send + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind((host, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(act(stream));
            }
        });
        Self { address, runtime: Some(runtime) }
    }

    /// Passes everything on.
    pub(crate) fn passing(host: &str, upstream: SocketAddr) -> Self {
        Self::at(host, move |stream| pass(stream, upstream))
    }

    /// Says the answers in another form.
    pub(crate) fn reframing(manner: Manner, upstream: SocketAddr) -> Self {
        Self::at("127.0.0.1", move |stream| reframe(stream, manner, upstream))
    }

    /// Takes TLS off, and passes on what is in it.
    pub(crate) fn with_tls(config: ServerConfig, upstream: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::at("127.0.0.1", move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    pass(stream, upstream).await;
                }
            }
        })
    }

    /// Speaks HTTP/2, and HTTP/1.1 as well if it is told to: by ALPN with TLS, by the first bytes without.
    pub(crate) fn of_http2(tls: Option<ServerConfig>, old: bool, upstream: SocketAddr) -> Self {
        let acceptor = tls.map(|mut config| {
            config.alpn_protocols = vec![b"h2".to_vec()];
            config.alpn_protocols.extend(old.then(|| b"http/1.1".to_vec()));
            TlsAcceptor::from(Arc::new(config))
        });
        Self::at("127.0.0.1", move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Some(acceptor) = acceptor else {
                    let mut first = [0; 3];
                    let preface = stream.peek(&mut first).await.is_ok() && first == *b"PRI";
                    return either(stream, preface || !old, upstream).await;
                };
                if let Ok(stream) = acceptor.accept(stream).await {
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    either(stream, http2, upstream).await;
                }
            }
        })
    }

    /// Listens on a Unix socket, and passes everything on.
    #[cfg(unix)]
    pub(crate) fn on_socket(path: &std::path::Path, upstream: SocketAddr) -> Self {
        let runtime = runtime();
        let listener = {
            let _entered = runtime.enter();
            tokio::net::UnixListener::bind(path).unwrap()
        };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, upstream));
            }
        });
        Self { address: upstream, runtime: Some(runtime) }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn pass(mut client: impl Duplex, upstream: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    server.set_nodelay(true).unwrap();
    // A reset on one side ends both, which is all that there is to pass on.
    drop(copy_bidirectional(&mut client, &mut server).await);
}

async fn either(client: impl Duplex, http2: bool, upstream: SocketAddr) {
    if !http2 {
        return pass(client, upstream).await;
    }
    let service = hyper::service::service_fn(move |request| relay(request, upstream));
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(client), service);
    // Clients go without a word; what matters is what they were told.
    drop(served.await);
}

/// Sends a request of HTTP/2 on in HTTP/1.1.
async fn relay(
    request: hyper::Request<Incoming>,
    upstream: SocketAddr,
) -> Result<hyper::Response<reqwest::Body>, reqwest::Error> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(client_config())
        .build()?;
    let mut sent = client.request(head.method, format!("http://{upstream}{target}"));
    sent = sent.headers(head.headers);
    if let Some(authority) = head.uri.authority() {
        sent = sent.header("host", authority.as_str());
    }
    let answer = sent.body(reqwest::Body::wrap(body)).send().await?;
    Ok(answer.into())
}

/// What a client must have, although nothing here is asked over TLS.
fn client_config() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// How an answer is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// In chunks of odd sizes, with extensions and trailers (RFC 9112 section 7.1).
    Chunked,
    /// With its end as the end of the connection, announced.
    Closing,
    /// With a content coding, though nobody asked (RFC 9110 section 12.5.3).
    Coded,
    /// Byte by byte.
    Crumbs,
    /// After two interim answers (RFC 9110 section 15.2).
    Interim,
    /// In HTTP/1.0, without a length: the end of the connection is the end of the content.
    Old,
    /// With field names in lower case, values without and with much space, and no reason phrase.
    Plain,
    /// After a moment.
    Slow,
}

/// What is known of the request that is being answered.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    head: bool,
    old: bool,
}

impl Asked {
    /// What the bytes of a request say, when they begin with its first line.
    fn read(bytes: &[u8]) -> Option<Self> {
        let line = bytes.split(|byte| *byte == b'\r').next()?;
        let line = std::str::from_utf8(line).ok()?;
        line.contains(" HTTP/1.")
            .then(|| Self { head: line.starts_with("HEAD "), old: line.ends_with("HTTP/1.0") })
    }
}

async fn reframe(client: TcpStream, manner: Manner, upstream: SocketAddr) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let asked = Mutex::new(Asked::default());
    let forth = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            if let Some(read) = Asked::read(&bytes[..read]) {
                *asked.lock().unwrap() = read;
            }
            // What the server does not want is read all the same: a connection that is closed with something unread is
            // reset, and the end of the answer is lost (RFC 9112 section 9.6).
            drop(to_server.write_all(&bytes[..read]).await);
        }
        drop(to_server.shutdown().await);
    };
    let back = async {
        let mut read = Vec::new();
        while let Some(answer) = Spoken::read(&mut from_server, &mut read, &asked).await {
            let (bytes, last) = answer.said(manner, *asked.lock().unwrap());
            if manner == Manner::Slow {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let piece = if manner == Manner::Crumbs { 1 } else { bytes.len().max(1) };
            for piece in bytes.chunks(piece) {
                if to_client.write_all(piece).await.is_err() {
                    return;
                }
            }
            if answer.status == 101 {
                drop(to_client.write_all(&read).await);
                drop(tokio::io::copy(&mut from_server, &mut to_client).await);
                break;
            }
            if last {
                break;
            }
        }
        drop(to_client.shutdown().await);
    };
    tokio::join!(forth, back);
}

/// An answer of the server behind.
struct Spoken {
    status: u16,
    reason: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the connection ends after it.
    last: bool,
}

impl Spoken {
    async fn read(
        from: &mut (impl AsyncRead + Unpin),
        read: &mut Vec<u8>,
        asked: &Mutex<Asked>,
    ) -> Option<Self> {
        let end = loop {
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if from.read_buf(read).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let head: Vec<u8> = read.drain(..end).collect();
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        parsed.parse(&head).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers: Vec<(String, String)> =
            parsed.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect();
        let field = |name: &str| {
            let found = headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let status = parsed.code.unwrap();
        assert!(field("transfer-encoding").is_none(), "the server behind does not chunk");
        let none = asked.lock().unwrap().head || matches!(status, 100..=199 | 204 | 304);
        let length =
            if none { Some(0) } else { field("content-length").map(|v| v.parse().unwrap()) };
        while length.is_none_or(|length: usize| read.len() < length) {
            if from.read_buf(read).await.unwrap_or(0) == 0 {
                break;
            }
        }
        let body = read.drain(..length.unwrap_or(read.len()).min(read.len())).collect();
        let last = length.is_none() || field("connection").is_some_and(|value| value == "close");
        let reason = parsed.reason.unwrap_or_default().to_owned();
        Some(Self { status, reason, headers: headers.clone(), body, last })
    }

    /// The answer in this manner, and whether the connection ends after it.
    fn said(&self, manner: Manner, asked: Asked) -> (Vec<u8>, bool) {
        let Self { status, reason, headers, body, last } = self;
        if *status < 200 {
            return (spell("HTTP/1.1", *status, reason, headers, ": ", body), false);
        }
        let without = |names: &[&str]| -> Vec<(String, String)> {
            let kept = headers
                .iter()
                .filter(|(name, _)| !names.iter().any(|other| name.eq_ignore_ascii_case(other)));
            kept.cloned().collect()
        };
        let with = |mut headers: Vec<(String, String)>, name: &str, value: &str| {
            headers.push((name.to_owned(), value.to_owned()));
            headers
        };
        let bodiless = asked.head || matches!(status, 204 | 304);
        match manner {
            Manner::Chunked if !bodiless && !asked.old => {
                let headers = with(without(&["content-length"]), "Transfer-Encoding", "chunked");
                let headers = with(headers, "Trailer", "X-Sum");
                (spell("HTTP/1.1", *status, reason, &headers, ": ", &chunks(body)), *last)
            }
            Manner::Closing => {
                let headers = with(without(&["connection"]), "Connection", "close");
                (spell("HTTP/1.1", *status, reason, &headers, ": ", body), true)
            }
            Manner::Coded if !bodiless && !body.is_empty() => {
                let headers = with(headers.clone(), "Content-Encoding", "gzip");
                (spell("HTTP/1.1", *status, reason, &headers, ": ", body), *last)
            }
            Manner::Interim if !asked.old => {
                let hint = [("Link".to_owned(), "</style.css>; rel=preload".to_owned())];
                let mut bytes = spell("HTTP/1.1", 102, "Processing", &[], ": ", b"");
                bytes.extend(spell("HTTP/1.1", 103, "Early Hints", &hint, ": ", b""));
                bytes.extend(spell("HTTP/1.1", *status, reason, headers, ": ", body));
                (bytes, *last)
            }
            Manner::Old => {
                let headers = without(&["connection", "content-length"]);
                (spell("HTTP/1.0", *status, reason, &headers, ": ", body), true)
            }
            Manner::Plain => {
                let plain = |(at, (name, value)): (usize, &(String, String))| {
                    let value = if at % 2 == 0 { value.clone() } else { format!(" \t{value} \t") };
                    (name.to_ascii_lowercase(), value)
                };
                let headers: Vec<_> = headers.iter().enumerate().map(plain).collect();
                (spell("HTTP/1.1", *status, "", &headers, ":", body), *last)
            }
            _ => (spell("HTTP/1.1", *status, reason, headers, ": ", body), *last),
        }
    }
}

fn spell(
    version: &str,
    status: u16,
    reason: &str,
    headers: &[(String, String)],
    between: &str,
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = format!("{version} {status} {reason}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}{between}{value}\r\n").into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// A body in chunks of 1, 2, 3, ... bytes, some with an extension, and a trailer field at the end.
fn chunks(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut rest, mut size) = (body, 1);
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(size.min(rest.len()));
        let extension = if size % 2 == 0 { ";a=\"b\"" } else { "" };
        bytes.extend(format!("{:X}{extension}\r\n", piece.len()).into_bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
        (rest, size) = (more, size + 1);
    }
    bytes.extend(b"0\r\nX-Sum: 1\r\n\r\n");
    bytes
}
