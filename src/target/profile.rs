//! A profile as meant: one server, its flows, its clock, its hooks, its accounts.

mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use parts::{baseline, clock, headers, hooks, limits};

use super::binding::{FlowBinding, Identity};
use super::library::Library;
use super::raw::{RawFlowProfile, RawProfile, RawValue};
use super::transport::{Resolve, Transport, Trust, beside, transport};
use crate::model::{Flow, Header};
use crate::source::{Diagnostic, Diagnostics, Pattern, SourceFile, YamlPath, decode_partly};

/// Where a secret is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretReference {
    /// An environment variable.
    Environment(String),
    /// A file.
    File(String),
    /// A PEM file of certificates, which are no secret.
    Certificates(String),
    /// A PEM file of a private key.
    Key(String),
}

/// One server.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name in reports.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// Its flows.
    pub flows: BTreeMap<Flow, FlowBinding>,
    /// Its clock.
    pub clock: ClockSetting,
    /// Physical and administrative acts.
    pub hooks: BTreeMap<String, Vec<HookSetting>>,
    /// Bounds of a run.
    pub limits: Limits,
    /// Header fields sent with every request.
    pub headers: Vec<Header>,
    /// Findings that are accepted for a while.
    pub baseline: Vec<Baseline>,
}

/// The identities that hold keys of the server: `signer` the `key` that it signs its tokens with, `verifier` the
/// `public_key` that it publishes.
pub const KEY_HOLDERS: [&str; 2] = ["signer", "verifier"];

/// How the server's clock is moved and read.
#[derive(Clone, Debug, PartialEq)]
pub enum ClockSetting {
    /// Must not be waited for.
    None,
    /// Runs by itself.
    Real {
        /// How far it may be off at a boundary.
        tolerance: Duration,
        /// The longest wait.
        max_wait: Duration,
    },
    /// Moved through the control plane of a reference server at this address.
    Control(String),
    /// Moved by a request.
    Request(HookRequest, Duration),
}

/// An HTTP request of a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct HookRequest {
    /// The method.
    pub method: String,
    /// The address.
    pub url: String,
    /// A JSON body.
    pub json: Option<Value>,
    /// Header fields.
    pub headers: Vec<Header>,
}

/// How a hook acts.
#[derive(Clone, Debug, PartialEq)]
pub enum HookSetting {
    /// With a program.
    Exec {
        /// The program and its arguments.
        argv: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
    /// Through named pipes.
    Fifo {
        /// The pipe that is written to.
        request: String,
        /// The pipe that is read from.
        answer: Option<String>,
        /// How long both may take.
        timeout: Duration,
    },
    /// With an HTTP request.
    Http(HookRequest),
    /// Through the control plane of a reference server.
    Simulated(String),
    /// By a person.
    Tty {
        /// What to ask.
        prompt: Option<String>,
        /// How long to wait.
        timeout: Duration,
    },
}

/// Bounds of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// How long an answer may take.
    pub deadline: Duration,
    /// How many wrong passwords may be tried.
    pub max_failed_logins: Option<u32>,
    /// The largest answer that is read.
    pub max_answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            max_failed_logins: None,
            max_answer_bytes: 8 << 20,
        }
    }
}

/// A finding that is accepted for a while.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The check.
    pub check: String,
    /// Why it is accepted.
    pub because: String,
    /// The first second, since 1970, from which it no longer is.
    pub until: i64,
    /// Only these items of repeated steps; all of them when empty.
    pub item: Vec<String>,
    /// Only breaches of which what was got matches this.
    pub got: Option<Pattern>,
    /// Whether it may pass without becoming stale.
    pub sometimes: bool,
}

impl Profile {
    /// Reads a profile; secrets and certificates are fetched through `resolve`, by paths that are
    /// relative to where the profile is. For certificates and keys an empty text means that they are
    /// not at hand, and then nothing is said of them.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(
        file: &Arc<SourceFile>,
        library: &Library,
        resolve: &dyn Fn(&SecretReference) -> Result<String, String>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let (profile, wrong) = Self::parse_partly(file, library, resolve);
        match profile {
            Some(profile) if wrong.is_empty() => Ok(profile),
            _ => Err(wrong),
        }
    }

    /// Reads what can be read of a profile: what is wrong is left out of it, so that the rest can be tried in the same
    /// run. With everything that is wrong, as [`Profile::parse`] says it.
    pub fn parse_partly(
        file: &Arc<SourceFile>,
        library: &Library,
        resolve: &dyn Fn(&SecretReference) -> Result<String, String>,
    ) -> (Option<Self>, Vec<Diagnostic>) {
        let (raw, mut wrong) = decode_partly::<RawProfile>(file);
        let Some(raw) = raw else {
            return (None, wrong);
        };
        let mut out = Diagnostics::new(file);
        let root = YamlPath::default();
        base_url(&raw.base_url, &root.key("base_url"), &mut out);
        let mut flows = BTreeMap::new();
        for (name, changes) in &raw.flows {
            let path = root.key("flows").key(name);
            match name.parse::<Flow>().ok().filter(|flow| *flow != Flow::Common) {
                None => {
                    out.key("profile::flow", &path, format!("`{name}` is not a flow"));
                    out.did_you_mean(name, Flow::DOCUMENTED.map(Flow::name));
                }
                Some(flow) if library.is_partial() && !library.has(flow) => {}
                Some(flow) => {
                    let (binding, list) =
                        library.bind_partly(flow, &raw.base_url, Some((changes, file)));
                    wrong.extend(list);
                    capabilities(changes, library, &path.key("capabilities"), &mut out);
                    let identities =
                        identities(changes, file, resolve, &path.key("identities"), &mut out);
                    flows.extend(
                        binding.map(|binding| (flow, FlowBinding { identities, ..binding })),
                    );
                }
            }
        }
        if raw.flows.is_empty() {
            out.value("profile::flow", &root.key("flows"), "a profile has at least one flow");
        }
        let profile = Self {
            name: raw.target.clone(),
            transport: transport(&raw, file, resolve, &mut out),
            flows,
            clock: clock(raw.clock.as_ref(), &root.key("clock"), &mut out),
            hooks: hooks(&raw, file, &root.key("hooks"), &mut out),
            limits: limits(raw.limits.as_ref(), &root.key("limits"), &mut out),
            headers: headers(&raw.headers),
            baseline: baseline(&raw, library, &root.key("baseline"), &mut out),
        };
        wrong.extend(out.into_list());
        (Some(profile), wrong)
    }

    /// The documented server at an address: no accounts, no hooks, no clock.
    ///
    /// # Errors
    /// What is wrong with the flow files.
    pub fn documented(url: &str, library: &Library) -> Result<Self, Vec<Diagnostic>> {
        let mut flows = BTreeMap::new();
        for flow in
            Flow::DOCUMENTED.into_iter().filter(|flow| !library.is_partial() || library.has(*flow))
        {
            flows.insert(flow, library.bind(flow, url, None)?);
        }
        Ok(Self {
            name: url.to_owned(),
            transport: Transport::default(),
            flows,
            clock: ClockSetting::None,
            hooks: BTreeMap::new(),
            limits: Limits::default(),
            headers: Vec::new(),
            baseline: Vec::new(),
        })
    }

    /// The same profile for a server at other addresses: the API, and its control plane.
    #[must_use]
    pub fn relocated(&self, base: &str, control: &str) -> Self {
        let mut profile = self.clone();
        for binding in profile.flows.values_mut() {
            base.clone_into(&mut binding.base_url);
        }
        profile.control_by(control);
        profile
    }

    /// Every base address of the server.
    pub fn bases(&self) -> impl Iterator<Item = &str> {
        let own = self.flows.values().map(|binding| &binding.base_url);
        let environments =
            self.flows.values().flat_map(|binding| binding.environment_urls.values());
        own.chain(environments).map(String::as_str)
    }

    /// What a reader must know before believing any finding.
    pub fn remarks(&self) -> Vec<String> {
        let unchecked = self.transport.trust == Trust::Everybody
            && self.bases().any(|base| base.starts_with("https://"));
        let told = "TLS certificates are NOT checked: anybody could have answered for the server";
        unchecked.then(|| told.to_owned()).into_iter().collect()
    }

    /// Has every hook and the clock act through the control plane of a reference server.
    pub fn control_by(&mut self, control: &str) {
        if matches!(self.clock, ClockSetting::Control(_) | ClockSetting::None) {
            self.clock = ClockSetting::Control(control.to_owned());
        }
        for hook in ["press", "accounts", "restart", "reset", "orders", "database", "revoke"] {
            self.hooks.insert(hook.to_owned(), vec![HookSetting::Simulated(control.to_owned())]);
        }
    }
}

fn base_url(url: &str, path: &YamlPath, out: &mut Diagnostics) {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let bare = rest.is_some_and(|rest| {
        !rest.trim_end_matches('/').is_empty() && !rest.contains(['?', '#', ' '])
    });
    if !bare {
        out.value(
            "profile::url",
            path,
            format!("`{url}` is not a base URL; write `http://HOST:PORT`"),
        );
    }
}

fn capabilities(
    changes: &RawFlowProfile,
    library: &Library,
    path: &YamlPath,
    out: &mut Diagnostics,
) {
    if library.is_partial() {
        return;
    }
    let needs = library.scenarios.iter().flat_map(|scenario| &scenario.needs);
    let needs = needs.map(|need| need.to_string().trim_start_matches("capability.").to_owned());
    let mut known: Vec<String> = needs.chain(library.capabilities().map(str::to_owned)).collect();
    known.sort();
    known.dedup();
    for name in changes.capabilities.keys().filter(|name| !known.contains(name)) {
        out.key("profile::capability", &path.key(name), format!("no scenario asks for `{name}`"));
        out.did_you_mean(name, known.iter().map(String::as_str));
    }
}

fn identities(
    changes: &RawFlowProfile,
    file: &SourceFile,
    resolve: Resolve<'_>,
    path: &YamlPath,
    out: &mut Diagnostics,
) -> BTreeMap<String, Identity> {
    let mut identities = BTreeMap::new();
    for (role, fields) in &changes.identities {
        let mut identity = Identity::default();
        let mut whole = true;
        for (name, raw) in fields {
            let path = path.key(role).key(name);
            match value(raw, file, resolve) {
                Ok((value, secret)) => {
                    identity.fields.insert(name.clone(), value);
                    if secret {
                        identity.secret.insert(name.clone());
                    }
                }
                Err(message) => {
                    whole = false;
                    out.value("profile::value", &path, message);
                }
            }
        }
        if whole {
            identities.insert(role.clone(), identity);
        }
    }
    identities
}

fn value(
    raw: &RawValue,
    file: &SourceFile,
    resolve: Resolve<'_>,
) -> Result<(String, bool), String> {
    let environment = |name: &String| resolve(&SecretReference::Environment(name.clone()));
    match (&raw.env, &raw.public_env, &raw.file, &raw.public, &raw.published) {
        (Some(name), None, None, None, None) => Ok((environment(name)?, true)),
        (None, Some(name), None, None, None) => Ok((environment(name)?, false)),
        (None, None, Some(path), None, None) => {
            Ok((resolve(&SecretReference::File(beside(file, path)))?, true))
        }
        (None, None, None, Some(value), None) => Ok((value.clone(), false)),
        (None, None, None, None, Some(value)) => Ok((value.clone(), true)),
        _ => Err("a value has exactly one of `env`, `public_env`, `file`, `public`, `published`"
            .to_owned()),
    }
}
