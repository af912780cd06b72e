//! The gateway's socket.

use futures_util::{SinkExt, StreamExt};
use reference_server::{Fault, Flow};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::button::token;
use crate::support::Site;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(site: &Site, query: &str, authorization: Option<&str>) -> Result<Socket, Error> {
    let url = format!("ws://{}/api/v2/websocket{query}", site.server.address());
    let mut request = url.into_client_request().unwrap();
    if let Some(value) = authorization {
        let value = value.parse().unwrap();
        request.headers_mut().insert("authorization", value);
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

async fn open(site: &Site) -> Socket {
    connect(site, "", None).await.unwrap()
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

/// The next text message.
async fn hear(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("no text: {other:?}"),
        }
    }
}

async fn closed(socket: &mut Socket) -> CloseFrame {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(frame) => return frame.unwrap(),
            Message::Pong(_) => {}
            other => panic!("not closed: {other:?}"),
        }
    }
}

/// Waits until the server has read everything sent before: it answers pings in order.
async fn settle(socket: &mut Socket) {
    socket.send(Message::Ping("settle".into())).await.unwrap();
    match socket.next().await.unwrap().unwrap() {
        Message::Pong(_) => {}
        other => panic!("no pong: {other:?}"),
    }
}

#[track_caller]
fn is_orders(message: &Value, count: usize) {
    assert_eq!(message["type"], "ACTIVE_ORDERS");
    assert_eq!(message["count"], count);
    assert_eq!(message["items"].as_array().unwrap().len(), count);
    assert!(message.get("returnCode").is_none());
}

#[tokio::test]
async fn header_and_first_message_both_authenticate() {
    let site = Site::start();
    let token = token(&site).await;
    let mut by_header = connect(&site, "", Some(&format!("Bearer {token}"))).await.unwrap();
    is_orders(&hear(&mut by_header).await, 2);
    let mut by_message = open(&site).await;
    say(&mut by_message, &json!({ "accesstoken": token }).to_string()).await;
    is_orders(&hear(&mut by_message).await, 2);
    say(&mut by_message, r#"{"accesstoken":"bad"}"#).await;
    for (change, kind, orders) in [
        ("created", "ORDER_CREATED", 3),
        ("modified", "ORDER_MODIFIED", 3),
        ("paged", "ORDER_PAGED", 3),
    ] {
        let body = json!({ "change": change }).to_string();
        let reply = site.control("POST", "/orders", &body).await;
        assert_eq!(reply.json()["orders"], orders);
        for socket in [&mut by_header, &mut by_message] {
            let message = hear(socket).await;
            assert_eq!(message["type"], kind);
            assert!(message.get("returnCode").is_none());
        }
    }
}

#[tokio::test]
async fn bad_first_messages_are_answered_with_an_error_and_a_policy_close() {
    let site = Site::start();
    let long = format!(r#"{{"accesstoken":"{}"}}"#, "a".repeat(1 << 20));
    for (message, code) in [
        (Message::text(r#"{"accesstoken":"0"}"#), -2),
        (Message::text("hello"), -31),
        (Message::text("{}"), -31),
        (Message::text("[1]"), -31),
        (Message::text(r#"{"accesstoken":1}"#), -31),
        (Message::binary(&b"\x00\x01"[..]), -31),
        (Message::text(long), -31),
    ] {
        let mut socket = open(&site).await;
        socket.send(message).await.unwrap();
        let error = hear(&mut socket).await;
        assert_eq!(error["returnCode"], code);
        assert!(error["status"].as_u64().unwrap() >= 400 && error["message"].is_string());
        assert_eq!(u16::from(closed(&mut socket).await.code), 1008);
    }
}

#[tokio::test]
async fn a_silent_socket_ends_after_twenty_seconds_and_pings_do_not_help() {
    let site = Site::start();
    let token = token(&site).await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        sockets.push(open(&site).await);
    }
    let mut live = connect(&site, "", Some(&format!("Bearer {token}"))).await.unwrap();
    is_orders(&hear(&mut live).await, 2);
    site.advance(10_000);
    for socket in &mut sockets {
        settle(socket).await;
    }
    site.advance(9_999);
    for socket in &mut sockets {
        settle(socket).await;
    }
    site.advance(1);
    for socket in &mut sockets {
        let error = hear(socket).await;
        assert_eq!((&error["status"], &error["returnCode"]), (&json!(408), &json!(-32)));
        assert_eq!(u16::from(closed(socket).await.code), 1008);
    }
    settle(&mut live).await;
}

#[tokio::test]
async fn nothing_is_told_before_authentication_and_the_query_does_not_count() {
    let site = Site::start();
    let token = token(&site).await;
    let mut socket = connect(&site, &format!("?accesstoken={token}"), None).await.unwrap();
    site.control("POST", "/orders", r#"{"change":"created"}"#).await.has_status(200);
    settle(&mut socket).await;
    site.advance(20_000);
    assert_eq!(hear(&mut socket).await["returnCode"], -32);
}

#[tokio::test]
async fn a_bad_header_refuses_the_handshake_or_is_answered_by_a_message() {
    for (value, status, code) in [("Bearer 0", 401, -2), ("nonsense", 400, -1)] {
        let site = Site::start();
        match connect(&site, "", Some(value)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status),
            other => panic!("not refused: {other:?}"),
        }
        site.server.set_variant("gateway-button.socket_bad_header", "message").unwrap();
        let mut socket = connect(&site, "", Some(value)).await.unwrap();
        let error = hear(&mut socket).await;
        assert_eq!((&error["status"], &error["returnCode"]), (&json!(status), &json!(code)));
        assert_eq!(u16::from(closed(&mut socket).await.code), 1008);
    }
}

#[tokio::test]
async fn revoking_a_token_ends_its_sockets_unless_the_variant_keeps_them() {
    for variant in ["closed", "open"] {
        let site = Site::with(&[&format!("gateway-button.socket_after_revoke={variant}")], &[]);
        let (mine, other) = (token(&site).await, token(&site).await);
        let mut socket = connect(&site, "", Some(&format!("Bearer {mine}"))).await.unwrap();
        is_orders(&hear(&mut socket).await, 2);
        assert!(site.server.revoke(Flow::GatewayButton, &other));
        settle(&mut socket).await;
        assert!(site.server.revoke(Flow::GatewayButton, &mine));
        if variant == "closed" {
            assert_eq!(hear(&mut socket).await["returnCode"], -2);
            assert_eq!(u16::from(closed(&mut socket).await.code), 1008);
        } else {
            settle(&mut socket).await;
        }
    }
}

#[tokio::test]
async fn a_restart_and_a_stop_end_sockets_as_going_away() {
    let site = Site::start();
    let mut restarted = open(&site).await;
    settle(&mut restarted).await;
    site.server.restart();
    assert_eq!(u16::from(closed(&mut restarted).await.code), 1001);
    let mut stopped = open(&site).await;
    settle(&mut stopped).await;
    drop(site);
    assert_eq!(u16::from(closed(&mut stopped).await.code), 1001);
}

#[tokio::test]
async fn socket_faults_act() {
    let site = Site::with(&[], &[Fault::SocketOrdersBeforeToken]);
    is_orders(&hear(&mut open(&site).await).await, 2);
    let site = Site::with(&[], &[Fault::PingResetsSocketTimer]);
    let mut socket = open(&site).await;
    site.advance(19_000);
    settle(&mut socket).await;
    site.advance(19_000);
    settle(&mut socket).await;
    site.advance(20_000);
    assert_eq!(hear(&mut socket).await["returnCode"], -32);
    let site = Site::with(&[], &[Fault::SocketQueryToken, Fault::SocketNeverTimesOut]);
    let query = format!("?accesstoken={}", token(&site).await);
    is_orders(&hear(&mut connect(&site, &query, None).await.unwrap()).await, 2);
    let mut socket = open(&site).await;
    site.advance(100_000);
    settle(&mut socket).await;
    let site = Site::with(&[], &[Fault::SocketNewsBeforeToken]);
    let mut socket = open(&site).await;
    settle(&mut socket).await;
    site.control("POST", "/orders", r#"{"change":"created"}"#).await.has_status(200);
    assert_eq!(hear(&mut socket).await["type"], "ORDER_CREATED");
    let site = Site::with(&[], &[Fault::SocketClosesInSilence]);
    let mut socket = open(&site).await;
    say(&mut socket, "x").await;
    assert_eq!(u16::from(closed(&mut socket).await.code), 1008);
}
