//! One flow of one server, for as long as a worker uses it: cases are run here, one after the other, each from the
//! server's first state.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::case::{Act, Case};
use super::laws::{Laws, nowhere};
use super::lower;
use super::model::{Means, Rules};
use super::oracle::{Judge, Oracle, Walk};
use crate::engine::{Connection, Engine, Provided, Settings};
use crate::hook::HookCall;
use crate::model::{CheckId, SecretBook, Stop, StopKind, Trace, WireError};
use crate::source::SourceFile;
use crate::target::FlowBinding;

/// What a profile can do for a job.
pub(crate) fn means(connection: &Connection) -> Means {
    let hooks = ["press", "accounts", "restart", "database", "revoke"];
    let offered = hooks.into_iter().filter(|hook| connection.hooks.offers(hook));
    let virtual_clock = connection.clock.mode() == "virtual";
    Means {
        hooks: offered.map(str::to_owned).collect(),
        clock: virtual_clock,
        fresh: connection.hooks.offers("reset"),
    }
}

/// A server with everything that reaches it.
pub(crate) struct Site {
    /// The server.
    pub(crate) provided: Provided,
    /// The wires, hooks and the clock.
    pub(crate) connection: Connection,
    /// How requests are made.
    pub(crate) settings: Settings,
    /// How far its clock was moved, in milliseconds.
    moved: u64,
}

impl Site {
    /// Reaches a server.
    ///
    /// # Errors
    /// Why it cannot be reached, in a sentence.
    pub(crate) fn new(provided: Provided, seed: u64) -> Result<Self, String> {
        let connection = Connection::new(&provided.profile, false, Instant::now())
            .map_err(|error| error.to_string())?;
        let settings =
            Settings { headers: provided.profile.headers.clone(), seed, ..Settings::default() };
        Ok(Self { provided, connection, settings, moved: 0 })
    }

    /// Whether its clock has come so far that another server should take its place.
    pub(crate) const fn is_worn(&self) -> bool {
        self.moved > MOST_MOVED
    }

    /// Whether the server takes a connection; asked twice, for one that is just starting again.
    pub(crate) async fn is_there(&self, base: &str) -> bool {
        let Ok(mut lane) = self.connection.wires.lane(base) else {
            return false;
        };
        let mut refused = false;
        for attempt in 0..2 {
            if attempt > 0 {
                tokio::time::sleep(RESTART).await;
            }
            let answers = lane.send(PROBE, &["GET"], true).await;
            refused = matches!(answers.replies.first(), Some(Err(WireError::Connect(_))));
            if !refused {
                break;
            }
        }
        !refused
    }

    /// Brings the server into its first state, where there is a way.
    pub(crate) async fn reset(&self) -> Result<(), String> {
        self.connection.wires.hang_up();
        if !self.connection.hooks.offers("reset") {
            return Ok(());
        }
        let call = HookCall { name: "reset".to_owned(), ..HookCall::default() };
        self.connection.hooks.fire(&call).await.map(drop).map_err(|error| error.to_string())
    }
}

/// What a connection is tried with.
const PROBE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// So long a server may take to start again.
const RESTART: Duration = Duration::from_millis(300);

/// Fifty years: dates still have four digits.
const MOST_MOVED: u64 = 50 * 365 * 86_400_000;

/// Runs cases of one flow and judges them.
pub(crate) struct Session<'a> {
    rules: &'a Rules,
    binding: &'a FlowBinding,
    judge: Judge<'a>,
    source: Arc<SourceFile>,
    /// The secrets of the last case that failed.
    pub(crate) book: SecretBook,
}

impl<'a> Session<'a> {
    /// A session over one flow.
    pub(crate) fn new((rules, laws): (&'a Rules, &'a Laws), binding: &'a FlowBinding) -> Self {
        let judge = Judge::new(binding, rules, laws);
        Self { rules, binding, judge, source: nowhere(), book: SecretBook::default() }
    }

    /// The flow as the server spells it.
    pub(crate) const fn binding(&self) -> &'a FlowBinding {
        self.binding
    }

    /// Checks that are known to be broken.
    pub(crate) const fn excused(&self) -> &HashSet<CheckId> {
        &self.judge.excused
    }

    /// What broke a law is known: the next case that breaks it goes on.
    pub(crate) fn excuse(&mut self, oracle: &Oracle) {
        if let Oracle::Law(law) = oracle {
            self.judge.excused.insert(law.check().clone());
        }
    }

    /// Runs one case from the server's first state.
    pub(crate) fn run(&mut self, runtime: &Runtime, site: &mut Site, case: &Case) -> Walk {
        match self.trace(runtime, site, case) {
            Ok(trace) => {
                let walk = self.judge.walk(case, &trace);
                if walk.failure.is_some() {
                    self.book = secrets(&trace);
                }
                walk
            }
            Err(reason) => Walk {
                stopped: Some(Stop { step: "reset".to_owned(), kind: StopKind::Harness, reason }),
                ..Walk::default()
            },
        }
    }

    /// The same, with the values that the case captured.
    pub(crate) fn open(
        &mut self,
        runtime: &Runtime,
        site: &mut Site,
        case: &Case,
    ) -> (Walk, BTreeMap<String, String>) {
        match self.trace(runtime, site, case) {
            Ok(trace) => {
                let names =
                    trace.entries.last().map(|entry| (*entry.bindings).clone()).unwrap_or_default();
                self.book = secrets(&trace);
                (self.judge.walk(case, &trace), names)
            }
            Err(_) => (Walk::default(), BTreeMap::new()),
        }
    }

    fn trace(&self, runtime: &Runtime, site: &mut Site, case: &Case) -> Result<Trace, String> {
        let scenario = lower::scenario(self.binding, self.rules, case, &self.source)?;
        for step in &case.steps {
            if let Act::Advance(by) = &step.act {
                site.moved += by;
            }
        }
        runtime.block_on(async {
            site.reset().await?;
            let engine = Engine {
                binding: self.binding,
                wires: Arc::clone(&site.connection.wires),
                hooks: &site.connection.hooks,
                clock: &site.connection.clock,
                settings: &site.settings,
            };
            Ok(engine.run(&scenario).await)
        })
    }
}

/// Every secret of a trace with its name.
pub(crate) fn secrets(trace: &Trace) -> SecretBook {
    let mut book = SecretBook::default();
    for kept in &trace.secrets {
        book.note(&kept.value, &kept.name);
    }
    for (name, value) in &trace.unasked {
        book.note(value, name);
    }
    book
}
