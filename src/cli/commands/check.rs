//! `gatecrash check`.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::doctor;
use crate::check::{CheckSettings, DryScenario, Plan, Selection, check, dry_run};
use crate::cli::arguments::Check;
use crate::cli::exit::Exit;
use crate::cli::origin::origin;
use crate::cli::sinks::Sinks;
use crate::cli::{Output, World, corpus, shelf, target};
use crate::engine::Provision;
use crate::event::{Event, Observer};
use crate::model::{Flow, Origin, Report};
use crate::report::{Detail, Format, Terminal};
use crate::target::{HookSetting, Library, Profile};

pub(in crate::cli) fn run(
    arguments: &Check,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    run_reported(arguments, scenarios, world).map(|(exit, _)| exit)
}

/// The same with the report, where there was something to report.
pub(super) fn run_reported(
    arguments: &Check,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<(Exit, Option<Report>)> {
    let mut library = shelf::library(scenarios, world.talk)?;
    let from = (arguments.target.as_ref(), &arguments.reach);
    let origin = origin("check", from, &arguments.corpus, scenarios);
    let origin = Origin { level: arguments.level.name().to_owned(), ..origin };
    #[cfg(feature = "reference-server")]
    let origin = arguments.altered.noted(origin);
    let sinks =
        Sinks::open(&arguments.report, &Format::OF_RUNS)?.strict(arguments.strict).of(origin);
    let corpus = corpus::read(&mut library, &arguments.corpus, world)?;
    let (exit, report) = run_target(arguments, &library, sinks, scenarios, world)?;
    let broken = corpus.broken > 0 && exit == Exit::Conformant;
    Ok((if broken { Exit::Usage } else { exit }, report))
}

fn run_target(
    arguments: &Check,
    library: &Library,
    sinks: Sinks,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<(Exit, Option<Report>)> {
    match &arguments.target {
        Some(target) => {
            #[cfg(feature = "reference-server")]
            arguments.altered.nothing()?;
            let fixed = target::fixed(target, &arguments.reach, library, scenarios, world)?;
            if !arguments.no_doctor && !arguments.dry_run {
                let input_allowed = !arguments.no_input && world.person;
                let flows = arguments.flow.clone();
                doctor::look_first(library, fixed.profile(), flows, input_allowed)?;
            }
            run_on(&fixed, fixed.profile(), library, arguments, sinks, world)
        }
        #[cfg(feature = "reference-server")]
        None => {
            let embedded =
                crate::cli::embedded::Embedded::new(arguments, library, scenarios, world)?;
            run_on(&embedded, embedded.profile(), library, arguments, sinks, world)
        }
        #[cfg(not(feature = "reference-server"))]
        None => Err(crate::cli::exit::UsageError::no_reference_server().into()),
    }
}

fn run_on(
    provision: &dyn Provision,
    profile: &Profile,
    library: &Library,
    arguments: &Check,
    sinks: Sinks,
    world: World,
) -> anyhow::Result<(Exit, Option<Report>)> {
    let selection = Selection {
        flows: arguments.flow.clone(),
        only: arguments.only.clone(),
        skip: arguments.skip.clone(),
    };
    let offered: Vec<Flow> = profile.flows.keys().copied().collect();
    let plan = Plan::new(library, &offered, &selection)?;
    let seed = seed_or_made_up(arguments.seed)?;
    let interrupt = Arc::new(Notify::new());
    let settings = CheckSettings {
        seed,
        repeat: arguments.repeat,
        input_allowed: !arguments.no_input && world.person,
        jobs: arguments.jobs,
        today: today(),
        effort: arguments.level.into(),
        gentle: !arguments.destructive && !target::is_local(profile),
        interrupt: Arc::clone(&interrupt),
    };
    if arguments.dry_run {
        let exit = rehearsal(&plan, profile, &settings, arguments.verbose > 0)?;
        return Ok((exit, None));
    }
    let detail = match (arguments.verbose, world.person) {
        (0, true) => Detail::Flow,
        (0 | 1, _) => Detail::Check,
        _ => Detail::Observed,
    };
    let out = BufWriter::new(Output);
    let terminal = Terminal::new(out, world.paint, detail).of(sinks.origin.clone());
    // A prompt must not be drawn over.
    let asks = |hook: &HookSetting| matches!(hook, HookSetting::Tty { .. });
    let prompts = profile.hooks.values().flatten().any(asks);
    let terminal = match world.columns.filter(|_| !prompts) {
        Some(columns) => terminal.on_screen(columns),
        None => terminal,
    };
    let mut observer = Everyone { terminal, sinks };
    let watch = watch_interrupt(interrupt)?;
    let report = check(&plan, library, provision, &settings, &mut observer)?;
    watch.shutdown_background();
    Ok((Exit::of(&report, arguments.strict), Some(report)))
}

/// The seed that was asked for, or one that nobody knew before.
pub(super) fn seed_or_made_up(seed: Option<u64>) -> anyhow::Result<u64> {
    match seed {
        Some(seed) => Ok(seed),
        None => getrandom::u32().map(u64::from).context("the operating system gave no random seed"),
    }
}

/// Prints what would be done.
fn rehearsal(
    plan: &Plan<'_>,
    profile: &Profile,
    settings: &CheckSettings,
    whole: bool,
) -> anyhow::Result<Exit> {
    let mut requests = 0;
    for DryScenario { scenario, acts } in dry_run(plan, profile, settings)? {
        say!("{}@{}  {}", scenario.name, scenario.flow, scenario.title);
        match acts {
            Err(reason) => say!("  - {reason}"),
            Ok(acts) => {
                for act in acts {
                    requests += usize::from(act.request.is_some());
                    say!("  {:32} {}", act.step, act.act);
                    let text = act.request.filter(|_| whole);
                    text.iter()
                        .flat_map(|text| text.lines())
                        .for_each(|line| say!("      | {line}"));
                }
            }
        }
    }
    say!("\n{} scenarios, {requests} different requests; nothing was sent", plan.scenarios.len());
    Ok(Exit::Conformant)
}

/// Listens for Ctrl-C on a thread of its own, for as long as the returned runtime is held.
pub(super) fn watch_interrupt(interrupt: Arc<Notify>) -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.notify_one();
        }
    });
    Ok(runtime)
}

pub(super) fn today() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The terminal and the files that are written.
pub(super) struct Everyone<W: Write> {
    pub(super) terminal: Terminal<W>,
    pub(super) sinks: Sinks,
}

impl<W: Write> Observer for Everyone<W> {
    fn hear(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.terminal.hear(event)?;
        self.sinks.hear(event)
    }

    fn wants_records(&self) -> bool {
        self.sinks.wants_records()
    }
}
