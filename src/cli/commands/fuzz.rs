//! `gatecrash fuzz`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::check::{seed_or_made_up, today, watch_interrupt};
use super::doctor;
use crate::check::{CheckSettings, Plan, Selection, check};
use crate::cli::exit::{Exit, TargetError};
use crate::cli::fuzz_arguments::Fuzz;
use crate::cli::origin::origin;
use crate::cli::sinks::Sinks;
use crate::cli::{Output, World, corpus, shelf, target};
use crate::engine::{Effort, Provision};
use crate::event::{Event, Observer};
use crate::fuzz::{FuzzError, FuzzSettings, fuzz, rehearsal};
use crate::report::{Detail, Format, Terminal};
use crate::target::{Library, Profile};

/// Without another word a run takes so long.
const BOUND: Duration = Duration::from_secs(60);

pub(in crate::cli) fn run(
    arguments: &Fuzz,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    if let Some(folder) = &arguments.corpus {
        corpus::writable(folder)?;
    }
    let mut library = shelf::library(scenarios, world.talk)?;
    let from = (arguments.target.as_ref(), &arguments.reach);
    let origin = origin("fuzz", from, arguments.corpus.as_slice(), scenarios);
    #[cfg(feature = "reference-server")]
    let origin = arguments.altered.noted(origin);
    let sinks =
        Sinks::open(&arguments.report, &Format::OF_RUNS)?.strict(arguments.strict).of(origin);
    let kept: Vec<PathBuf> = arguments.corpus.iter().cloned().collect();
    let known = corpus::read(&mut library, &kept, world)?;
    match &arguments.target {
        Some(target) => {
            #[cfg(feature = "reference-server")]
            arguments.altered.nothing()?;
            let fixed = target::fixed(target, &arguments.reach, &library, scenarios, world)?;
            if !arguments.no_doctor && !arguments.dry_run {
                doctor::look_first(&library, fixed.profile(), arguments.flow.clone(), false)?;
            }
            run_on((&fixed, fixed.profile()), &library, arguments, (sinks, known), world)
        }
        #[cfg(feature = "reference-server")]
        None => {
            use crate::cli::embedded::Embedded;
            let embedded =
                Embedded::plain(&library, scenarios, world)?.altered(&arguments.altered)?;
            run_on((&embedded, embedded.profile()), &library, arguments, (sinks, known), world)
        }
        #[cfg(not(feature = "reference-server"))]
        None => Err(crate::cli::exit::UsageError::no_reference_server().into()),
    }
}

fn run_on(
    (provision, profile): (&dyn Provision, &Profile),
    library: &Library,
    arguments: &Fuzz,
    (sinks, known): (Sinks, corpus::Corpus),
    world: World,
) -> anyhow::Result<Exit> {
    let seed = seed_or_made_up(arguments.seed)?;
    let bounded = arguments.cases.is_some() || arguments.patience.is_some();
    let interrupt = Arc::new(AtomicBool::new(false));
    let settings = FuzzSettings {
        seed,
        flows: arguments.flow.clone(),
        cases: arguments.cases,
        time: arguments.time.or(Some(BOUND).filter(|_| !bounded)),
        patience: arguments.patience,
        layers: arguments.layer.iter().map(|layer| (*layer).into()).collect(),
        jobs: arguments.jobs.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        }),
        first_only: false,
        interrupt: Arc::clone(&interrupt),
    };
    if arguments.dry_run {
        for line in rehearsal(library, profile, &settings).map_err(TargetError)? {
            say!("{line}");
        }
        return Ok(Exit::Conformant);
    }
    let old = replay_known(&known, library, (provision, profile), (seed, &sinks), world)?;
    let asked = Arc::new(Notify::new());
    let watch = watch_interrupt(Arc::clone(&asked))?;
    watch.spawn(async move {
        asked.notified().await;
        interrupt.store(true, Ordering::Relaxed);
    });
    let mut observer = Teller {
        terminal: Terminal::new(BufWriter::new(Output), world.paint, Detail::Check)
            .of(sinks.origin.clone()),
        sinks,
        folder: arguments.corpus.clone(),
    };
    let outcome =
        fuzz(library, provision, &settings, &mut observer).map_err(|error| match error {
            FuzzError::Report(error) => anyhow::Error::from(error),
            FuzzError::Provision(_) => TargetError(error.to_string()).into(),
            other @ FuzzError::Laws { .. } => anyhow::Error::from(other),
        })?;
    watch.shutdown_background();
    drop(observer);
    let seconds = outcome.report.elapsed.as_secs_f64().max(0.001);
    say!(
        "{} cases, {} steps ({:.0} a second), {} cells",
        outcome.cases,
        outcome.steps,
        outcome.steps as f64 / seconds,
        outcome.cells
    );
    let exit = Exit::of(&outcome.report, arguments.strict);
    Ok(match (exit, old) {
        (Exit::Conformant, Some(old)) => old,
        (Exit::Conformant, None) if known.broken > 0 => Exit::Usage,
        (exit, _) => exit,
    })
}

/// Runs what the corpus has already, before anything new.
fn replay_known(
    known: &corpus::Corpus,
    library: &Library,
    (provision, profile): (&dyn Provision, &Profile),
    (seed, sinks): (u64, &Sinks),
    world: World,
) -> anyhow::Result<Option<Exit>> {
    if known.names.is_empty() {
        return Ok(None);
    }
    let offered: Vec<_> = profile.flows.keys().copied().collect();
    let selection = Selection { only: known.names.clone(), ..Selection::default() };
    let Ok(plan) = Plan::new(library, &offered, &selection) else {
        return Ok(None);
    };
    let settings = CheckSettings {
        seed,
        repeat: 1,
        input_allowed: false,
        jobs: 4,
        today: today(),
        effort: Effort::Normal,
        gentle: false,
        interrupt: Arc::new(Notify::new()),
    };
    let mut terminal =
        Terminal::new(BufWriter::new(Output), world.paint, Detail::Check).of(sinks.origin.clone());
    let report = check(&plan, library, provision, &settings, &mut terminal)?;
    Ok(Some(Exit::of(&report, false)).filter(|exit| *exit != Exit::Conformant))
}

/// The terminal, the reports, and the folder of the corpus, to which cases are written as they are found.
struct Teller<W: Write> {
    terminal: Terminal<W>,
    sinks: Sinks,
    folder: Option<PathBuf>,
}

impl<W: Write> Observer for Teller<W> {
    fn hear(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.terminal.hear(event)?;
        if let (Event::CaseFound { file, text, .. }, Some(folder)) = (event, &self.folder) {
            corpus::keep(folder, file, text)?;
        }
        self.sinks.hear(event)
    }
}
