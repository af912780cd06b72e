//! One connection, over TCP or a Unix socket, with TLS or without, and what has been read from it beyond the last answer.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::model::WireError;

use super::address::Origin;
use super::answer::read_answer;
use super::{Answer, tls};

/// Bytes in both directions: TCP, TLS on TCP, or a pipe in a test.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

pub(super) type Stream = Box<dyn Duplex>;

/// How bytes get to a server.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By the address of the origin.
    Tcp,
    /// Through this socket, whatever the address.
    Unix(PathBuf),
}

/// A connection that requests can be written to.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// Bytes that came after the last answer. They stand at the beginning of the next one: a server
    /// that sends two answers to one request is out of step, and the next exchange shows it.
    pub(super) received: Vec<u8>,
}

impl Connection {
    pub(super) const fn over(stream: Stream) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Connects, and shakes hands when the scheme is `https`.
    pub(super) async fn establish(
        origin: &Origin,
        way: &Way,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, WireError> {
        let stream = match way {
            Way::Tcp => tcp(origin).await?,
            Way::Unix(path) => unix(path).await?,
        };
        if !origin.secure {
            return Ok(Self::over(stream));
        }
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|error| no_connection(origin, &error))?;
        let tls = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        let tls = tls.map_err(|error| no_connection(origin, &tls::explain(&error)))?;
        Ok(Self::over(Box::new(tls)))
    }

    /// Whether the server has left the connection open since the last exchange.
    pub(super) async fn is_open(&mut self) -> bool {
        // A turn of the runtime lets it notice an end that has already arrived.
        tokio::task::yield_now().await;
        let mut bytes = [0; 1024];
        let mut unread = ReadBuf::new(&mut bytes);
        let read = poll_fn(|context| {
            Poll::Ready(Pin::new(&mut self.stream).poll_read(context, &mut unread))
        });
        let open = match read.await {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => !unread.filled().is_empty(),
            Poll::Ready(Err(_)) => false,
        };
        self.received.extend_from_slice(unread.filled());
        open
    }

    /// Writes a request and reads its answer at the same time: a server may answer, and close,
    /// before it has read everything (RFC 9112 section 9.5).
    pub(super) async fn exchange(
        &mut self,
        request: &[u8],
        method: &str,
        limit: usize,
    ) -> Result<Answer, WireError> {
        let (mut input, mut output) = tokio::io::split(&mut self.stream);
        let write = async {
            output.write_all(request).await?;
            output.flush().await
        };
        let read = read_answer(&mut input, &mut self.received, method, limit);
        tokio::pin!(write, read);
        let mut written: Option<io::Result<()>> = None;
        loop {
            tokio::select! {
                biased;
                outcome = &mut write, if written.is_none() => written = Some(outcome),
                answer = &mut read => {
                    let mut answer = answer?;
                    answer.reusable &= matches!(written, Some(Ok(())));
                    return Ok(answer);
                }
            }
        }
    }
}

async fn tcp(origin: &Origin) -> Result<Stream, WireError> {
    let tcp = TcpStream::connect((&*origin.host, origin.port))
        .await
        .map_err(|error| no_connection(origin, &error))?;
    // Each write leaves at once; the last byte of a race must not wait for an acknowledgement.
    tcp.set_nodelay(true).map_err(|error| no_connection(origin, &error))?;
    Ok(Box::new(tcp))
}

#[cfg(unix)]
async fn unix(path: &Path) -> Result<Stream, WireError> {
    let stream = tokio::net::UnixStream::connect(path).await;
    let stream = stream.map_err(|error| WireError::Connect(format!("{}: {error}", path.display())));
    Ok(Box::new(stream?))
}

#[cfg(not(unix))]
async fn unix(path: &Path) -> Result<Stream, WireError> {
    let told = format!("{}: this system has no Unix sockets", path.display());
    std::future::ready(Err(WireError::Connect(told))).await
}

fn no_connection(origin: &Origin, error: &dyn fmt::Display) -> WireError {
    WireError::Connect(format!("{}:{}: {error}", origin.host, origin.port))
}
