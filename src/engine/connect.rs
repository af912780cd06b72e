//! From a profile to wires, hooks and a clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::clock::{AdvanceRequest, Clock};
use crate::hook::{HookDriver, Hooks};
use crate::model::WireError;
use crate::target::{ClockSetting, HookRequest, HookSetting, Profile, Trust};
use crate::wire::{ClientIdentity, TlsRoots, Transport, WireSettings, Wires};

/// What connects the engine with one server.
#[derive(Debug)]
pub struct Connection {
    /// The wires.
    pub wires: Arc<Wires>,
    /// The hooks.
    pub hooks: Hooks,
    /// The clock.
    pub clock: Clock,
}

impl Connection {
    /// Makes the wires, hooks and clock that a profile asks for.
    ///
    /// # Errors
    /// When the certificates of the profile cannot be used.
    pub fn new(
        profile: &Profile,
        input_allowed: bool,
        started: Instant,
    ) -> Result<Self, WireError> {
        let (roots, transport) = Self::way(profile);
        let settings = WireSettings {
            deadline: profile.limits.deadline,
            max_answer_bytes: profile.limits.max_answer_bytes,
            roots,
            started,
        };
        let wires = Arc::new(Wires::with(settings, &transport)?);
        let drivers: BTreeMap<String, Vec<HookDriver>> = profile
            .hooks
            .iter()
            .map(|(name, settings)| (name.clone(), settings.iter().map(driver).collect()))
            .collect();
        let hooks = Hooks::new(drivers, input_allowed).over(Arc::clone(&wires));
        let clock = clock(&profile.clock).over(Arc::clone(&wires));
        Ok(Self { wires, hooks, clock })
    }

    /// Whom a profile trusts, and how its server is reached.
    pub fn way(profile: &Profile) -> (TlsRoots, Transport) {
        (roots(&profile.transport.trust), transport(profile))
    }
}

fn roots(trust: &Trust) -> TlsRoots {
    match trust {
        Trust::Everybody => TlsRoots::Insecure,
        Trust::Authorities(pem) => TlsRoots::Pem(pem.text.clone()),
        Trust::Public => TlsRoots::Public,
    }
}

fn transport(profile: &Profile) -> Transport {
    let crate::target::Transport { client, http2, unix_socket, .. } = &profile.transport;
    let identity = client.as_ref().map(|(certificates, key)| ClientIdentity {
        certificates: certificates.text.clone(),
        key: key.text.clone(),
    });
    Transport {
        bases: profile.bases().map(str::to_owned).collect(),
        http2: *http2,
        identity,
        unix_socket: unix_socket.as_ref().map(PathBuf::from),
    }
}

fn clock(setting: &ClockSetting) -> Clock {
    match setting {
        ClockSetting::None => Clock::none(),
        ClockSetting::Real { tolerance, max_wait } => Clock::real(*tolerance, *max_wait),
        ClockSetting::Control(url) => Clock::virtual_by_control(url.clone()),
        ClockSetting::Request(request, _) => {
            let HookRequest { method, url, json, headers } = request.clone();
            Clock::virtual_by_request(AdvanceRequest { method, url, json, headers })
        }
    }
}

fn driver(setting: &HookSetting) -> HookDriver {
    match setting.clone() {
        HookSetting::Exec { argv, timeout } => HookDriver::Exec { argv, timeout },
        HookSetting::Fifo { request, answer, timeout } => {
            HookDriver::Fifo { request: request.into(), answer: answer.map(Into::into), timeout }
        }
        HookSetting::Http(HookRequest { method, url, json, headers }) => {
            HookDriver::Http { method, url, json, headers }
        }
        HookSetting::Simulated(control) => HookDriver::Simulated { control },
        HookSetting::Tty { prompt, timeout } => HookDriver::Tty { prompt, timeout },
    }
}
