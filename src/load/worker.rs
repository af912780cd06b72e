//! One thread with connections of its own: a readiness loop, and for each connection where it stands.
//!
//! A request costs one write and one read. Readiness is told once for each change (edge-triggered), so nothing is
//! registered again, and an answer that was read in one piece is not looked for twice.

mod upkeep;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::court::{Clerk, Ruling};
use super::framing::{Frame, Framing, frame, response};
use super::pacer::Share;
use super::pool::Pool;
use super::recorder::{Failure, Moments, Recorder, Slice};
use super::stream::{Endpoint, Stream};
use super::timer::Timer;
use crate::model::{Exchange, Timing};
use crate::source::Random;

/// What all workers of a run share. Nothing in it is written for a request.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Somebody wants the run to end now.
    pub(super) stop: AtomicBool,
}

/// What a worker is told.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) endpoint: Endpoint,
    pub(super) connections: usize,
    /// Requests to send at most.
    pub(super) requests: Option<u64>,
    /// When to send no more, counted from the start.
    pub(super) end: Duration,
    pub(super) warm_up: Duration,
    pub(super) deadline: Duration,
    pub(super) limit: usize,
    pub(super) keep_alive: bool,
    /// Which token is next.
    pub(super) random: Random,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// There is none; a new one is made when the moment has come.
    Down,
    Connecting,
    Idle,
    /// A request is under way.
    Busy,
}

#[derive(Debug)]
struct Connection {
    stream: Option<Stream>,
    state: State,
    /// When the request that is under way was due and was written; when the connection became free, or is to be made again.
    due: u64,
    sent: u64,
    free: u64,
    case: u32,
    token: u32,
    /// A request waits for the connection to be made.
    waiting: bool,
    /// What could not be written at once, and an answer that came in pieces.
    unwritten: Vec<u8>,
    partial: Vec<u8>,
    /// How long `partial` must be before it is worth another look.
    wanted: usize,
    /// Attempts to connect that failed one after the other.
    attempts: u32,
}

/// What a worker brings back.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) recorder: Recorder,
    pub(super) clerk: Clerk,
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
    shared: Arc<Shared>,
    /// Where finished seconds go: one message a second.
    seconds: Sender<Slice>,
    pool: Arc<Pool>,
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
    buffer: Box<[u8]>,
    request: Vec<u8>,
    /// The case and the length of the token of the bytes in `request`.
    written: (usize, usize),
    started: Instant,
    left: u64,
    end: u64,
    second: u64,
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
const SECOND: u64 = 1_000_000_000;
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
        seconds: Sender<Slice>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let connections: Vec<Connection> =
            (0..orders.connections).map(|_| Connection::new()).collect();
        let count = connections.len();
        Ok(Self {
            end: u64::try_from(orders.end.as_nanos()).unwrap_or(u64::MAX),
            left: orders.requests.unwrap_or(u64::MAX),
            random: orders.random.clone(),
            orders,
            shared,
            seconds,
            pool,
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
            second: 0,
            last: 0,
            waited: 0,
            busy: 0,
            running: false,
        })
    }

    /// Makes the connections before the clock starts. Says how many could be made, and why the first other one could not.
    pub(super) fn prepare(&mut self) -> io::Result<(usize, Option<String>)> {
        if !self.orders.keep_alive {
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
                State::Idle if self.share.is_some() => self.idle.push_back(at as u32),
                State::Idle => self.send_now(at),
                State::Down => self.down.push(at as u32),
                State::Connecting | State::Busy => {}
            }
        }
        let mut looked = 0;
        loop {
            let now = self.now();
            self.send_due(now);
            if now >= looked {
                looked = now + TICK.as_nanos() as u64;
                self.look_after(now);
                if self.is_over(now) {
                    break;
                }
            }
            let wait = self.patience()?;
            let before = self.now();
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.waited += self.now().saturating_sub(before);
            for event in &events {
                if event.token() != TIMER {
                    self.ready(event.token().0, event.is_read_closed());
                }
            }
        }
        let ran = self.now();
        self.finish_second(u64::MAX);
        let (recorder, clerk) = (self.recorder, self.clerk);
        Ok(Work { recorder, clerk, last: self.last, idle: self.waited, ran })
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
                && self.connections.iter().all(|one| one.stream.is_none())
                && now.saturating_sub(self.last) > 2 * patience
        };
        let closing = self.is_closing(now);
        closing && (self.busy == 0 || now >= self.end.saturating_add(patience)) || gone()
    }

    /// How long to wait for readiness: until the next request is due, when there is a connection for it.
    fn patience(&mut self) -> io::Result<Duration> {
        let Some(due) = self.next_due.filter(|_| !self.idle.is_empty() && self.left > 0) else {
            return Ok(TICK);
        };
        let now = self.now();
        self.timer.wake_at(due, now, TICK)
    }

    /// Sends everything that is due, as far as connections are free.
    #[inline]
    fn send_due(&mut self, mut now: u64) {
        while let Some(due) = self.next_due {
            if due > now || self.left == 0 || self.idle.is_empty() || now >= self.end {
                return;
            }
            let Some(at) = self.idle.pop_front() else { return };
            self.next_due = self.share.as_mut().and_then(Share::next_due);
            let at = at as usize;
            self.connections[at].due = due;
            self.begin(at);
            now = self.now();
        }
    }

    /// Sends the next request of a run without a schedule.
    #[inline]
    fn send_now(&mut self, at: usize) {
        let now = self.now();
        if now >= self.end || self.left == 0 {
            self.connections[at].state = State::Idle;
            return;
        }
        self.connections[at].due = now;
        self.begin(at);
    }

    /// Begins a request whose due moment is set; connects first where there is no connection.
    #[inline]
    fn begin(&mut self, at: usize) {
        self.left -= 1;
        let (case, token) = self.pool.pick(&mut self.random);
        let connection = &mut self.connections[at];
        connection.case = case as u32;
        connection.token = token as u32;
        self.busy += 1;
        if connection.stream.is_none() {
            connection.waiting = true;
            self.connect(at);
        } else {
            self.write(at);
        }
    }

    /// Writes the request of a connection.
    #[inline]
    fn write(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        let (number, token) = (connection.case as usize, connection.token as usize);
        let case = self.pool.case(number);
        let token = case.tokens.get(token);
        let kept = self.written == (number, token.len());
        if let Err(error) = case.form.write(token, kept, &mut self.request) {
            return self.fail(at, Failure::Nonsense, error.to_string());
        }
        self.written = (number, token.len());
        connection.state = State::Busy;
        connection.waiting = false;
        connection.wanted = 0;
        let sent = self.started.elapsed().as_nanos() as u64;
        connection.sent = sent;
        // A run without a schedule measures from here; connecting is part of the answer where each needs it.
        if self.share.is_none() && self.orders.keep_alive {
            connection.due = sent;
        }
        let (due, free) = (connection.due, connection.free);
        let Some(stream) = &mut connection.stream else { return };
        let result = stream.write(&self.request);
        self.recorder.sent(due, free, sent, self.request.len());
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
            State::Idle | State::Down => {}
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

    #[inline]
    fn read(&mut self, at: usize, closed: bool) {
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
                            return self.next(at, closed);
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
        let case = self.pool.case(number);
        let token = case.tokens.get(connection.token as usize);
        let Some(reply) = response(&bytes, frame) else {
            return self.fail(at, Failure::Nonsense, "an answer without a status".to_owned());
        };
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
        let usual = frame.keeps && frame.end == bytes.len();
        let known = usual.then_some(&bytes[..]);
        let ruling = self.clerk.judge(number, &case.expected, exchange, token, known, now);
        self.answered(at, now, ruling, frame.end);
        let leftover = bytes.len() > frame.end;
        self.next(at, leftover || !frame.keeps);
    }

    #[inline]
    fn answered(&mut self, at: usize, now: u64, ruling: Ruling, bytes: usize) {
        let connection = &mut self.connections[at];
        let moments = Moments { due: connection.due, sent: connection.sent, done: now };
        self.recorder.answered(moments, connection.case as usize, ruling, bytes);
        connection.free = now;
        self.last = now;
        self.busy -= 1;
    }

    /// The connection is free for the next request.
    #[inline]
    fn next(&mut self, at: usize, closes: bool) {
        if closes || !self.orders.keep_alive {
            self.drop_stream(at);
            if self.orders.keep_alive {
                // Another one takes its place before the next request needs it.
                return self.connect(at);
            }
        }
        self.free(at);
    }

    #[inline]
    fn free(&mut self, at: usize) {
        self.connections[at].state = State::Idle;
        if self.share.is_some() {
            self.idle.push_back(at as u32);
        } else {
            self.send_now(at);
        }
    }
}

impl Connection {
    const fn new() -> Self {
        Self {
            stream: None,
            state: State::Down,
            due: 0,
            sent: 0,
            free: 0,
            case: 0,
            token: 0,
            waiting: false,
            unwritten: Vec::new(),
            partial: Vec::new(),
            wanted: 0,
            attempts: 0,
        }
    }
}
