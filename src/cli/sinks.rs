//! The files that reports go to. They are opened before anything runs: a path that cannot be written is said at once,
//! not after the run.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use super::exit::UsageError;
use crate::event::{Event, Observer};
use crate::model::{KnownSecrets, Origin, Report};
use crate::report::{Document, Format, Manner, names, write_event, write_report};

/// One file.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) format: Format,
    path: PathBuf,
    pub(super) file: File,
}

/// The files of a run.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    pub(super) files: Vec<Sink>,
    /// How the run is started, for whoever wants to do it again.
    pub(super) origin: Option<Origin>,
    manner: Manner,
}

impl Sinks {
    /// Opens what `--report` names, where these formats are to be had.
    pub(super) fn open(reports: &[String], offered: &[Format]) -> anyhow::Result<Self> {
        let mut files: Vec<Sink> = Vec::new();
        let mut paths = BTreeSet::new();
        let mut manner = Manner::default();
        for report in reports {
            let wrong = |message: String| anyhow::Error::from(UsageError(message));
            let Some((format, path)) = report.split_once('=') else {
                let message = format!(
                    "`{report}` is not a report; write FORMAT=PATH with one of {}",
                    names(offered)
                );
                return Err(wrong(message));
            };
            let Some(format) = offered.iter().copied().find(|one| one.name() == format) else {
                let here = Format::ALL.iter().any(|one| one.name() == format);
                let why = if here { "no format of this command" } else { "not a format" };
                return Err(wrong(format!("`{format}` is {why}; there are {}", names(offered))));
            };
            if !paths.insert(path) {
                return Err(wrong(format!("two reports would be written to {path}")));
            }
            if format == Format::Json {
                path.clone_into(&mut manner.json);
            }
            let mut options = File::options();
            let file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(path)
                // A device or a pipe cannot be read back, but it can be written.
                .or_else(|_| File::create(path))
                .map_err(|error| wrong(format!("{path} cannot be written: {error}")))?;
            files.push(Sink { format, path: PathBuf::from(path), file });
        }
        Ok(Self { files, origin: None, manner })
    }

    /// The same for a run that counts warnings as findings.
    pub(super) fn strict(mut self, strict: bool) -> Self {
        self.manner.strict = strict;
        self
    }

    /// The JSON report that other reports refer to, where it is not one of these.
    pub(super) fn referring_to(mut self, json: &str) -> Self {
        if !self.files.iter().any(|sink| sink.format == Format::Json) {
            json.clone_into(&mut self.manner.json);
        }
        self
    }

    /// The same with how the run is started.
    pub(super) fn of(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Writes every report of a result that is not written as it comes.
    pub(super) fn write(&mut self, document: &Document, secrets: &KnownSecrets) -> io::Result<()> {
        for sink in &mut self.files {
            let live = sink.format == Format::Hdr;
            if !live {
                sink.write(document, &self.manner, secrets).map_err(|error| sink.at(&error))?;
            }
        }
        Ok(())
    }

    fn streams(&mut self) -> impl Iterator<Item = &mut Sink> {
        self.files.iter_mut().filter(|sink| sink.format == Format::Ndjson)
    }

    fn finish(&mut self, report: &Report) -> io::Result<()> {
        let origin = self.origin.clone().or_else(|| report.origin.clone());
        let mut report = report.clone();
        report.origin = origin;
        let secrets = std::mem::take(&mut report.secrets);
        for sink in self.streams() {
            sink.cleanse(&secrets).map_err(|error| sink.at(&error))?;
        }
        let document = Document::Run(Box::new(report));
        let manner = self.manner.clone();
        for sink in self.files.iter_mut().filter(|sink| sink.format != Format::Ndjson) {
            sink.write(&document, &manner, &secrets).map_err(|error| sink.at(&error))?;
        }
        Ok(())
    }
}

impl Observer for Sinks {
    fn hear(&mut self, event: &Event<'_>) -> io::Result<()> {
        let origin = self.origin.clone();
        for sink in self.streams() {
            // Buffered for one event: a reader never sees half a line for long.
            let mut line = BufWriter::new(&mut sink.file);
            let written =
                write_event(event, origin.as_ref(), &mut line).and_then(|()| line.flush());
            drop(line);
            written.map_err(|error| sink.at(&error))?;
        }
        match event {
            Event::RunFinished(report) => self.finish(report),
            _ => Ok(()),
        }
    }

    fn wants_records(&self) -> bool {
        use Format::{Har, Html, Json, Ndjson};
        self.files.iter().any(|sink| matches!(sink.format, Har | Html | Json | Ndjson))
    }
}

impl Sink {
    fn at(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }

    fn write(
        &mut self,
        document: &Document,
        manner: &Manner,
        secrets: &KnownSecrets,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        write_report(document, self.format, manner, &mut text)?;
        withhold(secrets, &text)?;
        self.file.write_all(&text)?;
        self.file.flush()
    }

    /// Takes out of a stream what turned out to be a secret only after it was written.
    fn cleanse(&mut self, secrets: &KnownSecrets) -> io::Result<()> {
        let mut text = String::new();
        // A pipe cannot be taken back.
        if self.file.rewind().is_err() || self.file.read_to_string(&mut text).is_err() {
            return Ok(());
        }
        let book = secrets.book_of(text.as_bytes());
        if book.is_empty() {
            return Ok(());
        }
        let clean = book.redact(&text);
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(clean.as_bytes())?;
        withhold(secrets, clean.as_bytes())
    }
}

/// A report that would show a secret is not written: redaction has a hole then, and a file lasts.
fn withhold(secrets: &KnownSecrets, text: &[u8]) -> io::Result<()> {
    match secrets.found_in(text) {
        None => Ok(()),
        Some(name) => Err(io::Error::other(format!(
            "the report would show the secret `${{{name}}}` and is not written; please report this as a mistake of gatecrash"
        ))),
    }
}
