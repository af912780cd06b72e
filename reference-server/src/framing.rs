//! What hyper settles in silence and this server refuses: a request whose length is given twice.
//!
//! With both Content-Length and Transfer-Encoding, hyper obeys the second, drops the first and closes the connection
//! afterwards. That is allowed (RFC 9112 section 6.3), but an intermediary may have believed the other header, so
//! the request is better refused. The head is read as it passes, some hundred nanoseconds for each request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::app::App;
use crate::fault::{self, Fault};

/// A connection that notices conflicting framing.
#[derive(Debug)]
pub(crate) struct Framing {
    app: Arc<App>,
    stream: TcpStream,
    conflict: Arc<AtomicBool>,
}

impl Framing {
    /// The connection, and the flag that it raises for the request whose head it has just passed on.
    pub(crate) fn new(app: &Arc<App>, stream: TcpStream) -> (Self, Arc<AtomicBool>) {
        let conflict = Arc::new(AtomicBool::new(false));
        let framing = Self { app: Arc::clone(app), stream, conflict: Arc::clone(&conflict) };
        (framing, conflict)
    }
}

impl AsyncRead for Framing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.app.faults.any() {
            let kept = fault::tamper_bytes(&self.app.faults, &mut buffer.filled_mut()[before..]);
            buffer.set_filled(before + kept);
            if self.app.faults.has(Fault::LaxFraming) {
                return polled;
            }
        }
        if conflicts(&buffer.filled()[before..]) {
            self.conflict.store(true, Ordering::Release);
        }
        polled
    }
}

impl AsyncWrite for Framing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Whether bytes that begin with a request line name both lengths in the head that follows.
fn conflicts(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let request_line = lines.next().unwrap_or_default().trim_ascii_end();
    if !request_line.ends_with(b"HTTP/1.1") {
        return false;
    }
    let (mut length, mut encoding) = (false, false);
    for line in lines {
        if line.trim_ascii_end().is_empty() {
            break;
        }
        length |= is_field(line, b"content-length");
        encoding |= is_field(line, b"transfer-encoding");
    }
    length && encoding
}

fn is_field(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && line.get(name.len()) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_head_with_both_lengths_conflicts() {
        for (head, expected) in [
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", true),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\nX: y\r\nCONTENT-LENGTH:1\r\n\r\n",
                true,
            ),
            ("POST / HTTP/1.1\nContent-Length: 1\nTransfer-Encoding: chunked\n\n", true),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nTransfer-Encoding: chunked\r\n", false),
            ("POST / HTTP/1.1\r\nContent-Lengthy: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("", false),
        ] {
            assert_eq!(conflicts(head.as_bytes()), expected, "{head}");
        }
    }
}
