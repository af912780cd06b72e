//! A run as a stream of events, a line of JSON each, written while it goes on: what was found before a crash is on disk.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::json::{GENERATOR, Generator, SCHEMA_VERSION};
use super::text::write_line;
use crate::event::Event;
use crate::model::{
    CheckId, Finding, Flow, KnownSecrets, Origin, Report, RunVerdict, ScenarioRecord,
};

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    RunStarted {
        schema_version: u32,
        generator: Generator,
        target: &'a str,
        seed: u64,
        clock: &'a str,
        scenarios: usize,
        remarks: &'a [String],
        origin: Option<&'a Origin>,
    },
    ScenarioFinished {
        flow: Flow,
        name: &'a str,
        findings: &'a [Finding],
        record: Option<&'a ScenarioRecord>,
    },
    CaseFound {
        flow: Flow,
        name: &'a str,
        file: &'a str,
        text: &'a str,
    },
    CasesRun {
        cases: u64,
        steps: u64,
        cells: usize,
        found: usize,
        elapsed: Duration,
    },
    RunFinished {
        verdict: RunVerdict,
        proved: usize,
        run: &'a Report,
    },
}

/// Writes an event as one line, and nothing else: a reader may look at the file at any time.
///
/// # Errors
/// When it cannot be written.
pub fn write_event(
    event: &Event<'_>,
    origin: Option<&Origin>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let line = match event {
        Event::RunStarted { target, seed, clock, scenarios, remarks, .. } => Line::RunStarted {
            schema_version: SCHEMA_VERSION,
            generator: GENERATOR,
            target,
            seed: *seed,
            clock,
            scenarios: *scenarios,
            remarks,
            origin,
        },
        Event::ScenarioFinished { flow, name, findings, record } => {
            Line::ScenarioFinished { flow: *flow, name, findings, record: *record }
        }
        Event::CaseFound { flow, name, file, text } => {
            Line::CaseFound { flow: *flow, name, file, text }
        }
        Event::CasesRun { cases, steps, cells, found, elapsed } => Line::CasesRun {
            cases: *cases,
            steps: *steps,
            cells: *cells,
            found: *found,
            elapsed: *elapsed,
        },
        Event::RunFinished(report) => return finish(report, origin, out),
    };
    write_line(&line, out)?;
    out.flush()
}

/// The last line: the whole result but for what each scenario did, which has been said.
fn finish(report: &Report, origin: Option<&Origin>, out: &mut dyn io::Write) -> io::Result<()> {
    let run = Report {
        scenarios: Vec::new(),
        secrets: KnownSecrets::default(),
        origin: origin.or(report.origin.as_ref()).cloned(),
        ..report.clone()
    };
    let line = Line::RunFinished { verdict: report.verdict, proved: report.proved(), run: &run };
    write_line(&line, out)?;
    out.flush()
}

/// Writes a run that is over as the stream that it would have been.
pub(super) fn write_whole(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let started = Event::RunStarted {
        target: &report.target,
        seed: report.seed,
        clock: &report.clock,
        scenarios: report.scenarios.len(),
        flows: &[],
        remarks: &report.remarks,
    };
    write_event(&started, report.origin.as_ref(), out)?;
    for record in &report.scenarios {
        let of =
            |finding: &&Finding| finding.scenario == record.name && finding.flow == record.flow;
        let findings: Vec<Finding> = report.findings.iter().filter(of).cloned().collect();
        let (flow, name) = (record.flow, record.name.as_str());
        let event =
            Event::ScenarioFinished { flow, name, findings: &findings, record: Some(record) };
        write_event(&event, None, out)?;
    }
    finish(report, None, out)
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Heard {
    RunStarted {
        schema_version: u32,
        target: String,
        seed: u64,
        clock: String,
        remarks: Vec<String>,
        origin: Option<Origin>,
    },
    ScenarioFinished {
        findings: Vec<Finding>,
        record: Option<ScenarioRecord>,
    },
    RunFinished {
        run: Box<Report>,
    },
    #[serde(other)]
    Other,
}

/// Reads a stream, also one that breaks off: what was found until then is the result, marked as interrupted.
pub(super) fn read(text: &str) -> Result<Report, String> {
    let mut report: Option<Report> = None;
    let mut finished: Option<Report> = None;
    let mut findings: BTreeMap<CheckId, Finding> = BTreeMap::new();
    let mut records = Vec::new();
    let last = text.lines().count();
    for (at, line) in text.lines().enumerate() {
        let heard = match serde_json::from_str(line) {
            Ok(heard) => heard,
            // A crash cuts the last line.
            Err(_) if at + 1 == last && at > 0 => break,
            Err(error) => return Err(format!("line {} is not an event: {error}", at + 1)),
        };
        match heard {
            Heard::RunStarted { schema_version, target, seed, clock, remarks, origin } => {
                if schema_version != SCHEMA_VERSION {
                    return Err(format!(
                        "its shape has version {schema_version}; this program reads {SCHEMA_VERSION}"
                    ));
                }
                report = Some(begun(target, seed, clock, remarks, origin));
            }
            Heard::ScenarioFinished { findings: more, record } => {
                records.extend(record);
                for finding in more {
                    let standing = findings.get(&finding.check);
                    if standing.is_none_or(|standing| standing.verdict < finding.verdict) {
                        findings.insert(finding.check.clone(), finding);
                    }
                }
            }
            Heard::RunFinished { run } => finished = Some(*run),
            Heard::Other => {}
        }
    }
    if let Some(report) = finished {
        return Ok(Report { scenarios: records, ..report });
    }
    let mut report =
        report.ok_or("the stream has no beginning: its first line is not `run-started`")?;
    report.findings = findings.into_values().collect();
    report.verdict = Report::conclude(&report.findings, true);
    report.scenarios = records;
    Ok(report)
}

/// A run of which only the beginning is known.
fn begun(
    target: String,
    seed: u64,
    clock: String,
    mut remarks: Vec<String>,
    origin: Option<Origin>,
) -> Report {
    remarks.push("the run broke off: only what was found until then is here".to_owned());
    Report {
        target,
        remarks,
        seed,
        clock,
        verdict: RunVerdict::Inconclusive,
        interrupted: true,
        excluded: 0,
        findings: Vec::new(),
        clauses: BTreeMap::new(),
        catalogue: BTreeMap::new(),
        scenarios: Vec::new(),
        origin,
        started: 0,
        elapsed: Duration::ZERO,
        secrets: KnownSecrets::default(),
    }
}
