//! `gatecrash load`.

mod capacity;
mod settings;
mod supply;
mod users;
pub(super) mod watched;

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, BufWriter, IsTerminal as _, LineWriter};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

pub(super) use self::settings::settings;
pub(super) use self::supply::Supply;
use crate::cli::arguments::Load;
use crate::cli::exit::{Exit, TargetError, UsageError};
use crate::cli::sinks::Sinks;
use crate::cli::{Output, World, shelf, target};
use crate::load::{
    Columns, Detail, FreshTokens, LoadError, LoadSettings, PrepareError, Stop, Watcher, calibrate,
    load,
};
use crate::metrics::Endpoint;
use crate::model::{ComplaintReport, Flow, KnownSecrets, LoadReport, SecondReport, ThresholdState};
use crate::report::{Document, Format, load_line, write_load};
use crate::stats::{Histogram, HistogramLog};
use crate::target::{Library, Profile};

pub(in crate::cli) fn run(
    arguments: &Load,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    files_suffice(arguments)?;
    if let Some(name) = &arguments.scenario {
        return users::run(name, arguments, scenarios, world);
    }
    let mut sinks = open(arguments)?;
    let first = arguments.target.is_none().then_some(Flow::GatewayButton);
    let only = arguments.flow.or(first).filter(|_| !arguments.work.mix.needs_other_flow());
    let library = Arc::new(shelf::words(scenarios, only, world.talk)?);
    let mut aim = Aim::find(arguments, &library, scenarios, world)?;
    aim.profile.transport.http2 |= arguments.http2;
    let seed = random_seed(arguments)?;
    let flow = choose_flow(arguments, &aim.profile)?;
    let mut settings = settings(arguments, &aim.profile, flow, seed)?;
    let supply = Supply::new(arguments, library, &aim.profile, flow, seed)?;
    let prepared = supply.prepare()?;
    // What is not needed any more is not to be measured either.
    let supply = Some(supply).filter(|_| prepared.expires());
    let stop = Stop::default();
    let _watch = watch_interrupt(stop.clone())?;
    announce(flow, &settings);
    if arguments.find_capacity {
        return capacity::search(&prepared, settings, (arguments, sinks), &stop, world);
    }
    if arguments.calibrate {
        settings.calibrated = Some(calibrate(&prepared, &settings, &stop).map_err(wrong)?.rate);
    }
    let users = settings.connections as u64;
    let metrics = watched::open(arguments.metrics, flow, &settings.target, users)?;
    let mut audience = Audience { supply: supply.as_ref(), metrics, ..Audience::new(&mut sinks)? };
    let report = load(&prepared, &settings, &mut audience, &stop).map_err(wrong)?;
    audience.finish()?;
    conclude(report, &aim, arguments, &mut sinks, world, &mut BufWriter::new(Output))
}

/// The flow that is asked for, or the first one of the target; the embedded server's is the first of all.
pub(super) fn choose_flow(arguments: &Load, profile: &Profile) -> anyhow::Result<Flow> {
    let first = arguments.target.is_none().then_some(Flow::GatewayButton);
    let flow = match arguments.flow.or(first) {
        Some(flow) => flow,
        None => *profile.flows.keys().next().context("a profile has a flow")?,
    };
    if !profile.flows.contains_key(&flow) {
        let has: Vec<&str> = profile.flows.keys().map(|flow| flow.name()).collect();
        let message =
            format!("{} does not have the flow {flow}; it has {}", profile.name, has.join(", "));
        return Err(UsageError(message).into());
    }
    Ok(flow)
}

pub(super) fn random_seed(arguments: &Load) -> anyhow::Result<u64> {
    match arguments.seed {
        Some(seed) => Ok(seed),
        None => getrandom::u32().map(u64::from).context("the operating system gave no random seed"),
    }
}

fn announce(flow: Flow, settings: &LoadSettings) {
    let (version, LoadSettings { target, seed, .. }) = (env!("CARGO_PKG_VERSION"), settings);
    eprintln!("gatecrash {version}  load {flow}  target {target}  seed {seed}");
}

/// Adds what a reader should know, and writes the report everywhere.
pub(super) fn conclude(
    mut report: LoadReport,
    aim: &Aim,
    arguments: &Load,
    sinks: &mut Sinks,
    world: World,
    out: &mut dyn io::Write,
) -> anyhow::Result<Exit> {
    report.notes.extend(aim.profile.remarks());
    if aim.is_local() {
        report.notes.push(
            "client and server shared this machine: each took time from the other".to_owned(),
        );
    }
    write_load(&report, world.paint, out)?;
    out.flush()?;
    let exit = exit(&report, arguments.strict);
    sinks.write(&Document::Load(Box::new(report)), &KnownSecrets::default())?;
    Ok(exit)
}

/// The files that are written.
fn open(arguments: &Load) -> anyhow::Result<Sinks> {
    let offered: &[Format] =
        if arguments.find_capacity { &Format::OF_CAPACITY } else { &Format::OF_LOAD };
    let sinks = Sinks::open(&arguments.report, offered)?;
    if sinks.files.iter().filter(|sink| sink.format == Format::Hdr).count() > 1 {
        return Err(UsageError("there can be one report hdr=PATH".to_owned()).into());
    }
    Ok(sinks)
}

fn wrong(error: LoadError) -> anyhow::Error {
    match error {
        LoadError::Unreachable(why) => TargetError(why).into(),
        LoadError::Generator(_) => error.into(),
    }
}

/// The code that a run comes to: a wrong answer is a finding, valid run or not.
pub(super) fn exit(report: &LoadReport, strict: bool) -> Exit {
    let generator = report.generator.idle < 0.02 && report.asked.is_none();
    let only_generator = generator && report.invalid.len() == 1;
    let undecided = report.thresholds.iter().any(|one| one.state == ThresholdState::Undecided);
    let counts = |complaint: &ComplaintReport| complaint.wrong || strict;
    let found = report.wrong > 0 || report.failed() > 0 || report.complaints.iter().any(counts);
    if report.interrupted {
        Exit::Interrupted
    } else if found {
        Exit::Findings
    } else if !report.invalid.is_empty() && (strict || !only_generator) {
        Exit::Inconclusive
    } else if report.thresholds.iter().any(|one| one.state == ThresholdState::Crossed) {
        Exit::Findings
    } else if undecided {
        Exit::Inconclusive
    } else {
        Exit::Conformant
    }
}

/// Each connection is an open file; better said now than as a thousand failures.
pub(super) fn files_suffice(arguments: &Load) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let needed = u64::from(arguments.connections) + 64;
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if needed > most {
            let connections = arguments.connections;
            let message = format!(
                "{connections} connections need {needed} open files, and this user may have {most}; raise the limit (ulimit -n) or ask for fewer"
            );
            return Err(UsageError(message).into());
        }
    }
    Ok(())
}

/// The server that is asked.
pub(super) struct Aim {
    pub(super) profile: Profile,
    /// Keeps the server alive that was started for the run.
    #[cfg(feature = "reference-server")]
    served: Option<crate::cli::served::Served>,
}

impl Aim {
    pub(super) fn find(
        arguments: &Load,
        library: &Library,
        scenarios: Option<&Path>,
        world: World,
    ) -> anyhow::Result<Self> {
        let Some(name) = &arguments.target else {
            let reach = &arguments.reach;
            if reach.clock.is_some() || reach.max_wait.is_some() || reach.control.is_some() {
                let message = "--clock, --max-wait and --control are for a target; the reference server of a run has a clock of its own";
                return Err(UsageError(message.to_owned()).into());
            }
            return Self::embedded(arguments, library, scenarios, world);
        };
        #[cfg(feature = "reference-server")]
        arguments.altered.nothing()?;
        let fixed = target::fixed(name, &arguments.reach, library, scenarios, world)?;
        Ok(Self {
            profile: fixed.profile().clone(),
            #[cfg(feature = "reference-server")]
            served: None,
        })
    }

    #[cfg(feature = "reference-server")]
    fn embedded(
        arguments: &Load,
        library: &Library,
        scenarios: Option<&Path>,
        world: World,
    ) -> anyhow::Result<Self> {
        use crate::cli::embedded::Embedded;
        use crate::cli::served::Served;
        let plain = Embedded::plain(library, scenarios, world)?;
        let changed = plain.altered(&arguments.altered)?;
        let served = Served::start(&arguments.altered)?;
        let profile = changed.profile().relocated(&served.api, &served.control);
        Ok(Self { profile, served: Some(served) })
    }

    #[cfg(not(feature = "reference-server"))]
    fn embedded(_: &Load, _: &Library, _: Option<&Path>, _: World) -> anyhow::Result<Self> {
        Err(UsageError::no_reference_server().into())
    }

    /// Whether the server runs on this machine as far as can be told.
    fn is_local(&self) -> bool {
        #[cfg(feature = "reference-server")]
        if self.served.is_some() {
            return true;
        }
        target::is_local(&self.profile)
    }
}

/// Ends the run at Ctrl-C, for as long as what is returned is held.
fn watch_interrupt(stop: Stop) -> anyhow::Result<Interrupts> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    let (ready, registered) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        // The first look registers it: from then on the signal no longer ends the program.
        let early = poll_fn(|context| Poll::Ready(interrupt.as_mut().poll(context))).await;
        // Whoever waits for it waits until it comes.
        let _ = ready.send(());
        let interrupted = match early {
            Poll::Ready(result) => result,
            Poll::Pending => interrupt.await,
        };
        if interrupted.is_ok() {
            stop.stop();
        }
    });
    registered.recv().context("the signal for Ctrl-C cannot be heard")?;
    Ok(Interrupts(Some(runtime)))
}

/// Listens for Ctrl-C until it is dropped.
struct Interrupts(Option<tokio::runtime::Runtime>);

impl Drop for Interrupts {
    fn drop(&mut self) {
        // A task that waits for a signal must not hold the program up.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The log of histograms among the files, begun; a line a second, so that what was measured before a crash is on disk.
pub(super) fn hdr_log(
    sinks: &mut Sinks,
    began: SystemTime,
) -> io::Result<Option<HistogramLog<LineWriter<&mut File>>>> {
    let comment =
        concat!("gatecrash ", env!("CARGO_PKG_VERSION"), ", response times in nanoseconds");
    let log = sinks.files.iter_mut().find(|sink| sink.format == Format::Hdr);
    log.map(|sink| HistogramLog::begin(LineWriter::new(&mut sink.file), began, comment)).transpose()
}

/// Whoever hears of each second: a person at a terminal, and a log.
struct Audience<'a> {
    supply: Option<&'a Supply<'a>>,
    metrics: Option<Endpoint>,
    columns: Columns,
    shows: bool,
    log: Option<HistogramLog<LineWriter<&'a mut File>>>,
}

impl<'a> Audience<'a> {
    fn new(sinks: &'a mut Sinks) -> io::Result<Self> {
        let log = hdr_log(sinks, SystemTime::now())?;
        let (metrics, columns) = (None, Columns::default());
        Ok(Self { supply: None, metrics, columns, shows: io::stderr().is_terminal(), log })
    }

    fn finish(self) -> io::Result<()> {
        if self.shows {
            eprint!("\r\x1b[K");
        }
        self.log.map_or(Ok(()), HistogramLog::finish)
    }
}

impl Watcher for Audience<'_> {
    fn second(&mut self, report: &SecondReport, response: &Histogram) -> io::Result<()> {
        if self.shows {
            eprint!("\r\x1b[K{}", load_line(report));
        }
        let second = Duration::from_secs(1);
        match &mut self.log {
            Some(log) => {
                log.interval(response, Duration::from_secs(report.second), second, "response")
            }
            None => Ok(()),
        }
    }

    fn wants_detail(&mut self, columns: &Columns) -> bool {
        self.columns = columns.clone();
        self.metrics.is_some()
    }

    fn detail(&mut self, _: &SecondReport, detail: &Detail) -> io::Result<()> {
        if let Some(metrics) = &self.metrics {
            watched::hand_in(metrics, &self.columns, detail);
        }
        Ok(())
    }

    fn renew(&mut self) -> Option<Result<FreshTokens, PrepareError>> {
        self.supply.map(Supply::renew)
    }
}
