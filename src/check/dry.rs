//! What a check would send, scenario by scenario, without sending anything.

use super::CheckError;
use super::one::{could_harm, unmet};
use super::plan::Plan;
use super::run::{CheckSettings, connect};
use crate::engine::{Connection, Rehearsed, Settings, rehearse};
use crate::scenario::Scenario;
use crate::target::Profile;

/// A scenario of a run that is not made.
#[derive(Debug)]
pub struct DryScenario<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its acts, or why it would not run.
    pub acts: Result<Vec<Rehearsed>, String>,
}

/// Everything that a run over a plan would do.
///
/// # Errors
/// When the profile's certificates cannot be read.
pub fn dry_run<'a>(
    plan: &Plan<'a>,
    profile: &Profile,
    settings: &CheckSettings,
) -> Result<Vec<DryScenario<'a>>, CheckError> {
    let connection: Connection = connect(profile, settings, std::time::Instant::now())?;
    let engine_settings = Settings {
        headers: profile.headers.clone(),
        seed: settings.seed,
        effort: settings.effort,
        budget: None,
    };
    let real_time = connection.clock.mode() == "real";
    let dry = |scenario: &'a Scenario| {
        let binding = profile.flows.get(&scenario.flow)?;
        let acts = if settings.gentle && could_harm(scenario) {
            Err("excluded: it could harm a server that others use".to_owned())
        } else {
            match unmet(scenario, binding, &connection) {
                Some((verdict, reason)) => Err(format!("{verdict}: {reason}")),
                None => Ok(rehearse(binding, &engine_settings, scenario, real_time)),
            }
        };
        Some(DryScenario { scenario, acts })
    };
    Ok(plan.scenarios.iter().filter_map(|planned| dry(planned.scenario)).collect())
}
