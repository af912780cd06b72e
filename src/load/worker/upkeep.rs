//! What a worker does beside answering: connections that come and go, deadlines, seconds.

use mio::Token;

use super::{Connection, LONGEST_PAUSE, State, Worker};
use crate::load::recorder::Failure;
use crate::load::stream::Stream;

impl Worker {
    pub(super) fn fail(&mut self, at: usize, failure: Failure, reason: String) {
        let now = self.now();
        let connection = &mut self.connections[at];
        let asked = connection.state == State::Busy || connection.waiting;
        connection.free = now;
        let due = if asked { connection.due } else { now };
        let case = connection.case as usize;
        if connection.waiting && !self.pool.mends(case) {
            // It became due and was never written.
            self.recorder.sent(due, now, now, (case, 0));
        }
        if asked {
            // Whether its token was used up is not known.
            connection.place = self.pool.after(case, false) as u32;
            self.busy -= 1;
            self.recorder.failed(due, case, failure, reason);
        } else if self.orders.ramp.is_some() && failure == Failure::Connect {
            // A user who cannot even connect is one who was not answered.
            self.recorder.failed(due, case, failure, reason);
        } else {
            self.recorder.counts.reasons[failure as usize].get_or_insert(reason);
        }
        self.connections[at].waiting = false;
        self.drop_stream(at);
        self.connections[at].attempts += 1;
        if self.leaves(at) {
            return self.park(at);
        }
        let pause = 1_000_000u64 << self.connections[at].attempts.min(10);
        self.connections[at].free = now + pause.min(LONGEST_PAUSE);
        self.down.push(at as u32);
    }

    pub(super) fn drop_stream(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        connection.stream = None;
        connection.state = State::Down;
        connection.partial.clear();
        connection.unwritten.clear();
    }

    /// The server closed a connection that was not in use.
    pub(super) fn drop_idle(&mut self, at: usize) {
        self.drop_stream(at);
        self.idle.retain(|idle| *idle as usize != at);
        self.connect(at);
    }

    pub(super) fn connect(&mut self, at: usize) {
        self.recorder.counts.connects += 1;
        let made = Stream::connect(&self.endpoint).and_then(|mut stream| {
            stream.register(self.poll.registry(), Token(at))?;
            Ok(stream)
        });
        match made {
            Ok(stream) => {
                let connection = &mut self.connections[at];
                connection.stream = Some(stream);
                connection.state = State::Connecting;
                // The deadline holds for connecting as well.
                connection.sent = self.started.elapsed().as_nanos() as u64;
            }
            Err(error) => self.fail(at, Failure::Connect, error.to_string()),
        }
    }

    /// Goes on with connecting.
    pub(super) fn connecting(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        if connection.state != State::Connecting {
            return;
        }
        let Some(stream) = &mut connection.stream else { return };
        match stream.error().and_then(|()| stream.is_ready()) {
            Ok(false) => {}
            Ok(true) => {
                connection.attempts = 0;
                connection.free = connection.free.min(self.started.elapsed().as_nanos() as u64);
                if connection.waiting {
                    self.write(at, self.now());
                } else if !self.running {
                    connection.state = State::Idle;
                } else {
                    self.free(at, self.now());
                }
            }
            Err(error) => self.fail(at, Failure::Connect, error.to_string()),
        }
    }

    /// What is not done for each request: seconds, deadlines, connections that are down.
    pub(super) fn look_after(&mut self, now: u64) {
        if let Some(slice) = self.recorder.finish_second(now) {
            // A coordinator that is gone wants to hear nothing.
            drop(self.seconds.send(self.clerk.sign(slice)));
        }
        self.renew();
        self.follow(now);
        let deadline = self.orders.deadline.as_nanos() as u64;
        for at in 0..self.connections.len() {
            let connection = &self.connections[at];
            let late = now.saturating_sub(connection.sent) > deadline;
            match connection.state {
                State::Busy if late => {
                    self.fail(
                        at,
                        Failure::Deadline,
                        format!("no answer within {:?}", self.orders.deadline),
                    );
                }
                State::Connecting if late => {
                    let reason = format!("no connection within {:?}", self.orders.deadline);
                    self.fail(at, Failure::Connect, reason);
                }
                _ => {}
            }
        }
        if self.is_closing(now) {
            return;
        }
        let (again, later): (Vec<u32>, Vec<u32>) =
            self.down.drain(..).partition(|at| self.connections[*at as usize].free <= now);
        self.down = later;
        for at in again {
            match self.orders.keep_alive {
                true => self.connect(at as usize),
                false => self.free(at as usize, now),
            }
        }
    }

    /// Takes new tokens, if there are any. A request that is under way is still about one of the tokens before them.
    fn renew(&mut self) {
        let Some((generation, fresh)) = self.shared.renewed_since(self.generation) else { return };
        let under_way =
            |one: &Connection| one.state == State::Busy && one.generation != self.generation;
        if !self.connections.iter().any(under_way) {
            self.stale = std::mem::replace(&mut self.fresh, fresh);
            self.generation = generation;
        }
    }
}
