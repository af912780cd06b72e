//! Looks whether a verdict can be given at all: is the target there, does each account log in, does a token work where
//! the profile says that tokens are validated, can hooks and clock act.
//!
//! What goes wrong here is configuration until proven otherwise, and is told with what to change. Nothing is judged
//! against a contract.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use answers::{identity_result, token_result};

use super::one::unmet;
use super::run::runtime;
use super::waits::waits;
use crate::engine::{Connection, Engine, Settings};
use crate::hook::HookCall;
use crate::model::{
    Diagnosis, Examination, Flow, Readiness, Request, Stop, StopKind, Trace, Verdict,
    parse_http_date,
};
use crate::source::SourceFile;
use crate::target::{ClockSetting, FlowBinding, HookSetting, KEY_HOLDERS, Library, Profile};

/// How a target is examined.
#[derive(Clone, Debug)]
pub struct DoctorSettings {
    /// Only these flows; all of the profile when empty.
    pub flows: Vec<Flow>,
    /// Whether hooks act and the clock is moved. Without it only what is certain to change nothing is tried.
    pub act: bool,
    /// Whether a person may be asked.
    pub input_allowed: bool,
}

/// Examines a target. Blocks until it is done.
///
/// # Errors
/// When the operating system gives no runtime.
pub fn examine(
    library: &Library,
    profile: &Profile,
    settings: &DoctorSettings,
) -> Result<Diagnosis, super::CheckError> {
    Ok(runtime()?.block_on(examine_all(library, profile, settings)))
}

async fn examine_all(library: &Library, profile: &Profile, settings: &DoctorSettings) -> Diagnosis {
    let mut diagnosis = Diagnosis { target: profile.name.clone(), ..Diagnosis::default() };
    let connection = match Connection::new(profile, settings.input_allowed, Instant::now()) {
        Ok(connection) => connection,
        Err(error) => {
            let change = "what the message names: a file of certificates or keys";
            diagnosis.note("transport", Examination::problem(error, change));
            return diagnosis;
        }
    };
    let mut doctor = Doctor { library, profile, settings, connection, diagnosis };
    let absent = doctor.reach().await;
    doctor.hooks().await;
    doctor.clock(&absent).await;
    for binding in doctor.bindings() {
        if !bases(binding).any(|base| absent.contains(base)) {
            doctor.identities(binding).await;
            doctor.token(binding).await;
        }
        doctor.readiness(binding);
    }
    doctor.real_time();
    doctor.diagnosis
}

struct Doctor<'a> {
    library: &'a Library,
    profile: &'a Profile,
    settings: &'a DoctorSettings,
    connection: Connection,
    diagnosis: Diagnosis,
}

impl<'a> Doctor<'a> {
    fn bindings(&self) -> Vec<&'a FlowBinding> {
        let wanted = &self.settings.flows;
        let flows = self.profile.flows.values();
        flows.filter(|binding| wanted.is_empty() || wanted.contains(&binding.flow)).collect()
    }

    /// Asks each base URL for something; those that do not answer.
    async fn reach(&mut self) -> BTreeSet<&'a str> {
        let asked: BTreeSet<&str> = self.bindings().into_iter().flat_map(bases).collect();
        let mut absent = BTreeSet::new();
        for base in asked {
            let request = root(self.profile, base);
            let (reply, timing) = self.connection.wires.send(&request).await;
            let result = match reply {
                Ok(response) => {
                    let took = timing.done.saturating_sub(timing.sent);
                    Examination::Good(format!(
                        "answers in {:.1} ms (GET / -> {})",
                        took.as_secs_f64() * 1e3,
                        response.status
                    ))
                }
                Err(error) => {
                    absent.insert(base);
                    let change = if self.profile.transport.http2 {
                        "it was asked in HTTP/2: `http_version`, or `base_url`"
                    } else {
                        "start the server, or correct `base_url` (scheme, host, port)"
                    };
                    Examination::problem(format!("cannot be reached: {error}"), change)
                }
            };
            self.diagnosis.note(base, result);
        }
        absent
    }

    async fn hooks(&mut self) {
        for (name, drivers) in &self.profile.hooks {
            let result = if name == "revoke" {
                Examination::Untried("it needs a token to revoke".to_owned())
            } else if self.settings.act {
                self.fire(name).await
            } else {
                self.plausible(drivers).await
            };
            let result = match result {
                Examination::Problem { what, .. } => {
                    let change = format!(
                        "`hooks.{name}`; or leave it out, and what needs it is blocked, or declare what cannot be done under `capabilities`"
                    );
                    Examination::problem(what, change)
                }
                other => other,
            };
            self.diagnosis.note(format!("hook {name}"), result);
        }
    }

    async fn fire(&self, name: &str) -> Examination {
        let with = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
        };
        let with = match name {
            "accounts" => {
                let blocked = self.bindings().into_iter().find_map(|binding| {
                    let username = binding.identities.get("blocked")?.fields.get("username")?;
                    Some((binding.flow.name(), username))
                });
                let Some((flow, username)) = blocked else {
                    let why = "there is no identity `blocked` with a username to try it on";
                    return Examination::Untried(why.to_owned());
                };
                with(&[
                    ("flow", flow),
                    ("identity", "blocked"),
                    ("state", "inactive"),
                    ("username", username),
                ])
            }
            "database" => with(&[("failing", "false")]),
            "orders" => with(&[("change", "created")]),
            _ => BTreeMap::new(),
        };
        let call = HookCall {
            name: name.to_owned(),
            say: Some(format!("Please do this once, as a trial: {name}.")),
            with,
        };
        match self.connection.hooks.fire(&call).await {
            Ok(done) => {
                let took = done.acknowledged.saturating_duration_since(done.asked);
                Examination::Good(format!("acted in {:.1} ms", took.as_secs_f64() * 1e3))
            }
            Err(error) => Examination::problem(error, ""),
        }
    }

    /// Whether one of the drivers could act, without acting.
    async fn plausible(&self, drivers: &[HookSetting]) -> Examination {
        let mut reasons = Vec::new();
        for driver in drivers {
            let (base, what) = match driver {
                HookSetting::Simulated(url) => (url, "the control plane"),
                HookSetting::Http(request) => (&request.url, "the address"),
                HookSetting::Exec { argv, .. } if is_program(argv) => {
                    return Examination::Untried("the program is there".to_owned());
                }
                HookSetting::Exec { argv, .. } => {
                    let program = argv.first().map_or("", String::as_str);
                    reasons.push(format!("there is no program `{program}`"));
                    continue;
                }
                HookSetting::Fifo { request, .. } if Path::new(request).exists() => {
                    let told = "the pipe is there; who reads it, only an act would show";
                    return Examination::Untried(told.to_owned());
                }
                HookSetting::Fifo { request, .. } => {
                    reasons.push(format!("there is no pipe {request}"));
                    continue;
                }
                HookSetting::Tty { .. } if self.settings.input_allowed => {
                    return Examination::Untried("a person will be asked".to_owned());
                }
                HookSetting::Tty { .. } => {
                    return Examination::Untried("it needs a person".to_owned());
                }
            };
            let Some(base) = origin(base) else {
                return Examination::Untried("its address is made when it acts".to_owned());
            };
            match self.connection.wires.send(&root(self.profile, &base)).await.0 {
                Ok(_) => return Examination::Untried(format!("{what} answers")),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Examination::problem(reasons.join("; "), "")
    }

    async fn clock(&mut self, absent: &BTreeSet<&str>) {
        let clock = &self.connection.clock;
        let change = "`clock`: its `control` or `advance`, or `mode: none`";
        let result = match &self.profile.clock {
            ClockSetting::None => Examination::Untried(
                "there is none: what waits is blocked (`clock: {mode: real}` waits, `mode: virtual` moves it)"
                    .to_owned(),
            ),
            ClockSetting::Real { tolerance, max_wait } => {
                self.skew(absent, *tolerance, *max_wait).await
            }
            ClockSetting::Control(_) | ClockSetting::Request(..) if self.settings.act => {
                match clock.advance(Duration::from_millis(1)).await {
                    Ok(()) => Examination::Good("moved by 1 ms".to_owned()),
                    Err(error) => Examination::problem(error, change),
                }
            }
            ClockSetting::Control(_) => match clock.now().await {
                Some(_) => Examination::Good("can be read".to_owned()),
                None => Examination::problem("the control plane does not tell its time", change),
            },
            ClockSetting::Request(..) => {
                Examination::Untried("not moved; `gatecrash doctor` does".to_owned())
            }
        };
        self.diagnosis.note("clock", result);
    }

    /// How far the server's `Date` (RFC 9110 section 6.6.1) is from this machine's clock.
    async fn skew(
        &self,
        absent: &BTreeSet<&str>,
        tolerance: Duration,
        max_wait: Duration,
    ) -> Examination {
        let bounds = format!("tolerance {tolerance:?}, longest wait {max_wait:?}");
        let base = self.bindings().into_iter().flat_map(bases).find(|base| !absent.contains(base));
        let Some(base) = base else {
            return Examination::Untried("no server answers".to_owned());
        };
        let (reply, _) = self.connection.wires.send(&root(self.profile, base)).await;
        let here = self.connection.clock.now().await.unwrap_or_default().div_euclid(1000);
        let there =
            reply.ok().and_then(|reply| reply.header("date")).and_then(|d| parse_http_date(&d));
        let Some(there) = there else {
            return Examination::Good(format!(
                "real, {bounds}; the server does not say its time (no Date)"
            ));
        };
        let off = here.abs_diff(there);
        // `Date` has whole seconds, and the answer was on its way.
        if off > tolerance.as_secs() + 2 {
            let what = format!("the server's clock is {off} s off this machine's");
            return Examination::problem(what, "set the clocks, or raise `clock.tolerance`");
        }
        Examination::Good(format!("real, {bounds}; the server's is {off} s off"))
    }

    /// Logs each account in once.
    async fn identities(&mut self, binding: &FlowBinding) {
        let logs_in = ["login", "generate"].into_iter().find(|name| {
            binding.operations.get(*name).is_some_and(|operation| !operation.identity.is_empty())
        });
        let Some(operation) = logs_in else { return };
        for role in binding.identities.keys().filter(|role| !KEY_HOLDERS.contains(&&***role)) {
            for environment in environments(binding) {
                let within = environment.map_or(String::new(), |name| format!(" in {name}"));
                let subject = format!("identity {role} of {}{within}", binding.flow);
                let step = match environment {
                    None => format!("{{operation: {operation}, identity: {role}}}"),
                    Some(name) => {
                        format!("{{operation: {operation}, identity: {role}, environment: {name}}}")
                    }
                };
                let trace = self.run(binding, &format!("steps:\n  - send: {step}\n")).await;
                let result = identity_result(binding, role, &trace);
                self.diagnosis.note(subject, result);
            }
        }
    }

    /// Obtains a token and shows it where tokens are validated: the positive control of nearly every check.
    async fn token(&mut self, binding: &FlowBinding) {
        let flow = binding.flow;
        let needs_press = flow == Flow::GatewayButton;
        let has_accounts =
            binding.operations.values().any(|operation| !operation.identity.is_empty());
        if needs_press && !(self.settings.act && self.connection.hooks.offers("press")) {
            let why =
                "it takes a press of the button; `gatecrash doctor` does it where there is a hook";
            return self
                .diagnosis
                .note(format!("token of {flow}"), Examination::Untried(why.to_owned()));
        }
        let first = format!("identity first of {flow}");
        let refused = self.diagnosis.problems().any(|(subject, ..)| subject.starts_with(&first));
        if has_accounts && (refused || !binding.identities.contains_key("first")) {
            let why = "the profile has no usable identity `first`";
            return self
                .diagnosis
                .note(format!("token of {flow}"), Examination::Untried(why.to_owned()));
        }
        let steps = "steps:\n  - run: {procedure: obtain_token}\n  - send: {operation: validate, token: \"${token}\"}\n  - send: {operation: validate, token: not-a-token-of-this-server}\n";
        let trace = self.run(binding, steps).await;
        let result = token_result(binding, &trace);
        self.diagnosis.note(format!("token of {flow}"), result);
    }

    async fn run(&self, binding: &FlowBinding, steps: &str) -> Trace {
        let flow = binding.flow;
        let text =
            format!("scenario: {flow}/doctor\ntitle: What a verdict needs\nchecks: {{}}\n{steps}");
        let file = SourceFile::new("doctor.yaml", text);
        let scenario = match self.library.scenario(flow, &file) {
            Ok(scenario) => scenario,
            Err(list) => {
                return harness(
                    flow,
                    &list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
                );
            }
        };
        let settings = Settings { headers: self.profile.headers.clone(), ..Settings::default() };
        let engine = Engine {
            binding,
            wires: Arc::clone(&self.connection.wires),
            hooks: &self.connection.hooks,
            clock: &self.connection.clock,
            settings: &settings,
        };
        engine.run(&scenario).await
    }

    /// How long a run would wait, where the time is real.
    fn real_time(&mut self) {
        let ClockSetting::Real { max_wait, .. } = &self.profile.clock else {
            return;
        };
        let runs = self.library.scenarios.iter().filter(|scenario| {
            let binding = self.bindings().into_iter().find(|one| one.flow == scenario.flow);
            binding.is_some_and(|binding| unmet(scenario, binding, &self.connection).is_none())
        });
        if let Some(sentence) = waits(runs, self.profile, *max_wait) {
            self.diagnosis.note("real time", Examination::Good(sentence));
        }
    }

    /// What a run would come to.
    fn readiness(&mut self, binding: &FlowBinding) {
        let mut row = Readiness {
            flow: binding.flow,
            checks: 0,
            runs: 0,
            not_applicable: BTreeMap::new(),
            blocked: BTreeMap::new(),
        };
        for scenario in self.library.scenarios.iter().filter(|one| one.flow == binding.flow) {
            let count = scenario.checks.len();
            row.checks += count;
            match unmet(scenario, binding, &self.connection) {
                None => row.runs += count,
                Some((Verdict::NotApplicable, reason)) => {
                    *row.not_applicable.entry(reason).or_default() += count;
                }
                Some((_, reason)) => *row.blocked.entry(reason).or_default() += count,
            }
        }
        self.diagnosis.readiness.push(row);
    }
}

fn harness(flow: Flow, reason: &str) -> Trace {
    Trace {
        scenario: format!("{flow}/doctor"),
        flow,
        entries: Vec::new(),
        stop: Some(Stop {
            step: String::new(),
            kind: StopKind::Harness,
            reason: reason.to_owned(),
        }),
        secrets: Vec::new(),
        unasked: Vec::new(),
        skipped: Vec::new(),
        lacking: BTreeMap::new(),
    }
}

fn bases(binding: &FlowBinding) -> impl Iterator<Item = &str> {
    std::iter::once(&*binding.base_url).chain(binding.environment_urls.values().map(String::as_str))
}

fn environments(binding: &FlowBinding) -> Vec<Option<&str>> {
    if binding.environments.is_empty() {
        return vec![None];
    }
    binding.environments.iter().map(|name| Some(name.as_str())).collect()
}

fn root(profile: &Profile, base: &str) -> Request {
    Request {
        base: base.to_owned(),
        method: "GET".to_owned(),
        target: "/".to_owned(),
        headers: profile.headers.clone(),
        ..Request::default()
    }
}

/// Scheme and authority of an address, where they are no template.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    (!authority.contains("${")).then(|| format!("{scheme}://{authority}"))
}

/// Whether a program can be found, as the operating system would look for it.
fn is_program(argv: &[String]) -> bool {
    let Some(program) = argv.first() else {
        return false;
    };
    let path = Path::new(program);
    // Without a separator it is looked for in the search path, which only the system knows to read.
    path.components().count() == 1 || path.is_file()
}
