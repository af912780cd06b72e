//! How a physical or administrative act happens: press the button, block an account, restart.
//!
//! A scenario names the act; the profile says which drivers can do it. A driver asks the reference
//! server's control plane, sends an HTTP request, runs a program, writes into a named pipe, or asks a
//! person. Each tells when
//! it was asked and when the act was acknowledged, because the act happened somewhere between.
//!
//! No driver judges what the server does afterwards, and none retries: an act that may have
//! happened is never done again.

mod call;
mod exec;
#[cfg(unix)]
mod fifo;
mod template;
mod terminal;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::model::{Header, Millis, WireError};
use crate::wire::{TlsRoots, WireSettings, Wires};

pub(crate) use call::{Call, CallError};
pub(crate) use template::fill;

/// What a scenario wants to happen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HookCall {
    /// The act: `press`, `accounts`, `restart`.
    pub name: String,
    /// What a person is asked to do, when a person does it.
    pub say: Option<String>,
    /// The particulars: which account, which kind of press.
    pub with: BTreeMap<String, String>,
}

/// One way of doing an act.
#[derive(Clone, Debug, PartialEq)]
pub enum HookDriver {
    /// Runs a program, without a shell. It finds one JSON object with `hook`, `say` and `with` on
    /// its standard input, exits with 0 when the act is done, and may write a JSON object.
    Exec {
        /// The program and its arguments.
        argv: Vec<String>,
        /// How long it may take; then it is killed.
        timeout: Duration,
    },
    /// Writes one JSON line with `hook`, `say` and `with` into a named pipe that somebody reads.
    Fifo {
        /// The pipe that is written to.
        request: PathBuf,
        /// The pipe from which one line is read: a JSON object, with `error` when the act failed.
        /// Without it the act is taken for done when it is written.
        answer: Option<PathBuf>,
        /// How long both may take.
        timeout: Duration,
    },
    /// Sends a request; any 2xx answer acknowledges the act. `${key}` in the address and in the
    /// strings of the content stands for a particular of the call.
    Http {
        /// The method.
        method: String,
        /// The address; values are percent-encoded as they are put in.
        url: String,
        /// The content, sent as `application/json`.
        json: Option<Value>,
        /// More header fields.
        headers: Vec<Header>,
    },
    /// Asks the control plane of the reference server.
    Simulated {
        /// The address of the control plane: `http://127.0.0.1:8081`.
        control: String,
    },
    /// Asks the person at the terminal and waits for the Enter key.
    Tty {
        /// What to ask, instead of what the scenario says.
        prompt: Option<String>,
        /// How long to wait for the person.
        timeout: Duration,
    },
}

/// An act that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledged {
    /// The moment before the driver was asked: the act did not happen earlier.
    pub asked: Instant,
    /// The moment after the driver answered: the act did not happen later.
    pub acknowledged: Instant,
    /// What the server's clock showed at the act, when the driver's answer says so in
    /// `pressed_at_ms` or `now_ms`.
    pub server_now: Option<Millis>,
    /// What the driver answered, when it was JSON.
    pub answer: Option<Value>,
}

/// Why an act was not done, or not for certain.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// The program ended with another code than 0, or whoever reads the pipe says that it failed.
    #[error("the hook `{hook}`: {why}")]
    Failed {
        /// The act.
        hook: String,
        /// What happened, with the first line that the program wrote to its standard error.
        why: String,
    },
    /// Only a person can do it, and none may be asked.
    #[error("the hook `{hook}` needs a person: {why}")]
    NeedsPerson {
        /// The act.
        hook: String,
        /// Why nobody can be asked.
        why: String,
    },
    /// Several drivers are given, and none of them could begin.
    #[error("the hook `{hook}`: none of its drivers can act: {}", reasons.join("; "))]
    NoneActs {
        /// The act.
        hook: String,
        /// One reason for each driver.
        reasons: Vec<String>,
    },
    /// The program cannot be started, or nobody reads the pipe.
    #[error("the hook `{hook}` cannot begin: {why}")]
    NotStarted {
        /// The act.
        hook: String,
        /// What the operating system says.
        why: String,
    },
    /// The answer was not 2xx.
    #[error("the hook `{hook}` was refused with status {status}: {answer}")]
    Refused {
        /// The act.
        hook: String,
        /// The status of the answer.
        status: u16,
        /// The beginning of its content.
        answer: String,
    },
    /// Nobody answered in time; the act may have happened.
    #[error("the hook `{hook}` was not done within {within:?}")]
    TimedOut {
        /// The act.
        hook: String,
        /// The time that was given.
        within: Duration,
    },
    /// The profile names no driver for the act.
    #[error("the profile has no hook `{hook}`; add one under `hooks:`, or leave out what needs it")]
    Unknown {
        /// The act.
        hook: String,
    },
    /// A driver wants a particular that the call does not have.
    #[error("the hook `{hook}` uses `${{{key}}}`, but it is called with {known}")]
    Unnamed {
        /// The act.
        hook: String,
        /// The name that stands for nothing.
        key: String,
        /// The names that there are, in a sentence.
        known: String,
    },
    /// The reference server does not know the act.
    #[error("the control plane knows no `{hook}`; it knows {}", SIMULATED.join(", "))]
    Unsupported {
        /// The act.
        hook: String,
    },
    /// The request found no answer.
    #[error("the hook `{hook}`: {error}")]
    Wire {
        /// The act.
        hook: String,
        /// What went wrong on the way.
        error: WireError,
    },
}

impl HookError {
    /// Whether it is certain that nothing was done, so that another driver may be tried.
    fn nothing_was_done(&self) -> bool {
        match self {
            Self::NeedsPerson { .. }
            | Self::NotStarted { .. }
            | Self::Unnamed { .. }
            | Self::Unsupported { .. } => true,
            Self::Wire { error, .. } => {
                matches!(error, WireError::Connect(_) | WireError::Unsendable(_))
            }
            _ => false,
        }
    }
}

/// The acts of a profile, each with its drivers in the order in which they are tried.
#[derive(Debug)]
pub struct Hooks {
    drivers: BTreeMap<String, Vec<HookDriver>>,
    input_allowed: bool,
    wires: Result<Arc<Wires>, WireError>,
}

impl Hooks {
    /// Takes the drivers of a profile. Without `input_allowed` no person is ever asked.
    pub fn new(drivers: BTreeMap<String, Vec<HookDriver>>, input_allowed: bool) -> Self {
        Self { drivers, input_allowed, wires: control_wires() }
    }

    /// Sends the requests of hooks over these wires, with their deadline and their trust.
    #[must_use]
    pub fn over(self, wires: Arc<Wires>) -> Self {
        Self { wires: Ok(wires), ..self }
    }

    /// Whether the profile names a driver for an act. It may still be one that needs a person.
    pub fn offers(&self, name: &str) -> bool {
        self.drivers.get(name).is_some_and(|drivers| !drivers.is_empty())
    }

    /// Does an act with the first of its drivers that can.
    ///
    /// # Errors
    /// When no driver can begin, or the one that began did not succeed.
    pub async fn fire(&self, call: &HookCall) -> Result<Acknowledged, HookError> {
        let mut failed = Vec::new();
        for driver in self.drivers.get(&call.name).into_iter().flatten() {
            let asked = Instant::now();
            match self.drive(driver, call).await {
                Ok(answer) => {
                    let acknowledged = Instant::now();
                    let server_now = answer.as_ref().and_then(server_now);
                    return Ok(Acknowledged { asked, acknowledged, server_now, answer });
                }
                Err(error) if error.nothing_was_done() => failed.push(error),
                Err(error) => return Err(error),
            }
        }
        let hook = call.name.clone();
        match failed.len() {
            0 => Err(HookError::Unknown { hook }),
            1 => Err(failed.remove(0)),
            _ => {
                let reasons = failed.iter().map(ToString::to_string).collect();
                Err(HookError::NoneActs { hook, reasons })
            }
        }
    }

    async fn drive(
        &self,
        driver: &HookDriver,
        call: &HookCall,
    ) -> Result<Option<Value>, HookError> {
        match driver {
            HookDriver::Exec { argv, timeout } => exec::run(argv, *timeout, call).await,
            #[cfg(unix)]
            HookDriver::Fifo { request, answer, timeout } => {
                fifo::run(request, answer.as_deref(), *timeout, call).await
            }
            #[cfg(not(unix))]
            HookDriver::Fifo { .. } => {
                let why = "this system has no named pipes in its file system".to_owned();
                Err(HookError::NotStarted { hook: call.name.clone(), why })
            }
            HookDriver::Http { method, url, json, headers } => {
                let template = Call {
                    method: method.clone(),
                    url: url.clone(),
                    json: json.clone(),
                    headers: headers.clone(),
                };
                self.request(template, call).await
            }
            HookDriver::Simulated { control } => {
                if !SIMULATED.contains(&&*call.name) {
                    return Err(HookError::Unsupported { hook: call.name.clone() });
                }
                let url = format!("{}/{}", control.trim_end_matches('/'), call.name);
                self.send(&Call::post(url, particulars(call)), call).await
            }
            HookDriver::Tty { prompt, timeout } => {
                let asked = prompt.as_ref().or(call.say.as_ref());
                terminal::ask(asked, *timeout, call, self.input_allowed).await
            }
        }
    }

    async fn request(&self, template: Call, call: &HookCall) -> Result<Option<Value>, HookError> {
        let value = |key: &str| call.with.get(key).map(|text| Value::String(text.clone()));
        let filled = template.filled(&value).map_err(|key| {
            let keys: Vec<&str> = call.with.keys().map(String::as_str).collect();
            let known = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
            HookError::Unnamed { hook: call.name.clone(), key, known }
        })?;
        self.send(&filled, call).await
    }

    async fn send(&self, request: &Call, call: &HookCall) -> Result<Option<Value>, HookError> {
        let hook = || call.name.clone();
        let wires = match &self.wires {
            Ok(wires) => wires,
            Err(error) => {
                return Err(HookError::Wire { hook: hook(), error: error.clone() });
            }
        };
        request.send(wires).await.map_err(|error| match error {
            CallError::Refused { status, answer } => {
                HookError::Refused { hook: hook(), status, answer }
            }
            CallError::Wire(error) => HookError::Wire { hook: hook(), error },
        })
    }
}

/// Wires for acts and clocks, which are no part of what is measured.
pub(crate) fn control_wires() -> Result<Arc<Wires>, WireError> {
    let settings = WireSettings {
        deadline: Duration::from_secs(10),
        max_answer_bytes: 1 << 20,
        roots: TlsRoots::Public,
        started: Instant::now(),
    };
    Wires::new(settings).map(Arc::new)
}

/// The particulars as the control plane reads them: text, but for the switch of the database.
fn particulars(call: &HookCall) -> Value {
    let member = |(key, text): (&String, &String)| {
        let value = match (&**key, &**text) {
            ("failing", "true") => Value::Bool(true),
            ("failing", "false") => Value::Bool(false),
            _ => Value::String(text.clone()),
        };
        (key.clone(), value)
    };
    Value::Object(call.with.iter().map(member).collect::<Map<_, _>>())
}

fn server_now(answer: &Value) -> Option<Millis> {
    ["pressed_at_ms", "now_ms"].iter().find_map(|key| answer.get(key)?.as_i64())
}

/// The acts of the control plane; each is a path of its own.
const SIMULATED: &[&str] =
    &["accounts", "database", "orders", "press", "reset", "restart", "revoke"];

#[cfg(test)]
mod tests;
