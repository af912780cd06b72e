//! A run as one JSON document.

use std::io;

use serde::Serialize;

use crate::model::{Counts, LoadReport, Report};

/// The version of the document's shape; it changes when a reader could be misled.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    generator: Generator,
    proved: usize,
    counts: Counts,
    #[serde(rename = "run")]
    report: &'a Report,
}

#[derive(Serialize)]
struct Generator {
    name: &'static str,
    version: &'static str,
}

/// Writes a report as JSON.
///
/// # Errors
/// When it cannot be written.
pub fn write_json(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        generator: Generator { name: "gatecrash", version: env!("CARGO_PKG_VERSION") },
        proved: report.proved(),
        counts: report.counts(),
        report,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// The version of the shape of a load run's document; it changes when a reader could be misled.
pub const LOAD_SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct LoadDocument<'a> {
    schema_version: u32,
    generator: Generator,
    load: &'a LoadReport,
}

/// Writes a load run as JSON.
///
/// # Errors
/// When it cannot be written.
pub fn write_load_json(report: &LoadReport, out: &mut dyn io::Write) -> io::Result<()> {
    let document = LoadDocument {
        schema_version: LOAD_SCHEMA_VERSION,
        generator: Generator { name: "gatecrash", version: env!("CARGO_PKG_VERSION") },
        load: report,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
