//! One thread with connections of its own: a readiness loop, and for each connection where it stands.
//!
//! A request costs one write and one read. Readiness is told once for each change (edge-triggered), so nothing is
//! registered again, and an answer that was read in one piece is not looked for twice.

mod answers;
mod connection;
mod ramp;
mod upkeep;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connection::{Connection, State};
use mio::{Events, Poll, Token};
pub(super) use ramp::Ramp;

use super::clerk::{Clerk, Tallied};
use super::form::Tokens;
use super::pacer::Share;
use super::pool::{Case, OWN, Pool};
use super::recorder::{Failure, Recorder, SECOND, Slice};
use super::stream::Endpoint;
use super::timer::Timer;
use crate::source::Random;

/// What all workers of a run share. Nothing in it is written for a request.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Somebody wants the run to end now.
    pub(super) stop: AtomicBool,
    /// Somebody wants it to end when what is under way is answered.
    finish: AtomicBool,
    /// How many users somebody wants, and how many they were at most.
    users: AtomicUsize,
    most_users: AtomicUsize,
    /// How often tokens were renewed.
    generation: AtomicU32,
    /// The tokens that take the place of a case's own ones.
    fresh: Mutex<Option<Fresh>>,
}

/// Tokens that take the place of those of a case.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) case: usize,
    pub(super) tokens: Arc<Tokens>,
}

impl Shared {
    pub(super) fn finish(&self) {
        self.finish.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.finish.load(Ordering::Relaxed)
    }

    pub(super) fn want(&self, users: usize) {
        self.users.store(users, Ordering::Relaxed);
        self.most_users.fetch_max(users, Ordering::Relaxed);
    }

    pub(super) fn users(&self) -> usize {
        self.users.load(Ordering::Relaxed)
    }

    /// The most users that there were.
    pub(super) fn most_users(&self) -> usize {
        self.most_users.load(Ordering::Relaxed)
    }

    /// Hands out new tokens; workers take them within some milliseconds.
    pub(super) fn hand_out(&self, fresh: Fresh) {
        *self.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The latest tokens and their generation, when there are later ones than this.
    pub(super) fn renewed_since(&self, generation: u32) -> Option<(u32, Option<Fresh>)> {
        let offered = self.generation.load(Ordering::Acquire);
        (offered != generation).then(|| (offered, self.fresh()))
    }

    fn fresh(&self) -> Option<Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a worker is told.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) connections: usize,
    /// The number of the first of its users among those of all workers.
    pub(super) first_user: usize,
    /// Requests to send at most.
    pub(super) requests: Option<u64>,
    /// When to send no more, counted from the start.
    pub(super) end: Duration,
    pub(super) deadline: Duration,
    pub(super) limit: usize,
    pub(super) keep_alive: bool,
    /// Whether users come and go.
    pub(super) ramp: Option<Ramp>,
    /// Which token is next.
    pub(super) random: Random,
}

/// What a worker brings back.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) recorder: Recorder,
    /// What was wrong with answers.
    pub(super) tallies: Vec<Tallied>,
    /// How many answers were judged in full.
    pub(super) judged: u64,
    /// The moment of the last answer, in nanoseconds from the start.
    pub(super) last: u64,
    /// How long it waited for something to do.
    pub(super) idle: u64,
    /// How long it ran.
    pub(super) ran: u64,
}

#[derive(Debug)]
pub(super) struct Worker {
    orders: Orders,
    endpoint: Endpoint,
    shared: Arc<Shared>,
    /// Where finished seconds go: one message a second.
    seconds: Sender<Slice>,
    pool: Arc<Pool>,
    /// How often tokens were renewed, and those of the last two times.
    generation: u32,
    fresh: Option<Fresh>,
    stale: Option<Fresh>,
    clerk: Clerk,
    recorder: Recorder,
    share: Option<Share>,
    next_due: Option<u64>,
    random: Random,
    poll: Poll,
    timer: Timer,
    connections: Vec<Connection>,
    /// Free connections of a run with a schedule, the one that has been free longest first.
    idle: VecDeque<u32>,
    /// Connections without a stream that are to be made again.
    down: Vec<u32>,
    /// How many of its connections have a user, from the first on.
    active: usize,
    /// Users who keep a pace, with the moment of their next request.
    paced: BinaryHeap<Reverse<(u64, u32)>>,
    buffer: Box<[u8]>,
    request: Vec<u8>,
    /// The case and the length of the token of the bytes in `request`.
    written: (usize, usize),
    started: Instant,
    left: u64,
    end: u64,
    last: u64,
    waited: u64,
    busy: usize,
    /// Whether the clock has started.
    running: bool,
}

/// How much is read at once.
const READ: usize = 64 * 1024;
/// The loop looks at its clock at least so often.
const TICK: Duration = Duration::from_millis(20);
const TIMER: Token = Token(usize::MAX - 1);
/// The longest pause between two attempts to connect, in nanoseconds.
const LONGEST_PAUSE: u64 = SECOND / 2;

impl Worker {
    pub(super) fn new(
        orders: Orders,
        shared: Arc<Shared>,
        pool: Arc<Pool>,
        clerk: Clerk,
        recorder: Recorder,
        share: Option<Share>,
        (endpoint, seconds): (Endpoint, Sender<Slice>),
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let first = orders.first_user;
        let connections: Vec<Connection> = (first..first + orders.connections)
            .map(|user| Connection::new(pool.first_of(user).unwrap_or_default()))
            .collect();
        let count = connections.len();
        Ok(Self {
            end: u64::try_from(orders.end.as_nanos()).unwrap_or(u64::MAX),
            left: orders.requests.unwrap_or(u64::MAX),
            random: orders.random.clone(),
            active: if orders.ramp.is_some() { 0 } else { count },
            paced: BinaryHeap::new(),
            orders,
            endpoint,
            shared,
            seconds,
            pool,
            generation: 0,
            fresh: None,
            stale: None,
            clerk,
            recorder,
            share,
            next_due: None,
            poll,
            timer,
            connections,
            idle: VecDeque::with_capacity(count),
            down: Vec::with_capacity(count),
            buffer: vec![0; READ].into_boxed_slice(),
            request: Vec::new(),
            written: (usize::MAX, 0),
            started: Instant::now(),
            last: 0,
            waited: 0,
            busy: 0,
            running: false,
        })
    }

    /// Makes the connections before the clock starts. Says how many could be made, and why the first other one could not.
    pub(super) fn prepare(&mut self) -> io::Result<(usize, Option<String>)> {
        if self.orders.ramp.is_some() {
            self.connections.iter_mut().for_each(|one| one.state = State::Parked);
        }
        if !self.orders.keep_alive || self.orders.ramp.is_some() {
            return Ok((self.connections.len(), None));
        }
        let from = Instant::now();
        let mut reason = None;
        let mut events = Events::with_capacity(1024);
        for at in 0..self.connections.len() {
            self.connect(at);
        }
        while self.connections.iter().any(|one| one.state == State::Connecting)
            && from.elapsed() < self.orders.deadline
            && !self.shared.stop.load(Ordering::Relaxed)
        {
            self.poll.poll(&mut events, Some(TICK))?;
            for event in &events {
                self.connecting(event.token().0);
            }
        }
        if let Some(first) = &self.recorder.counts.reasons[Failure::Connect as usize] {
            reason = Some(first.clone());
        }
        let up = self.connections.iter().filter(|one| one.state == State::Idle).count();
        self.recorder.counts.connects = 0;
        Ok((up, reason))
    }

    /// Runs until the schedule, the number of requests, or somebody's patience ends.
    pub(super) fn run(mut self, started: Instant) -> io::Result<Work> {
        self.started = started;
        self.running = true;
        self.next_due = self.share.as_mut().and_then(Share::next_due);
        let mut events = Events::with_capacity(1024);
        for at in 0..self.connections.len() {
            match self.connections[at].state {
                State::Idle => self.free(at, 0),
                State::Down => self.down.push(at as u32),
                State::Connecting | State::Busy | State::Parked => {}
            }
        }
        let mut looked = 0;
        loop {
            let mut now = self.send_due(self.now());
            if now >= looked {
                looked = now + TICK.as_nanos() as u64;
                self.look_after(now);
                if self.is_over(now) {
                    break;
                }
                self.timer.tick(TICK)?;
                now = self.now();
            }
            let wait = self.patience(now)?;
            match self.poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.waited += self.now().saturating_sub(now);
            for event in &events {
                if event.token() != TIMER {
                    self.ready(event.token().0, event.is_read_closed());
                }
            }
        }
        let ran = self.now();
        // A coordinator that is gone wants to hear nothing.
        drop(self.seconds.send(self.clerk.sign(self.recorder.take_slice())));
        let Clerk { tallies, judged, .. } = self.clerk;
        Ok(Work {
            recorder: self.recorder,
            tallies,
            judged,
            last: self.last,
            idle: self.waited,
            ran,
        })
    }

    #[inline]
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// Whether nothing is sent any more.
    fn is_closing(&self, now: u64) -> bool {
        now >= self.end
            || self.left == 0
            || (self.share.is_some() && self.next_due.is_none())
            || self.shared.stop.load(Ordering::Relaxed)
            || self.shared.is_finishing()
    }

    /// Whether the run is over: what was asked is answered, or nobody waits for it any longer.
    fn is_over(&self, now: u64) -> bool {
        if self.shared.stop.load(Ordering::Relaxed) {
            return true;
        }
        let patience = self.orders.deadline.as_nanos() as u64;
        // Without a moment to end at, a server that is gone would be asked for ever.
        let gone = || {
            self.end == u64::MAX
                && self.orders.ramp.is_none()
                && self.connections.iter().all(|one| one.stream.is_none())
                && now.saturating_sub(self.last) > 2 * patience
        };
        let closing = self.is_closing(now);
        closing && (self.busy == 0 || now >= self.end.saturating_add(patience)) || gone()
    }

    /// How long to wait for readiness: until the next request is due, when there is a connection for it.
    fn patience(&mut self, now: u64) -> io::Result<Option<Duration>> {
        let paced = self.paced.peek().map(|Reverse((due, _))| *due);
        match self.next_due.filter(|_| !self.idle.is_empty() && self.left > 0).or(paced) {
            Some(due) => self.timer.wake_at(due, now),
            None => Ok(self.timer.patience()),
        }
    }

    /// Sends everything that is due, as far as connections are free. The time it is then.
    #[inline]
    fn send_due(&mut self, mut now: u64) -> u64 {
        if !self.paced.is_empty() {
            now = self.send_paced(now);
        }
        while let Some(due) = self.next_due {
            if due > now || self.left == 0 || now >= self.end {
                break;
            }
            let Some(at) = self.idle.pop_front() else { break };
            self.next_due = self.share.as_mut().and_then(Share::next_due);
            let at = at as usize;
            self.connections[at].due = due;
            self.begin(at, now);
            now = self.now();
        }
        now
    }

    /// Sends the next request of a run without a schedule, or one that is beside the schedule.
    #[inline]
    fn send_now(&mut self, at: usize, now: u64) {
        if now >= self.end || self.left == 0 {
            self.connections[at].state = State::Idle;
            return;
        }
        self.connections[at].due = now;
        self.begin(at, now);
    }

    /// Begins a request whose due moment is set; connects first where there is no connection.
    #[inline]
    fn begin(&mut self, at: usize, now: u64) {
        let connection = &mut self.connections[at];
        let place = connection.place as usize;
        let (case, token) = self.pool.pick(place, &mut self.random);
        self.left -= u64::from(!self.pool.mends(place));
        connection.case = case as u32;
        connection.token = token as u32;
        self.busy += 1;
        if connection.stream.is_none() {
            connection.waiting = true;
            self.connect(at);
        } else {
            self.write(at, now);
        }
    }

    /// Writes the request of a connection at this moment.
    #[inline]
    fn write(&mut self, at: usize, now: u64) {
        let connection = &mut self.connections[at];
        let (number, token) = (connection.case as usize, connection.token as usize);
        let case = self.pool.case(number);
        let tokens = tokens(case, number, self.fresh.as_ref());
        let token = if token == OWN { &connection.own } else { tokens.get(token) };
        connection.generation = self.generation;
        let kept = self.written == (number, token.len());
        if let Err(error) = case.form.write(token, kept, &mut self.request) {
            return self.fail(at, Failure::Nonsense, error.to_string());
        }
        self.written = (number, token.len());
        connection.state = State::Busy;
        connection.waiting = false;
        connection.introduced = false;
        connection.wanted = 0;
        connection.sent = now;
        // A run without a schedule measures from here; connecting is part of the answer where each needs it.
        if self.share.is_none() && self.orders.keep_alive {
            connection.due = now;
        }
        let (due, free) = (connection.due, connection.free);
        let Some(stream) = &mut connection.stream else { return };
        let result = stream.write(&self.request);
        if !self.pool.mends(number) {
            self.recorder.sent(due, free, now, (number, self.request.len()));
        }
        match result {
            Ok(written) if written == self.request.len() => {}
            Ok(written) => connection.unwritten.extend_from_slice(&self.request[written..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.unwritten.extend_from_slice(&self.request);
            }
            Err(error) => self.fail(at, Failure::Closed, error.to_string()),
        }
    }

    /// Something happened on a connection.
    #[inline]
    fn ready(&mut self, at: usize, closed: bool) {
        match self.connections[at].state {
            State::Busy => {
                if !self.connections[at].unwritten.is_empty() {
                    self.write_rest(at);
                }
                if self.connections[at].state == State::Busy {
                    self.read(at, closed);
                }
            }
            State::Connecting => self.connecting(at),
            State::Idle if closed => self.drop_idle(at),
            State::Idle | State::Down | State::Parked => {}
        }
    }

    fn write_rest(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        let Some(stream) = &mut connection.stream else { return };
        let result = stream.flush().and_then(|()| stream.write(&connection.unwritten));
        match result {
            Ok(written) => drop(connection.unwritten.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.fail(at, Failure::Closed, error.to_string()),
        }
    }

    /// The connection can take its next request.
    #[inline]
    fn free(&mut self, at: usize, now: u64) {
        if self.leaves(at) {
            return self.park(at);
        }
        self.connections[at].state = State::Idle;
        if let Some(pace) = self.orders.ramp.and_then(|ramp| ramp.pace) {
            return self.keep_pace(at, pace, now);
        }
        if self.share.is_some() && !self.pool.mends(self.connections[at].place as usize) {
            self.idle.push_back(at as u32);
        } else {
            self.send_now(at, now);
        }
    }
}

/// The tokens of a case: its own, or those that took their place.
#[inline]
pub(super) fn tokens<'a>(case: &'a Case, number: usize, fresh: Option<&'a Fresh>) -> &'a Tokens {
    match fresh {
        Some(fresh) if fresh.case == number => &fresh.tokens,
        _ => &case.tokens,
    }
}
