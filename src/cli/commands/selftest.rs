//! `gatecrash selftest`.

use std::path::Path;
use std::sync::Arc;

use reference_server::{Fault, Variant};
use tokio::sync::Notify;

use crate::check::{CheckSettings, glob};
use crate::cli::arguments::Selftest;
use crate::cli::embedded::{self, Embedded};
use crate::cli::exit::Exit;
use crate::cli::sinks::Sinks;
use crate::cli::{World, shelf};
use crate::engine::Effort;
use crate::model::{ClauseId, FalseAlarm, FaultRow, Flow, KillMatrix, KnownSecrets, Verdict};
use crate::report::{Document, Format, Paint};
use crate::selftest::{FuzzGroup, Innocent, SelfTestSettings, Subject, Witness, by_fuzz, selftest};
use crate::target::Library;

pub(in crate::cli) fn run(
    arguments: &Selftest,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let mut sinks = Sinks::open(&arguments.report, &Format::OF_SELF_TEST)?;
    let faults = faults(&arguments.fault)?;
    let library = shelf::library(scenarios, world.talk)?;
    let plain = Embedded::plain(&library, scenarios, world)?;
    let offered: Vec<Flow> = plain.profile().flows.keys().copied().collect();
    let subjects =
        faults.iter().map(|fault| subject(*fault, &plain)).collect::<anyhow::Result<Vec<_>>>()?;
    if arguments.by == "fuzz" {
        return Ok(fuzzed(&library, &subjects, arguments.seed, world.paint));
    }
    let innocents = innocents(&plain, arguments.seed, arguments.seeds)?;
    let settings = SelfTestSettings {
        seed: arguments.seed,
        full: arguments.full,
        partial: !arguments.fault.is_empty(),
        check: CheckSettings {
            seed: arguments.seed,
            repeat: 1,
            input_allowed: false,
            jobs: 4,
            today: 0,
            effort: Effort::Normal,
            gentle: false,
            interrupt: Arc::new(Notify::new()),
        },
    };
    say!(
        "self-test  seed {}  faults {}  servers without a fault {}",
        arguments.seed,
        subjects.len(),
        innocents.len()
    );
    let mut teller = Teller { paint: world.paint };
    let matrix = selftest(&library, &offered, &subjects, &innocents, &settings, &mut teller);
    conclude(&matrix, world.paint, arguments.seed);
    let exit = if matrix.holds() { Exit::Conformant } else { Exit::SelfTest };
    sinks.write(&Document::SelfTest(Box::new(matrix)), &KnownSecrets::default())?;
    Ok(exit)
}

/// Has fuzz alone look for every fault.
fn fuzzed(library: &Library, subjects: &[Subject], seed: u64, paint: Paint) -> Exit {
    say!("self-test by fuzz  seed {seed}  faults {}", subjects.len());
    let mut tell = |group: &FuzzGroup| {
        for row in &group.rows {
            match &row.killer {
                Some(killer) => {
                    let sign = paint.verdict(Verdict::Pass, "✓ noticed ");
                    say!("{sign} {:36} {killer}", row.name);
                }
                None => {
                    let sign = paint.verdict(Verdict::Warn, "- survived");
                    say!("{sign} {:36} {}", row.name, row.sentence);
                }
            }
        }
        let (killed, all) = (group.killed(), group.rows.len());
        let share = 100.0 * killed as f64 / all.max(1) as f64;
        let seconds = group.took.as_secs_f64();
        say!("{:18} noticed {killed} of {all} ({share:.0} %) in {seconds:.1} s", group.flow.name());
    };
    let groups = by_fuzz(library, subjects, seed, &mut tell);
    let (killed, all): (usize, usize) =
        groups.iter().fold((0, 0), |sum, group| (sum.0 + group.killed(), sum.1 + group.rows.len()));
    let holds = groups.iter().all(FuzzGroup::holds);
    let word = if holds { "PROVEN" } else { "NOT PROVEN" };
    say!("{}  faults {killed} of {all} noticed by fuzz alone  seed {seed}", paint.bold(word));
    if holds { Exit::Conformant } else { Exit::SelfTest }
}

fn conclude(matrix: &KillMatrix, paint: Paint, seed: u64) {
    say!();
    for row in matrix.survivors() {
        say!("{} survived: {}  {}", paint.verdict(Verdict::Fail, "✗"), row.name, row.sentence);
    }
    for check in &matrix.idle {
        say!("{} notices nothing: {check}", paint.verdict(Verdict::Fail, "✗"));
    }
    let word = if matrix.holds() { "PROVEN" } else { "NOT PROVEN" };
    say!(
        "{}  faults {} of {} noticed · checks {} sharp, {} idle, {} observational · false alarms {} in {} runs  {:.1} s  seed {seed}",
        paint.bold(word),
        matrix.killed(),
        matrix.faults.len(),
        matrix.sharp.len(),
        matrix.idle.len(),
        matrix.observational.len(),
        matrix.false_alarms.len(),
        matrix.clean_runs,
        matrix.elapsed.as_secs_f64(),
    );
}

/// The faults that the patterns name; all of them without a pattern.
fn faults(patterns: &[String]) -> anyhow::Result<Vec<Fault>> {
    for pattern in patterns {
        if !Fault::all().any(|fault| glob(pattern, fault.name())) {
            // The error of a single name knows the nearest one.
            embedded::fault(pattern)?;
        }
    }
    let wanted = |fault: &Fault| {
        patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, fault.name()))
    };
    Ok(Fault::all().filter(wanted).collect())
}

fn subject(fault: Fault, plain: &Embedded) -> anyhow::Result<Subject> {
    Ok(Subject {
        name: fault.name().to_owned(),
        sentence: fault.sentence().to_owned(),
        clauses: fault.clauses().iter().copied().map(ClauseId::new).collect(),
        variants: fault.variants().iter().copied().map(str::to_owned).collect(),
        alone: fault.needs().any(|need| need == "load"),
        servers: Box::new(plain.with(&[fault], fault.variants())?),
    })
}

/// Servers without a fault: the first as it is, each other with the next answer to every gap, so that every
/// allowed answer has its turn and meets different ones of the others.
fn innocents(plain: &Embedded, seed: u64, count: u64) -> anyhow::Result<Vec<Innocent>> {
    (0..count)
        .map(|turn| {
            let answer = |(place, variant): (usize, Variant)| {
                let values = variant.values();
                // The second factor shifts the turns of the gaps against each other.
                let turn = usize::try_from(turn).unwrap_or_default();
                let choice = (turn + turn / values.len() * place) % values.len();
                (choice > 0 && turn > 0).then(|| format!("{}={}", variant.name(), values[choice]))
            };
            let variants: Vec<String> = Variant::all().enumerate().filter_map(answer).collect();
            let servers = Box::new(plain.with(&[], &variants)?);
            Ok(Innocent { seed: seed.wrapping_add(turn), variants, servers })
        })
        .collect()
}

/// Says each result as it comes.
struct Teller {
    paint: Paint,
}

impl Witness for Teller {
    fn fault(&mut self, row: &FaultRow) {
        if row.survived() {
            let why = row.error.clone().unwrap_or_else(|| format!("{} checks ran", row.ran));
            let sign = self.paint.verdict(Verdict::Fail, "✗ survived");
            say!("{sign} {:36} {}  {why}", row.name, row.sentence);
            return;
        }
        let shown: Vec<&str> =
            row.killers.iter().take(4).map(|(check, _)| check.as_str()).collect();
        let more = row.killers.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let sign = self.paint.verdict(Verdict::Pass, "✓ noticed ");
        say!("{sign} {:36} {}{more}", row.name, shown.join(" "));
    }

    fn clean(&mut self, innocent: &Innocent, alarms: &[FalseAlarm]) {
        if alarms.is_empty() {
            let sign = self.paint.verdict(Verdict::Pass, "✓ clean   ");
            say!("{sign} seed {} with {} variants", innocent.seed, innocent.variants.len());
        }
        for alarm in alarms {
            let sign = self.paint.verdict(Verdict::Fail, "✗ alarm   ");
            let check = alarm.check.as_ref().map_or("the run", |check| check.as_str());
            say!("{sign} seed {} {check} {}: {}", alarm.seed, alarm.verdict, alarm.reason);
            say!("           variants: {}", alarm.variants.join(" "));
        }
    }
}
