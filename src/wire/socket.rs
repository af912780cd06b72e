//! WebSockets (RFC 6455) with the handshake of our own.
//!
//! The handshake goes over the raw wire, so that a request's fields leave as they stand, also wrong
//! ones, and a refusal comes back whole. Frames are read and written by tungstenite.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as Wire};

use crate::model::{Bytes, Header, Request, Response, SocketEvent, WireError};

use super::address::Origin;
use super::answer::closed;
use super::connection::{Connection, Stream};
use super::encode::{encode, has};
use super::{Answer, Wires};

/// What came of a handshake.
#[derive(Debug)]
pub enum Opening {
    /// No answer came, or one that RFC 6455 section 4.1 does not allow.
    Failed(WireError),
    /// The server switched protocols.
    Opened(Response, Socket),
    /// The server answered, but not with 101.
    Refused(Response),
}

/// A message to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// One binary frame.
    Binary(Vec<u8>),
    /// One text message in several frames (RFC 6455 section 5.4).
    Fragments(Vec<String>),
    /// One text frame.
    Text(String),
    /// One text frame without a mask, against RFC 6455 section 5.1.
    Unmasked(String),
}

/// An open WebSocket.
pub struct Socket {
    stream: Box<WebSocketStream<Stream>>,
    /// Messages that came while a pong was awaited.
    early: VecDeque<SocketEvent>,
    early_bytes: usize,
    /// How the connection ended; told again to whoever asks.
    end: Option<SocketEvent>,
    deadline: Duration,
    limit: usize,
}

/// What a key is answered with (RFC 6455 section 4.2.2).
pub fn accept_of(key: &str) -> String {
    derive_accept_key(key.as_bytes())
}

impl Wires {
    /// Opens a WebSocket with the request's target and fields. The fields that a handshake needs
    /// (RFC 6455 section 4.1) are added where the request does not give them itself.
    pub async fn open(&self, request: &Request) -> Opening {
        let mut connecting = true;
        let opening = timeout(self.settings.deadline, self.shake_hands(request, &mut connecting));
        match opening.await {
            Ok(Ok(opening)) => opening,
            Ok(Err(error)) => Opening::Failed(error),
            Err(_) => Opening::Failed(self.too_late(request, connecting)),
        }
    }

    async fn shake_hands(
        &self,
        request: &Request,
        connecting: &mut bool,
    ) -> Result<Opening, WireError> {
        let origin = Origin::parse(&request.base)?;
        let request = handshake(request);
        let bytes = encode(&request, &origin);
        let mut connection = self.connect(&origin).await?;
        *connecting = false;
        let limit = self.settings.max_answer_bytes;
        let Answer { response, .. } = connection.exchange(&bytes, "GET", limit).await?;
        if response.status != 101 {
            return Ok(Opening::Refused(response));
        }
        verify(&request, &response).map_err(WireError::Nonsense)?;
        let socket = Socket::over(connection, self.settings.deadline, limit).await;
        Ok(Opening::Opened(response, socket))
    }
}

impl Socket {
    async fn over(connection: Connection, deadline: Duration, limit: usize) -> Self {
        let config =
            WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit));
        let Connection { stream, received } = connection;
        let stream =
            WebSocketStream::from_partially_read(stream, received, Role::Client, Some(config));
        Self {
            stream: Box::new(stream.await),
            early: VecDeque::new(),
            early_bytes: 0,
            end: None,
            deadline,
            limit,
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the connection has ended, or takes nothing more within the deadline.
    pub async fn transmit(&mut self, message: Message) -> Result<(), WireError> {
        match message {
            Message::Binary(payload) => self.put(Wire::binary(payload)).await,
            Message::Text(text) => self.put(Wire::text(text)).await,
            Message::Unmasked(text) => self.put_unmasked(&text).await,
            Message::Fragments(parts) => {
                let Some(last) = parts.len().checked_sub(1) else {
                    let told = "a message in fragments needs one fragment at least";
                    return Err(WireError::Unsendable(told.to_owned()));
                };
                for (place, part) in parts.into_iter().enumerate() {
                    let data = if place == 0 { Data::Text } else { Data::Continue };
                    let frame = Frame::message(part, OpCode::Data(data), place == last);
                    self.put(Wire::Frame(frame)).await?;
                }
                Ok(())
            }
        }
    }

    /// Sends a ping and waits for the pong with the same payload. Messages that come before it are
    /// kept for [`Self::receive`]; the end of the connection, or silence, is returned instead.
    pub async fn ping(&mut self, payload: &str, within: Duration) -> SocketEvent {
        if payload.len() > MAX_CONTROL {
            let told = format!("a ping holds {MAX_CONTROL} bytes at most (RFC 6455 section 5.5)");
            return SocketEvent::Failed(WireError::Unsendable(told));
        }
        if let Err(error) = self.put(Wire::Ping(payload.to_owned().into())).await {
            return self.end.clone().unwrap_or(SocketEvent::Failed(error));
        }
        let until = Instant::now() + within;
        loop {
            match self.next(until).await {
                SocketEvent::Pong(echo) if echo.0 != payload.as_bytes() => {}
                SocketEvent::Message { text, payload } => {
                    self.early_bytes += payload.0.len() + MESSAGE_COST;
                    if self.early_bytes > self.limit.max(MESSAGE_COST) {
                        let limit = self.limit;
                        return SocketEvent::Failed(WireError::Nonsense(format!(
                            "messages of more than {limit} bytes came instead of a pong"
                        )));
                    }
                    self.early.push_back(SocketEvent::Message { text, payload });
                }
                event => return event,
            }
        }
    }

    /// Waits for the next message or the end of the connection. Pings are answered and passed
    /// over, like pongs that nobody waits for.
    pub async fn receive(&mut self, within: Duration) -> SocketEvent {
        if let Some(event) = self.early.pop_front() {
            if let SocketEvent::Message { payload, .. } = &event {
                self.early_bytes -= payload.0.len() + MESSAGE_COST;
            }
            return event;
        }
        let until = Instant::now() + within;
        loop {
            match self.next(until).await {
                SocketEvent::Pong(_) => {}
                event => return event,
            }
        }
    }

    /// Sends a close frame and waits for the server's; what comes before it is dropped.
    pub async fn close(&mut self, code: u16) -> SocketEvent {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        if let Err(error) = self.put(Wire::Close(Some(frame))).await {
            return self.end.clone().unwrap_or(SocketEvent::Failed(error));
        }
        let until = Instant::now() + self.deadline;
        loop {
            match self.next(until).await {
                SocketEvent::Pong(_) | SocketEvent::Message { .. } => {}
                event => return event,
            }
        }
    }

    async fn put(&mut self, frame: Wire) -> Result<(), WireError> {
        if self.end.is_some() {
            return Err(WireError::Closed("the WebSocket has ended before".to_owned()));
        }
        match timeout(self.deadline, self.stream.send(frame)).await {
            Ok(sent) => sent.map_err(wire_error),
            Err(_) => Err(WireError::Deadline(self.deadline)),
        }
    }

    /// Writes a frame beside the protocol's implementation, which masks whatever it writes.
    async fn put_unmasked(&mut self, text: &str) -> Result<(), WireError> {
        if text.len() > MAX_CONTROL {
            let told = format!("an unmasked message holds {MAX_CONTROL} bytes at most here");
            return Err(WireError::Unsendable(told));
        }
        // 0x81: the last and only frame of a text message; then the length, with the mask bit unset.
        let mut frame = vec![0x81, u8::try_from(text.len()).unwrap_or_default()];
        frame.extend_from_slice(text.as_bytes());
        let stream = self.stream.get_mut();
        let written = async {
            stream.write_all(&frame).await?;
            stream.flush().await
        };
        match timeout(self.deadline, written).await {
            Ok(written) => written.map_err(|error| closed(&error)),
            Err(_) => Err(WireError::Deadline(self.deadline)),
        }
    }

    /// The next event: a message, a pong, silence, or the end.
    async fn next(&mut self, until: Instant) -> SocketEvent {
        if let Some(end) = &self.end {
            return end.clone();
        }
        let end = loop {
            match timeout_at(until, self.stream.next()).await {
                Err(_) => return SocketEvent::Silent,
                Ok(None) => break ended(None, ""),
                Ok(Some(Err(error))) => {
                    break match wire_error(error) {
                        WireError::Closed(_) => ended(None, ""),
                        error => SocketEvent::Failed(error),
                    };
                }
                Ok(Some(Ok(Wire::Text(text)))) => return message(true, text.as_bytes()),
                Ok(Some(Ok(Wire::Binary(payload)))) => return message(false, &payload),
                Ok(Some(Ok(Wire::Pong(payload)))) => {
                    return SocketEvent::Pong(Bytes(payload.to_vec()));
                }
                Ok(Some(Ok(Wire::Ping(_) | Wire::Frame(_)))) => {}
                Ok(Some(Ok(Wire::Close(frame)))) => {
                    // The answer to the close frame; if it cannot leave, the end is the same.
                    let _ = timeout(self.deadline, self.stream.flush()).await;
                    break match frame {
                        Some(frame) => ended(Some(frame.code.into()), &frame.reason),
                        None => ended(None, ""),
                    };
                }
            }
        };
        self.end = Some(end.clone());
        end
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("end", &self.end).finish_non_exhaustive()
    }
}

/// The request with the fields of a handshake before its own.
fn handshake(request: &Request) -> Request {
    let key = generate_key();
    let needed = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", &*key),
        ("Sec-WebSocket-Version", "13"),
    ];
    let mut headers: Vec<Header> = needed
        .into_iter()
        .filter(|(name, _)| !has(request, name))
        .map(|(name, value)| Header::new(name, value))
        .collect();
    headers.extend(request.headers.iter().cloned());
    let method = if request.method.is_empty() { "GET" } else { &request.method };
    Request { method: method.to_owned(), headers, verbatim: None, ..request.clone() }
}

/// What a client must look at before it takes a connection for a WebSocket (RFC 6455 section 4.1).
fn verify(request: &Request, response: &Response) -> Result<(), String> {
    let sent =
        |name: &str| request.headers.iter().rfind(|header| header.name.eq_ignore_ascii_case(name));
    let key = sent("Sec-WebSocket-Key").map(|header| header.value.text().into_owned());
    let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
    let has_token = |name: &str, token: &str| {
        response.header_values(name).any(|value| {
            value.text().split(',').any(|member| member.trim().eq_ignore_ascii_case(token))
        })
    };
    if !has_token("upgrade", "websocket") || !has_token("connection", "upgrade") {
        return Err("status 101 without `Upgrade: websocket` and `Connection: Upgrade`".to_owned());
    }
    if response.header("sec-websocket-accept").as_deref() != Some(&accept) {
        return Err("`Sec-WebSocket-Accept` does not belong to the key that was sent".to_owned());
    }
    for name in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
        if response.header(name).is_some() && sent(name).is_none() {
            return Err(format!("the server chose a `{name}` that nobody offered"));
        }
    }
    Ok(())
}

fn message(text: bool, payload: &[u8]) -> SocketEvent {
    SocketEvent::Message { text, payload: Bytes(payload.to_vec()) }
}

fn ended(code: Option<u16>, reason: &str) -> SocketEvent {
    SocketEvent::Closed { code, reason: reason.to_owned() }
}

fn wire_error(error: SocketError) -> WireError {
    match error {
        SocketError::AlreadyClosed
        | SocketError::ConnectionClosed
        | SocketError::Io(_)
        | SocketError::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing,
        ) => WireError::Closed(error.to_string()),
        SocketError::Capacity(_) | SocketError::WriteBufferFull(_) => {
            WireError::Nonsense(format!("a WebSocket message is too large: {error}"))
        }
        _ => WireError::Nonsense(error.to_string()),
    }
}

/// The largest payload of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL: usize = 125;
/// What a kept message costs beside its payload.
const MESSAGE_COST: usize = 64;

#[cfg(test)]
mod tests;
