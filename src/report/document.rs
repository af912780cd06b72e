//! A result as it comes back from a file.

use serde::Deserialize;
use serde_json::Value;

use super::format::Format;
use super::json::{LOAD_SCHEMA_VERSION, SCHEMA_VERSION};
use super::stream;
use crate::model::{CapacityReport, KillMatrix, LoadReport, Report};

/// The result of a job.
#[derive(Clone, Debug)]
pub enum Document {
    /// Of `check`, `fuzz` or `replay`.
    Run(Box<Report>),
    /// Of `load`.
    Load(Box<LoadReport>),
    /// Of `load --find-capacity`.
    Capacity(Box<CapacityReport>),
    /// Of `selftest`.
    SelfTest(Box<KillMatrix>),
}

impl Document {
    /// What it is, in words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Run(_) => "a run",
            Self::Load(_) => "a load run",
            Self::Capacity(_) => "a search for the capacity",
            Self::SelfTest(_) => "a self-test",
        }
    }

    /// What it can be written as later. The log of a load run is only written while it goes on.
    pub fn formats(&self) -> &'static [Format] {
        match self {
            Self::Run(_) => &Format::OF_RUNS,
            Self::Load(_) => &[Format::Csv, Format::Html, Format::Json, Format::Markdown],
            Self::Capacity(_) => &Format::OF_CAPACITY,
            Self::SelfTest(_) => &Format::OF_SELF_TEST,
        }
    }

    /// Reads a JSON report of any job, or a stream of events.
    ///
    /// # Errors
    /// A sentence that says what the text is instead, or where it ends too early.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err(
                "the file is empty: the run that should have written it did not end".to_owned()
            );
        }
        if text.starts_with("{\"event\":") {
            return stream::read(text).map(|report| Self::Run(Box::new(report)));
        }
        let envelope: Envelope = serde_json::from_str(text).map_err(|error| {
            if error.is_eof() {
                format!(
                    "the file ends in the middle (line {}): the run that wrote it did not end, or it was not copied as a whole",
                    error.line()
                )
            } else if error.is_syntax() {
                format!("not JSON: {error}")
            } else {
                not_ours()
            }
        })?;
        envelope.open()
    }
}

fn not_ours() -> String {
    "not a report of gatecrash; `report`, `replay` and `compare` read what `--report json=PATH` wrote".to_owned()
}

#[derive(Deserialize)]
struct Envelope {
    schema_version: Option<u32>,
    run: Option<Value>,
    load: Option<Value>,
    capacity: Option<Value>,
    selftest: Option<Value>,
}

impl Envelope {
    fn open(self) -> Result<Document, String> {
        let version = self.schema_version.ok_or_else(not_ours)?;
        let wanted = if self.load.is_some() { LOAD_SCHEMA_VERSION } else { SCHEMA_VERSION };
        if version != wanted {
            return Err(format!("its shape has version {version}; this program reads {wanted}"));
        }
        if let Some(run) = self.run {
            shape(run).map(|report| Document::Run(Box::new(report)))
        } else if let Some(load) = self.load {
            shape(load).map(|report| Document::Load(Box::new(report)))
        } else if let Some(capacity) = self.capacity {
            shape(capacity).map(|report| Document::Capacity(Box::new(report)))
        } else if let Some(matrix) = self.selftest {
            shape(matrix).map(|matrix| Document::SelfTest(Box::new(matrix)))
        } else {
            Err(not_ours())
        }
    }
}

fn shape<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value)
        .map_err(|error| format!("not the shape of a report of gatecrash: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_report_is_said_in_a_sentence() {
        for (text, said) in [
            ("", "is empty"),
            ("{\"schema_version\": 1, \"run\": {", "ends in the middle"),
            ("hello", "not JSON"),
            ("{\"a\": 1}", "not a report of gatecrash"),
            ("[1]", "not a report of gatecrash"),
            ("{\"schema_version\": 99, \"run\": {}}", "version 99; this program reads 1"),
            ("{\"schema_version\": 1, \"run\": {}}", "missing field `target`"),
            ("{\"schema_version\": 1}", "not a report of gatecrash"),
        ] {
            let error = Document::read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
