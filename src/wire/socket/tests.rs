//! Sockets against a server that speaks RFC 6455, and against some that do not.

use std::future::Future;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::handshake::server;

use super::*;
use crate::wire::test_server::{Play, serve};
use crate::wire::{TlsRoots, WireSettings};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);

fn wires(deadline: Duration) -> Wires {
    Wires::new(WireSettings {
        deadline,
        max_answer_bytes: 1000,
        roots: TlsRoots::Public,
        started: std::time::Instant::now(),
    })
    .unwrap()
}

fn request(base: &str) -> Request {
    Request {
        base: base.to_owned(),
        method: "GET".to_owned(),
        target: "/api/v2/websocket".to_owned(),
        headers: vec![Header::new("Authorization", "Bearer abc")],
        ..Request::default()
    }
}

/// Opens a socket to a server that does `play` once the handshake is over.
async fn open<F, P>(play: P) -> Socket
where
    F: Future<Output = ()> + Send,
    P: FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the callback's type is given by tungstenite")]
        let look = |request: &server::Request, response: server::Response| {
            assert_eq!(request.headers()["authorization"], "Bearer abc");
            assert_eq!(request.uri(), "/api/v2/websocket");
            Ok(response)
        };
        play(tokio_tungstenite::accept_hdr_async(stream, look).await.unwrap()).await;
    });
    match wires(LONG).open(&request(&base)).await {
        Opening::Opened(response, socket) => {
            assert_eq!(response.status, 101);
            socket
        }
        other => panic!("not opened: {other:?}"),
    }
}

async fn echo(mut stream: WebSocketStream<TcpStream>) {
    while let Some(Ok(frame)) = stream.next().await {
        if frame.is_text() || frame.is_binary() {
            stream.send(frame).await.unwrap();
        }
    }
}

fn text(payload: &str) -> SocketEvent {
    message(true, payload.as_bytes())
}

#[tokio::test]
async fn what_is_transmitted_comes_back() {
    let mut socket = open(echo).await;
    for (sent, expected) in [
        (Message::Text("hällo".to_owned()), text("hällo")),
        (Message::Binary(vec![0, 255]), message(false, &[0, 255])),
        (Message::Fragments(vec!["a".to_owned(), String::new(), "bc".to_owned()]), text("abc")),
        (Message::Fragments(vec!["one".to_owned()]), text("one")),
        (Message::Text(String::new()), text("")),
    ] {
        socket.transmit(sent.clone()).await.unwrap();
        assert_eq!(socket.receive(LONG).await, expected, "{sent:?}");
    }
    assert_eq!(socket.receive(SHORT).await, SocketEvent::Silent);
    let nothing = socket.transmit(Message::Fragments(Vec::new())).await.unwrap_err();
    assert!(matches!(nothing, WireError::Unsendable(_)), "{nothing}");
    assert_eq!(socket.close(1000).await, ended(Some(1000), ""));
}

#[tokio::test]
async fn fragments_leave_as_frames_of_their_own() {
    let (frames, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tokio_tungstenite::accept_async(stream).await.unwrap();
        let mut raw = stream.into_inner();
        for _ in 0..3 {
            let mut frame = [0; 6];
            raw.read_exact(&mut frame).await.unwrap();
            let mut payload = vec![0; usize::from(frame[1] & 0x7f)];
            raw.read_exact(&mut payload).await.unwrap();
            frames.send((frame[0], frame[1] >> 7, payload.len())).unwrap();
        }
    });
    let Opening::Opened(_, mut socket) = wires(LONG).open(&request(&base)).await else {
        panic!("not opened");
    };
    let parts = ["ab", "c", ""].map(str::to_owned).to_vec();
    socket.transmit(Message::Fragments(parts)).await.unwrap();
    // Opcode text without FIN, continuation without FIN, continuation with FIN; all masked.
    for expected in [(0x01, 1, 2), (0x00, 1, 1), (0x80, 1, 0)] {
        assert_eq!(seen.recv().await, Some(expected));
    }
}

#[tokio::test]
async fn a_message_that_comes_before_the_pong_is_not_lost() {
    let mut socket = open(|mut stream| async move {
        stream.send(Wire::text("first")).await.unwrap();
        stream.send(Wire::Pong("another".into())).await.unwrap();
        stream.send(Wire::binary("second".as_bytes())).await.unwrap();
        echo(stream).await;
    })
    .await;
    assert_eq!(socket.ping("are you there", LONG).await, SocketEvent::Pong("are you there".into()));
    socket.transmit(Message::Text("third".to_owned())).await.unwrap();
    assert_eq!(socket.receive(LONG).await, text("first"));
    assert_eq!(socket.receive(LONG).await, message(false, b"second"));
    assert_eq!(socket.receive(LONG).await, text("third"));
    let long = socket.ping(&"x".repeat(126), LONG).await;
    assert!(matches!(long, SocketEvent::Failed(WireError::Unsendable(_))), "{long:?}");
}

#[tokio::test]
async fn messages_instead_of_a_pong_are_kept_only_up_to_the_limit() {
    let mut socket =
        open(|mut stream| async move { while stream.send(Wire::text("")).await.is_ok() {} }).await;
    let event = socket.ping("x", LONG).await;
    let SocketEvent::Failed(WireError::Nonsense(told)) = event else { panic!("{event:?}") };
    assert_eq!(told, "messages of more than 1000 bytes came instead of a pong");
}

#[tokio::test]
async fn a_ping_of_the_server_is_answered_and_not_shown() {
    let mut socket = open(|mut stream| async move {
        stream.send(Wire::Ping("p".into())).await.unwrap();
        let pong = stream.next().await.unwrap().unwrap();
        stream.send(Wire::text(format!("{pong:?}"))).await.unwrap();
        echo(stream).await;
    })
    .await;
    let SocketEvent::Message { payload, .. } = socket.receive(LONG).await else { panic!() };
    assert!(payload.text().starts_with("Pong("), "{payload:?}");
}

#[tokio::test]
async fn the_end_is_told_with_its_code_and_again_to_whoever_asks() {
    let gone = Arc::new(Notify::new());
    let tell = Arc::clone(&gone);
    let mut socket = open(|mut stream| async move {
        stream.send(Wire::text("last words")).await.unwrap();
        let frame = CloseFrame { code: 1008.into(), reason: "no token".into() };
        stream.close(Some(frame)).await.unwrap();
        let answer = stream.next().await;
        assert!(matches!(answer, Some(Ok(Wire::Close(_)))), "{answer:?}");
        tell.notify_one();
    })
    .await;
    assert_eq!(socket.receive(LONG).await, text("last words"));
    for _ in 0..2 {
        assert_eq!(socket.receive(LONG).await, ended(Some(1008), "no token"));
    }
    gone.notified().await;
    let error = socket.transmit(Message::Text("x".to_owned())).await.unwrap_err();
    assert!(matches!(error, WireError::Closed(_)), "{error}");
    assert_eq!(socket.ping("x", LONG).await, ended(Some(1008), "no token"));
    assert_eq!(socket.close(1000).await, ended(Some(1008), "no token"));
}

#[tokio::test]
async fn an_end_without_a_close_frame_has_no_code() {
    let mut socket = open(|stream| async move { drop(stream) }).await;
    assert_eq!(socket.receive(LONG).await, ended(None, ""));
    let mut socket = open(|mut stream| async move { drop(stream.close(None).await) }).await;
    assert_eq!(socket.ping("x", LONG).await, ended(None, ""));
}

#[tokio::test]
async fn frames_that_the_rfc_forbids_are_a_failure() {
    for (frame, told) in [
        (&b"\x81\x81abcd\x00"[..], "mask"),
        (b"\x83\x00", "opcode"),
        (b"\x81\x02\xff\xfe", "UTF-8"),
        (b"\xf1\x00", "eserved bits"),
        (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "too large"),
        (b"\x82\x7e\x03\xe9", "too large"),
    ] {
        let mut socket = open(move |stream| async move {
            let mut raw = stream.into_inner();
            raw.write_all(frame).await.unwrap();
            let _ = raw.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let event = socket.receive(LONG).await;
        let SocketEvent::Failed(WireError::Nonsense(error)) = &event else {
            panic!("{frame:?}: {event:?}");
        };
        assert!(error.contains(told), "{frame:?}: {error}");
        assert_eq!(socket.receive(LONG).await, event);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_a_close_frame_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        tokio_tungstenite::accept_async(stream).await.unwrap()
    });
    let opening = wires(Duration::from_millis(300)).open(&request(&base)).await;
    let Opening::Opened(_, mut socket) = opening else { panic!("{opening:?}") };
    let _kept_open = server.await.unwrap();
    assert_eq!(socket.close(1000).await, SocketEvent::Silent);
}

#[tokio::test]
async fn a_refusal_comes_back_whole() {
    let body = "x".repeat(900);
    let server = serve([Play::Answer(
        format!(
            "HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer\r\nWWW-Authenticate: Basic\r\n\
             Content-Length: 900\r\n\r\n{body}"
        )
        .into(),
    )]);
    let opening = wires(LONG).open(&request(&server.base)).await;
    let Opening::Refused(response) = opening else { panic!("{opening:?}") };
    assert_eq!((response.status, &*response.body.text()), (401, &*body));
    assert_eq!(response.header_values("www-authenticate").count(), 2);
    let seen = server.requests().await.remove(0);
    assert!(seen.starts_with("GET /api/v2/websocket HTTP/1.1\r\nHost: 127.0.0.1:"), "{seen}");
    for field in [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Authorization: Bearer abc",
    ] {
        assert!(seen.contains(&format!("\r\n{field}\r\n")), "{seen}");
    }
}

#[tokio::test]
async fn fields_of_the_request_stand_in_for_those_of_the_handshake() {
    let server = serve([Play::Last("HTTP/1.1 426 x\r\nContent-Length: 0\r\n\r\n".into())]);
    let mut request = request(&server.base);
    request.headers.push(Header::new("sec-websocket-version", "12"));
    let opening = wires(LONG).open(&request).await;
    assert!(matches!(&opening, Opening::Refused(response) if response.status == 426));
    let seen = server.requests().await.remove(0).to_ascii_lowercase();
    assert!(seen.contains("sec-websocket-version: 12\r\n"), "{seen}");
    assert_eq!(seen.matches("sec-websocket-version").count(), 1, "{seen}");
}

#[tokio::test]
async fn a_handshake_that_the_rfc_forbids_fails() {
    // The key and its answer are those of the example in RFC 6455 section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    const SWITCH: &str = "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n";
    for (fields, told) in [
        (format!("{SWITCH}{ACCEPT}"), None),
        (SWITCH.to_owned(), Some("does not belong to the key")),
        (format!("{SWITCH}Sec-WebSocket-Accept: eA==\r\n"), Some("does not belong to the key")),
        (ACCEPT.to_owned(), Some("without `Upgrade")),
        (format!("{SWITCH}{ACCEPT}Sec-WebSocket-Extensions: x\r\n"), Some("nobody offered")),
        (format!("{SWITCH}{ACCEPT}Sec-WebSocket-Protocol: x\r\n"), Some("nobody offered")),
    ] {
        let server = serve([Play::Answer(format!("HTTP/1.1 101 x\r\n{fields}\r\n").into())]);
        let mut request = request(&server.base);
        request.headers.push(Header::new("Sec-WebSocket-Key", KEY));
        match (wires(LONG).open(&request).await, told) {
            (Opening::Opened(..), None) => {}
            (Opening::Failed(WireError::Nonsense(error)), Some(told)) => {
                assert!(error.contains(told), "{fields}: {error}");
            }
            (other, _) => panic!("{fields}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_handshake_without_an_answer_ends_at_the_deadline() {
    let server = serve([Play::Mute]);
    let opening = wires(SHORT).open(&request(&server.base)).await;
    assert!(matches!(opening, Opening::Failed(WireError::Deadline(SHORT))), "{opening:?}");
}

#[tokio::test]
async fn frames_that_come_with_the_handshake_are_received() {
    let server = serve([Play::Answer(
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi\x88\x02\x03\xe8"
            .to_vec(),
    )]);
    let mut request = request(&server.base);
    request.headers.push(Header::new("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="));
    let opening = wires(LONG).open(&request).await;
    let Opening::Opened(_, mut socket) = opening else { panic!("{opening:?}") };
    assert_eq!(socket.receive(LONG).await, text("hi"));
    assert_eq!(socket.receive(LONG).await, ended(Some(1000), ""));
}
