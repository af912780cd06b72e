//! The connection to a master: ZeroMQ (ZMTP 3) over TCP.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;
use zeromq::{
    DealerSocket, Socket as _, SocketEvent, SocketOptions, SocketRecv as _, SocketSend as _,
    ZmqMessage, util::PeerIdentity,
};

/// A way to a master and back.
pub trait Link {
    /// Connects, or connects anew.
    fn connect(&mut self) -> impl Future<Output = Result<(), LinkError>>;

    /// Sends a message.
    fn send(&mut self, message: Vec<u8>) -> impl Future<Output = Result<(), LinkError>>;

    /// The next message. Nothing is lost when it is not waited for.
    fn receive(&mut self) -> impl Future<Output = Result<Vec<u8>, LinkError>>;
}

/// The connection is not there, or not any more.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct LinkError(pub String);

/// How long connecting and greeting may take.
const GREETING: Duration = Duration::from_secs(5);

/// A DEALER socket.
pub struct ZeroMq {
    address: String,
    identity: String,
    socket: Option<(DealerSocket, Events)>,
}

type Events = futures_util::stream::BoxStream<'static, SocketEvent>;

impl std::fmt::Debug for ZeroMq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZeroMq").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ZeroMq {
    /// To the master at `HOST:PORT`, for the worker of this name.
    pub fn new(address: &str, identity: &str) -> Self {
        Self { address: address.to_owned(), identity: identity.to_owned(), socket: None }
    }
}

fn wrong(error: impl std::fmt::Display) -> LinkError {
    LinkError(error.to_string())
}

impl Link for ZeroMq {
    async fn connect(&mut self) -> Result<(), LinkError> {
        self.socket = None;
        let mut options = SocketOptions::default();
        options.peer_identity(PeerIdentity::try_from(self.identity.as_bytes()).map_err(wrong)?);
        let mut socket = DealerSocket::with_options(options);
        let events = socket.monitor().boxed();
        let endpoint = format!("tcp://{}", self.address);
        match timeout(GREETING, socket.connect(&endpoint)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(wrong(error)),
            Err(_) => return Err(LinkError(format!("nobody greets there within {GREETING:?}"))),
        }
        self.socket = Some((socket, events));
        Ok(())
    }

    async fn send(&mut self, message: Vec<u8>) -> Result<(), LinkError> {
        let Some((socket, _)) = &mut self.socket else {
            return Err(LinkError("not connected".to_owned()));
        };
        socket.send(ZmqMessage::from(message)).await.map_err(wrong)
    }

    async fn receive(&mut self) -> Result<Vec<u8>, LinkError> {
        let Some((socket, events)) = &mut self.socket else {
            return Err(LinkError("not connected".to_owned()));
        };
        loop {
            tokio::select! {
                message = socket.recv() => {
                    let message = message.map_err(wrong)?;
                    return Ok(message.into_vec().pop().map(|frame| frame.to_vec()).unwrap_or_default());
                }
                event = events.next() => {
                    if matches!(event, Some(SocketEvent::Disconnected(_) | SocketEvent::Closed) | None) {
                        self.socket = None;
                        return Err(LinkError("the connection was closed".to_owned()));
                    }
                }
            }
        }
    }
}
