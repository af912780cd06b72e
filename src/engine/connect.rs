//! From a profile to wires, hooks and a clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::clock::{AdvanceRequest, Clock};
use crate::hook::{HookDriver, Hooks};
use crate::model::WireError;
use crate::target::{ClockSetting, HookRequest, HookSetting, Profile};
use crate::wire::{TlsRoots, WireSettings, Wires};

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
    /// When the TLS roots cannot be used.
    pub fn new(
        profile: &Profile,
        input_allowed: bool,
        started: Instant,
    ) -> Result<Self, WireError> {
        let settings = WireSettings {
            deadline: profile.limits.deadline,
            max_answer_bytes: profile.limits.max_answer_bytes,
            roots: TlsRoots::Public,
            started,
        };
        let wires = Arc::new(Wires::new(settings)?);
        let drivers: BTreeMap<String, Vec<HookDriver>> = profile
            .hooks
            .iter()
            .map(|(name, settings)| (name.clone(), settings.iter().map(driver).collect()))
            .collect();
        let hooks = Hooks::new(drivers, input_allowed).over(Arc::clone(&wires));
        let clock = clock(&profile.clock).over(Arc::clone(&wires));
        Ok(Self { wires, hooks, clock })
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
        HookSetting::Http(HookRequest { method, url, json, headers }) => {
            HookDriver::Http { method, url, json, headers }
        }
        HookSetting::Simulated(control) => HookDriver::Simulated { control },
        HookSetting::Tty { prompt, timeout } => HookDriver::Tty { prompt, timeout },
    }
}
