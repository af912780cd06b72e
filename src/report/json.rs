//! A result as one JSON document: everything that there is, in an envelope that says which shape it has.

use std::io;

use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde_json::Value;

use super::document::Document;
use super::text::write_pretty;
use crate::model::{CapacityReport, Counts, KillMatrix, LoadReport, Report};

/// The version of the document's shape; it changes when a reader could be misled, and not when something is added.
pub const SCHEMA_VERSION: u32 = 1;

/// The version of the shape of a load run's document; it changes when a reader could be misled.
pub const LOAD_SCHEMA_VERSION: u32 = 1;

/// The report of a run of `check`, `fuzz` or `replay`.
#[derive(JsonSchema, Serialize)]
struct RunDocument<'a> {
    /// The version of this shape.
    schema_version: u32,
    /// What wrote it.
    generator: Generator,
    /// How many clauses were proved.
    proved: usize,
    /// How often each verdict was given.
    counts: Counts,
    /// The run.
    #[serde(rename = "run")]
    report: &'a Report,
}

/// The report of a run of `load`.
#[derive(JsonSchema, Serialize)]
struct LoadDocument<'a> {
    /// The version of this shape.
    schema_version: u32,
    /// What wrote it.
    generator: Generator,
    /// The run.
    load: &'a LoadReport,
}

/// The report of `load --find-capacity`.
#[derive(JsonSchema, Serialize)]
struct CapacityDocument<'a> {
    /// The version of this shape.
    schema_version: u32,
    /// What wrote it.
    generator: Generator,
    /// The search.
    capacity: &'a CapacityReport,
}

/// The report of `selftest`.
#[derive(JsonSchema, Serialize)]
struct SelfTestDocument<'a> {
    /// The version of this shape.
    schema_version: u32,
    /// What wrote it.
    generator: Generator,
    /// The kill matrix.
    selftest: &'a KillMatrix,
}

/// The program that wrote a report.
#[derive(Clone, Copy, JsonSchema, Serialize)]
pub(super) struct Generator {
    /// Its name.
    name: &'static str,
    /// Its version.
    version: &'static str,
}

/// This program.
pub(super) const GENERATOR: Generator =
    Generator { name: "gatecrash", version: env!("CARGO_PKG_VERSION") };

/// Writes a result as JSON.
pub(super) fn write(document: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let (schema_version, generator) = (SCHEMA_VERSION, GENERATOR);
    match document {
        Document::Run(report) => {
            let (proved, counts) = (report.proved(), report.counts());
            write_pretty(&RunDocument { schema_version, generator, proved, counts, report }, out)
        }
        Document::Load(load) => {
            let schema_version = LOAD_SCHEMA_VERSION;
            write_pretty(&LoadDocument { schema_version, generator, load }, out)
        }
        Document::Capacity(capacity) => {
            write_pretty(&CapacityDocument { schema_version, generator, capacity }, out)
        }
        Document::SelfTest(selftest) => {
            write_pretty(&SelfTestDocument { schema_version, generator, selftest }, out)
        }
    }
}

/// The JSON Schema of the report of a run.
pub fn run_schema() -> Value {
    schema_for!(RunDocument<'_>).to_value()
}

/// The JSON Schema of the report of a load run.
pub fn load_schema() -> Value {
    schema_for!(LoadDocument<'_>).to_value()
}
