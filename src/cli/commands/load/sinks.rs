//! The files that a load run writes.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use crate::cli::exit::UsageError;
use crate::model::LoadReport;
use crate::report::{write_load_csv, write_load_json};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Csv,
    Hdr,
    Json,
}

pub(super) struct Sink {
    pub(super) format: Format,
    path: PathBuf,
    pub(super) out: BufWriter<File>,
}

/// Files that reports go to. They are opened before anything runs.
pub(super) struct Sinks(pub(super) Vec<Sink>);

impl Sinks {
    pub(super) fn open(reports: &[String]) -> anyhow::Result<Self> {
        let mut sinks: Vec<Sink> = Vec::new();
        for report in reports {
            let wrong = |message: String| anyhow::Error::from(UsageError(message));
            let (format, path) = report.split_once('=').ok_or_else(|| {
                wrong(format!("`{report}` is not a report; write json=PATH, csv=PATH or hdr=PATH"))
            })?;
            let format = match format {
                "csv" => Format::Csv,
                "hdr" => Format::Hdr,
                "json" => Format::Json,
                _ => {
                    return Err(wrong(format!(
                        "`{format}` is not a format; there are csv, hdr and json"
                    )));
                }
            };
            if format == Format::Hdr && sinks.iter().any(|sink| sink.format == format) {
                return Err(wrong("there can be one report hdr=PATH".to_owned()));
            }
            let file = File::create(path)
                .map_err(|error| wrong(format!("{path} cannot be written: {error}")))?;
            sinks.push(Sink { format, path: PathBuf::from(path), out: BufWriter::new(file) });
        }
        Ok(Self(sinks))
    }

    pub(super) fn write(&mut self, report: &LoadReport) -> io::Result<()> {
        for Sink { format, path, out } in &mut self.0 {
            let written = match format {
                Format::Csv => write_load_csv(report, out),
                Format::Json => write_load_json(report, out),
                Format::Hdr => Ok(()),
            };
            written.and_then(|()| out.flush()).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
        }
        Ok(())
    }
}
