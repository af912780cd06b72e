//! The wires: everything that this crate puts on a network goes through here.
//!
//! There are three. The ordinary wire is a common HTTP client, for requests that such a client can
//! send unaltered. The raw wire writes the bytes of a request as they stand and reads the answer by
//! RFC 9112; it carries what no common client would send, named connections, and pairs of requests
//! that race. The socket wire is a WebSocket (RFC 6455) on top of the raw one.
//!
//! What goes wrong on the way is an answer like any other: a [`WireError`] as data, never a panic.
//! Nothing is judged here, nothing is sent twice, no redirect is followed, no proxy is asked.

mod address;
mod answer;
mod connection;
mod encode;
mod lane;
mod listener;
mod ordinary;
mod race;
mod socket;
mod tls;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::time::timeout;

use crate::model::{Reply, Request, Response, Timing, WireError};

use connection::{Connection, Way};
use ordinary::{Crossing, Ordinary};
use transport::Target;

pub use address::Origin;
pub use answer::read_whole_answer;
pub use lane::{Heard, Lane, LaneAnswers};
pub use listener::Listener;
pub use socket::{Message, Opening, Socket, accept_of};
pub use tls::TlsRoots;
pub use transport::{ClientIdentity, Transport};

/// What all exchanges of a run have in common.
#[derive(Clone, Debug)]
pub struct WireSettings {
    /// How long one exchange may take, from the first attempt to connect to the last byte read.
    pub deadline: Duration,
    /// The largest content of an answer, and the largest WebSocket message, in bytes.
    pub max_answer_bytes: usize,
    /// Whom to trust when the target speaks TLS.
    pub roots: TlsRoots,
    /// The moment that every [`Timing`] counts from.
    pub started: Instant,
}

/// All wires to all targets of a run, with the connections that they keep open.
pub struct Wires {
    settings: WireSettings,
    tls: Arc<ClientConfig>,
    ordinary: Ordinary,
    target: Option<Target>,
    named: Mutex<HashMap<(String, String), Slot>>,
}

/// A named connection: locked while an exchange uses it, empty while there is none.
type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

impl Wires {
    /// Prepares the wires; nothing is sent yet.
    ///
    /// # Errors
    /// When the trusted certificates cannot be read, or there are none.
    pub fn new(settings: WireSettings) -> Result<Self, WireError> {
        Self::with(settings, &Transport::default())
    }

    /// The same for a target that is reached in a way of its own.
    ///
    /// # Errors
    /// Those of [`Self::new`], and when the client certificate and its key cannot be used together.
    pub fn with(settings: WireSettings, transport: &Transport) -> Result<Self, WireError> {
        let tls = tls::client_config(&settings.roots, transport.identity.as_ref())?;
        let ordinary = Ordinary::new(&settings, tls.clone(), &Way::Tcp, false)?;
        let target = Target::new(&settings, transport, &tls)?;
        Ok(Self { settings, tls: Arc::new(tls), ordinary, target, named: Mutex::default() })
    }

    /// Sends one request and reads its answer. Never fails: what went wrong is the reply.
    ///
    /// A request goes over the ordinary wire unless it asks for the raw one, names a connection,
    /// gives its bytes verbatim, or has a target or framing fields that a common client would
    /// change; those go over the raw wire, so that every request arrives as it stands. The ordinary
    /// wire writes field names in lower case and adds `Accept: */*` when there is no `Accept`; both
    /// mean the same to a server (RFC 9110 sections 5.1 and 12.5.1).
    ///
    /// `sent` is the moment before the first byte left; on the ordinary wire, whose connections
    /// are its own, the moment before the request was handed over.
    ///
    /// A request that crosses with the end of an old connection is sent once more, on one of its own.
    pub async fn send(&self, request: &Request) -> (Reply, Timing) {
        self.send_as(request, Crossing::AsksAgain).await
    }

    /// The same for what must not happen twice, such as the press of a button: nothing is ever sent once more.
    pub async fn send_once(&self, request: &Request) -> (Reply, Timing) {
        self.send_as(request, Crossing::Ends).await
    }

    async fn send_as(&self, request: &Request, crossing: Crossing) -> (Reply, Timing) {
        let mut progress = Progress { sent: self.elapsed(), connecting: false };
        let reply = timeout(self.settings.deadline, async {
            if self.carries(request) {
                self.send_ordinary(request, crossing).await
            } else {
                self.send_raw(request, &mut progress).await
            }
        })
        .await;
        let reply = reply.unwrap_or_else(|_| Err(self.too_late(request, progress.connecting)));
        (reply, Timing { sent: progress.sent, done: self.elapsed() })
    }

    /// Closes the named connections that nobody uses: the next request over one begins it anew.
    pub fn hang_up(&self) {
        // A panic elsewhere cannot leave a map of handles half changed.
        self.named.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn carries(&self, request: &Request) -> bool {
        // HTTP/2 names the host in `:authority`; another one beside it is for the raw wire.
        let http2 = self.target.as_ref().is_some_and(|target| target.speaks_http2_to(request));
        ordinary::carries(request) && !(http2 && encode::has(request, "host"))
    }

    async fn send_ordinary(&self, request: &Request, crossing: Crossing) -> Reply {
        if let Some(target) = &self.target
            && let Some(reply) = target.send(request, crossing).await
        {
            return reply;
        }
        self.ordinary.send(request, crossing).await
    }

    async fn send_raw(&self, request: &Request, progress: &mut Progress) -> Reply {
        let origin = Origin::parse(&request.base)?;
        let bytes = encode::encode(request, &origin);
        let method = encode::method(request);
        let limit = self.settings.max_answer_bytes;
        let slot = request.connection.as_deref().map(|name| self.slot(&request.base, name));
        let mut slot = match &slot {
            Some(slot) => Some(slot.lock().await),
            None => None,
        };
        // The connection leaves its slot, so that an exchange that is cut off by the deadline takes
        // the connection with it: nobody could tell whose answer comes next.
        let mut kept = slot.as_mut().and_then(|slot| slot.take());
        let open = match &mut kept {
            Some(kept) => kept.is_open().await,
            None => false,
        };
        let mut connection = match kept {
            Some(kept) if open => kept,
            _ => {
                progress.connecting = true;
                let fresh = self.connect(&origin).await?;
                progress.connecting = false;
                fresh
            }
        };
        progress.sent = self.elapsed();
        let answer = connection.exchange(&bytes, &method, limit).await?;
        if let Some(slot) = &mut slot
            && answer.reusable
        {
            **slot = Some(connection);
        }
        Ok(answer.response)
    }

    fn slot(&self, base: &str, name: &str) -> Slot {
        // A panic elsewhere cannot leave a map of handles half changed.
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(named.entry((base.to_owned(), name.to_owned())).or_default())
    }

    fn too_late(&self, request: &Request, connecting: bool) -> WireError {
        let deadline = self.settings.deadline;
        if connecting {
            WireError::Connect(format!(
                "{} did not take a connection in {deadline:?}",
                request.base
            ))
        } else {
            WireError::Deadline(deadline)
        }
    }

    fn elapsed(&self) -> Duration {
        self.settings.started.elapsed()
    }
}

/// The bytes that the raw wire would write for a request, for a job that writes them itself.
///
/// # Errors
/// When the base address is none.
pub fn encoded(request: &Request) -> Result<Vec<u8>, WireError> {
    let origin = Origin::parse(&request.base)?;
    Ok(encode::encode(request, &origin).into_owned())
}

/// The TLS settings of the wires, for a job that has connections of its own. Only HTTP/1.1 is offered.
///
/// # Errors
/// When the file of trusted certificates cannot be read, or holds none, and when the client certificate and its key cannot
/// be used together.
pub fn tls_settings(
    roots: &TlsRoots,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, WireError> {
    tls::client_config(roots, identity)
}

impl fmt::Debug for Wires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wires").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How far an exchange has come, for the case that the deadline cuts it off.
struct Progress {
    sent: Duration,
    connecting: bool,
}

/// An answer with what it says about its connection.
struct Answer {
    response: Response,
    /// Whether the connection can carry another exchange (RFC 9112 section 9.3).
    reusable: bool,
}

#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
