//! The embedded reference server: one for each scenario.
//!
//! The only module that names the reference server besides `serve`: the judge shares no code with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reference_server::{ClockMode as ServerClock, Config, Fault, Lifetimes, Server};

use super::arguments::{Altered, Check, ClockMode};
use super::exit::UsageError;
use super::{World, shelf, target};
use crate::engine::{Provided, Provision};
use crate::model::{Flow, parse_duration};
use crate::target::{ClockSetting, FlowBinding, Identity, Library, Profile};

/// Starts a reference server for each scenario.
#[derive(Clone, Debug)]
pub(super) struct Embedded {
    config: Config,
    profile: Profile,
}

impl Embedded {
    /// The reference server as it is, under a virtual clock.
    pub(super) fn plain(
        library: &Library,
        scenarios: Option<&Path>,
        world: World,
    ) -> anyhow::Result<Self> {
        let file = shelf::reference_profile(scenarios)?;
        let mut profile = target::read_profile(&file, library, world)?;
        let (key, text) = signing_key()?;
        if let Some(binding) = profile.flows.get_mut(&Flow::JwtLogin) {
            let fields = BTreeMap::from([("key".to_owned(), text)]);
            let signer = Identity { fields, secret: BTreeSet::from(["key".to_owned()]) };
            binding.identities.insert("signer".to_owned(), signer);
        }
        let config = Config { jwt_key: Some(key), ..Config::default() };
        Ok(Self { config, profile })
    }

    /// The reference server as the command line of a check alters it, its clock among that.
    pub(super) fn new(
        check: &Check,
        library: &Library,
        scenarios: Option<&Path>,
        world: World,
    ) -> anyhow::Result<Self> {
        let mut embedded = Self::plain(library, scenarios, world)?.altered(&check.altered)?;
        match check.reach.clock {
            Some(ClockMode::Real) => {
                embedded.config.clock = ServerClock::Real;
                embedded.profile.clock = ClockSetting::Real {
                    tolerance: Duration::from_millis(250),
                    max_wait: check.reach.max_wait.unwrap_or(Duration::from_secs(150)),
                };
            }
            Some(ClockMode::None) => embedded.profile.clock = ClockSetting::None,
            Some(ClockMode::Virtual) | None => {}
        }
        Ok(embedded)
    }

    /// The same, altered as the command line says.
    pub(super) fn altered(&self, altered: &Altered) -> anyhow::Result<Self> {
        let faults = altered.fault.iter().map(|name| fault(name)).collect::<Result<Vec<_>, _>>()?;
        let mut changed = self.with(&faults, &altered.variant)?;
        for lifetime in &altered.lifetime {
            let (flow, name, time) = live(lifetime, &mut changed.config)?;
            if let Some(binding) = changed.profile.flows.get_mut(&flow) {
                binding.lifetimes.insert(name, time);
            }
        }
        Ok(changed)
    }

    /// The same with faults and variants, `FLOW.GAP=ANSWER`.
    pub(super) fn with(
        &self,
        faults: &[Fault],
        variants: &[impl AsRef<str>],
    ) -> anyhow::Result<Self> {
        let mut changed = self.clone();
        changed.config.faults.extend_from_slice(faults);
        for variant in variants {
            decide(variant.as_ref(), &mut changed.config, &mut changed.profile)?;
        }
        Ok(changed)
    }

    /// The profile, before a server is started.
    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }
}

/// A server without a fault answers, so this is only waited for where the machine stands still: a shared
/// one was seen to run a tenth as fast for a minute, and five seconds were too few then.
const PATIENCE: Duration = Duration::from_secs(20);

impl Provision for Embedded {
    fn provide(&self) -> Result<Provided, String> {
        let server = Server::start(self.config.clone())
            .map_err(|error| format!("the reference server did not start: {error}"))?;
        let clock = self.profile.clock.clone();
        let mut profile = self.profile.relocated(&server.url(), &server.control_url());
        if !matches!(clock, ClockSetting::Control(_)) {
            profile.clock = clock;
        }
        if self.config.faults.is_empty() {
            profile.limits.deadline = profile.limits.deadline.max(PATIENCE);
        }
        Ok(Provided { profile: Arc::new(profile), guard: Some(Box::new(server)) })
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// The fault of a name.
pub(super) fn fault(name: &str) -> anyhow::Result<Fault> {
    name.parse::<Fault>().map_err(|error| UsageError(error.to_string()).into())
}

/// A fresh key for the server, and the same as text for the scenarios that sign tokens themselves.
fn signing_key() -> anyhow::Result<([u8; 32], String)> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("the operating system gave no randomness")?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = <[u8; 32]>::try_from(text.as_bytes()).context("sixteen bytes are 32 digits")?;
    Ok((key, text))
}

/// Sets a variant of the server, and the same choice in the profile.
fn decide(variant: &str, config: &mut Config, profile: &mut Profile) -> anyhow::Result<()> {
    let wrong = |message: String| anyhow::Error::from(UsageError(message));
    let (key, value) = variant
        .split_once('=')
        .ok_or_else(|| wrong(format!("`{variant}` is not a variant; write FLOW.GAP=ANSWER")))?;
    config.variants.set(key, value).map_err(|error| wrong(error.to_string()))?;
    if let Some((flow, gap)) = key.split_once('.')
        && let Ok(flow) = flow.parse()
        && let Some(binding) = profile.flows.get_mut(&flow)
    {
        binding.choices.insert(gap.to_owned(), value.to_owned());
        respell(binding, key, value);
    }
    Ok(())
}

/// Changes how long something lives at the server: `FLOW.NAME=TIME`; the flow, the name and the time.
pub(super) fn live(text: &str, config: &mut Config) -> anyhow::Result<(Flow, String, Duration)> {
    let mut read = || {
        let (key, time) = text.split_once('=')?;
        let (flow, name) = key.split_once('.')?;
        let time = parse_duration(time).ok()?;
        config.lifetimes.set(key, time).then_some((flow.parse().ok()?, name.to_owned(), time))
    };
    read().ok_or_else(|| {
        let known = Lifetimes::NAMES.join(", ");
        let message = format!(
            "`{text}` is not a lifetime; write FLOW.NAME=TIME, as `10s`, with one of {known}"
        );
        UsageError(message).into()
    })
}

/// What a profile of a server with this variant would spell otherwise than the documents.
fn respell(binding: &mut FlowBinding, key: &str, value: &str) {
    match (key, value) {
        ("jwt-login.postman", "off") => {
            binding.capabilities.insert("postman".to_owned(), false);
        }
        ("channel-login.field_case", "lower") => {
            let generate = binding.operations.get_mut("generate");
            for (name, place) in
                generate.into_iter().flat_map(|operation| &mut operation.parameters)
            {
                place.name = Some(name.to_lowercase());
            }
        }
        _ => {}
    }
}
