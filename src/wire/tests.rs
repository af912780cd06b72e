//! Both HTTP wires against servers of every kind.

use std::io::Read as _;
use std::path::PathBuf;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::test_server::{Play, answer, serve};
use super::*;
use crate::model::{Header, WireKind};

fn wires(deadline: Duration, roots: TlsRoots) -> Wires {
    let settings =
        WireSettings { deadline, max_answer_bytes: 1000, roots, started: Instant::now() };
    Wires::new(settings).unwrap()
}

fn patient() -> Wires {
    wires(Duration::from_secs(20), TlsRoots::Public)
}

fn get(base: &str, target: &str) -> Request {
    Request {
        base: base.to_owned(),
        method: "GET".to_owned(),
        target: target.to_owned(),
        ..Request::default()
    }
}

fn on(wire: WireKind, request: Request) -> Request {
    Request { wire, ..request }
}

fn named(connection: &str, request: Request) -> Request {
    Request { connection: Some(connection.to_owned()), ..request }
}

const BOTH: [WireKind; 2] = [WireKind::Http, WireKind::Raw];

/// The kind of an error, which is what a judge looks at.
fn kind(reply: &Reply) -> &'static str {
    match reply {
        Ok(_) => "answer",
        Err(WireError::Closed(_)) => "closed",
        Err(WireError::Connect(_)) => "connect",
        Err(WireError::Deadline(_)) => "deadline",
        Err(WireError::Nonsense(_)) => "nonsense",
        Err(WireError::Unreadable(_)) => "unreadable",
        Err(WireError::Unsendable(_)) => "unsendable",
    }
}

#[tokio::test]
async fn both_wires_tell_the_same_story_of_a_broken_answer() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    let long_line = format!("{OK}A: {}", "b".repeat(1 << 20));
    let many_fields = format!("{OK}{}\r\n", "A: b\r\n".repeat(200));
    let large = format!("{OK}Content-Length: 1001\r\n\r\n{}", "x".repeat(1001));
    let large_chunk = format!("{OK}Transfer-Encoding: chunked\r\n\r\n3e9\r\n{}", "x".repeat(1001));
    let large_until_end = format!("{OK}\r\n{}", "x".repeat(1001));
    for (text, expected) in [
        ("", "closed"),
        ("HTTP/1.1 200 OK\r\nContent", "closed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "closed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "closed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", "closed"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "nonsense"),
        ("\x01\x02\x03", "nonsense"),
        ("HTTP/1.1 2OO OK\r\n\r\n", "nonsense"),
        ("HTTP/1.1 200 OK\r\nA: b\0\r\nContent-Length: 0\r\n\r\n", "nonsense"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "nonsense"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", "unreadable"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "answer"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\na", "answer"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "nonsense"),
        (&long_line, "nonsense"),
        (&many_fields, "nonsense"),
        (&large, "nonsense"),
        (&large_chunk, "nonsense"),
        (&large_until_end, "nonsense"),
    ] {
        for wire in BOTH {
            // The ordinary wire asks once more where the connection just ends.
            let server = serve([Play::Last(text.into()), Play::Last(text.into())]);
            let (reply, timing) = patient().send(&on(wire, get(&server.base, "/"))).await;
            let shown = &text[..text.len().min(60)];
            assert_eq!(kind(&reply), expected, "{wire:?} {shown:?}: {reply:?}");
            assert!(timing.sent <= timing.done);
            if text.contains("xxx") {
                let error = reply.unwrap_err().to_string();
                assert_eq!(error, "the answer is not HTTP: answer larger than 1000 bytes");
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_crosses_with_the_end_of_a_connection_is_sent_once_more() {
    let ended = |last| serve([answer(200, "a"), Play::Reset, last]);
    for (last, expected) in [(answer(200, "b"), "answer"), (Play::Reset, "closed")] {
        let server = ended(last);
        let wires = patient();
        let (first, _) = wires.send(&get(&server.base, "/")).await;
        assert_eq!(kind(&first), "answer");
        let (reply, _) = wires.send(&get(&server.base, "/")).await;
        assert_eq!(kind(&reply), expected, "{reply:?}");
    }
}

#[tokio::test]
async fn a_reset_a_refusal_and_silence_are_told_apart() {
    for wire in BOTH {
        let server = serve([Play::Reset, Play::Reset]);
        let (reply, _) = patient().send(&on(wire, get(&server.base, "/"))).await;
        assert_eq!(kind(&reply), "closed", "{wire:?}: {reply:?}");

        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (reply, _) = patient().send(&on(wire, get(&format!("http://{nobody}"), "/"))).await;
        assert_eq!(kind(&reply), "connect", "{wire:?}: {reply:?}");

        let server = serve([Play::Mute]);
        let deadline = Duration::from_millis(50);
        let wires = wires(deadline, TlsRoots::Public);
        let (reply, timing) = wires.send(&on(wire, get(&server.base, "/"))).await;
        assert_eq!(reply, Err(WireError::Deadline(deadline)), "{wire:?}");
        assert!(timing.done - timing.sent <= Duration::from_secs(5), "{timing:?}");
    }
}

#[tokio::test]
async fn a_server_that_trickles_its_answer_does_not_outlast_the_deadline() {
    for wire in BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            stream.write_all(b"HTTP/1.1 200 OK\r\nA: ").await.unwrap();
            while stream.write_all(b"b").await.is_ok() {
                tick.tick().await;
            }
        });
        let wires = wires(Duration::from_millis(60), TlsRoots::Public);
        let (reply, _) = wires.send(&on(wire, get(&base, "/"))).await;
        assert_eq!(kind(&reply), "deadline", "{wire:?}: {reply:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_speaks_something_else() {
    for wire in BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
                tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
            }
        });
        let (reply, _) = patient().send(&on(wire, get(&base, "/"))).await;
        assert_eq!(kind(&reply), "nonsense", "{wire:?}: {reply:?}");
    }
}

#[tokio::test]
async fn fields_keep_their_order_and_their_repetition_in_both_directions() {
    let told =
        "HTTP/1.1 200 OK\r\nSet-B: 1\r\nSet-A: 2\r\nSet-A: \u{ff}3\r\nContent-Length: 0\r\n\r\n";
    let told: Vec<u8> = told.chars().map(|c| c as u8).collect();
    for wire in BOTH {
        let server = serve([Play::Answer(told.clone())]);
        let mut request = on(wire, get(&server.base, "/a?b=%2f"));
        for (name, value) in [("x-b", "1"), ("x-a", "2"), ("x-a", "3")] {
            request.headers.push(Header::new(name, value));
        }
        let response = patient().send(&request).await.0.unwrap();
        let fields: Vec<(String, Vec<u8>)> = response
            .headers
            .into_iter()
            .map(|header| (header.name.to_ascii_lowercase(), header.value.0))
            .take(3)
            .collect();
        let expected = [("set-b", &b"1"[..]), ("set-a", b"2"), ("set-a", b"\xff3")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_vec())));
        let seen = server.requests().await.remove(0);
        assert!(seen.starts_with("GET /a?b=%2f HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("x-b: 1\r\nx-a: 2\r\nx-a: 3\r\n"), "{seen}");
    }
}

#[tokio::test]
async fn content_and_its_length_go_along() {
    for wire in BOTH {
        let server = serve([answer(200, "one"), answer(201, "two")]);
        let post = Request { method: "POST".to_owned(), ..on(wire, get(&server.base, "/")) };
        let full = Request { body: "a=b".into(), ..post.clone() };
        let wires = patient();
        assert_eq!(wires.send(&full).await.0.unwrap().body.text(), "one");
        assert_eq!(wires.send(&post).await.0.unwrap().status, 201);
        let seen: Vec<String> =
            server.requests().await.iter().map(|text| text.to_ascii_lowercase()).collect();
        assert!(seen[0].contains("content-length: 3\r\n") && seen[0].ends_with("\r\n\r\na=b"));
        assert!(seen[1].contains("content-length: 0\r\n"), "{}", seen[1]);
    }
}

#[tokio::test]
async fn a_chunked_answer_and_one_that_ends_with_its_connection_are_whole() {
    for wire in BOTH {
        let server = serve([
            Play::Answer(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n".into(),
            ),
            Play::Last("HTTP/1.1 200 OK\r\n\r\nto the end".into()),
            Play::Last("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".into()),
        ]);
        let wires = patient();
        let request = on(wire, get(&server.base, "/"));
        assert_eq!(wires.send(&request).await.0.unwrap().body.text(), "abcde", "{wire:?}");
        assert_eq!(wires.send(&request).await.0.unwrap().body.text(), "to the end", "{wire:?}");
        assert_eq!(wires.send(&request).await.0.unwrap().status, 302, "no redirect is followed");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_was_read_is_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream
    });
    // More than the buffers of both ends hold: writing cannot come to an end.
    let body = vec![b'x'; 64 << 20].into();
    let request = Request { method: "POST".to_owned(), body, ..get(&base, "/") };
    let reply = patient().send(&on(WireKind::Raw, request)).await.0;
    assert_eq!(reply.unwrap().status, 413);
    drop(server.await.unwrap());
}

#[tokio::test]
async fn a_target_that_a_url_would_change_arrives_as_it_stands() {
    for target in ["/a/../b", "//x", "*", "/%2e%2E/%2f", "/ü b", "http://elsewhere/"] {
        let server = serve([answer(200, "")]);
        let reply = patient().send(&get(&server.base, target)).await.0;
        assert!(reply.is_ok(), "{target}: {reply:?}");
        let seen = server.requests().await.remove(0);
        assert!(seen.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{seen}");
    }
}

#[tokio::test]
async fn a_control_byte_in_a_value_is_for_the_raw_wire() {
    let server = serve([answer(200, "")]);
    let mut request = get(&server.base, "/");
    request.headers.push(Header::new("Authorization", "Bearer a\0b"));
    let error = patient().send(&request).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request cannot be sent on this wire: the value of `authorization` holds a control \
         byte, which HTTP does not allow; `wire: raw` sends it"
    );
    assert!(server.requests().await.is_empty());
    assert!(patient().send(&on(WireKind::Raw, request)).await.0.is_ok());
    let seen = server.requests().await.remove(0);
    assert!(seen.contains("\r\nAuthorization: Bearer a\0b\r\n"), "{seen:?}");
}

#[tokio::test]
async fn verbatim_bytes_are_sent_and_nothing_else() {
    let server = serve([answer(400, "no")]);
    let verbatim = "GET  /  HTTP/1.1\nHost : a\nHost: b\r\n\r\n";
    let request = Request { verbatim: Some(verbatim.into()), ..get(&server.base, "/ignored") };
    assert_eq!(patient().send(&request).await.0.unwrap().status, 400);
    assert_eq!(server.requests().await, [verbatim]);
}

#[tokio::test]
async fn a_wrong_base_is_told_without_sending() {
    for base in ["", "ftp://127.0.0.1", "http://127.0.0.1:1/path", "http://a:b@127.0.0.1:1"] {
        for wire in BOTH {
            let (reply, _) = patient().send(&on(wire, get(base, "/"))).await;
            assert_eq!(kind(&reply), "unsendable", "{base} {wire:?}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_named_connection_is_kept_and_others_are_not() {
    let server = serve(std::array::from_fn::<_, 6, _>(|_| answer(200, "")));
    let wires = patient();
    for name in ["a", "b", "a", "b"] {
        wires.send(&named(name, get(&server.base, "/"))).await.0.unwrap();
    }
    for _ in 0..2 {
        wires.send(&on(WireKind::Raw, get(&server.base, "/"))).await.0.unwrap();
    }
    assert_eq!(server.connections(), [0, 1, 0, 1, 2, 3]);
}

#[tokio::test]
async fn a_named_connection_that_the_server_closed_is_made_again() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let says_close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let server = serve([
        Play::Last(ok.into()),
        Play::Answer(says_close.into()),
        Play::Last("".into()),
        answer(200, ""),
    ]);
    let wires = patient();
    let request = named("a", get(&server.base, "/"));
    wires.send(&request).await.0.unwrap();
    server.closed().await;
    wires.send(&request).await.0.unwrap();
    let reply = wires.send(&request).await.0;
    assert_eq!(kind(&reply), "closed", "nothing is sent twice: {reply:?}");
    wires.send(&request).await.0.unwrap();
    assert_eq!(server.connections(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_second_answer_to_one_request_is_seen_by_the_next_request() {
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra";
    let server = serve([Play::Answer(two.into()), answer(200, "two")]);
    let wires = patient();
    let request = named("a", get(&server.base, "/"));
    assert_eq!(wires.send(&request).await.0.unwrap().body.text(), "one");
    assert_eq!(wires.send(&request).await.0.unwrap().body.text(), "extra");
}

#[tokio::test]
async fn a_connection_that_missed_its_deadline_is_not_used_again() {
    let server = serve([answer(200, ""), Play::Mute, answer(200, "fresh")]);
    let wires = wires(Duration::from_millis(200), TlsRoots::Public);
    let request = named("a", get(&server.base, "/"));
    wires.send(&request).await.0.unwrap();
    assert_eq!(kind(&wires.send(&request).await.0), "deadline");
    assert_eq!(wires.send(&request).await.0.unwrap().body.text(), "fresh");
    assert_eq!(server.connections(), [0, 0, 1]);
}

#[tokio::test]
async fn neither_request_of_a_pair_is_whole_before_both_almost_are() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let request =
        Request { method: "POST".to_owned(), body: vec![b'x'; 5000].into(), ..get(&base, "/") };
    let length = encode::encode(&request, &Origin::parse(&base).unwrap()).len();
    // Blocking reads: what they return has arrived, whatever a runtime has noticed.
    let server = std::thread::spawn(move || {
        let mut ends = [listener.accept().unwrap().0, listener.accept().unwrap().0];
        let mut whole = vec![0; length];
        ends[0].read_exact(&mut whole).unwrap();
        ends[1].set_nonblocking(true).unwrap();
        let mut other = Vec::new();
        let _ = ends[1].read_to_end(&mut other);
        let arrived = other.len();
        ends[1].set_nonblocking(false).unwrap();
        let mut rest = vec![0; length - arrived];
        ends[1].read_exact(&mut rest).unwrap();
        for (number, mut end) in ends.into_iter().enumerate() {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            std::io::Write::write_all(&mut end, text.as_bytes()).unwrap();
        }
        arrived
    });
    let [first, second] = patient().send_together([&request, &request]).await;
    let arrived = server.join().unwrap();
    assert!(arrived >= length - 1, "{arrived} of {length} bytes had come on the other connection");
    assert_eq!(first.1.sent, second.1.sent);
    let mut bodies = [first, second].map(|(reply, _)| reply.unwrap().body.text().into_owned());
    bodies.sort();
    assert_eq!(bodies, ["0", "1"]);
}

#[tokio::test]
async fn a_pair_with_one_request_that_cannot_be_sent_is_not_sent_at_all() {
    let server = serve([answer(200, "")]);
    let good = get(&server.base, "/");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bad = get(&format!("http://{nobody}"), "/");
    let [first, second] = patient().send_together([&good, &bad]).await;
    assert_eq!((kind(&first.0), kind(&second.0)), ("unsendable", "connect"));
    assert!(server.requests().await.is_empty());
}

#[tokio::test]
async fn a_pair_that_is_not_answered_ends_at_the_deadline() {
    let server = serve([Play::Mute, Play::Last("".into())]);
    let wires = wires(Duration::from_millis(100), TlsRoots::Public);
    let request = get(&server.base, "/");
    let replies = wires.send_together([&request, &request]).await.map(|(reply, _)| reply);
    let mut kinds = replies.each_ref().map(kind);
    kinds.sort_unstable();
    assert_eq!(kinds, ["closed", "deadline"], "{replies:?}");
}

fn certificate() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/wire/testdata/certificate.pem")
}

/// A TLS server that answers every connection once, with a certificate that it has made itself.
async fn serve_tls() -> String {
    let chain = vec![CertificateDer::from_pem_file(certificate()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsafe").await;
            let _ = stream.shutdown().await;
        }
    });
    base
}

#[tokio::test]
async fn a_certificate_is_trusted_only_when_the_settings_say_so() {
    let base = serve_tls().await;
    for (roots, trusted) in [
        (TlsRoots::Public, false),
        (TlsRoots::Pem(std::fs::read_to_string(certificate()).unwrap()), true),
        (TlsRoots::Insecure, true),
    ] {
        let wires = wires(Duration::from_secs(20), roots.clone());
        for wire in BOTH {
            let reply = wires.send(&on(wire, get(&base, "/"))).await.0;
            match reply {
                Ok(response) => {
                    assert!(trusted, "{roots:?} {wire:?}");
                    assert_eq!(response.body.text(), "safe");
                }
                Err(error) => {
                    assert!(!trusted, "{roots:?} {wire:?}: {error}");
                    assert!(error.to_string().contains("certificate"), "{wire:?}: {error}");
                    assert!(matches!(error, WireError::Connect(_)), "{wire:?}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_no_connection() {
    let server = serve([Play::Last("HTTP/1.1 400 x\r\n\r\n".into())]);
    let base = server.base.replace("http://", "https://");
    let wires = wires(Duration::from_millis(500), TlsRoots::Public);
    for wire in BOTH {
        let reply = wires.send(&on(wire, get(&base, "/"))).await.0;
        assert_eq!(kind(&reply), "connect", "{wire:?}: {reply:?}");
    }
}

#[test]
fn a_text_without_certificates_is_told_when_the_wires_are_made() {
    for (text, told) in [
        (include_str!("testdata/key.pem"), "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n", "cannot be used"),
    ] {
        let settings = WireSettings {
            deadline: Duration::from_secs(1),
            max_answer_bytes: 1,
            roots: TlsRoots::Pem(text.to_owned()),
            started: Instant::now(),
        };
        let error = Wires::new(settings).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_takes_the_place_of_the_address_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            let told = String::from_utf8(request).unwrap().to_ascii_lowercase();
            let host = told.lines().find(|line| line.starts_with("host: ")).unwrap();
            let length = host.len();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}");
            stream.write_all(format!("{head}\r\n\r\n{host}").as_bytes()).await.unwrap();
        }
    });
    let base = "http://gateway.invalid:81".to_owned();
    let settings = |deadline| WireSettings {
        deadline,
        max_answer_bytes: 1000,
        roots: TlsRoots::Public,
        started: Instant::now(),
    };
    let through = |path: &std::path::Path| Transport {
        bases: vec![base.clone()],
        unix_socket: Some(path.to_owned()),
        ..Transport::default()
    };
    let wires = Wires::with(settings(Duration::from_secs(20)), &through(&path)).unwrap();
    for wire in BOTH {
        let reply = wires.send(&on(wire, get(&base, "/"))).await.0.unwrap();
        assert_eq!(reply.body.text(), "host: gateway.invalid:81", "{wire:?}");
        // A hook of the same profile has an address of its own.
        let server = serve([answer(200, "elsewhere")]);
        let reply = wires.send(&on(wire, get(&server.base, "/"))).await.0.unwrap();
        assert_eq!(reply.body.text(), "elsewhere", "{wire:?}");
    }
    let pair = get(&base, "/");
    for (reply, _) in wires.send_together([&pair, &pair]).await {
        assert_eq!(reply.unwrap().body.text(), "host: gateway.invalid:81");
    }
    let nobody = Wires::with(settings(Duration::from_secs(20)), &through(&folder.path().join("t")));
    let nobody = nobody.unwrap();
    for wire in BOTH {
        let reply = nobody.send(&on(wire, get(&base, "/"))).await.0;
        assert_eq!(kind(&reply), "connect", "{wire:?}: {reply:?}");
    }
}
