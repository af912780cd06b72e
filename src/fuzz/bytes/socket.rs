//! What a server says on a WebSocket, held against RFC 6455 and against what the client had shown.

use tokio::runtime::Runtime;

use super::talk::{Entitled, Talk, farewell, last_pong, talk};
use super::{ByteBench, ByteDraw, ByteWalk};
use crate::fuzz::cell::hashed;
use crate::fuzz::oracle::{Failure, Oracle};
use crate::model::{Reply, SentAndReceived, Violation};

/// One case in so many, where there are sockets.
const SHARE: usize = 8;

/// A frame of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Told {
    opcode: u8,
    payload: Vec<u8>,
}

/// What is wrong, by which clause.
type Wrong = (Oracle, &'static str, String);

impl ByteBench<'_> {
    /// Whether a case is one of a socket.
    pub(super) fn is_talk(&self, draw: &ByteDraw) -> bool {
        draw.0 % SHARE == SHARE - 1 && self.rules.offers_sockets()
    }

    /// What a case says on a socket.
    fn talk(&self, draw: &ByteDraw) -> Option<Talk> {
        let path = self.binding.operations.get("socket")?.path.as_str();
        let host = self.binding.base_url.split("://").last()?.trim_end_matches('/');
        Some(talk(draw, &self.names, (path, host)))
    }

    /// Runs one case of a socket.
    pub(super) fn run_talk(&mut self, runtime: &Runtime, draw: &ByteDraw) -> ByteWalk {
        let Some(talk) = self.talk(draw) else {
            return ByteWalk::default();
        };
        let Some(lane) = &mut self.lane else {
            return ByteWalk::default();
        };
        let (reply, heard) = runtime.block_on(async {
            let reply = lane.upgrade(&talk.handshake).await;
            if !reply.as_ref().is_ok_and(|response| response.status == 101) {
                return (reply, None);
            }
            let mut said = talk.frames.clone();
            let mut first = Vec::new();
            // Who has received the end need not answer a ping any more, so the end waits for that.
            if talk.proper && talk.entitled == Entitled::Must {
                let heard = lane.say(&talk.frames, Some(&last_pong())).await;
                if heard.ended {
                    return (reply, Some(heard));
                }
                first = heard.bytes;
                said.clear();
            }
            said.extend(farewell());
            let mut heard = lane.say(&said, None).await;
            heard.bytes.splice(..0, first);
            (reply, Some(heard))
        });
        lane.hang_up();
        let told = heard.as_ref().map(|heard| (frames(&heard.bytes), heard.ended));
        let wrong = self.is_wrong(&talk, &reply, told.as_ref());
        let kinds: Vec<(u8, usize)> = told
            .iter()
            .flat_map(|(told, _)| told.iter().flatten())
            .map(|told| (told.opcode, told.payload.len().min(140)))
            .collect();
        let status = reply.as_ref().map_or(0, |response| response.status);
        let cell = hashed(&(status, kinds, talk.entitled == Entitled::Must, talk.proper));
        let failure = wrong.map(|wrong| failure(&talk, &reply, heard.map(|it| it.bytes), wrong));
        ByteWalk { failure, cell, spoilt: false }
    }

    fn is_wrong(
        &self,
        talk: &Talk,
        reply: &Reply,
        told: Option<&(Option<Vec<Told>>, bool)>,
    ) -> Option<Wrong> {
        let own =
            |text: &str, clause| Some((Oracle::Frames(text.to_owned()), clause, text.to_owned()));
        let response = match reply {
            Err(error) => return Some((Oracle::Unanswered, "X-68", error.to_string())),
            Ok(response) if response.status >= 500 && response.status != 501 => {
                return Some((Oracle::Failed, "X-68", format!("status {}", response.status)));
            }
            Ok(response) => response,
        };
        let Some((told, ended)) = told else {
            let must = talk.entitled == Entitled::Must && talk.proper;
            return match response.status {
                400..=499 if !must => None,
                400..=499 => own("a handshake as the RFC has it is refused", "X-80"),
                _ => own("a handshake that is none is served", "X-85"),
            };
        };
        if talk.refused {
            return own("a handshake without what the RFC wants switches protocols", "X-80");
        }
        if response.header("sec-websocket-accept").as_deref() != Some(&*talk.accept) {
            return own("the accept value does not belong to the key", "X-80");
        }
        let Some(told) = told else {
            return own("a frame that no server may send", "X-80");
        };
        self.messages_are_wrong(talk, told).or_else(|| ends_wrong(talk, told, *ended))
    }

    fn messages_are_wrong(&self, talk: &Talk, told: &[Told]) -> Option<Wrong> {
        let texts: Vec<String> = told
            .iter()
            .filter(|told| told.opcode == 1)
            .map(|told| String::from_utf8_lossy(&told.payload).into_owned())
            .collect();
        let token = self.names.get("token").map_or("", String::as_str);
        if texts.iter().any(|text| text.contains(token)) {
            return Some((Oracle::Echoed, "X-66", "the token in a message".to_owned()));
        }
        let orders = texts.iter().filter(|text| text.contains("\"ACTIVE_ORDERS\""));
        let orders: Vec<&String> = orders.collect();
        match (talk.entitled, orders.first()) {
            (Entitled::Never, Some(_)) => {
                return own("orders for a client that has shown no token", "BTN-87");
            }
            (Entitled::Must, None) if talk.proper => {
                return own("no orders for a client that has shown its token", "BTN-81");
            }
            (_, Some(orders)) if orders.contains("returnCode") => {
                return own("a notification with a returnCode", "BTN-82");
            }
            _ => {}
        }
        if talk.wrong && !texts.iter().any(|text| text.contains("\"returnCode\"")) {
            return own("a wrong first message is not answered with an error", "BTN-86");
        }
        None
    }
}

fn own(text: &str, clause: &'static str) -> Option<Wrong> {
    Some((Oracle::Frames(text.to_owned()), clause, text.to_owned()))
}

/// Whether a socket does not live, or does not end, as it must.
fn ends_wrong(talk: &Talk, told: &[Told], ended: bool) -> Option<Wrong> {
    if talk.proper && talk.entitled == Entitled::Must {
        let pong = told.iter().any(|told| {
            told.opcode == 10 && last_pong().ends_with(&told.payload) && !told.payload.is_empty()
        });
        if !pong {
            return own("the socket does not live on, or a ping is not answered", "BTN-93");
        }
    }
    if !ended {
        return own("the connection goes on after both have closed it", "X-81");
    }
    let closed = told.iter().any(|told| told.opcode == 8);
    if talk.proper && !closed {
        return own("the connection ends without a close frame", "X-81");
    }
    None
}

/// The frames in what a server says; nothing when one is not as section 5 has it. One that is not whole ends the list.
fn frames(mut bytes: &[u8]) -> Option<Vec<Told>> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let opcode = first & 0x0f;
        let known = matches!(opcode, 0..=2 | 8..=10);
        if first & 0x70 != 0 || second & 0x80 != 0 || !known {
            return None;
        }
        let (length, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest),
                None => break,
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => {
                    (usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), rest)
                }
                None => break,
            },
            length => (usize::from(length), rest),
        };
        if opcode >= 8 && (length > 125 || first & 0x80 == 0) {
            return None;
        }
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if opcode == 8 && !closes(payload) {
            return None;
        }
        bytes = rest;
        let open: Option<&mut Told> =
            frames.iter_mut().rev().find(|told: &&mut Told| told.opcode < 8);
        match open.filter(|_| opcode == 0) {
            Some(open) => open.payload.extend_from_slice(payload),
            None => frames.push(Told { opcode, payload: payload.to_vec() }),
        }
    }
    let readable = |told: &Told| told.opcode != 1 || std::str::from_utf8(&told.payload).is_ok();
    frames.iter().all(readable).then_some(frames)
}

/// Whether a close frame may say this (section 7.4).
fn closes(payload: &[u8]) -> bool {
    match payload {
        [] => true,
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            allowed && std::str::from_utf8(reason).is_ok()
        }
        [_] => false,
    }
}

fn failure(talk: &Talk, reply: &Reply, heard: Option<Vec<u8>>, wrong: Wrong) -> Failure {
    let (oracle, clause, got) = wrong;
    let received = match reply {
        Ok(response) => format!("status {}", response.status),
        Err(error) => error.to_string(),
    };
    let heard = heard.unwrap_or_default();
    let shown = SentAndReceived {
        sent: format!("{}{}", talk.handshake.escape_ascii(), talk.frames.escape_ascii()),
        received: format!("{received}, {}", heard.escape_ascii()),
        curl: "frames cannot be sent with curl".to_owned(),
    };
    Failure {
        step: 1,
        oracle,
        clause,
        violation: Violation::new("what RFC 6455 and the contract say", got),
        allowed: vec!["refused".to_owned()],
        exchange: Some(shown),
        timeline: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{closes, frames};

    #[test]
    fn frames_of_a_server_are_read_and_wrong_ones_are_told() {
        let opcodes = |bytes: &[u8]| -> Option<Vec<u8>> {
            Some(frames(bytes)?.into_iter().map(|told| told.opcode).collect())
        };
        for (bytes, wanted) in [
            (&b"\x81\x02{}\x8a\x00\x88\x02\x03\xe8"[..], Some(vec![1, 10, 8])),
            (b"\x81\x7e\x00\x7e", Some(vec![])),
            (b"\x01\x01a\x80\x01b", Some(vec![1])),
            (b"\x81\x82aaaa{}", None),
            (b"\xc1\x00", None),
            (b"\x83\x00", None),
            (b"\x0a\x00", None),
            (b"\x81\x01\xff", None),
            (b"\x88\x01a", None),
            (b"\x88\x02\x03\xed", None),
        ] {
            assert_eq!(opcodes(bytes), wanted, "{}", bytes.escape_ascii());
        }
        assert!(closes(b"") && closes(b"\x03\xf0why") && !closes(b"\x03\xf0\xff"));
    }
}
