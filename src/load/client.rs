//! A worker whose users share a common HTTP client, for what the readiness loop does not speak: HTTP/2 (RFC 9113). The same
//! schedule, the same judge and the same recorder; but the client costs several times as much, and its timers tick in
//! milliseconds.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use super::clerk::{Answer, Clerk};
use super::pacer::Share;
use super::pool::{OWN, Pool};
use super::recorder::{Moments, Recorder, Slice};
use super::users::{PAUSE, failure, live, nanoseconds, processor_time};
use super::worker::{Fresh, Orders, Shared, Work, tokens};
use crate::engine::from_field;
use crate::model::{Exchange, Response, WireError};
use crate::source::Random;
use crate::wire::{Transport, WireSettings, Wires};

/// A worker with a client for each of its users, and so a connection for each.
#[derive(Debug)]
pub(super) struct ClientWorker {
    desk: Desk,
    wires: Vec<Wires>,
    shared: Arc<Shared>,
    seconds: Sender<Slice>,
}

/// What the users of a worker share; one of them is at it at a time.
#[derive(Debug)]
struct Desk {
    orders: Orders,
    pool: Arc<Pool>,
    clerk: Clerk,
    recorder: Recorder,
    share: Option<Share>,
    random: Random,
    left: u64,
    last: u64,
    generation: u32,
    fresh: Option<Fresh>,
}

/// A user: where it is in its turn, its own token, and since when it has been free.
struct User {
    place: usize,
    own: String,
    free: u64,
}

/// What a user does next.
struct Errand {
    /// The moment of the schedule.
    due: Option<u64>,
    case: usize,
    token: String,
}

impl ClientWorker {
    /// Makes the clients; they connect with their first request.
    pub(super) fn new(
        orders: Orders,
        shared: Arc<Shared>,
        (pool, clerk): (Arc<Pool>, Clerk),
        recorder: Recorder,
        share: Option<Share>,
        seconds: Sender<Slice>,
        (settings, transport): (&WireSettings, &Transport),
    ) -> Result<Self, WireError> {
        let wires = (0..orders.connections).map(|_| Wires::with(settings.clone(), transport));
        let wires = wires.collect::<Result<_, _>>()?;
        let desk = Desk {
            left: orders.requests.unwrap_or(u64::MAX),
            random: orders.random.clone(),
            orders,
            pool,
            clerk,
            recorder,
            share,
            last: 0,
            generation: 0,
            fresh: None,
        };
        Ok(Self { desk, wires, shared, seconds })
    }

    /// Runs until the schedule, the number of requests, or somebody's patience ends.
    pub(super) fn run(self, started: Instant) -> io::Result<Work> {
        let Self { desk, wires, shared, seconds } = self;
        let first = desk.orders.first_user;
        let desk = Rc::new(RefCell::new(desk));
        let users = LocalSet::new();
        for (at, wires) in wires.into_iter().enumerate() {
            let own = desk.borrow().pool.first_of(first + at).unwrap_or_default().to_owned();
            let user = User { place: 0, own, free: 0 };
            let at_desk = AtDesk { desk: Rc::clone(&desk), shared: Arc::clone(&shared), started };
            users.spawn_local(async move { at_desk.live(user, &wires).await });
        }
        let ran = live(users, started, &shared, |now| {
            desk.borrow_mut().look_after(now, &shared, &seconds);
            false
        })?;
        let mut desk = desk.borrow_mut();
        // A coordinator that is gone wants to hear nothing.
        let last_slice = desk.recorder.take_slice();
        drop(seconds.send(desk.clerk.sign(last_slice)));
        let (recorder, last) = (desk.recorder.clone(), desk.last);
        let Clerk { tallies, judged, .. } = desk.clerk.retire();
        let idle = ran.saturating_sub(processor_time());
        Ok(Work { recorder, tallies, judged, last, idle, ran })
    }
}

/// A user with what it needs.
struct AtDesk {
    desk: Rc<RefCell<Desk>>,
    shared: Arc<Shared>,
    started: Instant,
}

impl AtDesk {
    async fn live(&self, mut user: User, wires: &Wires) {
        while let Some(errand) = self.next(&user) {
            let now = nanoseconds(self.started);
            if let Some(wait) = errand.due.and_then(|due| due.checked_sub(now)) {
                tokio::time::sleep(Duration::from_nanos(wait)).await;
            }
            let (mut exchange, sent) = self.begin(&user, &errand);
            let (reply, _) = wires.send_once(&exchange.request).await;
            let failed = reply.is_err();
            exchange.reply = reply;
            self.desk.borrow_mut().hear(
                &mut user,
                &errand,
                exchange,
                (sent, nanoseconds(self.started)),
            );
            if failed {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// What the user does next; nothing when the run is over.
    fn next(&self, user: &User) -> Option<Errand> {
        let now = nanoseconds(self.started);
        let desk = &mut *self.desk.borrow_mut();
        let end = desk.orders.end.as_nanos();
        if u128::from(now) >= end || desk.left == 0 || self.shared.stop.load(Ordering::Relaxed) {
            return None;
        }
        let mends = desk.pool.mends(user.place);
        let due = match &mut desk.share {
            Some(share) if !mends => Some(share.next_due()?),
            _ => None,
        };
        desk.left -= u64::from(!mends);
        let (case, token) = desk.pool.pick(user.place, &mut desk.random);
        let shared = tokens(desk.pool.case(case), case, desk.fresh.as_ref());
        let token = if token == OWN { user.own.clone() } else { shared.get(token).to_owned() };
        Some(Errand { due, case, token })
    }

    fn begin(&self, user: &User, errand: &Errand) -> (Exchange, u64) {
        let desk = &mut *self.desk.borrow_mut();
        let case = desk.pool.case(errand.case);
        let exchange = Exchange {
            operation: case.operation.clone(),
            environment: case.environment.clone(),
            request: case.form.request(&errand.token),
            reply: Ok(Response::default()),
            timing: crate::model::Timing::default(),
            server_now: None,
        };
        let sent = nanoseconds(self.started);
        if !desk.pool.mends(errand.case) {
            let bytes = exchange.request.body.0.len();
            let due = errand.due.unwrap_or(sent);
            desk.recorder.sent(due, user.free, sent, (errand.case, bytes));
        }
        (exchange, sent)
    }
}

impl Desk {
    /// Takes what came of a request.
    fn hear(
        &mut self,
        user: &mut User,
        errand: &Errand,
        exchange: Exchange,
        (sent, now): (u64, u64),
    ) {
        let due = errand.due.unwrap_or(sent);
        user.free = now;
        self.last = now;
        let reply = match &exchange.reply {
            Ok(reply) => reply,
            Err(error) => {
                user.place = self.pool.after(errand.case, false);
                let (case, reason) = (errand.case, error.to_string());
                return self.recorder.failed(due, case, failure(error), reason);
            }
        };
        let case = self.pool.case(errand.case);
        let bytes = flat(reply);
        let known = self.clerk.remembered(errand.case, &bytes);
        if let Some(kept) = case.keeps.as_ref().and_then(|field| from_field(field, reply)) {
            user.own = kept;
        }
        let ruling = known.unwrap_or_else(|| {
            let known = (!case.varies).then_some(&bytes[..]);
            let token = &errand.token;
            let answer = Answer { exchange, token, known, complaint: None, now };
            self.clerk.judge(errand.case, &case.expected, answer)
        });
        user.place = self.pool.after(errand.case, !ruling.wrong);
        if self.pool.mends(errand.case) {
            self.recorder.mended(errand.case, ruling);
        } else {
            let moments = Moments { due, sent, done: now };
            self.recorder.answered(moments, errand.case, ruling, bytes.len());
        }
    }

    fn look_after(&mut self, now: u64, shared: &Shared, to: &Sender<Slice>) {
        if let Some((generation, fresh)) = shared.renewed_since(self.generation) {
            (self.generation, self.fresh) = (generation, fresh);
        }
        if let Some(slice) = self.recorder.finish_second(now) {
            drop(to.send(self.clerk.sign(slice)));
        }
    }
}

/// An answer as bytes, to know it again by.
fn flat(reply: &Response) -> Vec<u8> {
    let mut bytes = format!("HTTP {}\r\n", reply.status).into_bytes();
    for header in &reply.headers {
        for part in [header.name.as_bytes(), b": ", &header.value.0, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&reply.body.0);
    bytes
}
