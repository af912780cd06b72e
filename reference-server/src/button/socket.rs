//! `GET /api/v2/websocket`: the active orders, and every change of them, for clients that hold a token.
//!
//! A client authenticates with the Authorization header of the handshake or, as browsers cannot set one, with a
//! first message `{"accesstoken": "..."}` within 20 seconds of the server's clock. Errors are the gateway's envelope
//! as a text message, followed by a close frame with code 1008 (RFC 6455 section 7.4.1).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::device::Press;
use super::orders::News;
use super::{Refusal, Token, accept, authorize, defects, envelope, problem};
use crate::account::Flow;
use crate::app::{App, Peer};
use crate::clock::milliseconds;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{Answer, json, with};
use crate::variant::Variant;

/// A longer message cannot be the documented one; it is read and refused.
const MAX_MESSAGE: usize = 16 * 1024;

const INVALID_JSON: (u16, i32, &str) =
    (400, -31, "Invalid JSON payload. Must be {\"accesstoken\": ACCESS_TOKEN}.");
const TIMEOUT: (u16, i32, &str) = (408, -32, "Timeout while waiting for access token.");

const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

/// Who a socket is when it opens.
enum Opening {
    /// The header named a live token.
    Authenticated(Arc<Token>),
    /// No header: a first message must name one.
    Waiting,
    /// A bad header, answered by a message.
    Refused(Refusal),
}

/// Answers the handshake.
pub(crate) async fn open(State(app): State<Arc<App>>, request: Request) -> Answer {
    let peer = Peer::of(&request);
    let (mut parts, _) = request.into_parts();
    if app.faults.any() {
        tamper_handshake(&app, &mut parts.headers);
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        if app.faults.has(Fault::OrdersByPlainGet)
            && authorize(&app, (&parts.headers, &parts.uri), peer).is_ok()
        {
            return json(StatusCode::OK, app.button.orders.snapshot(app.clock.now()));
        }
        return no_upgrade(&app, &parts.headers);
    };
    let opening = match authorize(&app, (&parts.headers, &parts.uri), peer) {
        Ok(_) if app.faults.has(Fault::SocketHeaderIgnored) => Opening::Waiting,
        Ok((_, token, _)) => Opening::Authenticated(token),
        Err(Refusal::Denied | Refusal::Malformed)
            if app.faults.has(Fault::SocketAnyHeaderOpens)
                && let Some(token) = defects::newest(&app) =>
        {
            Opening::Authenticated(token)
        }
        Err(Refusal::Absent) => from_query(&app, &parts.uri, peer),
        Err(refusal) if app.variants.is(Variant::SocketBadHeader, "message") => {
            Opening::Refused(refusal)
        }
        Err(refusal) => return refusal.answer(&app),
    };
    if defects::turns_away(&app) {
        return problem(&app, StatusCode::SERVICE_UNAVAILABLE);
    }
    let limit = app.limits.frame_bytes;
    let bare = app.faults.has(Fault::UnmaskedFramesAccepted);
    upgrade.accept_unmasked_frames(bare).max_message_size(limit).max_frame_size(limit).on_upgrade(
        move |socket| async move {
            app.counters.open_sockets.fetch_add(1, Ordering::Relaxed);
            let mut session = Session { app: &app, peer, socket };
            session.run(opening).await;
            app.counters.open_sockets.fetch_sub(1, Ordering::Relaxed);
        },
    )
}

/// What defects read into the fields of a handshake.
fn tamper_handshake(app: &App, headers: &mut HeaderMap) {
    if app.faults.has(Fault::HandshakeVersionIgnored) && headers.contains_key(UPGRADE) {
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let some_key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        headers.entry(SEC_WEBSOCKET_KEY).or_insert(some_key);
    }
    if app.faults.has(Fault::HandshakeWordsExact)
        && headers.get(CONNECTION).is_some_and(|value| value != "Upgrade")
    {
        headers.remove(UPGRADE);
    }
}

/// A token in the query authenticates only by a defect.
fn from_query(app: &App, uri: &axum::http::Uri, peer: IpAddr) -> Opening {
    if app.faults.has(Fault::SocketQueryToken) {
        let token = crate::fault::query_token(uri).and_then(|text| accept(app, &text, peer));
        if let Some((_, token, _)) = token {
            return Opening::Authenticated(token);
        }
    }
    Opening::Waiting
}

/// A request that asks for no upgrade, or not for one that this server speaks (RFC 9110 section 15.5.22).
fn no_upgrade(app: &App, headers: &HeaderMap) -> Answer {
    let asks = headers.contains_key(UPGRADE);
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    let status = if asks && version.is_some_and(|version| version == "13") {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::UPGRADE_REQUIRED
    };
    let answer = problem(app, status);
    if status == StatusCode::BAD_REQUEST {
        return answer;
    }
    let answer = with(answer, UPGRADE, HeaderValue::from_static("websocket"));
    let answer = with(answer, CONNECTION, HeaderValue::from_static("upgrade"));
    with(answer, SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

/// How a socket ends.
struct End {
    code: u16,
    error: Option<(u16, i32, &'static str)>,
}

impl End {
    fn refused(error: (u16, i32, &'static str)) -> Self {
        Self { code: POLICY, error: Some(error) }
    }

    fn silent(code: u16) -> Self {
        Self { code, error: None }
    }
}

struct Session<'a> {
    app: &'a App,
    peer: IpAddr,
    socket: WebSocket,
}

impl Session<'_> {
    async fn run(&mut self, opening: Opening) {
        let token = match opening {
            Opening::Authenticated(token) => Ok(token),
            Opening::Waiting => self.wait_for_token().await,
            Opening::Refused(refusal) => Err(Some(End::refused(refusal.code()))),
        };
        let end = match token {
            Ok(token) => {
                self.app.counters.count(Flow::GatewayButton, Tally::Accepted);
                self.follow(&token).await
            }
            Err(end) => {
                self.app.counters.count(Flow::GatewayButton, Tally::Denied);
                end
            }
        };
        // `None`: the client has ended it.
        if let Some(end) = end {
            self.close(end).await;
        }
    }

    /// Waits for the first message until the timer ends; pings are answered and change nothing.
    async fn wait_for_token(&mut self) -> Result<Arc<Token>, Option<End>> {
        let app = self.app;
        let length = milliseconds(app.lifetimes.socket);
        let early = if app.faults.has(Fault::SocketTimesOutEarly) { length / 4 } else { 0 };
        let began = app.clock.now();
        let forgotten = defects::forgets(app);
        let mut ends = began + length - early;
        let mut news = app.button.orders.listen();
        if app.faults.has(Fault::SocketOrdersBeforeToken) {
            self.send(app.button.orders.snapshot(app.clock.now())).await?;
        }
        loop {
            let endless = app.faults.has(Fault::SocketNeverTimesOut) || forgotten;
            tokio::select! {
                received = self.socket.recv() => match received {
                    Some(Ok(Message::Text(_)))
                        if app.faults.has(Fault::SocketLateTokenRefused)
                            && app.clock.now() > began + length / 2 =>
                    {
                        return Err(Some(End::refused(TIMEOUT)));
                    }
                    Some(Ok(Message::Text(text))) => return self.authenticate(text.as_str()),
                    Some(Ok(Message::Ping(_))) if app.faults.has(Fault::PingIsMessage) => {
                        return Err(Some(End::refused(INVALID_JSON)));
                    }
                    Some(Ok(Message::Binary(_))) => return Err(Some(End::refused(INVALID_JSON))),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                        if app.faults.has(Fault::PingResetsSocketTimer) {
                            ends = app.clock.now() + length;
                        }
                    }
                    Some(Ok(Message::Close(_))) if app.faults.has(Fault::SocketDropped) => {
                        return Err(None);
                    }
                    // The next read sends the close frame that answers it (RFC 6455 section 5.5.1).
                    Some(Ok(Message::Close(_))) => {}
                    None => return Err(None),
                    Some(Err(error)) => return Err(Some(broken(&error))),
                },
                () = app.clock.sleep_until(ends), if !endless => {
                    return Err(Some(End::refused(TIMEOUT)));
                }
                // News for others; only a restart concerns a socket without a token.
                told = news.recv() => if matches!(told, Ok(News::Restart)) {
                    return Err(Some(End::silent(GOING_AWAY)));
                } else if let (Ok(News::Order(text)), true) =
                    (told, app.faults.has(Fault::SocketNewsBeforeToken))
                {
                    self.send(text).await?;
                },
            }
        }
    }

    fn authenticate(&self, text: &str) -> Result<Arc<Token>, Option<End>> {
        let refused = |error| Err(Some(End::refused(error)));
        let exact = self.app.faults.has(Fault::SocketMessageExact);
        if text.len() > MAX_MESSAGE || (exact && text.contains(char::is_whitespace)) {
            return refused(INVALID_JSON);
        }
        let Some(token) = token_of(text) else {
            return refused(INVALID_JSON);
        };
        match accept(self.app, &token, self.peer) {
            Some((_, token, _)) => Ok(token),
            None => refused(Refusal::Denied.code()),
        }
    }

    /// Sends the orders, then their changes, until one side ends it.
    async fn follow(&mut self, token: &Token) -> Option<End> {
        let app = self.app;
        let (orders, mut news) = app.button.orders.follow(app.clock.now());
        let own = defects::count_socket(app, token);
        if let Err(end) = self.send(defects::socket_text(app, token, orders)).await {
            return end;
        }
        let closes = || {
            token.revoked.load(Ordering::Acquire)
                && app.variants.is(Variant::SocketAfterRevoke, "closed")
        };
        let ends = app.clock.now() + milliseconds(app.lifetimes.socket);
        loop {
            if closes() || defects::is_replaced(app, token, own) {
                return Some(End::refused(Refusal::Denied.code()));
            }
            let told = tokio::select! {
                received = self.socket.recv() => match received {
                    Some(Ok(message)) if app.faults.any() => match self.heed(&message) {
                        Ok(()) => continue,
                        Err(end) => return end,
                    },
                    // Messages after authentication change nothing, a second token among them.
                    // The next read sends the close frame that answers one of the client.
                    Some(Ok(_)) => continue,
                    None => return None,
                    Some(Err(error)) => return Some(broken(&error)),
                },
                () = app.clock.sleep_until(ends), if app.faults.has(Fault::SocketTimerRunsOn) => {
                    return Some(End::refused(TIMEOUT));
                }
                told = news.recv() => told,
            };
            let text = match told {
                Ok(News::Order(text)) => text,
                Ok(News::Revoked) => continue,
                Ok(News::Restart) | Err(RecvError::Closed) => {
                    return Some(End::silent(GOING_AWAY));
                }
                Err(RecvError::Lagged(_)) => self.catch_up(&mut news),
            };
            if let Err(end) = self.send(defects::socket_text(app, token, text)).await {
                return end;
            }
        }
    }

    /// What defects make of a message after authentication.
    fn heed(&self, message: &Message) -> Result<(), Option<End>> {
        let faults = &self.app.faults;
        match message {
            Message::Ping(_) if faults.has(Fault::PingIsMessage) => {
                Err(Some(End::refused(INVALID_JSON)))
            }
            Message::Close(_) if faults.has(Fault::SocketDropped) => Err(None),
            Message::Text(text) if faults.has(Fault::SecondTokenJudged) => {
                self.authenticate(text.as_str()).map(drop)
            }
            Message::Text(_) if faults.has(Fault::SocketMessageOpensWindow) => {
                self.app.press(Press::Short);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A socket that read too slowly starts again with all orders.
    fn catch_up(&self, news: &mut Receiver<News>) -> String {
        let (orders, anew) = self.app.button.orders.follow(self.app.clock.now());
        *news = anew;
        orders
    }

    async fn send(&mut self, text: String) -> Result<(), Option<End>> {
        let sending = self.socket.send(Message::Text(Utf8Bytes::from(text)));
        // A client that reads nothing must not keep its messages here for ever.
        match tokio::time::timeout(self.app.limits.slow_body, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }

    /// Says why, then closes; a client that has gone already is no concern.
    async fn close(&mut self, end: End) {
        if let Some((status, code, message)) = end.error
            && !self.app.faults.has(Fault::SocketClosesInSilence)
            && self.send(envelope(status, code, message)).await.is_err()
        {
            return;
        }
        if self.app.faults.has(Fault::SocketDropped) {
            return;
        }
        let reason = end.error.map_or("", |(_, _, message)| message);
        let frame = CloseFrame { code: end.code, reason: Utf8Bytes::from_static(reason) };
        if self.socket.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        // The client's own close frame ends it properly; a silent client is given one second of real time.
        let goodbye = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), goodbye).await;
    }
}

/// The token of a first message: the member `accesstoken` of a JSON object.
pub(crate) fn token_of(text: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(text).ok()?;
    message.as_object()?.get("accesstoken")?.as_str().map(str::to_owned)
}

/// The end that fits an error of the protocol below.
fn broken(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.contains("Space limit exceeded") || text.contains("too long") {
        End { code: TOO_BIG, error: Some(INVALID_JSON) }
    } else if text.contains("UTF-8") {
        End::silent(NOT_UTF8)
    } else {
        End::silent(PROTOCOL_ERROR)
    }
}
