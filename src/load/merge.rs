//! Puts the reports of parts of a run together: what one generator with all of their connections would have reported.
//!
//! Durations are added as histograms, so percentiles are exactly those of one recorder that heard of every answer. Parts
//! that do not belong together are refused, with what differs; a part that is not there is said, and the result is INVALID.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::seconds::quantiles;
use super::threshold::Threshold;
use super::verdict;
use crate::model::{
    CaseReport, ComplaintReport, FailureReport, GeneratorReport, HistogramsReport, LoadReport,
    SecondReport, ShardReport, StartReport,
};
use crate::stats::Histogram;

/// Parts that began further apart than this, in seconds, did not run at the same time.
const FURTHEST_APART: f64 = 1.0;

/// Why reports are not put together.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct MergeError(String);

/// Puts reports together, each with the name that messages call it by.
///
/// # Errors
/// When they are no parts of one run; says what differs, and between which two.
pub fn merge(parts: &[(String, LoadReport)]) -> Result<LoadReport, MergeError> {
    let [(first_name, first), others @ ..] = parts else {
        return Err(MergeError("there is nothing to merge".to_owned()));
    };
    for (name, other) in others {
        agree((first_name, first), (name, other))?;
    }
    let missing = missing(parts)?;
    let began = parts.iter().filter_map(|(_, one)| one.start).map(|start| start.at);
    let (earliest, latest) =
        began.fold((f64::INFINITY, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)));
    let mut sum = Sum::default();
    for (name, part) in parts {
        let offset = part.start.map_or(0.0, |start| start.at - earliest);
        sum.add(part, offset).map_err(|why| MergeError(format!("{name}: {why}")))?;
    }
    let mut report = sum.report(first);
    report.start = first.start.map(|start| StartReport {
        at: earliest,
        skew: parts.iter().filter_map(|(_, one)| one.start?.skew).reduce(wider),
        ..start
    });
    for (name, part) in parts {
        let called = part.shard.map_or_else(|| name.clone(), |one| format!("shard {}", one.number));
        report.invalid.extend(part.invalid.iter().map(|why| format!("{called}: {why}")));
    }
    let own = verdict::invalid(&report);
    report.invalid.extend(own);
    report.invalid.extend(missing);
    if first.shard.is_some() && latest - earliest > FURTHEST_APART {
        report.invalid.push(format!(
            "the shards began up to {:.1} s apart: they did not run at the same time",
            latest - earliest
        ));
    }
    unique(&mut report.invalid);
    report.notes.insert(0, format!("{} reports put together", parts.len()));
    report.thresholds = thresholds(parts).iter().map(|one| one.hold(&report)).collect();
    Ok(report)
}

fn wider((low, high): (f64, f64), (other_low, other_high): (f64, f64)) -> (f64, f64) {
    (low.min(other_low), high.max(other_high))
}

/// The thresholds of all parts, each once.
fn thresholds(parts: &[(String, LoadReport)]) -> Vec<Threshold> {
    let all = parts.iter().flat_map(|(_, part)| &part.thresholds);
    let texts: BTreeSet<&str> = all.map(|one| one.threshold.as_str()).collect();
    texts.into_iter().filter_map(|text| text.parse().ok()).collect()
}

/// Whether two reports can be parts of one run.
fn agree(
    (name, one): (&str, &LoadReport),
    (other_name, other): (&str, &LoadReport),
) -> Result<(), MergeError> {
    let text = |what: &dyn ToString| what.to_string();
    let sharded = |one: &LoadReport| match one.shard {
        Some(shard) => format!("{} shards", shard.of),
        None => "no shards".to_owned(),
    };
    let mut pairs = vec![
        ("the target", text(&one.target), text(&other.target)),
        ("the flow", text(&one.flow), text(&other.flow)),
        ("the model", text(&one.model), text(&other.model)),
        ("the number of shards", sharded(one), sharded(other)),
    ];
    if one.shard.is_some() {
        // Shards draw from one stream; workers of a master each from their own.
        pairs.push(("the seed", text(&one.seed), text(&other.seed)));
    }
    let setups = one.setup.parts().into_iter().zip(other.setup.parts());
    pairs.extend(setups.map(|((what, one), (_, other))| (what, text(&one), text(&other))));
    for (what, one, other) in pairs {
        if one != other {
            let quoted = |text: &str| {
                if text.is_empty() { "not said".to_owned() } else { format!("`{text}`") }
            };
            let (one, other) = (quoted(&one), quoted(&other));
            return Err(MergeError(format!(
                "{name} and {other_name} are no parts of one run: {what} is {one} in the first and {other} in the second"
            )));
        }
    }
    Ok(())
}

/// Refuses a part that is there twice. What is to be said of parts that are not there.
fn missing(parts: &[(String, LoadReport)]) -> Result<Option<String>, MergeError> {
    let twice = |one: &str, other: &str, what: &str| {
        MergeError(format!("{one} and {other} are {what}; each part counts once"))
    };
    for (at, (name, part)) in parts.iter().enumerate() {
        for (earlier_name, earlier) in &parts[..at] {
            match (earlier.shard, part.shard) {
                (Some(one), Some(other)) if one.number == other.number => {
                    let what = format!("both shard {}/{}", one.number, one.of);
                    return Err(twice(earlier_name, name, &what));
                }
                _ if earlier == part => return Err(twice(earlier_name, name, "the same report")),
                _ => {}
            }
        }
    }
    let numbers: BTreeSet<u32> =
        parts.iter().filter_map(|(_, part)| Some(part.shard?.number)).collect();
    let Some(ShardReport { of, .. }) = parts[0].1.shard else { return Ok(None) };
    let lost: Vec<String> =
        (1..=of).filter(|one| !numbers.contains(one)).map(|one| one.to_string()).collect();
    let (word, list) = (if lost.len() == 1 { "shard" } else { "shards" }, lost.join(", "));
    Ok((!lost.is_empty())
        .then(|| format!("{word} {list} of {of} is missing: what it sent is not counted here")))
}

fn unique(lines: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
}

/// What was added up so far.
#[derive(Default)]
struct Sum {
    response: Histogram,
    service: Histogram,
    lateness: Histogram,
    seconds: BTreeMap<u64, (SecondReport, Histogram)>,
    elapsed: Duration,
    asked: Option<u64>,
    sent: u64,
    wrong: u64,
    connections: usize,
    bytes: (u64, u64),
    cases: Vec<CaseReport>,
    complaints: Vec<ComplaintReport>,
    failures: Vec<FailureReport>,
    generator: Option<GeneratorReport>,
    notes: Vec<String>,
    interrupted: bool,
}

impl Sum {
    /// Adds a part that began so many seconds behind the first.
    fn add(&mut self, part: &LoadReport, offset: f64) -> Result<(), String> {
        let response = Histogram::decode(&part.histograms.response)?;
        if response.count() != part.answers {
            return Err(format!(
                "it has {} answers and the times of {}: it was written by an earlier version, or changed",
                part.answers,
                response.count()
            ));
        }
        self.response.add(&response);
        self.service.add(&Histogram::decode(&part.histograms.service)?);
        self.lateness.add(&Histogram::decode(&part.histograms.lateness)?);
        self.add_seconds(part, offset)?;
        let behind = Duration::try_from_secs_f64(offset).unwrap_or_default();
        self.elapsed = self.elapsed.max(part.elapsed + behind);
        self.asked = match (self.generator, self.asked, part.asked) {
            (None, _, asked) => asked,
            (_, Some(sum), Some(asked)) => Some(sum + asked),
            _ => None,
        };
        self.sent += part.sent;
        self.wrong += part.wrong;
        self.connections += part.connections;
        self.bytes = (self.bytes.0 + part.bytes_sent, self.bytes.1 + part.bytes_received);
        for case in &part.cases {
            self.add_case(case)?;
        }
        part.complaints.iter().for_each(|one| self.add_complaint(one));
        part.failures.iter().for_each(|one| self.add_failure(one));
        self.generator = Some(match self.generator {
            None => part.generator,
            Some(sum) => together(sum, part.generator),
        });
        let own = |note: &&String| !note.starts_with("this is shard ");
        self.notes.extend(part.notes.iter().filter(own).cloned());
        self.interrupted |= part.interrupted;
        Ok(())
    }

    fn add_seconds(&mut self, part: &LoadReport, offset: f64) -> Result<(), String> {
        if part.timeline.len() != part.histograms.seconds.len() {
            return Err("its timeline has seconds without times: it was changed".to_owned());
        }
        for (second, text) in part.timeline.iter().zip(&part.histograms.seconds) {
            let times = Histogram::decode(text)?;
            let number = second.second + offset.round() as u64;
            let (sum, all) = self.seconds.entry(number).or_default();
            *sum = SecondReport {
                second: number,
                sent: sum.sent + second.sent,
                answers: sum.answers + second.answers,
                wrong: sum.wrong + second.wrong,
                failed: sum.failed + second.failed,
                latest: sum.latest.max(second.latest),
                ..*sum
            };
            all.add(&times);
        }
        Ok(())
    }

    fn add_case(&mut self, case: &CaseReport) -> Result<(), String> {
        let Some(sum) = self.cases.iter_mut().find(|one| one.name == case.name) else {
            self.cases.push(case.clone());
            return Ok(());
        };
        if sum.expected != case.expected {
            return Err(format!(
                "answers to `{}` had to be `{}` here and `{}` elsewhere",
                case.name, case.expected, sum.expected
            ));
        }
        sum.tokens += case.tokens;
        for (outcome, count) in &case.outcomes {
            *sum.outcomes.entry(outcome.clone()).or_default() += count;
        }
        Ok(())
    }

    fn add_complaint(&mut self, complaint: &ComplaintReport) {
        let same =
            |one: &&mut ComplaintReport| one.case == complaint.case && one.what == complaint.what;
        match self.complaints.iter_mut().find(same) {
            Some(sum) => {
                sum.count += complaint.count;
                sum.first = sum.first.min(complaint.first);
            }
            None => self.complaints.push(complaint.clone()),
        }
    }

    fn add_failure(&mut self, failure: &FailureReport) {
        match self.failures.iter_mut().find(|one| one.kind == failure.kind) {
            Some(sum) => sum.count += failure.count,
            None => self.failures.push(failure.clone()),
        }
    }

    /// The report of everything; what all parts have in common is taken from one of them.
    fn report(mut self, common: &LoadReport) -> LoadReport {
        let answers = self.response.count();
        let mut timeline = Vec::new();
        let mut seconds = Vec::new();
        for (second, times) in self.seconds.into_values() {
            timeline.push(SecondReport { response: quantiles(&times), ..second });
            seconds.push(times.encode());
        }
        let mut generator = self.generator.unwrap_or_default();
        generator.lateness = generator.lateness.map(|_| quantiles(&self.lateness));
        self.complaints.sort_by_key(|one| (!one.wrong, std::cmp::Reverse(one.count)));
        unique(&mut self.notes);
        let a_second = |count: u64| count as f64 / self.elapsed.as_secs_f64();
        LoadReport {
            connections: self.connections,
            asked: self.asked,
            elapsed: self.elapsed,
            sent: self.sent,
            answers,
            rate: if self.elapsed.is_zero() { 0.0 } else { a_second(answers) },
            wrong: self.wrong,
            response: quantiles(&self.response),
            service: quantiles(&self.service),
            cases: self.cases,
            complaints: self.complaints,
            failures: self.failures,
            bytes_sent: self.bytes.0,
            bytes_received: self.bytes.1,
            generator,
            timeline,
            thresholds: Vec::new(),
            invalid: Vec::new(),
            notes: self.notes,
            interrupted: self.interrupted,
            shard: None,
            histograms: HistogramsReport {
                response: self.response.encode(),
                service: self.service.encode(),
                lateness: self.lateness.encode(),
                seconds,
            },
            ..common.clone()
        }
    }
}

/// Two generators as one; its lateness is put together elsewhere.
fn together(one: GeneratorReport, other: GeneratorReport) -> GeneratorReport {
    GeneratorReport {
        workers: one.workers + other.workers,
        idle: one.idle.min(other.idle),
        judged: one.judged + other.judged,
        connects: one.connects + other.connects,
        calibrated: one.calibrated.zip(other.calibrated).map(|(one, other)| one + other),
        lateness: one.lateness.or(other.lateness),
    }
}

#[cfg(test)]
mod tests;
