//! What a worker does: gets to know its master, does as it is told, and reports.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

use super::SPOKEN;
use super::crew::Crew;
use super::link::{Link, LinkError};
use super::message::{Incoming, Spawn, Unreadable, incoming, outgoing};
use super::statistics::Statistics;

/// How often a worker says that it is there; a master gives one up that was silent for three times as long.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often it reports.
const REPORT: Duration = Duration::from_secs(3);
/// How long a master may take to acknowledge a worker before it is asked again.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// The first and the longest pause between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long a master that quits still hears: it gives its workers half a second.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How long a master is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// At the beginning.
    pub absent: Duration,
    /// When its connection broke in the middle.
    pub gone: Duration,
    /// When it says nothing, although the connection stands.
    pub silent: Duration,
    /// For requests that are under way when the master wants no more users.
    pub answers: Duration,
}

/// How a session ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The master said that it is over, or somebody here did.
    Over,
    /// There was no master.
    Absent(String),
    /// It left, and did not come back.
    Gone(String),
    /// It speaks something else.
    OtherVersion(String),
}

/// A worker with its master.
#[derive(Debug)]
pub struct Session<'a, L, C> {
    link: &'a mut L,
    crew: &'a mut C,
    node: String,
    /// The class of users that this worker has.
    class: String,
    /// How many users it has at most.
    most: usize,
    patience: Patience,
    /// What the master wanted last, with classes that nobody here has.
    classes: BTreeMap<String, u64>,
    state: &'static str,
    last_spawn: f64,
    /// When the master was heard last.
    heard: Instant,
}

#[derive(Serialize)]
struct Heartbeat {
    state: &'static str,
    current_cpu_usage: f64,
    current_memory_usage: u64,
}

#[derive(Serialize)]
struct Users<'a> {
    user_classes_count: &'a BTreeMap<String, u64>,
    user_count: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    statistics: Statistics,
    user_classes_count: &'a BTreeMap<String, u64>,
    user_count: u64,
}

#[derive(Serialize)]
struct Exception<'a> {
    msg: &'a str,
    traceback: &'a str,
}

impl<'a, L: Link, C: Crew> Session<'a, L, C> {
    /// A worker of this name that has up to so many users of a class.
    pub fn new(
        (link, crew): (&'a mut L, &'a mut C),
        node: &str,
        (class, most): (&str, usize),
        patience: Patience,
    ) -> Self {
        let classes = BTreeMap::from([(class.to_owned(), 0)]);
        let (node, class) = (node.to_owned(), class.to_owned());
        let (state, last_spawn, heard) = ("ready", 0.0, Instant::now());
        Self { link, crew, node, class, most, patience, classes, state, last_spawn, heard }
    }

    /// Does what the master says, until it or somebody here ends it.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Ended {
        let mut stop = std::pin::pin!(stop);
        let met = tokio::select! {
            met = self.meet(self.patience.absent) => met,
            () = &mut stop => return Ended::Over,
        };
        if let Err(why) = met {
            return Ended::Absent(why);
        }
        let (mut beat, mut report) = (ticks(HEARTBEAT), ticks(REPORT));
        loop {
            let broken = tokio::select! {
                message = self.link.receive() => match message {
                    Ok(bytes) => match self.hear(&bytes).await {
                        Ok(None) => None,
                        Ok(Some(ended)) => return ended,
                        Err(error) => Some(error),
                    },
                    Err(error) => Some(error),
                },
                _ = beat.tick() => self.beat().await.err(),
                _ = report.tick() => self.report().await.err(),
                () = &mut stop => {
                    self.leave().await;
                    return Ended::Over;
                }
            };
            let silent = self.heard.elapsed() > self.patience.silent;
            let gone = match broken {
                None if silent => {
                    Some(format!("it has said nothing for {:?}", self.patience.silent))
                }
                None => None,
                Some(error) => {
                    self.crew.say(&format!(
                        "the master is gone ({error}); the users go on while it is called again"
                    ));
                    tokio::select! {
                        met = self.meet(self.patience.gone) => met.err(),
                        () = &mut stop => {
                            self.crew.end(self.patience.answers).await;
                            return Ended::Over;
                        }
                    }
                }
            };
            if let Some(why) = gone {
                self.crew.end(self.patience.answers).await;
                return Ended::Gone(why);
            }
        }
    }

    /// Connects and waits until the master acknowledges, again and again for so long.
    async fn meet(&mut self, patience: Duration) -> Result<(), String> {
        let mut pause = PAUSES.0;
        let mut why = "nobody answers".to_owned();
        let attempts = async {
            loop {
                match self.greet().await {
                    Ok(()) => return,
                    Err(error) => why = error.to_string(),
                }
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        };
        timeout(patience, attempts).await.map_err(|_| why)
    }

    async fn greet(&mut self) -> Result<(), LinkError> {
        self.link.connect().await?;
        self.link.send(outgoing("client_ready", &SPOKEN, &self.node)).await?;
        let acknowledged = async {
            loop {
                if let Ok(Incoming::Acknowledged(index)) = incoming(&self.link.receive().await?) {
                    return Ok(index);
                }
            }
        };
        let index = timeout(ACKNOWLEDGE, acknowledged).await.map_err(|_| {
            LinkError(format!(
                "somebody is there, but acknowledged no worker within {ACKNOWLEDGE:?}"
            ))
        })??;
        let line = match index {
            Some(index) => format!("the master knows this worker as number {index}"),
            None => format!(
                "the master gives no number: it is Locust 2.10.2 or older, and this worker speaks the protocol of {SPOKEN}"
            ),
        };
        self.crew.say(&line);
        self.heard = Instant::now();
        Ok(())
    }

    /// Does what a message asks for.
    async fn hear(&mut self, bytes: &[u8]) -> Result<Option<Ended>, LinkError> {
        self.heard = Instant::now();
        let message = match incoming(bytes) {
            Ok(message) => message,
            Err(Unreadable::OtherVersion { lacks, version }) => {
                return self.part(lacks, version.as_deref()).await.map(Some);
            }
            Err(unreadable) => {
                self.complain(&unreadable.to_string()).await?;
                return Ok(None);
            }
        };
        match message {
            Incoming::Spawn(spawn) => self.spawn(spawn).await?,
            Incoming::Stop => self.rest().await?,
            Incoming::Quit => {
                self.crew.say("the master says that it is over");
                self.leave().await;
                return Ok(Some(Ended::Over));
            }
            Incoming::Reconnect => {
                self.crew.say("the master wants a new connection");
                self.link.connect().await?;
            }
            Incoming::Acknowledged(_) | Incoming::Heartbeat => {}
            Incoming::Other(kind) => {
                const KNOWN: [&str; 2] = ["spawning_complete", "update_user_class"];
                if !KNOWN.contains(&kind.as_str()) {
                    let kind: String = kind.chars().take(40).collect();
                    self.crew.say(&format!(
                        "a message `{}` of the master is not known here",
                        kind.escape_debug()
                    ));
                }
            }
        }
        Ok(None)
    }

    /// Lets users come or go, as far as the order makes sense.
    async fn spawn(&mut self, spawn: Spawn) -> Result<(), LinkError> {
        self.send("spawning", &()).await?;
        if spawn.timestamp <= self.last_spawn {
            self.crew
                .say("an order of the master came late and was overtaken by another: left out");
            return Ok(());
        }
        self.last_spawn = spawn.timestamp;
        self.patience.answers = self.patience.answers.max(spawn.stop_timeout);
        if let Some(version) = spawn.version.filter(|version| series(version) != series(SPOKEN)) {
            self.crew.say(&format!(
                "the master is Locust {version}, and this worker speaks the protocol of {SPOKEN}"
            ));
        }
        match self.order(&spawn.classes) {
            Ok(users) => {
                let before = (self.classes.clone(), self.state);
                let all = spawn.classes.into_keys().map(|name| (name, 0));
                self.classes = all.chain([(self.class.clone(), users as u64)]).collect();
                self.state = "running";
                if let Err(why) = self.crew.users(users) {
                    (self.classes, self.state) = before;
                    self.complain(&format!("the users cannot begin: {why}")).await?;
                }
            }
            Err(why) => self.complain(&why).await?,
        }
        let (classes, count) = self.count();
        let data = Users { user_classes_count: classes, user_count: count };
        let message = outgoing("spawning_complete", &data, &self.node);
        self.link.send(message).await
    }

    /// How many users an order wants of this worker.
    fn order(&self, classes: &BTreeMap<String, i64>) -> Result<usize, String> {
        if let Some((name, count)) = classes.iter().find(|(_, count)| **count < 0) {
            return Err(format!(
                "the master wants {count} users of class `{name}`: left as it was"
            ));
        }
        let unknown = classes.iter().find(|(name, count)| **name != self.class && **count > 0);
        if let Some((name, count)) = unknown {
            return Err(format!(
                "the master wants {count} users of class `{name}`, and this worker has only `{}`: start the master with the file that `gatecrash worker --print-locustfile` prints for the same profile and flow",
                self.class
            ));
        }
        let users = classes.get(&self.class).copied().unwrap_or_default();
        match usize::try_from(users) {
            Ok(users) if users <= self.most => Ok(users),
            _ => Err(format!(
                "the master wants {users} users, and this worker has at most {}: give it more --connections, or start more workers",
                self.most
            )),
        }
    }

    fn count(&self) -> (&BTreeMap<String, u64>, u64) {
        (&self.classes, self.classes.values().sum())
    }

    /// No users until the master says otherwise.
    async fn rest(&mut self) -> Result<(), LinkError> {
        self.crew.end(self.patience.answers).await;
        self.settle();
        self.report().await?;
        self.send("client_stopped", &()).await?;
        self.send("client_ready", &SPOKEN).await
    }

    /// No users any more, and a last report.
    async fn leave(&mut self) {
        self.crew.end(LAST_WORDS).await;
        self.settle();
        // Nobody may be there to hear it.
        let _ = self.report().await;
        let _ = self.send("quit", &()).await;
        // What was sent is on its way when the connection has had a moment.
        let _ = timeout(LAST_WORDS, self.link.receive()).await;
    }

    fn settle(&mut self) {
        self.classes.values_mut().for_each(|count| *count = 0);
        self.state = "ready";
    }

    /// Leaves a master that cannot be understood.
    async fn part(&mut self, lacks: &str, version: Option<&str>) -> Result<Ended, LinkError> {
        let version = version
            .map_or_else(|| "of before 2.0".to_owned(), |version| format!("version {version}"));
        let why = format!(
            "the master is Locust {version}: its spawn message has no {lacks}; this worker speaks the protocol of version {SPOKEN}"
        );
        self.complain(&why).await?;
        self.leave().await;
        Ok(Ended::OtherVersion(why))
    }

    async fn beat(&mut self) -> Result<(), LinkError> {
        if let Some(why) = self.crew.failure() {
            self.settle();
            self.complain(&format!("the users ended by themselves: {why}")).await?;
        }
        let strain = self.crew.strain();
        let data = Heartbeat {
            state: self.state,
            current_cpu_usage: strain.processor,
            current_memory_usage: strain.memory,
        };
        self.send("heartbeat", &data).await
    }

    async fn report(&mut self) -> Result<(), LinkError> {
        let statistics = self.crew.statistics().named();
        let (classes, user_count) = self.count();
        let data = Report { statistics, user_classes_count: classes, user_count };
        let message = outgoing("stats", &data, &self.node);
        self.link.send(message).await
    }

    /// Tells whoever looks at this worker, and whoever looks at the master.
    async fn complain(&mut self, why: &str) -> Result<(), LinkError> {
        self.crew.say(why);
        self.send("exception", &Exception { msg: why, traceback: "" }).await
    }

    async fn send(&mut self, kind: &str, data: &impl Serialize) -> Result<(), LinkError> {
        self.link.send(outgoing(kind, data, &self.node)).await
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    // A worker that was busy for long does not catch up with what nobody misses.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The part of a version that says which protocol is spoken: `2.47`.
fn series(version: &str) -> &str {
    let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
    &version[..end]
}
