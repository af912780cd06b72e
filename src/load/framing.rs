//! Where an answer ends (RFC 9112 section 6.3), told from bytes that may not be all there yet.
//!
//! The wires read answers as they come; a load worker has read what there was and asks whether it is enough.

use crate::model::{Bytes, Header, Response};

/// What the bytes read so far are.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// The beginning of an answer that has at least so many bytes.
    Partial(usize),
    /// A whole answer.
    Whole(Frame),
    /// The beginning of an answer that ends with its connection.
    UntilClose(Frame),
    /// No answer of HTTP, or one that is too large, for this reason.
    Broken(String),
}

/// The parts of a whole answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    /// Where the final answer begins: behind interim ones.
    start: usize,
    /// Where its content begins.
    content: usize,
    /// Where it ends.
    pub(super) end: usize,
    chunked: bool,
    /// Whether the connection can carry another exchange.
    pub(super) keeps: bool,
    /// Whether the connection speaks another protocol from here on.
    pub(super) upgrades: bool,
}

/// Looks at the bytes of a connection behind the last answer. `head` says that the request was a HEAD.
pub(super) fn frame(bytes: &[u8], head: bool, limit: usize) -> Framing {
    let mut start = 0;
    loop {
        let rest = &bytes[start..];
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        let length = match parsed.parse(rest) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if rest.len() > MAX_HEAD => {
                return broken("its header section is larger than 256 KiB", rest);
            }
            Ok(httparse::Status::Partial) => return Framing::Partial(bytes.len() + 1),
            Err(error) => return broken(&error.to_string(), rest),
        };
        let status = parsed.code.unwrap_or_default();
        if (100..200).contains(&status) && status != 101 {
            start += length;
            continue;
        }
        let headers = Fields(parsed.headers);
        let modern = parsed.version == Some(1);
        let closes = headers.has("connection", "close");
        let keeps = !closes && (modern || headers.has("connection", "keep-alive"));
        let content = start + length;
        let upgrades = status == 101;
        let frame = Frame { start, content, end: content, chunked: false, keeps, upgrades };
        return headers.framing(frame, bytes, head || matches!(status, 101 | 204 | 304), limit);
    }
}

/// The answer itself, with its content decoded.
pub(super) fn response(bytes: &[u8], frame: &Frame) -> Option<Response> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    parsed.parse(&bytes[frame.start..]).ok()?;
    let headers = parsed.headers.iter();
    let headers = headers
        .map(|field| Header { name: field.name.to_owned(), value: Bytes(field.value.to_vec()) });
    let content = &bytes[frame.content..frame.end];
    let body = if frame.chunked { unchunked(content) } else { content.to_vec() };
    Some(Response { status: parsed.code?, headers: headers.collect(), body: body.into() })
}

struct Fields<'a, 'b>(&'a [httparse::Header<'b>]);

impl Fields<'_, '_> {
    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        let text = named.filter_map(|field| std::str::from_utf8(field.value).ok());
        text.flat_map(|value| value.split(',')).map(str::trim)
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.values(name).any(|one| one.eq_ignore_ascii_case(value))
    }

    fn framing(&self, mut frame: Frame, bytes: &[u8], bodiless: bool, limit: usize) -> Framing {
        let too_large = || Framing::Broken(format!("answer larger than {limit} bytes"));
        if bodiless {
            return Framing::Whole(frame);
        }
        if let Some(last) = self.values("transfer-encoding").last() {
            if !last.eq_ignore_ascii_case("chunked") {
                return Self::until_close(frame, bytes, limit);
            }
            frame.chunked = true;
            return match chunked_length(&bytes[frame.content..], limit) {
                Ok(Some(length)) => {
                    frame.end = frame.content + length;
                    Framing::Whole(frame)
                }
                Ok(None) => Framing::Partial(bytes.len() + 1),
                Err(why) => Framing::Broken(why),
            };
        }
        let mut lengths = self.values("content-length");
        let Some(first) = lengths.next() else {
            return Self::until_close(frame, bytes, limit);
        };
        let digits = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || lengths.any(|other| other != first) {
            return Framing::Broken(format!("`Content-Length: {first}` is not one number"));
        }
        match first.parse::<usize>() {
            Ok(length) if length <= limit => {
                frame.end = frame.content + length;
                let whole = frame.end <= bytes.len();
                if whole { Framing::Whole(frame) } else { Framing::Partial(frame.end) }
            }
            _ => too_large(),
        }
    }

    fn until_close(mut frame: Frame, bytes: &[u8], limit: usize) -> Framing {
        frame.end = bytes.len();
        frame.keeps = false;
        if frame.end - frame.content > limit {
            return Framing::Broken(format!("answer larger than {limit} bytes"));
        }
        Framing::UntilClose(frame)
    }
}

/// The length of chunked content with its trailers (RFC 9112 section 7.1), or `None` when it goes on.
fn chunked_length(bytes: &[u8], limit: usize) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let (data, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((line, size))) => (at + line, size),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a chunk has no size".to_owned()),
        };
        if size == 0 {
            return Ok(trailers_end(bytes, data));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > limit || data + size > limit.saturating_mul(2) {
            return Err(format!("answer larger than {limit} bytes"));
        }
        let end = data + size;
        match bytes.get(end..end + 2) {
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Err("a chunk does not end where it says".to_owned()),
            None => return Ok(None),
        }
    }
}

fn trailers_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = bytes[at..].windows(2).position(|pair| pair == b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

fn unchunked(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut at = 0;
    while let Ok(httparse::Status::Complete((line, size))) =
        httparse::parse_chunk_size(&bytes[at..])
    {
        let data = at + line;
        let end = data.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
        let Some(chunk) = bytes.get(data..end).filter(|chunk| !chunk.is_empty()) else { break };
        content.extend_from_slice(chunk);
        at = (end + 2).min(bytes.len());
    }
    content
}

fn broken(why: &str, bytes: &[u8]) -> Framing {
    let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
    Framing::Broken(format!("{why}; it reads \"{}\"", shown.escape_ascii()))
}

const MAX_FIELDS: usize = 128;
const MAX_HEAD: usize = 256 * 1024;
const MAX_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// What framing says, in a word, and the content when there is one.
    fn seen(answer: &str, head: bool) -> (String, String) {
        let bytes = answer.as_bytes();
        match frame(bytes, head, 100) {
            Framing::Partial(_) => ("partial".to_owned(), String::new()),
            Framing::Broken(why) => (why, String::new()),
            Framing::Whole(frame) | Framing::UntilClose(frame) => {
                let rest = bytes.len() - frame.end;
                let keeps = if frame.keeps { "keeps" } else { "closes" };
                let text = response(bytes, &frame).unwrap().body.text().into_owned();
                (format!("{keeps} +{rest}"), text)
            }
        }
    }

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        for (answer, wanted, content) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "keeps +0", "hi"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 ", "keeps +9", "hi"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "partial", ""),
            ("HTTP/1.1 200 OK\r\nConte", "partial", ""),
            ("", "partial", ""),
            ("HTTP/1.1 204 No Content\r\n\r\n", "keeps +0", ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "keeps +0", ""),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "closes +0", ""),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "closes +0", ""),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
                "keeps +0",
                "",
            ),
            ("HTTP/1.1 200 OK\r\n\r\nto the end", "closes +0", "to the end"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\n",
                "keeps +0",
                "hi!",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
                "partial",
                "",
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi", "partial", ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx",
                "a chunk does not end where it says",
                "",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
                "answer larger than 100 bytes",
                "",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
                "answer larger than 100 bytes",
                "",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
                "`Content-Length: 5` is not one number",
                "",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                "`Content-Length: -1` is not one number",
                "",
            ),
        ] {
            assert_eq!(seen(answer, false), (wanted.to_owned(), content.to_owned()), "{answer:?}");
        }
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(seen(answer, true).0, "keeps +0", "an answer to HEAD");
    }

    #[test]
    fn what_is_not_http_is_broken_with_its_beginning() {
        let (why, _) = seen("SSH-2.0-OpenSSH_9.2\r\n", false);
        assert!(why.contains("SSH-2.0"), "{why}");
    }

    #[test]
    fn an_answer_is_partial_until_its_last_byte() {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        for length in 0..answer.len() {
            assert_eq!(seen(&answer[..length], false).0, "partial", "{length}");
        }
        assert_eq!(seen(answer, false).1, "hi");
    }
}
