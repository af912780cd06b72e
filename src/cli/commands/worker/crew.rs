//! The users of a worker: a load run for each test of the master, in a thread of its own.

use std::io::BufWriter;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, available_parallelism};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cli::arguments::Load;
use crate::cli::commands::load::{Aim, Supply, conclude, watched};
use crate::cli::exit::Exit;
use crate::cli::sinks::Sinks;
use crate::cli::{Output, World};
use crate::load::{
    Columns, Detail, FreshTokens, LoadError, LoadSettings, PrepareError, Prepared, Stop, Watcher,
    load,
};
use crate::locust::{Asked, Crew, Second, Statistics, Strain, Trouble};
use crate::metrics::Endpoint;
use crate::model::{LoadReport, SecondReport};
use crate::report::Format;
use crate::stats::Histogram;

/// What a worker reports in: everything that need not be written while a run goes on.
const FORMATS: [Format; 4] = [Format::Csv, Format::Html, Format::Json, Format::Markdown];

/// What users need.
#[derive(Clone)]
pub(super) struct Ground<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) supply: Option<&'a Supply<'a>>,
    pub(super) metrics: Option<Endpoint>,
}

/// The users of this worker.
pub(super) struct Users<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    ground: Ground<'env>,
    settings: LoadSettings,
    told: (&'env Aim, &'env Load, World),
    statistics: Arc<Mutex<Statistics>>,
    test: Option<Test>,
    /// How many tests there were.
    tests: usize,
    /// The worst that a test came to.
    exit: anyhow::Result<Exit>,
    failure: Option<String>,
    /// When the processor time was looked at last, and what it was.
    seen: (Instant, Duration),
}

/// A run that is on.
struct Test {
    stop: Stop,
    done: oneshot::Receiver<Result<LoadReport, LoadError>>,
}

impl<'scope, 'env> Users<'scope, 'env> {
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        ground: Ground<'env>,
        settings: LoadSettings,
        told: (&'env Aim, &'env Load, World),
    ) -> Self {
        let seen = (Instant::now(), processor_time());
        let (statistics, test, tests, exit, failure) =
            (Arc::default(), None, 0, Ok(Exit::Conformant), None);
        Self { scope, ground, settings, told, statistics, test, tests, exit, failure, seen }
    }

    /// What all tests came to.
    pub(super) fn conclude(self) -> anyhow::Result<Exit> {
        self.exit
    }

    fn begin(&self) -> Result<Test, String> {
        let stop = Stop::default();
        let (tell, done) = oneshot::channel();
        let (ground, settings, handle) = (self.ground.clone(), self.settings.clone(), stop.clone());
        let statistics = Arc::clone(&self.statistics);
        let run = move || {
            let columns = Columns::default();
            let mut teller = Teller { ground: &ground, columns, statistics };
            let result = load(ground.prepared, &settings, &mut teller, &handle);
            // A session that is over waits for nothing.
            let _ = tell.send(result);
        };
        let named = std::thread::Builder::new().name("test".to_owned());
        named.spawn_scoped(self.scope, run).map_err(|error| error.to_string())?;
        Ok(Test { stop, done })
    }

    fn hear(&mut self, result: Result<LoadReport, LoadError>, cut: bool) {
        let mut report = match result {
            Ok(report) => report,
            Err(error) => return self.failure = Some(error.to_string()),
        };
        if cut {
            report.interrupted = false;
            report.notes.push(
                "requests were under way when the master went, and are counted nowhere".to_owned(),
            );
        }
        self.tests += 1;
        let (aim, arguments, world) = self.told;
        let written = sinks(&arguments.report, self.tests).and_then(|mut sinks| {
            conclude(report, aim, arguments, &mut sinks, world, &mut BufWriter::new(Output))
        });
        self.exit = match (std::mem::replace(&mut self.exit, Ok(Exit::Conformant)), written) {
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(before), Ok(Exit::Conformant)) => Ok(before),
            (Ok(Exit::Findings), Ok(_)) => Ok(Exit::Findings),
            (Ok(_), Ok(exit)) => Ok(exit),
        };
    }
}

/// The files of the n-th test: `worker.json`, `worker.2.json` and so on.
pub(super) fn sinks(reports: &[String], test: usize) -> anyhow::Result<Sinks> {
    let numbered: Vec<String> = reports.iter().map(|report| numbered(report, test)).collect();
    Sinks::open(&numbered, &FORMATS)
}

fn numbered(report: &str, test: usize) -> String {
    let Some((format, path)) = report.split_once('=').filter(|_| test > 1) else {
        return report.to_owned();
    };
    let path = Path::new(path);
    let named = match (path.file_stem(), path.extension()) {
        (Some(stem), Some(ending)) => {
            format!("{}.{test}.{}", stem.to_string_lossy(), ending.to_string_lossy())
        }
        _ => format!("{}.{test}", path.file_name().unwrap_or_default().to_string_lossy()),
    };
    format!("{format}={}", path.with_file_name(named).display())
}

impl Crew for Users<'_, '_> {
    fn users(&mut self, count: usize) -> Result<(), String> {
        if self.test.is_none() {
            if count == 0 {
                return Ok(());
            }
            self.test = Some(self.begin()?);
        }
        if let Some(test) = &self.test {
            test.stop.users(count);
        }
        if let Some(metrics) = &self.ground.metrics {
            metrics.change(|numbers| numbers.users(count as u64));
        }
        Ok(())
    }

    async fn end(&mut self, patience: Duration) {
        let Some(mut test) = self.test.take() else { return };
        test.stop.finish();
        let mut cut = false;
        let result = match timeout(patience, &mut test.done).await {
            Ok(result) => result,
            Err(_) => {
                cut = true;
                test.stop.stop();
                (&mut test.done).await
            }
        };
        if let Some(metrics) = &self.ground.metrics {
            metrics.change(|numbers| numbers.users(0));
        }
        match result {
            Ok(result) => self.hear(result, cut),
            Err(_) => self.failure = Some("the thread of the test ended without a word".to_owned()),
        }
    }

    fn statistics(&mut self) -> Statistics {
        std::mem::take(&mut self.statistics.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn failure(&mut self) -> Option<String> {
        if let Some(Ok(result)) = self.test.as_mut().map(|test| test.done.try_recv()) {
            self.test = None;
            self.hear(result, false);
            self.failure.get_or_insert_with(|| "the run is over".to_owned());
        }
        self.failure.take()
    }

    fn strain(&mut self) -> Strain {
        let (then, before) = std::mem::replace(&mut self.seen, (Instant::now(), processor_time()));
        let passed = then.elapsed().as_secs_f64()
            * available_parallelism().map_or(1, std::num::NonZero::get) as f64;
        let used = self.seen.1.saturating_sub(before).as_secs_f64();
        let processor = if passed > 0.0 { (used / passed * 100.0).min(100.0) } else { 0.0 };
        Strain { processor, memory: memory() }
    }

    fn say(&mut self, line: &str) {
        eprintln!("{line}");
    }
}

/// Tells of each second of a test.
struct Teller<'a> {
    ground: &'a Ground<'a>,
    columns: Columns,
    statistics: Arc<Mutex<Statistics>>,
}

impl Watcher for Teller<'_> {
    fn second(&mut self, _: &SecondReport, _: &Histogram) -> std::io::Result<()> {
        Ok(())
    }

    fn wants_detail(&mut self, columns: &Columns) -> bool {
        self.columns = columns.clone();
        true
    }

    fn detail(&mut self, _: &SecondReport, detail: &Detail) -> std::io::Result<()> {
        if let Some(metrics) = &self.ground.metrics {
            watched::hand_in(metrics, &self.columns, detail);
        }
        let mut statistics = self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        count(&self.columns, detail, last_second(), &mut statistics);
        Ok(())
    }

    fn renew(&mut self) -> Option<Result<FreshTokens, PrepareError>> {
        self.ground.supply.map(Supply::renew)
    }
}

/// Counts a second as a master does.
fn count(columns: &Columns, detail: &Detail, at: u64, statistics: &mut Statistics) {
    let asked = |case: usize| {
        let column = columns.cases.get(case).cloned().unwrap_or_default();
        Asked { name: format!("{} {}", column.operation, column.name), method: column.method }
    };
    for (number, case) in detail.cases.iter().enumerate() {
        let unanswered = case.failures.iter().sum();
        let times: Vec<(u64, u64)> = case.response.recorded().collect();
        if unanswered == 0 && times.is_empty() {
            continue;
        }
        let second = Second { at, times, wrong: case.wrong, unanswered, bytes: case.bytes };
        statistics.add(&asked(number), &second);
        let kinds = columns.failures.iter().zip(case.failures).zip(&detail.reasons);
        for ((kind, count), reason) in kinds.filter(|((_, count), _)| *count > 0) {
            let reason = reason.as_deref().unwrap_or_default();
            let trouble = Trouble { what: format!("{kind}: {reason}"), count, at };
            statistics.trouble(&asked(number), &trouble);
        }
    }
    for one in detail.complaints.iter().filter(|one| one.wrong) {
        let trouble = Trouble { what: one.what.clone(), count: one.count, at };
        statistics.trouble(&asked(one.case), &trouble);
    }
}

/// The second that is just over, counted from 1970.
fn last_second() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(1)
}

/// How long this process has had processors.
fn processor_time() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    }
    #[cfg(not(unix))]
    Duration::ZERO
}

/// The memory that this process has, in bytes; 0 where that cannot be told.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_has_reports_of_its_own() {
        for (report, test, wanted) in [
            ("json=w.json", 1, "json=w.json"),
            ("json=a/w.json", 2, "json=a/w.2.json"),
            ("html=w", 3, "html=w.3"),
            ("nonsense", 2, "nonsense"),
        ] {
            assert_eq!(numbered(report, test), wanted);
        }
    }
}
