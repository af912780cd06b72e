//! What a client says on a WebSocket (RFC 6455), as it may and as it must not: a handshake, frames, and a close frame.

use std::collections::BTreeMap;

use super::ByteDraw;
use crate::source::Random;
use crate::wire::accept_of;

/// What the orders may be sent for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Entitled {
    /// Nothing was shown that counts, or too late.
    Never,
    /// They may come.
    May,
    /// A token was shown as documented: they must come.
    Must,
}

const WORDS: [&str; 3] = ["keep-alive, Upgrade", "upgrade", "UPGRADE"];
const NAMES: [&str; 2] = ["WebSocket", "WEBSOCKET"];
const VERSIONS: [&str; 3] = ["12", "", "x"];
const NO_TEXT: [&[u8]; 3] = [b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0"];
const CLOSES: [&[u8]; 2] = [b"", b"\x03\xe8"];

/// Everything that a client says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Talk {
    /// The request for the upgrade.
    pub(super) handshake: Vec<u8>,
    /// What it must be answered with.
    pub(super) accept: String,
    /// The frames behind it.
    pub(super) frames: Vec<u8>,
    /// Whether the orders come.
    pub(super) entitled: Entitled,
    /// Whether the upgrade must be refused.
    pub(super) refused: bool,
    /// Whether the client keeps to the RFC.
    pub(super) proper: bool,
    /// Whether the server owes a message that says what is wrong.
    pub(super) wrong: bool,
}

/// The payload of the last ping.
const LAST_PING: &[u8] = b"the last one";

/// The end of every talk.
pub(super) fn farewell() -> Vec<u8> {
    frame(FIN | CLOSE, true, &1000_u16.to_be_bytes())
}

/// The answer to the last ping.
pub(super) fn last_pong() -> Vec<u8> {
    frame(FIN | PONG, false, LAST_PING)
}

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

/// One of some.
fn one<T: Copy>(random: &mut Random, of: &[T]) -> T {
    of[random.below(of.len())]
}

/// A frame as it is on the wire; a mask of zeros leaves the payload readable.
fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask | u8::try_from(length).unwrap_or_default()),
        length @ 126..=65_535 => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
        }
        length => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend_from_slice(&[0; 4]);
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// What a case says, with the good token and the address of the socket.
pub(super) fn talk(
    (base, changes): &ByteDraw,
    names: &BTreeMap<String, String>,
    (path, host): (&str, &str),
) -> Talk {
    let token = names.get("token").map_or("", String::as_str);
    let mut drawn = Drawn::new(path, token, &mut Random::new(*base as u64));
    drawn.begin(base / 8, token);
    for (which, seed) in changes {
        drawn.change(*which, &mut Random::new(u64::from(*seed)), token);
    }
    drawn.finish(host)
}

/// A talk while it is drawn up.
struct Drawn {
    key: String,
    target: String,
    fields: Vec<(&'static str, String)>,
    before: Vec<u8>,
    message: Option<String>,
    fragments: bool,
    after: Vec<u8>,
    entitled: Entitled,
    refused: bool,
    proper: bool,
}

impl Drawn {
    fn new(path: &str, token: &str, random: &mut Random) -> Self {
        use base64::Engine as _;
        let bytes: Vec<u8> =
            (0..16).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect();
        let key = base64::engine::general_purpose::STANDARD.encode(bytes);
        Self {
            key: key.clone(),
            target: path.to_owned(),
            fields: vec![
                ("Connection", "Upgrade".to_owned()),
                ("Upgrade", "websocket".to_owned()),
                ("Sec-WebSocket-Version", "13".to_owned()),
                ("Sec-WebSocket-Key", key),
            ],
            before: Vec::new(),
            message: Some(format!("{{\"accesstoken\":\"{token}\"}}")),
            fragments: false,
            after: Vec::new(),
            entitled: Entitled::Must,
            refused: false,
            proper: true,
        }
    }

    /// How a token is shown, if one is.
    fn begin(&mut self, way: usize, token: &str) {
        const WRONG: [&str; 9] = [
            "{\"accesstoken\":\"0123456789abcdef0123456789abcdef0123456789abcdef\"}",
            "{",
            "[]",
            "null",
            "{\"accesstoken\":1}",
            "{\"accesstoken\":null}",
            "{\"accesstoken\":[\"\"]}",
            "{\"token\":\"x\"}",
            "",
        ];
        match way % 8 {
            0 | 1 => {}
            2 | 3 => {
                self.fields.push(("Authorization", format!("Bearer {token}")));
                self.message = None;
            }
            4 => {
                self.target = format!(
                    "{}?token={token}&access_token={token}&accesstoken={token}",
                    self.target
                );
                self.message = None;
                self.entitled = Entitled::Never;
            }
            5 => {
                let none = "0123456789abcdef0123456789abcdef0123456789abcdef";
                self.fields.push(("Authorization", format!("Bearer {none}")));
                self.message = None;
                self.entitled = Entitled::Never;
            }
            _ => {
                self.message = Some(WRONG[way / 8 % WRONG.len()].to_owned());
                self.entitled = Entitled::Never;
            }
        }
    }

    fn change(&mut self, which: u8, random: &mut Random, token: &str) {
        match which % 13 {
            0 => self.before.extend(frame(FIN | PING, true, &vec![b'p'; random.below(126)])),
            1 => self.before.extend(frame(FIN | PONG, true, b"nobody asked")),
            2 => self.fragments = true,
            3 => {
                if let Some(message) = &mut self.message {
                    *message = message.replacen(
                        "{\"accesstoken\":",
                        "{ \"id\" : 1,\n \"accesstoken\" : ",
                        1,
                    );
                }
            }
            4 => {
                self.set("Connection", one(random, &WORDS));
                self.set("Upgrade", one(random, &NAMES));
            }
            5 => {
                let wrong =
                    "{\"accesstoken\":\"0123456789abcdef0123456789abcdef0123456789abcdef\"}";
                self.after.extend(frame(FIN | TEXT, true, wrong.as_bytes()));
            }
            6 => self.set("Sec-WebSocket-Version", one(random, &VERSIONS)),
            7 => self.fields.retain(|(name, _)| *name != "Sec-WebSocket-Key"),
            8 => self.fields.retain(|(name, _)| !matches!(*name, "Connection" | "Upgrade")),
            // Where nothing was shown before, it would be the first one.
            9 if self.entitled != Entitled::Never => {
                let right = format!("{{\"accesstoken\":\"{token}\"}}");
                self.after.extend(frame(FIN | TEXT, true, right.as_bytes()));
            }
            9 => {}
            10 => self.odd(random),
            _ => self.forbidden(random, token),
        }
        self.refused |= matches!(which % 13, 6..=8);
    }

    fn set(&mut self, name: &str, value: &str) {
        for field in self.fields.iter_mut().filter(|(known, _)| *known == name) {
            value.clone_into(&mut field.1);
        }
    }

    /// Frames that a server should not like, and may pass over.
    fn odd(&mut self, random: &mut Random) {
        let odd = match random.below(6) {
            0 => frame(PING, true, b"in two"),
            1 => frame(FIN | PING, true, &[b'x'; 126]),
            2 => frame(FIN, true, b"goes on"),
            3 => [frame(TEXT, true, b"{"), frame(TEXT, true, b"{")].concat(),
            4 => [vec![FIN | PING, 0xfe, 0, 2, 0, 0, 0, 0], b"ab".to_vec()].concat(),
            _ => frame(FIN | 0x2, true, &[0xff; 300]),
        };
        self.broken(&odd, Entitled::May);
    }

    /// Frames after which nothing counts any more: sections 5.1, 5.2, 5.5.1 and 8.1.
    fn forbidden(&mut self, random: &mut Random, token: &str) {
        let close = |payload: &[u8]| frame(FIN | CLOSE, true, payload);
        let forbidden = match random.below(8) {
            0 | 1 => {
                frame(FIN | TEXT, false, format!("{{\"accesstoken\":\"{token}\"}}").as_bytes())
            }
            2 => frame(FIN | 0x40 | TEXT, true, b"{}"),
            3 => frame(FIN | (3 + u8::try_from(random.below(5)).unwrap_or_default()), true, b""),
            4 => frame(FIN | (0xb + u8::try_from(random.below(5)).unwrap_or_default()), true, b""),
            5 => frame(FIN | TEXT, true, one(random, &NO_TEXT)),
            6 => close(
                &[
                    &one(random, &[0_u16, 999, 1004, 1005, 1006, 1015, 65_535]).to_be_bytes()[..],
                    b"\xff",
                ]
                .concat(),
            ),
            _ => close(one(random, &CLOSES)),
        };
        self.broken(&forbidden, Entitled::Never);
    }

    fn broken(&mut self, bytes: &[u8], entitled: Entitled) {
        self.before.extend_from_slice(bytes);
        self.proper = false;
        // The orders for a good token in the handshake come before any frame is read.
        let early = self.message.is_none();
        self.entitled = self.entitled.min(if early { Entitled::May } else { entitled });
    }

    fn finish(self, host: &str) -> Talk {
        let mut handshake =
            format!("GET {} HTTP/1.1\r\nHost: {host}\r\n", self.target).into_bytes();
        for (name, value) in &self.fields {
            handshake.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        handshake.extend_from_slice(b"\r\n");
        let mut frames = self.before;
        match &self.message {
            Some(message) if self.fragments => {
                let (start, end) = message.as_bytes().split_at(message.len() / 2);
                frames.extend(frame(TEXT, true, start));
                frames.extend(frame(FIN | PING, true, b"between"));
                frames.extend(frame(FIN, true, end));
            }
            Some(message) => frames.extend(frame(FIN | TEXT, true, message.as_bytes())),
            None => {}
        }
        frames.extend(self.after);
        frames.extend(frame(FIN | PING, true, LAST_PING));
        let entitled = if self.refused { Entitled::Never } else { self.entitled };
        let wrong =
            self.proper && !self.refused && self.message.is_some() && entitled == Entitled::Never;
        Talk {
            handshake,
            accept: accept_of(&self.key),
            frames,
            entitled,
            refused: self.refused,
            proper: self.proper,
            wrong,
        }
    }
}
