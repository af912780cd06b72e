//! Which reports there are, and which of them a result can be written as.

use std::fmt;
use std::io;

use super::document::Document;
use super::{badge, har, html, json, junit, kill_matrix, load, markdown, sarif, stream, tap};

/// A kind of report.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Format {
    /// A line of JSON that shields.io draws as a badge.
    Badge,
    /// A line for each second of a load run.
    Csv,
    /// Every request that was kept, for browsers and proxies (HAR 1.2).
    Har,
    /// The log that tools for HdrHistogram read; written while a load run goes on.
    Hdr,
    /// A page for people.
    Html,
    /// Everything, for other programs and for `report`, `replay` and `compare`.
    Json,
    /// Test results as CI systems read them.
    Junit,
    /// The summary of a CI job.
    Markdown,
    /// Everything, a line for each event, written while the run goes on.
    Ndjson,
    /// Results of an analysis as code hosts show them (SARIF 2.1.0).
    Sarif,
    /// The Test Anything Protocol, version 14.
    Tap,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Badge,
        Self::Csv,
        Self::Har,
        Self::Hdr,
        Self::Html,
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Ndjson,
        Self::Sarif,
        Self::Tap,
    ];

    /// Those of a conformance run or a fuzz run.
    pub const OF_RUNS: [Self; 9] = [
        Self::Badge,
        Self::Har,
        Self::Html,
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Ndjson,
        Self::Sarif,
        Self::Tap,
    ];

    /// Those of a load run.
    pub const OF_LOAD: [Self; 5] = [Self::Csv, Self::Hdr, Self::Html, Self::Json, Self::Markdown];

    /// Those of a search for the capacity.
    pub const OF_CAPACITY: [Self; 3] = [Self::Csv, Self::Html, Self::Json];

    /// Those of a self-test.
    pub const OF_SELF_TEST: [Self; 3] = [Self::Html, Self::Json, Self::Markdown];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Badge => "badge",
            Self::Csv => "csv",
            Self::Har => "har",
            Self::Hdr => "hdr",
            Self::Html => "html",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Ndjson => "ndjson",
            Self::Sarif => "sarif",
            Self::Tap => "tap",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a report says beyond the result.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Warnings count as findings.
    pub strict: bool,
    /// The JSON report of the same result: `replay` takes a check from it.
    pub json: String,
}

impl Default for Manner {
    fn default() -> Self {
        Self { strict: false, json: "run.json".to_owned() }
    }
}

/// Writes a result in a format.
///
/// # Errors
/// When it cannot be written, or there is no such report of such a result.
pub fn write_report(
    document: &Document,
    format: Format,
    manner: &Manner,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match (document, format) {
        (_, Format::Json) => json::write(document, out),
        (Document::Run(report), Format::Badge) => badge::write(report, manner.strict, out),
        (Document::Run(report), Format::Har) => har::write(report, out),
        (Document::Run(report), Format::Html) => html::write_run(report, manner, out),
        (Document::Run(report), Format::Junit) => junit::write_junit(report, manner.strict, out),
        (Document::Run(report), Format::Markdown) => markdown::write_run(report, manner, out),
        (Document::Run(report), Format::Ndjson) => stream::write_whole(report, out),
        (Document::Run(report), Format::Sarif) => sarif::write(report, manner, out),
        (Document::Run(report), Format::Tap) => tap::write(report, manner.strict, out),
        (Document::Load(report), Format::Csv) => load::write_load_csv(report, out),
        (Document::Load(report), Format::Html) => html::write_load(report, out),
        (Document::Load(report), Format::Markdown) => markdown::write_load(report, out),
        (Document::Capacity(report), Format::Csv) => load::write_capacity_csv(report, out),
        (Document::Capacity(report), Format::Html) => html::write_capacity(report, out),
        (Document::SelfTest(matrix), Format::Html) => html::write_self_test(matrix, out),
        (Document::SelfTest(matrix), Format::Markdown) => {
            kill_matrix::write_kill_matrix(matrix, out)
        }
        (document, format) => Err(io::Error::other(format!(
            "there is no {format} report of {}; there are {}",
            document.kind(),
            names(document.formats())
        ))),
    }
}

/// Names of formats, as a sentence lists them.
pub fn names(formats: &[Format]) -> String {
    formats.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}
