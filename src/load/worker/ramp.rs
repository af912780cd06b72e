//! Users who come and go while a run goes on, as somebody outside says. Each has a connection; one that goes ends the request
//! that it is in first.

use std::cmp::Reverse;

use super::{State, Worker};
use crate::load::recorder::SECOND;

/// How a worker takes part in a run whose number of users changes.
#[derive(Clone, Copy, Debug)]
pub(in crate::load) struct Ramp {
    /// Its number among the workers.
    pub(in crate::load) number: usize,
    pub(in crate::load) workers: usize,
    /// Requests a second of each user; without it each sends its next request when the last one is answered.
    pub(in crate::load) pace: Option<f64>,
}

impl Ramp {
    /// The users of this worker among so many.
    const fn part(&self, users: usize) -> usize {
        users / self.workers + (self.number < users % self.workers) as usize
    }
}

impl Worker {
    /// Lets users come or go until there are as many as somebody wants.
    pub(super) fn follow(&mut self, now: u64) {
        let Some(ramp) = self.orders.ramp else { return };
        let finishing = self.shared.is_finishing();
        let wanted = if finishing { 0 } else { ramp.part(self.shared.users()) };
        let wanted = wanted.min(self.connections.len());
        let before = std::mem::replace(&mut self.active, wanted);
        for at in wanted..before {
            match self.connections[at].state {
                // It goes when it is answered.
                State::Busy => {}
                State::Connecting if self.connections[at].waiting => {}
                _ => self.park(at),
            }
        }
        for at in before..wanted {
            if self.connections[at].state == State::Parked {
                self.connections[at].free = now;
                match self.orders.keep_alive {
                    true => self.connect(at),
                    false => self.free(at, now),
                }
            }
        }
    }

    /// Whether the user of this connection has gone, or is to go.
    #[inline]
    pub(super) const fn leaves(&self, at: usize) -> bool {
        at >= self.active
    }

    /// The user of a connection goes.
    pub(super) fn park(&mut self, at: usize) {
        self.drop_stream(at);
        self.connections[at].state = State::Parked;
        self.connections[at].attempts = 0;
        self.down.retain(|down| *down as usize != at);
    }

    /// The user of a connection sends its next request when its pace allows.
    pub(super) fn keep_pace(&mut self, at: usize, pace: f64, now: u64) {
        let gap = (SECOND as f64 / pace) as u64;
        let due = match self.connections[at].due {
            0 => now,
            // It was connected anew before its moment came.
            due if due > now => due,
            due => due.saturating_add(gap).max(now),
        };
        self.connections[at].due = due;
        self.paced.push(Reverse((due, at as u32)));
    }

    /// Sends what users who keep a pace have to send by now.
    #[inline]
    pub(super) fn send_paced(&mut self, mut now: u64) -> u64 {
        while let Some(Reverse((due, at))) = self.paced.peek().copied() {
            if due > now {
                break;
            }
            self.paced.pop();
            // A user who went, or whose moment was put off, is still in the queue.
            let connection = &self.connections[at as usize];
            if connection.state == State::Idle && connection.due == due {
                self.send_now(at as usize, now);
                now = self.now();
            }
        }
        now
    }
}
