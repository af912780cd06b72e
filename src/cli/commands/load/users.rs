//! `gatecrash load --scenario`: users who go through a whole scenario.

use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use super::{
    Aim, Audience, announce, conclude, open, random_seed, settings::settings, watch_interrupt,
    watched, wrong,
};
use crate::cli::arguments::Load;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::{Output, World, shelf};
use crate::load::{Script, Stop, load_scenario};
use crate::scenario::Scenario;
use crate::source::closest;
use crate::target::Library;

/// Runs the load of users who go through the scenario of this file or name.
pub(super) fn run(
    name: &str,
    arguments: &Load,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let mut sinks = open(arguments)?;
    let (library, scenario) = find(name, arguments, scenarios, world)?;
    let library = Arc::new(library);
    let aim = Aim::find(arguments, &library, scenarios, world)?;
    let seed = random_seed(arguments)?;
    let flow = scenario.flow;
    let settings = settings(arguments, &aim.profile, flow, seed)?;
    let script = Script::new(library, aim.profile.clone(), scenario, seed);
    let script = script.map(Arc::new).ok_or_else(|| {
        UsageError(format!("{} does not have the flow {flow} of {name}", aim.profile.name))
    })?;
    let stop = Stop::default();
    let _watch = watch_interrupt(stop.clone())?;
    announce(flow, &settings);
    let users = settings.connections as u64;
    let metrics = watched::open(arguments.metrics, flow, &settings.target, users)?;
    let mut audience = Audience { metrics, ..Audience::new(&mut sinks)? };
    let report = load_scenario(&script, &settings, &mut audience, &stop).map_err(wrong)?;
    audience.finish()?;
    conclude(report, &aim, arguments, &mut sinks, world, &mut BufWriter::new(Output))
}

/// A file, or a shipped scenario by its name.
fn find(
    name: &str,
    arguments: &Load,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<(Library, Scenario)> {
    let path = Path::new(name);
    if path.is_file() {
        let mut library = shelf::words(scenarios, None, world.talk)?;
        let file = shelf::read_file(path)?;
        library.add(&file).map_err(|list| shelf::mistakes(&list, world.talk))?;
        let scenario = library.scenarios.pop();
        return match scenario {
            Some(scenario) => Ok((library, scenario)),
            None => Err(UsageError(format!("{name} has no scenario")).into()),
        };
    }
    let library = shelf::library(scenarios, world.talk)?;
    let fits =
        |one: &&Scenario| one.name == name && arguments.flow.is_none_or(|flow| flow == one.flow);
    if let Some(scenario) = library.scenarios.iter().find(fits).cloned() {
        return Ok((library, scenario));
    }
    let near = closest(name, library.scenarios.iter().map(|one| one.name.as_str()));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(UsageError(format!("`{name}` is neither a file nor a scenario{hint}")).into())
}
