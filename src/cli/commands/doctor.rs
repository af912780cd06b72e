//! `gatecrash doctor`, and the same look before a check.

use std::path::Path;

use crate::check::{DoctorSettings, examine};
use crate::cli::arguments::Doctor;
use crate::cli::exit::{Exit, TargetError};
use crate::cli::{Output, World, shelf, target};
use crate::model::Flow;
use crate::report::{write_diagnosis, write_problems};
use crate::target::{Library, Profile};

pub(in crate::cli) fn run(
    arguments: &Doctor,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let library = shelf::library(scenarios, world.talk)?;
    let (fixed, wrong) =
        target::fixed_partly(&arguments.target, &arguments.reach, &library, scenarios, world)?;
    if !wrong.is_empty() {
        // What is wrong with the file is said, and the rest is tried all the same.
        drop(shelf::mistakes(&wrong, world.talk));
    }
    let mut problems = wrong.len();
    if let Some(fixed) = fixed {
        let profile = fixed.profile();
        say!("doctor  target {}", profile.name);
        let settings = DoctorSettings {
            flows: arguments.flow.clone(),
            act: !arguments.no_act,
            input_allowed: !arguments.no_input && world.person,
        };
        let diagnosis = examine(&library, profile, &settings)?;
        write_diagnosis(&diagnosis, world.paint, &mut Output)?;
        problems += diagnosis.problems().count();
    }
    say!();
    if problems == 0 {
        say!("{}  gatecrash check {}", world.paint.bold("READY"), arguments.target);
        return Ok(Exit::Conformant);
    }
    let noun = if problems == 1 { "problem" } else { "problems" };
    say!(
        "{}  {problems} {noun}: this is configuration, not the server; `gatecrash check` gives no verdict before it is right",
        world.paint.bold("NOT READY")
    );
    Ok(Exit::Target)
}

/// Looks before a check whether a verdict can be given, without acting on anything.
pub(in crate::cli) fn look_first(
    library: &Library,
    profile: &Profile,
    flows: Vec<Flow>,
    input_allowed: bool,
) -> anyhow::Result<()> {
    let settings = DoctorSettings { flows, act: false, input_allowed };
    let diagnosis = examine(library, profile, &settings)?;
    if diagnosis.is_usable() {
        return Ok(());
    }
    let mut shown = Vec::new();
    write_problems(&diagnosis, &mut shown)?;
    let message = format!(
        "no verdict can be given: this is configuration, not the server\n{}  (`gatecrash doctor` tries everything; `--no-doctor` checks all the same)",
        String::from_utf8_lossy(&shown)
    );
    Err(TargetError(message).into())
}
