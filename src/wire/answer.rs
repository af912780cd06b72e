//! An HTTP/1.x answer, read from bytes (RFC 9112), with a limit on everything.

use std::io;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::model::{Bytes, Header, Reply, Response, WireError};

use super::{Answer, tls};

/// Reads one final answer; interim ones are passed over, but for 101, which ends HTTP on the
/// connection. What comes behind the answer stays in `buffer`.
///
/// # Errors
/// [`WireError::Nonsense`] for what is no answer or passes a limit, [`WireError::Closed`] when the
/// connection ends too early.
pub(super) async fn read_answer<R: AsyncRead + Unpin>(
    input: &mut R,
    buffer: &mut Vec<u8>,
    method: &str,
    limit: usize,
) -> Result<Answer, WireError> {
    let mut reader = Reader { input, buffer, limit };
    for _ in 0..=MAX_INTERIM {
        let head = reader.head().await?;
        if head.status == 101 || !(100..200).contains(&head.status) {
            let framing = framing(method, &head, limit)?;
            let body = reader.content(&framing).await?;
            let reusable = head.persistent && head.status != 101 && framing != Framing::UntilClose;
            let response =
                Response { status: head.status, headers: head.headers, body: body.into() };
            return Ok(Answer { response: uncoded(response)?, reusable });
        }
    }
    Err(WireError::Nonsense(format!("more than {MAX_INTERIM} interim answers")))
}

/// Reads one answer from bytes that are all there.
///
/// # Errors
/// As `read_answer`; bytes that end too early are a connection that was closed.
pub fn read_whole_answer(mut bytes: &[u8], method: &str) -> Result<Response, WireError> {
    let mut buffer = Vec::new();
    let answer = read_answer(&mut bytes, &mut buffer, method, WHOLE_LIMIT).now_or_never();
    // Bytes in memory are always ready.
    answer
        .unwrap_or_else(|| Err(WireError::Closed("it goes on".to_owned())))
        .map(|answer| answer.response)
}

const WHOLE_LIMIT: usize = 1 << 20;

/// The answer, if its content is as it is. A server may choose any coding when the request names
/// none (RFC 9110 section 12.5.3); that is no fault, but nothing can be said of what it holds.
pub(super) fn uncoded(response: Response) -> Reply {
    let codings = list(&response.headers, "content-encoding");
    let coded = codings.iter().find(|coding| !coding.is_empty() && *coding != "identity");
    match coded {
        Some(coding) if !response.body.0.is_empty() => Err(WireError::Unreadable(format!(
            "it is coded with `{coding}`, though no `Accept-Encoding` was sent; switch compression off in the server"
        ))),
        _ => Ok(response),
    }
}

struct Head {
    status: u16,
    headers: Vec<Header>,
    persistent: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum Framing {
    Absent,
    Chunked,
    Length(usize),
    UntilClose,
}

/// Where the content of an answer ends (RFC 9112 section 6.3).
fn framing(method: &str, head: &Head, limit: usize) -> Result<Framing, WireError> {
    let bodiless = matches!(head.status, 101 | 204 | 304);
    if bodiless || method == "HEAD" || (method == "CONNECT" && (200..300).contains(&head.status)) {
        return Ok(Framing::Absent);
    }
    let codings = list(&head.headers, "transfer-encoding");
    if let Some(last) = codings.last() {
        let chunked = last.eq_ignore_ascii_case("chunked");
        return Ok(if chunked { Framing::Chunked } else { Framing::UntilClose });
    }
    let lengths = list(&head.headers, "content-length");
    let Some(first) = lengths.first() else {
        return Ok(Framing::UntilClose);
    };
    let digits = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || lengths.iter().any(|other| other != first) {
        let shown = lengths.join(", ");
        return Err(WireError::Nonsense(format!("`Content-Length: {shown}` is not one number")));
    }
    match first.parse::<usize>() {
        Ok(length) if length <= limit => Ok(Framing::Length(length)),
        _ => Err(too_large(limit)),
    }
}

/// The members of a comma-separated field, over all its lines (RFC 9110 section 5.6.1).
fn list(headers: &[Header], name: &str) -> Vec<String> {
    let lines = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let mut members = Vec::new();
    for line in lines {
        let text = line.value.text();
        members.extend(text.split(',').map(|member| member.trim().to_owned()));
    }
    members
}

struct Reader<'a, R> {
    input: &'a mut R,
    buffer: &'a mut Vec<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Reader<'_, R> {
    async fn head(&mut self) -> Result<Head, WireError> {
        let mut searched = 0;
        loop {
            if let Some(end) = end_of_head(self.buffer, searched) {
                if let Some((head, length)) = parse_head(&self.buffer[..end])? {
                    self.buffer.drain(..length);
                    return Ok(head);
                }
                searched = end;
                continue;
            }
            searched = searched.max(self.buffer.len().saturating_sub(2));
            // Told at once, so that a server that speaks something else need not hang up first.
            if !begins_like_http(self.buffer) {
                return Err(nonsense("it does not begin with `HTTP/`", self.buffer));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(nonsense("its header section is larger than 256 KiB", self.buffer));
            }
            if self.fill().await? == 0 {
                return Err(WireError::Closed(match self.buffer.len() {
                    0 => "before its first byte".to_owned(),
                    read => format!("in the header section, after {read} bytes"),
                }));
            }
        }
    }

    async fn content(&mut self, framing: &Framing) -> Result<Vec<u8>, WireError> {
        match framing {
            Framing::Absent => Ok(Vec::new()),
            Framing::Chunked => self.chunks().await,
            Framing::Length(length) => {
                self.at_least(*length).await?;
                Ok(self.buffer.drain(..*length).collect())
            }
            Framing::UntilClose => loop {
                if self.buffer.len() > self.limit {
                    return Err(too_large(self.limit));
                }
                if self.fill().await? == 0 {
                    return Ok(std::mem::take(self.buffer));
                }
            },
        }
    }

    /// The chunked transfer coding (RFC 9112 section 7.1); extensions and trailers are dropped.
    async fn chunks(&mut self) -> Result<Vec<u8>, WireError> {
        let mut content = Vec::new();
        loop {
            let size = chunk_size(&self.line().await?)?;
            if size == 0 {
                break;
            }
            if size > self.limit - content.len() {
                return Err(too_large(self.limit));
            }
            self.at_least(size.saturating_add(2)).await?;
            content.extend(self.buffer.drain(..size));
            if self.buffer.drain(..2).ne(*b"\r\n") {
                return Err(WireError::Nonsense("a chunk does not end where it says".to_owned()));
            }
        }
        let mut trailers = 0;
        loop {
            let line = self.line().await?;
            trailers += line.len();
            if line.is_empty() {
                return Ok(content);
            }
            if trailers > MAX_HEAD {
                return Err(nonsense("its trailer section is larger than 256 KiB", &line));
            }
        }
    }

    /// A line of the chunked coding, without its end.
    async fn line(&mut self) -> Result<Vec<u8>, WireError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.buffer.len();
            if searched > MAX_LINE {
                return Err(nonsense("a line between its chunks has no end", self.buffer));
            }
            if self.fill().await? == 0 {
                return Err(WireError::Closed("between two chunks".to_owned()));
            }
        }
    }

    async fn at_least(&mut self, wanted: usize) -> Result<(), WireError> {
        while self.buffer.len() < wanted {
            if self.fill().await? == 0 {
                let read = self.buffer.len();
                return Err(WireError::Closed(format!(
                    "in the content, after {read} of {wanted} bytes"
                )));
            }
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<usize, WireError> {
        // A bounded piece at a time: many small chunks are taken from the front of the buffer, and
        // a long rest would be moved for each.
        self.buffer.reserve(READ);
        (&mut *self.input)
            .take(READ as u64)
            .read_buf(self.buffer)
            .await
            .map_err(|error| closed(&error))
    }
}

fn end_of_head(buffer: &[u8], from: usize) -> Option<usize> {
    (from..buffer.len()).find_map(|at| match &buffer[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// The head and its length in bytes, or `None` when it goes on.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, WireError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(nonsense("it has more than 128 header fields", bytes));
        }
        Err(error) => return Err(nonsense(&error.to_string(), bytes)),
    };
    let headers: Vec<Header> = parsed
        .headers
        .iter()
        .map(|field| Header { name: field.name.to_owned(), value: Bytes(field.value.to_vec()) })
        .collect();
    let options = list(&headers, "connection");
    let has = |option: &str| options.iter().any(|other| other.eq_ignore_ascii_case(option));
    let modern = parsed.version == Some(1);
    let persistent = !has("close") && (modern || has("keep-alive"));
    Ok(parsed.code.map(|status| (Head { status, headers, persistent }, length)))
}

fn begins_like_http(buffer: &[u8]) -> bool {
    let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    buffer[blank..].iter().zip(b"HTTP/").all(|(is, wanted)| is == wanted)
}

fn chunk_size(line: &[u8]) -> Result<usize, WireError> {
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let hexadecimal = !size.is_empty() && size.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(size)
        .ok()
        .filter(|_| hexadecimal)
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .ok_or_else(|| nonsense("a chunk has no size", line))
}

fn nonsense(why: &str, bytes: &[u8]) -> WireError {
    let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
    WireError::Nonsense(format!("{why}; it reads \"{}\"", shown.escape_ascii()))
}

fn too_large(limit: usize) -> WireError {
    WireError::Nonsense(format!("answer larger than {limit} bytes"))
}

/// The end of a connection that is no orderly end. With TLS 1.3 a server looks at the client's
/// certificate after the client's last word of the handshake: its refusal comes as late as this.
pub(super) fn closed(error: &io::Error) -> WireError {
    match tls::refusal(error) {
        Some(refusal) => WireError::Connect(refusal),
        None => WireError::Closed(error.to_string()),
    }
}

const MAX_FIELDS: usize = 128;
const MAX_HEAD: usize = 256 * 1024;
const MAX_INTERIM: usize = 16;
const MAX_LINE: usize = 8 * 1024;
const MAX_SHOWN: usize = 60;
const READ: usize = 8 * 1024;

#[cfg(test)]
mod tests;
