//! `gatecrash check`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::doctor;
use crate::check::{CheckSettings, DryScenario, Plan, Selection, check, dry_run};
use crate::cli::arguments::Check;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::{Output, World, corpus, shelf, target};
use crate::engine::Provision;
use crate::event::{Event, Observer};
use crate::model::{Flow, Report};
use crate::report::{Detail, Terminal, write_json, write_junit};
use crate::target::{Library, Profile};

pub(in crate::cli) fn run(
    arguments: &Check,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let mut library = shelf::library(scenarios, world.talk)?;
    let sinks = Sinks::open(&arguments.report)?;
    let corpus = corpus::read(&mut library, &arguments.corpus, world)?;
    let exit = run_target(arguments, &library, sinks, scenarios, world)?;
    Ok(if corpus.broken > 0 && exit == Exit::Conformant { Exit::Usage } else { exit })
}

fn run_target(
    arguments: &Check,
    library: &Library,
    sinks: Sinks,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    match &arguments.target {
        Some(target) => {
            #[cfg(feature = "reference-server")]
            if [&arguments.fault, &arguments.variant, &arguments.lifetime]
                .iter()
                .any(|of| !of.is_empty())
            {
                let message = "--fault, --variant and --lifetime are for the embedded reference server, which runs without a target";
                return Err(UsageError(message.to_owned()).into());
            }
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
        None => Err(UsageError(
            "this build has no reference server; name a profile or an address".to_owned(),
        )
        .into()),
    }
}

fn run_on(
    provision: &dyn Provision,
    profile: &Profile,
    library: &Library,
    arguments: &Check,
    sinks: Sinks,
    world: World,
) -> anyhow::Result<Exit> {
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
        return rehearsal(&plan, profile, &settings, arguments.verbose > 0);
    }
    let detail = match (arguments.verbose, world.person) {
        (0, true) => Detail::Flow,
        (0 | 1, _) => Detail::Check,
        _ => Detail::Observed,
    };
    let out = BufWriter::new(Output);
    let mut observer = Everyone {
        terminal: Terminal::new(out, world.paint, detail),
        sinks,
        strict: arguments.strict,
    };
    let watch = watch_interrupt(interrupt)?;
    let report = check(&plan, library, provision, &settings, &mut observer)?;
    watch.shutdown_background();
    Ok(Exit::of(&report, arguments.strict))
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
    pub(super) strict: bool,
}

impl<W: Write> Observer for Everyone<W> {
    fn hear(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.terminal.hear(event)?;
        if let Event::RunFinished(report) = event {
            self.sinks.write(report, self.strict)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    Junit,
}

/// Files that reports go to. They are opened before anything runs: a path that cannot be written is
/// said at once, not after the run.
pub(super) struct Sinks(Vec<(Format, PathBuf, File)>);

impl Sinks {
    pub(super) fn open(reports: &[String]) -> anyhow::Result<Self> {
        let mut sinks = Vec::new();
        for report in reports {
            let wrong = |message: String| anyhow::Error::from(UsageError(message));
            let (format, path) = report.split_once('=').ok_or_else(|| {
                wrong(format!("`{report}` is not a report; write json=PATH or junit=PATH"))
            })?;
            let format = match format {
                "json" => Format::Json,
                "junit" => Format::Junit,
                _ => {
                    return Err(wrong(format!(
                        "`{format}` is not a format; there are json and junit"
                    )));
                }
            };
            let file = File::create(path)
                .map_err(|error| wrong(format!("{path} cannot be written: {error}")))?;
            sinks.push((format, PathBuf::from(path), file));
        }
        Ok(Self(sinks))
    }

    pub(super) fn write(&mut self, report: &Report, strict: bool) -> io::Result<()> {
        for (format, path, file) in &mut self.0 {
            let mut text = Vec::new();
            let written = match format {
                Format::Json => write_json(report, &mut text),
                Format::Junit => write_junit(report, strict, &mut text),
            };
            written
                .and_then(|()| withhold(report, &text))
                .and_then(|()| file.write_all(&text))
                .map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                })?;
        }
        Ok(())
    }
}

/// A report that would show a secret is not written: redaction has a hole then, and a file lasts.
fn withhold(report: &Report, text: &[u8]) -> io::Result<()> {
    match report.secrets.found_in(text) {
        None => Ok(()),
        Some(name) => Err(io::Error::other(format!(
            "the report would show the secret `${{{name}}}` and is not written; please report this as a mistake of gatecrash"
        ))),
    }
}
