//! Answers that arrive one byte at a time, with a limit of ten bytes of content.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use super::*;

/// Gives its bytes one at a time.
struct Drip<'a>(&'a [u8]);

impl AsyncRead for Drip<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some((first, rest)) = self.0.split_first() {
            into.put_slice(&[*first]);
            self.0 = rest;
        }
        Poll::Ready(Ok(()))
    }
}

/// What an answer comes to, and what is left behind it.
async fn read(method: &str, answer: &str) -> (Result<Answer, WireError>, String) {
    let mut buffer = Vec::new();
    let mut input = Drip(answer.as_bytes());
    let answer = read_answer(&mut input, &mut buffer, method, 10).await;
    while input.read_buf(&mut buffer).await.unwrap() > 0 {}
    (answer, String::from_utf8(buffer).unwrap())
}

/// What precedes each answer of the tables that begins with a field or an empty line.
const OK: &str = "HTTP/1.1 200 OK\r\n";

fn with_status_line(answer: &str) -> String {
    let line = if answer.contains("HTTP/") || !answer.contains("\r\n\r\n") { "" } else { OK };
    format!("{line}{answer}")
}

/// Method, answer, its content, whether the connection can be used again, what is left behind.
const WHOLE: &[(&str, &str, &str, bool, &str)] = &[
    ("GET", "Content-Length: 2\r\n\r\nhi!", "hi", true, "!"),
    ("GET", "Content-Length: 2, 2\r\nContent-Length: 2\r\n\r\nhi", "hi", true, ""),
    ("GET", "Content-Length: 10\r\n\r\n0123456789", "0123456789", true, ""),
    ("HEAD", "Content-Length: 99\r\n\r\n", "", true, ""),
    ("CONNECT", "\r\n\r\nHTTP/1.1 200 x\r\n\r\n\x01", "", true, "\x01"),
    ("GET", "HTTP/1.1 204 \r\nContent-Length: 2\r\n\r\nhi", "", true, "hi"),
    ("GET", "HTTP/1.1 304 x\r\n\r\n", "", true, ""),
    ("GET", "HTTP/1.1 101 x\r\n\r\n\x01", "", false, "\x01"),
    ("GET", "HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n", "", true, ""),
    ("GET", "A: b\r\n\r\nto the end", "to the end", false, ""),
    ("GET", "Transfer-Encoding: gzip\r\n\r\nzipped", "zipped", false, ""),
    (
        "GET",
        "Content-Length: 1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\n\r\n",
        "abc",
        true,
        "",
    ),
    (
        "GET",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n02 ;x\r\nde\r\n0\r\nT: 1\r\n\r\n+",
        "abcde",
        true,
        "+",
    ),
    ("GET", "Connection: x, Close\r\nContent-Length: 0\r\n\r\n", "", false, ""),
    ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "", false, ""),
    ("GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", "", true, ""),
    ("GET", "\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 1\n\nx", "x", true, ""),
];

#[tokio::test]
async fn content_ends_where_the_framing_says() {
    for (method, text, body, reusable, left) in WHOLE {
        let (answer, rest) = read(method, &with_status_line(text)).await;
        match answer {
            Ok(answer) => {
                let shown = answer.response.body.text();
                assert_eq!((&*shown, answer.reusable, &*rest), (*body, *reusable, *left), "{text}");
            }
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

/// An answer and a part of what is told about it.
const BROKEN: &[(&str, &str)] = &[
    ("", "before its first byte"),
    ("HTTP/1.1 200", "in the header section, after 12 bytes"),
    ("SSH-2.0-x\r\n", "does not begin with `HTTP/`"),
    ("HTTP/2.0 200 OK\r\n\r\n", "HTTP version"),
    ("HTTP/1.1 2x0 OK\r\n\r\n", "status"),
    ("A B: c\r\n\r\n", "header name"),
    ("A: b\0\r\n\r\n", "header value"),
    ("Content-Length: 9\r\n\r\nabc", "after 3 of 9 bytes"),
    ("Content-Length: 11\r\n\r\n", "answer larger than 10 bytes"),
    ("Content-Length: 99999999999999999999999\r\n\r\n", "answer larger than 10 bytes"),
    ("Content-Length: +1\r\n\r\nx", "is not one number"),
    ("Content-Length:\r\n\r\nx", "is not one number"),
    ("Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "is not one number"),
    ("A: b\r\n\r\n01234567890", "answer larger than 10 bytes"),
    ("Transfer-Encoding: chunked\r\n\r\n\r\n", "a chunk has no size"),
    ("Transfer-Encoding: chunked\r\n\r\n-1\r\n", "a chunk has no size"),
    ("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", "a chunk has no size"),
    ("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "answer larger than 10 bytes"),
    ("Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\n", "answer larger than 10 bytes"),
    ("Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "does not end where it says"),
    ("Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "between two chunks"),
];

#[tokio::test]
async fn what_is_no_answer_is_told_in_a_sentence() {
    let repeated = [
        (format!("{OK}{}\r\n", "A: b\r\n".repeat(129)), "more than 128 header fields"),
        (format!("{OK}A: {}", "b".repeat(1 << 20)), "larger than 256 KiB"),
        ("HTTP/1.1 100 x\r\n\r\n".repeat(17), "more than 16 interim answers"),
        (format!("{OK}Transfer-Encoding: chunked\r\n\r\n{}", "1".repeat(9000)), "has no end"),
        (
            format!("{OK}Transfer-Encoding: chunked\r\n\r\n0\r\n{}", "A: b\r\n".repeat(70_000)),
            "trailer section is larger",
        ),
    ];
    let broken = BROKEN.iter().map(|(text, told)| (with_status_line(text), *told));
    for (text, told) in broken.chain(repeated) {
        let start: String = text.chars().take(80).collect();
        match read("GET", &text).await.0 {
            Ok(_) => panic!("{start:?} was taken for an answer"),
            Err(error) => assert!(error.to_string().contains(told), "{start:?}: {error}"),
        }
    }
}
