//! What faults do to the bytes of a request before HTTP is read from them, and to its body before the flow sees it.
//! Nothing here runs while no fault is installed.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HeaderValue};

use super::{Fault, Faults};
use crate::app::App;
use crate::http::{BodyError, FORM, Form, media_type, read_body};

/// Changes bytes that were just read, in place, and returns how many of them are left.
///
/// A head is only looked at where it begins these bytes, as it does when a request is sent in one piece.
pub(crate) fn tamper_bytes(faults: &Faults, bytes: &mut [u8]) -> usize {
    // A text frame that is not the last of its message (RFC 6455 section 5.2); no request begins so.
    if faults.has(Fault::FragmentTakenWhole) && bytes.first() == Some(&0x01) {
        bytes[0] |= 0x80;
    }
    let Some(mut head) = head_length(bytes) else {
        return bytes.len();
    };
    let mut left = bytes.len();
    let mut remove = |bytes: &mut [u8], from: usize, count: usize| {
        bytes.copy_within(from + count..left, from);
        left -= count;
    };
    if faults.has(Fault::ControlBytesDropped) || faults.has(Fault::CutAtControlByte) {
        while let Some(at) = bytes[..head].iter().position(|byte| *byte == 0) {
            let line = bytes[at..head].iter().position(|byte| *byte == b'\r').unwrap_or(1);
            let count = if faults.has(Fault::CutAtControlByte) { line } else { 1 };
            remove(bytes, at, count);
            head -= count;
        }
    }
    let dropped = |byte: u8| {
        (faults.has(Fault::NonAsciiDropped) && !byte.is_ascii())
            || (faults.has(Fault::ControlCharactersDropped)
                && byte.is_ascii_control()
                && !b"\r\n\t".contains(&byte))
    };
    while let Some(at) = bytes[..head].iter().position(|byte| dropped(*byte)) {
        remove(bytes, at, 1);
        head -= 1;
    }
    if faults.has(Fault::FoldedLineJoined) {
        while let Some(at) =
            bytes[..head].windows(3).position(|three| three == b"\r\n " || three == b"\r\n\t")
        {
            remove(bytes, at, 3);
            head -= 3;
        }
    }
    if faults.has(Fault::SpaceInSecret) {
        keep_spaces(&mut bytes[..head], b"client-secret:");
    }
    hide_fields(faults, &mut bytes[..head]);
    left
}

/// Hides the fields of a head that a server with these faults does not read.
fn hide_fields(faults: &Faults, head: &mut [u8]) {
    if faults.has(Fault::FieldNameExact) {
        hide(head, b"authorization", |line| {
            !line.starts_with(b"Authorization") && !line.starts_with(b"authorization")
        });
    }
    if faults.has(Fault::CapitalFieldsUnread) {
        for name in ["authorization", "client-id", "client-secret", "refresh-token"] {
            hide(head, name.as_bytes(), |line| {
                !line[..name.len()].iter().any(u8::is_ascii_lowercase)
            });
        }
    }
    if faults.has(Fault::LaxFraming) {
        hide(head, b"transfer-encoding", |line| !contains(line, b": chunked"));
        let mut lengths = 0;
        hide(head, b"content-length", |_| {
            lengths += 1;
            lengths > 1
        });
    }
}

/// The length of the head that these bytes begin with, as far as it is there.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    line.ends_with(b"HTTP/1.1").then_some(end.map_or(bytes.len(), |end| end + 4))
}

/// Gives the fields of this name another one where `is` says so, which hides them from whoever reads the head.
fn hide(head: &mut [u8], name: &[u8], mut is: impl FnMut(&[u8]) -> bool) {
    let mut start = 0;
    while start < head.len() {
        let length = head[start..].iter().position(|byte| *byte == b'\n');
        let end = length.map_or(head.len(), |length| start + length + 1);
        let line = &head[start..end];
        let named = line.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
        if named && line.get(name.len()) == Some(&b':') && is(line) {
            head[start] = b'X';
        }
        start = end;
    }
}

/// Makes white space around the value of a field a part of it, which a reader of HTTP would drop.
fn keep_spaces(head: &mut [u8], field: &[u8]) {
    for line in head.split_mut(|byte| *byte == b'\n') {
        let named = line.get(..field.len()).is_some_and(|own| own.eq_ignore_ascii_case(field));
        let end = line.strip_suffix(b"\r").unwrap_or(line).len();
        // One space before the value is the usual way to write a field.
        if named && let Some(value) = line.get_mut(field.len() + 1..end) {
            for at in [0, value.len().saturating_sub(1)] {
                if let Some(edge) = value.get_mut(at).filter(|edge| b" \t".contains(*edge)) {
                    *edge = b'_';
                }
            }
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The request with the token of its body in the header, if it has none there: RFC 6750 section 2.2, which no
/// document asks for.
pub(crate) async fn with_body_token(app: &App, request: Request) -> Result<Request, BodyError> {
    if request.headers().contains_key(AUTHORIZATION) {
        return Ok(request);
    }
    let (mut parts, body) = read_body(app, request).await?;
    let names = ["access_token", "accesstoken", "token"];
    let token = if media_type(&parts.headers) == FORM {
        let form = Form::parse(&body).unwrap_or_default();
        names.iter().find_map(|name| form.field(name).filled().map(str::to_owned))
    } else {
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        names.iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned))
    };
    if let Some(value) =
        token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok())
    {
        parts.headers.insert(AUTHORIZATION, value);
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_changed_only_by_the_fault_that_is_there_and_a_body_by_none() {
        let head = "POST /x HTTP/1.1\r\nAUTHORIZATION: Bearer a\0b\r\nContent-Length: 5\r\n\
                    Content-Length: 6\r\nTransfer-Encoding: xchunked\r\n\r\na\0b";
        for (fault, from, to) in [
            (Fault::ControlBytesDropped, "Bearer a\0b", "Bearer ab"),
            (Fault::CutAtControlByte, "Bearer a\0b", "Bearer a"),
            (Fault::FieldNameExact, "AUTHORIZATION", "XUTHORIZATION"),
            (Fault::NoAllow, "x", "x"),
        ] {
            let mut bytes = head.as_bytes().to_vec();
            let left = tamper_bytes(&Faults::new(&[fault]), &mut bytes);
            let wanted = head.replacen(from, to, 1);
            assert_eq!(String::from_utf8_lossy(&bytes[..left]), wanted, "{fault}");
        }
        let mut bytes = head.as_bytes().to_vec();
        let left = tamper_bytes(&Faults::new(&[Fault::LaxFraming]), &mut bytes);
        let wanted =
            head.replace("Transfer", "Xransfer").replace("Content-Length: 6", "Xontent-Length: 6");
        assert_eq!(String::from_utf8_lossy(&bytes[..left]), wanted);
    }

    #[test]
    fn only_a_text_frame_that_is_not_the_last_is_taken_for_a_whole_message() {
        let faults = Faults::new(&[Fault::FragmentTakenWhole]);
        for (byte, wanted) in [(0x01, 0x81), (0x81, 0x81), (0x00, 0x00), (b'G', b'G')] {
            let mut bytes = [byte, 0x80];
            assert_eq!(tamper_bytes(&faults, &mut bytes), 2);
            assert_eq!(bytes[0], wanted);
        }
    }
}
