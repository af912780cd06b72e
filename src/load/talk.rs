//! Users of a WebSocket (RFC 6455): they open it, say who they are in the handshake or in a first message, and hear the first
//! message of the server. That is their whole request; the connection ends with it.

use serde_json::Value;

/// How a user of a socket says who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Talk {
    /// In the header of the handshake.
    Header,
    /// In the first message.
    Message,
}

/// What a server has said on a socket so far.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Said<'a> {
    /// Nothing that is complete.
    Nothing,
    /// A text, with the number of bytes up to its end.
    Text(&'a [u8], usize),
    /// It has closed the socket, or said something else, in words.
    Other(String),
}

/// The first message in bytes that came behind the handshake. Pings and pongs are passed over.
pub(super) fn said(bytes: &[u8], limit: usize) -> Said<'_> {
    let mut at = 0;
    loop {
        let Some(&[first, second]) = bytes.get(at..at + 2) else { return Said::Nothing };
        let (start, length) = match usize::from(second & 0x7f) {
            126 => match bytes.get(at + 2..at + 4) {
                Some(&[a, b]) => (at + 4, usize::from(u16::from_be_bytes([a, b]))),
                _ => return Said::Nothing,
            },
            127 => match bytes.get(at + 2..at + 10).and_then(|long| long.try_into().ok()) {
                Some(long) => {
                    (at + 10, usize::try_from(u64::from_be_bytes(long)).unwrap_or(usize::MAX))
                }
                None => return Said::Nothing,
            },
            short => (at + 2, short),
        };
        if second & 0x80 != 0 {
            return Said::Other("a masked frame, which only clients send".to_owned());
        }
        if length > limit {
            return Said::Other(format!("a message larger than {limit} bytes"));
        }
        let Some(payload) = bytes.get(start..start + length) else { return Said::Nothing };
        match first {
            TEXT => return Said::Text(payload, start + length),
            PING | PONG => at = start + length,
            CLOSE => {
                let code =
                    payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                return Said::Other(format!("the end of the socket, with code {code}"));
            }
            other => return Said::Other(format!("a frame that begins with {other:#04x}")),
        }
    }
}

/// What is wrong with the first message of a server to somebody whom it knows, if anything is.
pub(super) fn wrong(said: &[u8]) -> Option<String> {
    let told: Option<Value> = serde_json::from_slice(said).ok();
    let kind = told.as_ref().and_then(|told| told.get("type")).and_then(Value::as_str);
    (kind != Some("ACTIVE_ORDERS")).then(|| {
        let shown = &said[..said.len().min(MOST_SHOWN)];
        format!("the first message is not the active orders: {}", shown.escape_ascii())
    })
}

/// Puts the frame that names a token behind what is in `out`, under this mask.
pub(super) fn introduce(token: &str, mask: [u8; 4], out: &mut Vec<u8>) {
    let text = Value::from_iter([("accesstoken", token)]).to_string();
    out.push(TEXT);
    match u8::try_from(text.len()) {
        Ok(length @ ..126) => out.push(0x80 | length),
        _ => {
            out.push(0x80 | 126);
            // Tokens that are longer than this are in no header either.
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const MOST_SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_text_is_found_behind_pings_and_told_when_it_is_complete() {
        let long = [&[TEXT, 126, 0, 200][..], &[b'x'; 200]].concat();
        for (bytes, wanted) in [
            (&b""[..], Said::Nothing),
            (b"\x81", Said::Nothing),
            (b"\x81\x02h", Said::Nothing),
            (b"\x81\x02hi", Said::Text(b"hi", 4)),
            (b"\x89\x01p\x81\x02hi", Said::Text(b"hi", 7)),
            (&long[..4], Said::Nothing),
            (&long, Said::Text(&long[4..], 204)),
            (b"\x88\x02\x03\xf0", Said::Other("the end of the socket, with code 1008".to_owned())),
            (b"\x82\x00", Said::Other("a frame that begins with 0x82".to_owned())),
            (
                b"\x81\x7f\0\0\0\x01\0\0\0\0",
                Said::Other("a message larger than 999 bytes".to_owned()),
            ),
            (b"\x81\x81", Said::Other("a masked frame, which only clients send".to_owned())),
        ] {
            assert_eq!(said(bytes, 999), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn a_token_is_introduced_in_a_masked_frame() {
        for token in ["abc", &"x".repeat(200)] {
            let mut frame = Vec::new();
            introduce(token, [1, 2, 3, 4], &mut frame);
            let start = if token.len() < 100 { 2 } else { 4 };
            let length = frame.len() - start - 4;
            assert_eq!(frame[1], if start == 2 { 0x80 | length as u8 } else { 0x80 | 126 });
            let mask = [1u8, 2, 3, 4];
            let masked = frame[start + 4..].iter().zip(mask.iter().cycle());
            let text: Vec<u8> = masked.map(|(byte, mask)| byte ^ mask).collect();
            assert_eq!(text, format!("{{\"accesstoken\":\"{token}\"}}").into_bytes());
        }
    }

    #[test]
    fn anything_but_the_active_orders_is_wrong() {
        assert_eq!(wrong(br#"{"type":"ACTIVE_ORDERS","count":0,"items":[]}"#), None);
        for said in [&br#"{"returnCode":-2}"#[..], b"{}", b"\xff", b""] {
            assert!(wrong(said).unwrap().starts_with("the first message is not"));
        }
    }
}
