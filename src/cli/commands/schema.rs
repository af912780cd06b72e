//! `gatecrash schema`.

use anyhow::Context as _;
use schemars::schema_for;
use serde::Serialize;

use crate::cli::arguments::{Schema, SchemaKind};
use crate::cli::exit::Exit;
use crate::contract::raw::RawContract;
use crate::report::{load_schema, run_schema};
use crate::scenario::raw::RawScenario;
use crate::scenario::vector::RawVectors;
use crate::target::raw::{RawFlow, RawProfile};

pub(in crate::cli) fn run(arguments: &Schema) -> anyhow::Result<Exit> {
    if let Some(folder) = &arguments.write {
        let kinds = [
            (SchemaKind::Contract, "contract"),
            (SchemaKind::Flow, "flow"),
            (SchemaKind::Profile, "profile"),
            (SchemaKind::Scenario, "scenario"),
            (SchemaKind::Vectors, "vectors"),
        ];
        for (kind, name) in kinds {
            let path = folder.join(format!("{name}.schema.json"));
            let text = format!("{}\n", schema(kind)?);
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    if let Some(kind) = arguments.kind {
        say!("{}", schema(kind)?);
    }
    Ok(Exit::Conformant)
}

fn schema(kind: SchemaKind) -> anyhow::Result<String> {
    let schema = match kind {
        SchemaKind::Contract => schema_for!(RawContract),
        SchemaKind::Flow => schema_for!(RawFlow),
        SchemaKind::LoadReport => return pretty(&load_schema()),
        SchemaKind::Report => return pretty(&run_schema()),
        SchemaKind::Profile => schema_for!(RawProfile),
        SchemaKind::Scenario => schema_for!(RawScenario),
        SchemaKind::Vectors => schema_for!(RawVectors),
    };
    pretty(&schema)
}

fn pretty(schema: &impl Serialize) -> anyhow::Result<String> {
    serde_json::to_string_pretty(schema).context("a schema is JSON")
}
