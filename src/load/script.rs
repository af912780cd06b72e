//! Users who each go through a whole scenario, again and again: what a login, a refresh and a few validations in a row
//! cost, rather than one request by itself.
//!
//! The engine that checks runs each round, and the judge reads its trace as it would in a check. That costs far more than
//! the workers' own connections: how many requests a server can take is not for this.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio::task::LocalSet;

use super::clerk::{Ruling, Tallied};
use super::court::Complaint;
use super::pacer::Share;
use super::recorder::{Failure, Moments, Recorder, Slice};
use super::table::Table;
use super::users::{PAUSE, failure, live, nanoseconds, processor_time};
use super::worker::{Orders, Shared, Work};
use crate::engine::{Budget, Class, Connection, Engine, Face, Law, Settings, classify, judge};
use crate::model::{
    Act, CaseReport, Exchange, Finding, Level, SecretBook, SentAndReceived, StopKind, Trace,
    Verdict,
};
use crate::scenario::Scenario;
use crate::source::Random;
use crate::target::{FlowBinding, Library, Profile};

/// A scenario and the server that users go through it with.
#[derive(Debug)]
pub struct Script {
    library: Arc<Library>,
    profile: Profile,
    binding: FlowBinding,
    scenario: Scenario,
    /// The operations of the flow: what is counted by itself.
    operations: Vec<String>,
    budget: Option<Budget>,
    seed: u64,
}

impl Script {
    /// A scenario for the users of one server; nothing where the profile does not have its flow.
    pub fn new(
        library: Arc<Library>,
        profile: Profile,
        scenario: Scenario,
        seed: u64,
    ) -> Option<Self> {
        let binding = profile.flows.get(&scenario.flow)?.clone();
        let operations = binding.operations.keys().cloned().collect();
        let budget = profile.limits.max_failed_logins.map(Budget::new);
        Some(Self { library, profile, binding, scenario, operations, budget, seed })
    }

    pub(super) fn base(&self) -> &str {
        &self.binding.base_url
    }

    pub(super) fn table(&self) -> Table {
        let named = self.binding.outcomes.iter().map(|outcome| outcome.name.clone());
        let case = |name: &String| CaseReport { name: name.clone(), ..CaseReport::default() };
        Table {
            flow: self.scenario.flow,
            outcomes: named.chain(["unrecognised".to_owned()]).collect(),
            // What breaks a check breaks it for the scenario, not for one operation.
            cases: self.operations.iter().chain([&self.scenario.name]).map(case).collect(),
            notes: vec![format!("each user went through {}", self.scenario.name)],
        }
    }

    async fn round(&self, connection: &Connection, seed: u64) -> (Trace, Vec<Finding>) {
        let settings = Settings {
            headers: self.profile.headers.clone(),
            seed,
            budget: self.budget.clone(),
            ..Settings::default()
        };
        let engine = Engine {
            binding: &self.binding,
            wires: Arc::clone(&connection.wires),
            hooks: &connection.hooks,
            clock: &connection.clock,
            settings: &settings,
        };
        let trace = engine.run(&self.scenario).await;
        let none = IndexMap::new();
        let law = Law {
            catalogue: &self.library.catalogue,
            binding: &self.binding,
            always: self.library.always.get(&self.scenario.flow).unwrap_or(&none),
        };
        let findings = judge(&law, &self.scenario, &trace);
        (trace, findings)
    }

    /// The place of an answer's outcome.
    fn outcome(&self, exchange: &Exchange) -> u16 {
        let outcomes = &self.binding.outcomes;
        let at = match classify(&self.binding, &Face::new(exchange)) {
            Class::Known(outcome) => outcomes.iter().position(|one| one.name == outcome.name),
            _ => None,
        };
        u16::try_from(at.unwrap_or(outcomes.len())).unwrap_or(u16::MAX)
    }

    fn case(&self, exchange: &Exchange) -> usize {
        self.operations.iter().position(|name| *name == exchange.operation).unwrap_or_default()
    }
}

/// A worker with some of the users.
#[derive(Debug)]
pub(super) struct ScriptWorker {
    desk: Desk,
    shared: Arc<Shared>,
    seconds: Sender<Slice>,
}

/// What the users of a worker share; one of them is at it at a time.
#[derive(Debug)]
struct Desk {
    script: Arc<Script>,
    orders: Orders,
    recorder: Recorder,
    share: Option<Share>,
    tallies: Vec<Tallied>,
    judged: u64,
    left: u64,
    last: u64,
}

/// More kinds of complaint than this are counted under the last one.
const MOST_COMPLAINTS: usize = 100;

impl ScriptWorker {
    /// Users who connect with their first request.
    pub(super) fn new(
        orders: Orders,
        shared: Arc<Shared>,
        script: Arc<Script>,
        recorder: Recorder,
        share: Option<Share>,
        seconds: Sender<Slice>,
    ) -> Self {
        let left = orders.requests.unwrap_or(u64::MAX);
        let (tallies, judged, last) = (Vec::new(), 0, 0);
        let desk = Desk { script, orders, recorder, share, tallies, judged, left, last };
        Self { desk, shared, seconds }
    }

    /// Runs until the schedule, the number of requests, or somebody's patience ends.
    pub(super) fn run(self, started: Instant) -> io::Result<Work> {
        let Self { desk, shared, seconds } = self;
        let (first, count) = (desk.orders.first_user, desk.orders.connections);
        let desk = Rc::new(RefCell::new(desk));
        let users = LocalSet::new();
        for number in first..first + count {
            let (desk, shared) = (Rc::clone(&desk), Arc::clone(&shared));
            users.spawn_local(async move { User { desk, shared, started, number }.live().await });
        }
        let ran = live(users, started, &shared, |now| desk.borrow_mut().look_after(now, &seconds))?;
        let mut desk = desk.borrow_mut();
        // A coordinator that is gone wants to hear nothing.
        drop(seconds.send(desk.recorder.take_slice()));
        let idle = ran.saturating_sub(processor_time());
        let tallies = std::mem::take(&mut desk.tallies);
        let (recorder, judged, last) = (desk.recorder.clone(), desk.judged, desk.last);
        Ok(Work { recorder, tallies, judged, last, idle, ran })
    }
}

/// Somebody who goes through the scenario.
struct User {
    desk: Rc<RefCell<Desk>>,
    shared: Arc<Shared>,
    started: Instant,
    number: usize,
}

impl User {
    async fn live(self) {
        let script = Arc::clone(&self.desk.borrow().script);
        let connection = match Connection::new(&script.profile, false, self.started) {
            Ok(connection) => connection,
            Err(error) => {
                let mut desk = self.desk.borrow_mut();
                return desk.recorder.failed(u64::MAX, 0, Failure::Connect, error.to_string());
            }
        };
        let mut seeds = Random::derive(script.seed, &format!("user {}", self.number));
        let mut free = 0;
        while let Some(due) = self.next() {
            if let Some(wait) = due.and_then(|due| due.checked_sub(nanoseconds(self.started))) {
                tokio::time::sleep(Duration::from_nanos(wait)).await;
            }
            let (trace, findings) = script.round(&connection, seeds.bits()).await;
            let stopped = trace.stop.is_some();
            let goes_on = self.desk.borrow_mut().hear(&trace, &findings, (due, free));
            // What is missing now is missing in the next round, and a round without a request would never end.
            if !goes_on {
                return;
            }
            free = nanoseconds(self.started);
            if stopped {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// When the next round is due; nothing when the run is over.
    fn next(&self) -> Option<Option<u64>> {
        let now = nanoseconds(self.started);
        let desk = &mut *self.desk.borrow_mut();
        let over = u128::from(now) >= desk.orders.end.as_nanos() || desk.left == 0;
        if over || self.shared.stop.load(Ordering::Relaxed) {
            return None;
        }
        match &mut desk.share {
            Some(share) => share.next_due().map(Some),
            None => Some(None),
        }
    }
}

impl Desk {
    /// Takes what came of a round: the first request counts from the moment the round was due. Whether another round can
    /// be expected to get further.
    fn hear(
        &mut self,
        trace: &Trace,
        findings: &[Finding],
        (mut due, free): (Option<u64>, u64),
    ) -> bool {
        let left = self.left;
        let script = Arc::clone(&self.script);
        for exchange in trace.entries.iter().flat_map(|entry| exchanges(&entry.act)) {
            let sent = whole(exchange.timing.sent);
            self.exchange(&script, exchange, (due.take().unwrap_or(sent), free.min(sent), sent));
        }
        let book = book(trace);
        let breaks = |one: &&Finding| matches!(one.verdict, Verdict::Fail | Verdict::Warn);
        for finding in findings.iter().filter(breaks) {
            let wrong = finding.verdict == Verdict::Fail && finding.level == Level::Must;
            let what = format!("breaks {}: {}", finding.check, finding.title);
            let shown = finding.evidence.exchange.clone().unwrap_or_default();
            self.complain(script.operations.len(), what, wrong, &shown, &book);
        }
        let asked = self.left < left;
        let Some(stop) = &trace.stop else {
            return asked;
        };
        let why = book.redact(&format!("at {}: {}", stop.step, stop.reason));
        match stop.kind {
            StopKind::Prerequisite => {
                let last = trace.entries.iter().rev().find_map(|one| exchanges(&one.act).last());
                let shown = last.map(crate::engine::picture).unwrap_or_default();
                let case = last.map_or(0, |exchange| script.case(exchange));
                self.complain(case, format!("the scenario ended {why}"), true, &shown, &book);
            }
            // It was counted as a request without an answer.
            StopKind::Unreachable => {}
            StopKind::Absent | StopKind::Missing | StopKind::Harness => {
                self.recorder.failed(u64::MAX, 0, Failure::Stopped, why);
                return false;
            }
        }
        asked
    }

    fn exchange(&mut self, script: &Script, exchange: &Exchange, times: (u64, u64, u64)) {
        let (due, free, sent) = times;
        let done = whole(exchange.timing.done);
        self.left = self.left.saturating_sub(1);
        self.last = self.last.max(done);
        let case = script.case(exchange);
        self.recorder.sent(due, free, sent, (case, exchange.request.body.0.len()));
        match &exchange.reply {
            Err(error) => self.recorder.failed(due, case, failure(error), error.to_string()),
            Ok(reply) => {
                self.judged += 1;
                let ruling = Ruling { outcome: script.outcome(exchange), wrong: false };
                let moments = Moments { due, sent, done };
                self.recorder.answered(moments, case, ruling, reply.body.0.len());
            }
        }
    }

    fn complain(
        &mut self,
        case: usize,
        what: String,
        wrong: bool,
        shown: &SentAndReceived,
        book: &SecretBook,
    ) {
        self.recorder.counts.wrong += u64::from(wrong);
        self.recorder.slice.wrong += u64::from(wrong);
        let same = |one: &&mut Tallied| one.case == case && one.complaint.what == what;
        let full = self.tallies.len() >= MOST_COMPLAINTS;
        let mut known = self.tallies.iter_mut();
        if let Some(tallied) = if full { known.next_back() } else { known.find(same) } {
            tallied.count += 1;
            return;
        }
        let SentAndReceived { sent, received, curl } = shown;
        let [sent, received, curl] = [sent, received, curl].map(|text| book.redact(text));
        let exchange = SentAndReceived { sent, received, curl };
        let complaint = Complaint { what, wrong, exchange };
        self.tallies.push(Tallied { case, complaint, count: 1, first: self.last });
    }

    /// Tells of a second that is over. Whether the run is, and nobody is to be waited for any longer.
    fn look_after(&mut self, now: u64, to: &Sender<Slice>) -> bool {
        if let Some(slice) = self.recorder.finish_second(now) {
            drop(to.send(slice));
        }
        u128::from(now) >= self.orders.end.saturating_add(self.orders.deadline).as_nanos()
    }
}

/// The exchanges of an act, in order.
fn exchanges(act: &Act) -> impl DoubleEndedIterator<Item = &Exchange> {
    let exchanges: Vec<&Exchange> = match act {
        Act::Exchange(exchange) => vec![&**exchange],
        Act::Sample { exchanges, .. } => exchanges.iter().collect(),
        Act::Race { trials } => {
            trials.iter().flat_map(|trial| trial.exchanges.iter().chain(&trial.after)).collect()
        }
        _ => Vec::new(),
    };
    exchanges.into_iter()
}

/// What no report may show.
fn book(trace: &Trace) -> SecretBook {
    let mut book = SecretBook::default();
    trace.secrets.iter().for_each(|kept| book.note(&kept.value, &kept.name));
    trace.unasked.iter().for_each(|(name, value)| book.note(value, name));
    book
}

fn whole(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
