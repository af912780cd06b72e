//! `gatecrash report`: what was written as JSON, in other formats.

use std::path::Path;

use crate::cli::arguments::Convert;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::sinks::Sinks;
use crate::model::KnownSecrets;
use crate::report::Document;

pub(in crate::cli) fn run(arguments: &Convert) -> anyhow::Result<Exit> {
    // The result is read before the files are opened: one of them may be this one.
    let document = read(&arguments.file)?;
    let mut sinks = Sinks::open(&arguments.to, document.formats())?
        .strict(arguments.strict)
        .referring_to(&arguments.file.display().to_string());
    sinks.write(&document, &KnownSecrets::default())?;
    Ok(Exit::Conformant)
}

/// A result of an earlier run.
pub(super) fn read(path: &Path) -> anyhow::Result<Document> {
    let wrong = |why: String| UsageError(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| wrong("not a report of gatecrash: it is no text".to_owned()))?;
    Document::read(&text).map_err(|why| wrong(why).into())
}
