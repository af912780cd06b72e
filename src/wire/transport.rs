//! How the target of a run is reached when that is not TCP and HTTP/1.1: through a Unix socket,
//! with HTTP/2, with a client certificate. Acts and clocks have addresses of their own, and go the
//! common way.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::model::{Reply, Request, WireError};

use super::address::Origin;
use super::connection::{Connection, Way};
use super::encode::encode;
use super::ordinary::{Crossing, Ordinary};
use super::{WireSettings, Wires};

/// How the target itself is reached. The default is TCP, HTTP/1.1, and no client certificate.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// The base addresses of the target. Requests to any other address go over TCP and HTTP/1.1.
    pub bases: Vec<String>,
    /// Whether the ordinary wire speaks HTTP/2 (RFC 9113): negotiated by ALPN under TLS, with prior
    /// knowledge (section 3.3) without. The other wires need HTTP/1.1 in any case.
    pub http2: bool,
    /// What the client shows when a server asks for its certificate, also servers other than the
    /// target.
    pub identity: Option<ClientIdentity>,
    /// A socket that takes the place of TCP. Scheme and `Host` are still those of the base address.
    pub unix_socket: Option<PathBuf>,
}

/// A client certificate with its key.
#[derive(Clone, Eq, PartialEq)]
pub struct ClientIdentity {
    /// The certificate, and those that lead to its authority, as PEM.
    pub certificates: String,
    /// The private key as PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: String,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

/// The target of a run, when it is not reached the common way.
pub(super) struct Target {
    homes: Vec<Home>,
    http2: bool,
    ordinary: Ordinary,
    way: Way,
}

struct Home {
    origin: Origin,
    /// Whether it speaks HTTP/1.1 too; asked when a wire first needs it.
    old: OnceCell<Result<(), WireError>>,
}

impl Target {
    /// The target, or `None` when the common way is right for it.
    pub(super) fn new(
        settings: &WireSettings,
        transport: &Transport,
        tls: &ClientConfig,
    ) -> Result<Option<Self>, WireError> {
        if !transport.http2 && transport.unix_socket.is_none() {
            return Ok(None);
        }
        // A base that is no address is not sent to; whoever tries is told.
        let origins = transport.bases.iter().filter_map(|base| Origin::parse(base).ok());
        let homes = origins.map(|origin| Home { origin, old: OnceCell::new() }).collect();
        let way = transport.unix_socket.clone().map_or(Way::Tcp, Way::Unix);
        let ordinary = Ordinary::new(settings, tls.clone(), &way, transport.http2)?;
        Ok(Some(Self { homes, http2: transport.http2, ordinary, way }))
    }

    /// Sends a request over the ordinary wire, when it is for the target.
    pub(super) async fn send(&self, request: &Request, crossing: Crossing) -> Option<Reply> {
        let origin = Origin::parse(&request.base).ok()?;
        self.home(&origin)?;
        Some(self.ordinary.send(request, crossing).await)
    }

    /// Whether the request is for the target, and the target is spoken to in HTTP/2.
    pub(super) fn speaks_http2_to(&self, request: &Request) -> bool {
        self.http2 && Origin::parse(&request.base).is_ok_and(|origin| self.home(&origin).is_some())
    }

    fn home(&self, origin: &Origin) -> Option<&Home> {
        self.homes.iter().find(|home| home.origin == *origin)
    }
}

impl Wires {
    /// A connection of the raw wire. What is not for the target goes over TCP.
    pub(super) async fn connect(&self, origin: &Origin) -> Result<Connection, WireError> {
        let Some(target) = &self.target else {
            return Connection::establish(origin, &Way::Tcp, &self.tls).await;
        };
        let Some(home) = target.home(origin) else {
            return Connection::establish(origin, &Way::Tcp, &self.tls).await;
        };
        if target.http2 {
            home.old.get_or_init(|| self.ask_for_http1(origin, &target.way)).await.clone()?;
        }
        Connection::establish(origin, &target.way, &self.tls).await
    }

    /// Asks a target of HTTP/2 once for anything in HTTP/1.1: what it does with a request that it
    /// cannot read says nothing about the request.
    async fn ask_for_http1(&self, origin: &Origin, way: &Way) -> Result<(), WireError> {
        let request = Request {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            headers: vec![crate::model::Header::new("Connection", "close")],
            ..Request::default()
        };
        let bytes = encode(&request, origin);
        let asked = async {
            let mut connection = Connection::establish(origin, way, &self.tls).await?;
            connection.exchange(&bytes, "GET", self.settings.max_answer_bytes).await
        };
        let patience: Duration = self.settings.deadline / 2;
        let why = match timeout(patience, asked).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => WireError::Deadline(patience).to_string(),
        };
        Err(WireError::Connect(format!(
            "this needs HTTP/1.1, which {} does not speak beside HTTP/2 ({why})",
            origin.authority
        )))
    }
}
