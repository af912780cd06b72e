//! `gatecrash replay`: runs again what `fuzz` wrote down. Tokens are issued anew, the button is pressed, the clock is
//! moved, and the same bytes are sent.

use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use super::again;
use super::check::{Everyone, seed_or_made_up, today, watch_interrupt};
use crate::check::{CheckSettings, Plan, Selection, check};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::fuzz_arguments::Replay;
use crate::cli::origin::origin;
use crate::cli::sinks::Sinks;
use crate::cli::{Output, World, corpus, shelf, target};
use crate::engine::{Effort, Provision};
use crate::report::{Detail, Format, Terminal};
use crate::target::{Library, Profile};

pub(in crate::cli) fn run(
    arguments: &Replay,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    if let [one] = arguments.files.as_slice()
        && let Some((file, check)) = again::reference(one)
    {
        return again::run((&file, &check), arguments, scenarios, world);
    }
    run_files(arguments, scenarios, world)
}

/// Runs files and folders of scenarios.
pub(super) fn run_files(
    arguments: &Replay,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let mut library = shelf::library(scenarios, world.talk)?;
    let from = (arguments.target.as_ref(), &arguments.reach);
    let origin = origin("replay", from, &arguments.files, scenarios);
    #[cfg(feature = "reference-server")]
    let origin = arguments.altered.noted(origin);
    let sinks =
        Sinks::open(&arguments.report, &Format::OF_RUNS)?.strict(arguments.strict).of(origin);
    let found = corpus::read(&mut library, &arguments.files, world)?;
    if found.names.is_empty() {
        let message = "none of the files is a scenario that can be run".to_owned();
        return Err(UsageError(message).into());
    }
    let exit = match &arguments.target {
        Some(target) => {
            #[cfg(feature = "reference-server")]
            arguments.altered.nothing()?;
            let fixed = target::fixed(target, &arguments.reach, &library, scenarios, world)?;
            run_on((&fixed, fixed.profile()), &library, &found.names, (arguments, sinks), world)?
        }
        #[cfg(feature = "reference-server")]
        None => {
            use crate::cli::embedded::Embedded;
            let embedded =
                Embedded::plain(&library, scenarios, world)?.altered(&arguments.altered)?;
            run_on(
                (&embedded, embedded.profile()),
                &library,
                &found.names,
                (arguments, sinks),
                world,
            )?
        }
        #[cfg(not(feature = "reference-server"))]
        None => {
            let message = "this build has no reference server; name a --target".to_owned();
            return Err(UsageError(message).into());
        }
    };
    Ok(if found.broken > 0 && exit == Exit::Conformant { Exit::Usage } else { exit })
}

fn run_on(
    (provision, profile): (&dyn Provision, &Profile),
    library: &Library,
    names: &[String],
    (arguments, sinks): (&Replay, Sinks),
    world: World,
) -> anyhow::Result<Exit> {
    let offered: Vec<_> = profile.flows.keys().copied().collect();
    let selection = Selection { only: names.to_vec(), ..Selection::default() };
    let plan = Plan::new(library, &offered, &selection)?;
    let interrupt = Arc::new(Notify::new());
    let settings = CheckSettings {
        seed: seed_or_made_up(arguments.seed)?,
        repeat: 1,
        input_allowed: world.person,
        jobs: 1,
        today: today(),
        effort: Effort::Normal,
        gentle: !target::is_local(profile),
        interrupt: Arc::clone(&interrupt),
    };
    let mut observer = Everyone {
        terminal: Terminal::new(BufWriter::new(Output), world.paint, Detail::Check)
            .of(sinks.origin.clone()),
        sinks,
    };
    let watch = watch_interrupt(interrupt)?;
    let report = check(&plan, library, provision, &settings, &mut observer)?;
    watch.shutdown_background();
    Ok(Exit::of(&report, arguments.strict))
}
