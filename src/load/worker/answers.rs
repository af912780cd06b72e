//! What a worker does with what it reads: where an answer ends, what it is, and what its user does next.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{State, Worker, tokens};
use crate::engine::from_field;
use crate::load::clerk::{Answer, Ruling};
use crate::load::framing::{Frame, Framing, frame, response};
use crate::load::pool::OWN;
use crate::load::recorder::{Failure, Moments};
use crate::load::talk::{Said, Talk, introduce, said, wrong};
use crate::model::{Exchange, Timing};

/// What has come, beside the head of an answer.
enum Heard {
    /// An answer of HTTP, and nothing else.
    Answer,
    /// The first message on a socket, and what is wrong with it.
    Message { text: Vec<u8>, wrong: Option<String> },
}

impl Worker {
    #[inline]
    pub(super) fn read(&mut self, at: usize, closed: bool) {
        loop {
            let connection = &mut self.connections[at];
            let Some(stream) = &mut connection.stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => return self.ended(at, "by the server"),
                Ok(read) => {
                    let now = self.started.elapsed().as_nanos() as u64;
                    let drained = read < self.buffer.len() && stream.drains() && !closed;
                    if connection.partial.is_empty() {
                        let case = connection.case as usize;
                        if let Some(ruling) = self.clerk.remembered(case, &self.buffer[..read]) {
                            self.answered(at, now, ruling, read);
                            return self.next(at, now, closed || self.pool.talks());
                        }
                    }
                    if self.examine(at, read, now) || drained {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.ended(at, &error.to_string()),
            }
        }
    }

    /// Looks at bytes that are no answer known by heart. Says whether the exchange is over.
    fn examine(&mut self, at: usize, read: usize, now: u64) -> bool {
        let connection = &mut self.connections[at];
        connection.partial.extend_from_slice(&self.buffer[..read]);
        if connection.partial.len() < connection.wanted {
            return false;
        }
        let head = self.pool.case(connection.case as usize).form.is_head();
        match frame(&connection.partial, head, self.orders.limit) {
            Framing::Partial(wanted) => {
                connection.wanted = wanted;
                false
            }
            Framing::UntilClose(_) => false,
            Framing::Broken(why) => {
                self.fail(at, Failure::Nonsense, why);
                true
            }
            Framing::Whole(frame) if frame.upgrades => self.heard(at, &frame, now),
            Framing::Whole(frame) => {
                self.whole(at, &frame, Heard::Answer, now);
                true
            }
        }
    }

    /// The connection has become a socket; looks for its first message. Says whether the exchange is over.
    fn heard(&mut self, at: usize, frame: &Frame, now: u64) -> bool {
        let connection = &mut self.connections[at];
        let case = self.pool.case(connection.case as usize);
        let Some(talk) = case.talk else {
            self.whole(at, frame, Heard::Answer, now);
            return true;
        };
        if talk == Talk::Message && !connection.introduced {
            connection.introduced = true;
            let mask = (self.random.bits() as u32).to_be_bytes();
            let tokens = tokens(case, connection.case as usize, self.fresh.as_ref());
            introduce(tokens.get(connection.token as usize), mask, &mut connection.unwritten);
            self.write_rest(at);
            return self.connections[at].state != State::Busy;
        }
        let length = connection.partial.len();
        let heard = match said(&connection.partial[frame.end..], self.orders.limit) {
            Said::Nothing => return false,
            Said::Text(text, end) if frame.end + end == length => {
                Heard::Message { text: text.to_vec(), wrong: wrong(text) }
            }
            Said::Text(text, _) => Heard::Message {
                text: text.to_vec(),
                wrong: Some("further messages follow the first one at once".to_owned()),
            },
            Said::Other(what) => Heard::Message {
                text: Vec::new(),
                wrong: Some(format!("the first message is {what}")),
            },
        };
        let number = connection.case as usize;
        match self.clerk.remembered(number, &connection.partial) {
            Some(ruling) => {
                connection.partial.clear();
                self.answered(at, now, ruling, length);
                self.next(at, now, true);
            }
            None => self.whole(at, frame, heard, now),
        }
        true
    }

    /// The connection ended while an answer was awaited.
    fn ended(&mut self, at: usize, how: &str) {
        let connection = &self.connections[at];
        let now = self.now();
        let head = self.pool.case(connection.case as usize).form.is_head();
        if let Framing::UntilClose(frame) = frame(&connection.partial, head, self.orders.limit) {
            return self.whole(at, &frame, Heard::Answer, now);
        }
        let read = connection.partial.len();
        let place = if read == 0 {
            "before its first byte".to_owned()
        } else {
            format!("after {read} bytes")
        };
        self.fail(at, Failure::Closed, format!("the answer was cut off {place} ({how})"));
    }

    /// An answer that is whole and not known yet.
    fn whole(&mut self, at: usize, frame: &Frame, heard: Heard, now: u64) {
        let connection = &mut self.connections[at];
        let bytes = std::mem::take(&mut connection.partial);
        let number = connection.case as usize;
        let pool = Arc::clone(&self.pool);
        let case = pool.case(number);
        let own = std::mem::take(&mut connection.own);
        let place = connection.token as usize;
        let current = connection.generation == self.generation;
        let fresh = if current { self.fresh.clone() } else { self.stale.clone() };
        let shared = tokens(case, number, fresh.as_ref());
        let token = if place == OWN { own.as_str() } else { shared.get(place) };
        let Some(mut reply) = response(&bytes, frame) else {
            return self.fail(at, Failure::Nonsense, "an answer without a status".to_owned());
        };
        let (end, complaint) = match heard {
            Heard::Answer => (frame.end, case.talk.map(|_| "the socket did not open".to_owned())),
            Heard::Message { text, wrong } => {
                reply.body = text.into();
                (bytes.len(), wrong)
            }
        };
        let kept = case.keeps.as_ref().and_then(|field| from_field(field, &reply));
        let timing =
            Timing { sent: Duration::from_nanos(connection.sent), done: Duration::from_nanos(now) };
        let exchange = Exchange {
            operation: case.operation.clone(),
            environment: case.environment.clone(),
            request: case.form.request(token),
            reply: Ok(reply),
            timing,
            server_now: None,
        };
        let usual = !case.varies && frame.keeps && end == bytes.len();
        let answer = Answer { exchange, token, known: usual.then_some(&bytes[..]), complaint, now };
        let ruling = self.clerk.judge(number, &case.expected, answer);
        self.connections[at].own = kept.unwrap_or(own);
        self.answered(at, now, ruling, end);
        let leftover = bytes.len() > end || case.talk.is_some();
        // Judging took its time; the next request must not seem to have been under way meanwhile.
        self.next(at, self.now(), leftover || !frame.keeps);
    }

    #[inline]
    fn answered(&mut self, at: usize, now: u64, ruling: Ruling, bytes: usize) {
        let connection = &mut self.connections[at];
        let case = connection.case as usize;
        connection.place = self.pool.after(case, !ruling.wrong) as u32;
        if self.pool.mends(case) {
            self.recorder.mended(case, ruling);
        } else {
            let moments = Moments { due: connection.due, sent: connection.sent, done: now };
            self.recorder.answered(moments, case, ruling, bytes);
        }
        connection.free = now;
        self.last = now;
        self.busy -= 1;
    }

    /// The connection is free for the next request.
    #[inline]
    fn next(&mut self, at: usize, now: u64, closes: bool) {
        if closes || !self.orders.keep_alive {
            self.drop_stream(at);
            if self.orders.keep_alive && !self.leaves(at) {
                // Another one takes its place before the next request needs it.
                return self.connect(at);
            }
        }
        self.free(at, now);
    }
}
