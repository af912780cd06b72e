//! What a worker does with what it reads: where an answer ends, what it is, and what its user does next.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{Worker, tokens};
use crate::engine::from_field;
use crate::load::court::{Answer, Ruling};
use crate::load::framing::{Frame, Framing, frame, response};
use crate::load::pool::OWN;
use crate::load::recorder::{Failure, Moments};
use crate::model::{Exchange, Timing};

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
                            return self.next(at, now, closed);
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
            Framing::Whole(frame) => {
                self.whole(at, &frame, now);
                true
            }
        }
    }

    /// The connection ended while an answer was awaited.
    fn ended(&mut self, at: usize, how: &str) {
        let connection = &self.connections[at];
        let now = self.now();
        let head = self.pool.case(connection.case as usize).form.is_head();
        if let Framing::UntilClose(frame) = frame(&connection.partial, head, self.orders.limit) {
            return self.whole(at, &frame, now);
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
    fn whole(&mut self, at: usize, frame: &Frame, now: u64) {
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
        let Some(reply) = response(&bytes, frame) else {
            return self.fail(at, Failure::Nonsense, "an answer without a status".to_owned());
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
        let usual = !case.varies && frame.keeps && frame.end == bytes.len();
        let answer = Answer { exchange, token, known: usual.then_some(&bytes[..]), now };
        let ruling = self.clerk.judge(number, &case.expected, answer);
        self.connections[at].own = kept.unwrap_or(own);
        self.answered(at, now, ruling, frame.end);
        let leftover = bytes.len() > frame.end;
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
            if self.orders.keep_alive {
                // Another one takes its place before the next request needs it.
                return self.connect(at);
            }
        }
        self.free(at, now);
    }
}
