//! What a run is made of before it begins: who sends what, where to, and each worker's part of it.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::clerk::Clerk;
use super::client::ClientWorker;
use super::detail::{CaseColumn, Columns};
use super::pacer::{Arrival, Pacer, Share, Stage};
use super::prepare::Prepared;
use super::recorder::{Failure, Recorder, Slice};
use super::renewal::Renewal;
use super::run::{LoadError, LoadSettings, Model};
use super::script::{Script, ScriptWorker};
use super::shard::Turn;
use super::stream::Endpoint;
use super::table::Table;
use super::worker::{Orders, Ramp, Shared, Work, Worker};
use crate::model::CaseReport;
use crate::source::Random;
use crate::wire::{Origin, Transport, WireSettings, tls_settings};

const HTTP2: &str = "HTTP/2 is spoken by a common client, which costs more than the generator's own connections and is late by up to a millisecond; the first request of each connection includes connecting, and bytes are those of contents";

const SCENARIO: &str = "each user goes through the scenario with a common client and an engine that keeps everything that it sees: this measures the server's answers to such users, and not how many a server can take";

/// A run with its schedule.
pub(super) struct Plan<'a> {
    pub(super) settings: &'a LoadSettings,
    /// The address, for people.
    pub(super) base: String,
    pub(super) schedule: Option<(Arc<Pacer>, Arrival)>,
    pub(super) table: Table,
    /// When the valid tokens have to be renewed.
    pub(super) renewal: Option<Renewal>,
    /// How far the target's clock is ahead: between these two, in seconds.
    pub(super) skew: Option<(f64, f64)>,
    users: Users<'a>,
}

/// What sends the requests.
enum Users<'a> {
    /// Connections of the workers' own.
    Own(&'a Prepared, Endpoint),
    /// A common client.
    Client(&'a Prepared),
    /// Users who go through a scenario.
    Script(Arc<Script>),
}

impl<'a> Plan<'a> {
    /// A run of single requests.
    pub(super) fn new(
        prepared: &'a Prepared,
        settings: &'a LoadSettings,
    ) -> Result<Self, LoadError> {
        let users = match road(prepared, settings)? {
            Some(endpoint) => Users::Own(prepared, endpoint),
            None => Users::Client(prepared),
        };
        Ok(Self::of(prepared, settings, users))
    }

    /// The same run at another address.
    pub(super) fn over(
        prepared: &'a Prepared,
        settings: &'a LoadSettings,
        endpoint: Endpoint,
    ) -> Self {
        Self::of(prepared, settings, Users::Own(prepared, endpoint))
    }

    fn of(prepared: &'a Prepared, settings: &'a LoadSettings, users: Users<'a>) -> Self {
        let cases = prepared.pool.cases().iter().map(|case| CaseReport {
            name: case.name.clone(),
            expected: case.expected.word().to_owned(),
            tokens: case.tokens.len(),
            outcomes: BTreeMap::new(),
        });
        Self {
            settings,
            base: prepared.pool.case(0).form.base().to_owned(),
            schedule: schedule(settings),
            table: Table {
                flow: prepared.flow,
                outcomes: prepared.court.outcomes(),
                cases: cases.collect(),
                notes: prepared.notes.clone(),
            },
            renewal: prepared.renewal,
            skew: prepared.skew,
            users,
        }
    }

    /// A run of users who go through a scenario.
    pub(super) fn of_users(script: &Arc<Script>, settings: &'a LoadSettings) -> Self {
        Self {
            settings,
            base: script.base().to_owned(),
            schedule: schedule(settings),
            table: script.table(),
            renewal: None,
            skew: None,
            users: Users::Script(Arc::clone(script)),
        }
    }

    /// Whether what is due is the beginning of a scenario, and not a request.
    pub(super) const fn has_rounds(&self) -> bool {
        matches!(self.users, Users::Script(_))
    }

    /// What a reader should know of how the requests were sent.
    pub(super) fn remark(&self) -> Option<String> {
        match &self.users {
            Users::Own(..) => None,
            Users::Client(_) => Some(HTTP2.to_owned()),
            Users::Script(_) => Some(SCENARIO.to_owned()),
        }
    }

    /// What the numbers of a detailed second are about.
    pub(super) fn columns(&self) -> Columns {
        let asked = |at: usize| match &self.users {
            Users::Own(prepared, _) | Users::Client(prepared) => {
                let case = prepared.pool.case(at);
                (case.operation.clone(), case.form.method().to_owned())
            }
            Users::Script(_) => (String::new(), String::new()),
        };
        let cases = self.table.cases.iter().enumerate().map(|(at, case)| {
            let (operation, method) = asked(at);
            CaseColumn { name: case.name.clone(), operation, method }
        });
        Columns {
            cases: cases.collect(),
            outcomes: self.table.outcomes.clone(),
            failures: Failure::ALL.iter().map(|(_, name)| *name).collect(),
            scheduled: self.schedule.is_some(),
        }
    }

    /// The moment at which nothing is sent any more.
    fn end(&self) -> Duration {
        match (&self.schedule, &self.settings.model) {
            // A queue that the server left behind is still sent, for as long as an answer may take.
            (Some((pacer, _)), _) => pacer.length() + self.settings.deadline,
            (None, Model::Closed(Some(length))) => self.settings.warm_up + *length,
            (None, _) => Duration::MAX,
        }
    }

    pub(super) fn worker(
        &self,
        number: usize,
        shared: Arc<Shared>,
        seconds: mpsc::Sender<Slice>,
        detailed: bool,
    ) -> Result<AnyWorker, LoadError> {
        let settings = self.settings;
        let orders = self.orders(number);
        let (cases, outcomes) = (self.table.cases.len(), self.table.outcomes.len());
        let recorder = Recorder::new(settings.warm_up, self.schedule.is_some(), cases, outcomes);
        let recorder = if detailed { recorder.detailed(cases) } else { recorder };
        let share = self.schedule.as_ref().map(|(pacer, arrival)| {
            let turn = Turn::new(settings.shard, number, settings.workers);
            Share::new(Arc::clone(pacer), *arrival, turn, settings.seed)
        });
        let judge = |prepared: &Prepared| {
            let clerk = Clerk::new(Arc::clone(&prepared.court), cases);
            (Arc::clone(&prepared.pool), clerk)
        };
        Ok(match &self.users {
            Users::Own(prepared, endpoint) => {
                let end = (endpoint.clone(), seconds);
                let (pool, clerk) = judge(prepared);
                AnyWorker::Own(Box::new(Worker::new(
                    orders, shared, pool, clerk, recorder, share, end,
                )?))
            }
            Users::Client(prepared) => {
                let wires = WireSettings {
                    deadline: settings.deadline,
                    max_answer_bytes: settings.max_answer_bytes,
                    roots: settings.roots.clone(),
                    started: Instant::now(),
                };
                let judge = judge(prepared);
                let way = (&wires, &settings.transport);
                let made = ClientWorker::new(orders, shared, judge, recorder, share, seconds, way);
                AnyWorker::Client(Box::new(
                    made.map_err(|error| LoadError::Unreachable(error.to_string()))?,
                ))
            }
            Users::Script(script) => AnyWorker::Script(Box::new(ScriptWorker::new(
                orders,
                shared,
                Arc::clone(script),
                recorder,
                share,
                seconds,
            ))),
        })
    }

    /// One worker's part of the whole.
    fn orders(&self, number: usize) -> Orders {
        let settings = self.settings;
        let workers = settings.workers;
        let part = |whole: usize| whole / workers + usize::from(number < whole % workers);
        let requests = settings
            .requests
            .map(|all| all / workers as u64 + u64::from((number as u64) < all % workers as u64));
        Orders {
            connections: part(settings.connections),
            first_user: number * (settings.connections / workers)
                + number.min(settings.connections % workers),
            requests,
            end: self.end(),
            deadline: settings.deadline,
            limit: settings.max_answer_bytes,
            keep_alive: settings.keep_alive,
            ramp: settings.ramped.map(|pace| Ramp { number, workers, pace: pace.0 }),
            random: Random::derive(settings.seed, &settings.shard.stream(number)),
        }
    }
}

fn schedule(settings: &LoadSettings) -> Option<(Arc<Pacer>, Arrival)> {
    let Model::Open(stages, arrival) = &settings.model else {
        return None;
    };
    let mut all = Vec::new();
    if let Some(first) = stages.first().filter(|_| !settings.warm_up.is_zero()) {
        all.push(Stage::steady(settings.warm_up, first.from));
    }
    all.extend(stages);
    Some((Arc::new(Pacer::new(&all)), *arrival))
}

/// A worker of one kind or the other.
pub(super) enum AnyWorker {
    Own(Box<Worker>),
    Client(Box<ClientWorker>),
    Script(Box<ScriptWorker>),
}

impl AnyWorker {
    /// Makes the connections before the clock starts. Says how many could be made, and why the first other one could not.
    pub(super) fn prepare(&mut self) -> std::io::Result<(usize, Option<String>)> {
        match self {
            Self::Own(worker) => worker.prepare(),
            // They connect with their first requests.
            Self::Client(_) | Self::Script(_) => Ok((usize::MAX / 1_000, None)),
        }
    }

    pub(super) fn run(self, started: Instant) -> std::io::Result<Work> {
        match self {
            Self::Own(worker) => worker.run(started),
            Self::Client(worker) => worker.run(started),
            Self::Script(worker) => worker.run(started),
        }
    }
}

/// Where the connections of the workers' own go; nothing where a common client is needed.
fn road(prepared: &Prepared, settings: &LoadSettings) -> Result<Option<Endpoint>, LoadError> {
    use std::net::ToSocketAddrs as _;
    let base = prepared.pool.case(0).form.base();
    let unreachable =
        |why: String| LoadError::Unreachable(format!("no connection to {base}: {why}"));
    let origin = Origin::parse(base).map_err(|error| unreachable(error.to_string()))?;
    let Transport { http2, identity, unix_socket, .. } = &settings.transport;
    if *http2 {
        return match (prepared.pool.talks(), settings.keep_alive) {
            (false, true) => Ok(None),
            (true, _) => Err(unreachable("a WebSocket is opened with HTTP/1.1".to_owned())),
            (_, false) => Err(unreachable("connections of HTTP/2 stay open".to_owned())),
        };
    }
    #[cfg(unix)]
    if let Some(path) = unix_socket {
        return match origin.secure {
            true => Err(unreachable("a load run speaks no TLS over a Unix socket".to_owned())),
            false => Ok(Some(Endpoint::Unix(path.clone()))),
        };
    }
    let address = (origin.host.as_str(), origin.port)
        .to_socket_addrs()
        .map_err(|error| unreachable(error.to_string()))?
        .next()
        .ok_or_else(|| unreachable("the name has no address".to_owned()))?;
    if !origin.secure {
        return Ok(Some(Endpoint::Tcp(address)));
    }
    let config = tls_settings(&settings.roots, identity.as_ref())
        .map_err(|error| unreachable(error.to_string()))?;
    let name = origin.host.try_into().map_err(|_| unreachable("the host is no name".to_owned()))?;
    Ok(Some(Endpoint::Tls(address, Arc::new(config), name)))
}
