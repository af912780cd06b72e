//! Bytes that no HTTP library sends.

use std::time::Duration;

use reference_server::{Config, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Site;

/// Sends bytes and reads until the server closes or has answered and is silent.
async fn exchange(site: &Site, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    // The server may stop reading before everything is written.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").into_bytes()
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn malformed_requests_get_a_client_error() {
    let site = Site::start();
    let long = |length: usize| format!("Authorization: Bearer {}\r\n", "a".repeat(length));
    let many = "X: y\r\n".repeat(200);
    let (long_8k, long_1m) = (long(8192), long(1 << 20));
    for (line, headers, expected) in [
        ("GET /users/me", "Authorization: Bearer a\0b\r\n", 400),
        ("GET /users/me", "Authorization: Bearer a\rb\r\n", 400),
        ("GET /users/me", "Authorization: Bearer\r\n a\r\n", 400),
        ("GET /users/me", "Authorization : Bearer a\r\n", 400),
        ("GET /users/me", "Host: y\r\n", 400),
        ("GET /users/me", &long_8k, 401),
        ("GET /users/me", &long_1m, 431),
        ("GET /users/me", &many, 431),
        ("FOO /users/me", "", 405),
        ("get /users/me", "", 405),
        ("TRACE /users/me", "Authorization: Bearer secret\r\n", 405),
        ("OPTIONS *", "", 404),
        ("CONNECT x:1", "", 404),
        ("GET http://x/users/me", "", 401),
        ("GET //users/me", "", 404),
        ("GET /users/me/", "", 404),
        ("GET /users/me%2f", "", 404),
        ("GET /USERS/me", "", 404),
        ("POST /generateToken", "Content-Length: 99999999999999999999999\r\n", 400),
        ("POST /generateToken", "Content-Length: -1\r\n", 400),
        ("POST /generateToken", "Transfer-Encoding: xchunked\r\n", 400),
        ("POST /generateToken", "Content-Length: 5000000\r\n", 413),
    ] {
        let answer = exchange(&site, &request(line, headers)).await;
        assert_eq!(status(&answer), expected, "{line} {}", &headers[..headers.len().min(60)]);
        assert!(!answer.contains("secret"));
    }
    assert_eq!(status(&exchange(&site, b"\x16\x03\x01garbage\r\n\r\n").await), 400);
    assert_eq!(status(&exchange(&site, b"GET /users/me HTTP/1.1\r\n\r\n").await), 400);
    assert_eq!(status(&exchange(&site, b"GET /users/me HTTP/1.0\r\n\r\n").await), 401);
    assert_eq!(site.server.counters()["answers.5xx"], 0);
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused_and_what_follows_is_not_read() {
    let site = Site::start();
    let body = "Username=channel_user&Password=550e8400-e29b-41d4-a716-446655440000";
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = format!("Content-Length: {}\r\n", chunked.len());
    let encoding = "Transfer-Encoding: chunked\r\n";
    for headers in [format!("{FORM}{length}{encoding}"), format!("{FORM}{encoding}{length}")] {
        let mut bytes = request("POST /generateToken", &headers);
        bytes.extend(chunked.as_bytes());
        bytes.extend(request("GET /users/me", ""));
        let answer = exchange(&site, &bytes).await;
        assert_eq!(status(&answer), 400);
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    let mut bytes = request("POST /generateToken", &format!("{FORM}{encoding}"));
    bytes.extend(chunked.as_bytes());
    assert_eq!(status(&exchange(&site, &bytes).await), 200);
}

#[tokio::test]
async fn authentication_does_not_stick_to_a_connection() {
    let site = Site::start();
    let token = site.server.seed_tokens(reference_server::Flow::JwtLogin, 1).remove(0);
    let mut bytes = request("GET /users/me", &format!("Authorization: Bearer {token}\r\n"));
    bytes.extend(request("GET /users/me", ""));
    let answer = exchange(&site, &bytes).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1);
    assert_eq!(answer.matches("HTTP/1.1 401").count(), 1);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let site = Site::start();
    for path in ["/users/me", "/api/v2/accesstoken", "/v1/get/", "/api/v2/nothing"] {
        let get = exchange(&site, &request(&format!("GET {path}"), "")).await;
        let head = exchange(&site, &request(&format!("HEAD {path}"), "")).await;
        let sorted = |answer: &str| {
            let (head, _) = answer.split_once("\r\n\r\n").unwrap();
            let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&head), sorted(&get));
        assert!(head.ends_with("\r\n\r\n"));
    }
}

#[tokio::test]
async fn unmasked_and_reserved_frames_are_protocol_errors() {
    let site = Site::start();
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (frame, code) in [
        (&b"\x81\x05hello"[..], [0x03, 0xea]),
        (b"\xf1\x85\0\0\0\0hello", [0x03, 0xea]),
        (b"\x81\x82\0\0\0\0\xff\xfe", [0x03, 0xef]),
    ] {
        let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
        let mut bytes = request("GET /api/v2/websocket", upgrade);
        bytes.extend(frame);
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{text}");
        assert_eq!(answer[answer.len() - 4..], [0x88, 0x02, code[0], code[1]]);
    }
    let old = upgrade.replace("13", "8");
    let answer = exchange(&site, &request("GET /api/v2/websocket", &old)).await;
    assert_eq!(status(&answer), 426);
    assert!(answer.contains("sec-websocket-version: 13"));
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let limits = Limits {
        slow_header: Duration::from_millis(30),
        slow_body: Duration::from_millis(30),
        ..Limits::default()
    };
    let config = Config { limits, ..Config::default() };
    let site = Site::configured(config);
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    stream.write_all(b"GET /users/me HT").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || status(&String::from_utf8_lossy(&answer)) == 408);
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    let slow = request("POST /generateToken", &format!("{FORM}Content-Length: 10\r\n"));
    stream.write_all(&slow).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}
