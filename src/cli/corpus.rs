//! Scenarios that were found: a folder or single files, read beside those that are shipped.

use std::fs;
use std::path::{Path, PathBuf};

use super::exit::UsageError;
use super::{World, shelf};
use crate::source::Diagnostic;
use crate::target::Library;

/// The files of a corpus: a file is itself, a folder its scenarios, in a fixed order.
pub(super) fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|error| {
            UsageError(format!("the folder {} cannot be read: {error}", path.display()))
        })?;
        let mut inside: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}

/// What could be read of a corpus.
#[derive(Debug, Default)]
pub(super) struct Corpus {
    /// The names of its scenarios.
    pub(super) names: Vec<String>,
    /// How many files could not be read: said already.
    pub(super) broken: usize,
}

/// Reads files into the library. What is wrong with one is said, and the others are read all the same.
pub(super) fn read(
    library: &mut Library,
    paths: &[PathBuf],
    world: World,
) -> anyhow::Result<Corpus> {
    let mut corpus = Corpus::default();
    for path in files(paths)? {
        let file = match shelf::read_file(&path) {
            Ok(file) => file,
            Err(error) => {
                eprintln!("error: {error:#}");
                corpus.broken += 1;
                continue;
            }
        };
        let before = library.scenarios.len();
        match library.add(&file) {
            Ok(()) => {
                corpus.names.extend(library.scenarios[before..].iter().map(|one| one.name.clone()));
            }
            Err(wrong) => {
                let wrong: Vec<Diagnostic> = wrong;
                drop(shelf::mistakes(&wrong, world.talk));
                corpus.broken += 1;
            }
        }
    }
    Ok(corpus)
}

/// Says before a run whether a folder can be written to.
pub(super) fn writable(folder: &Path) -> anyhow::Result<()> {
    let wrong = |error: std::io::Error| {
        UsageError(format!("{} cannot be written: {error}", folder.display()))
    };
    fs::create_dir_all(folder).map_err(wrong)?;
    let probe = folder.join(".gatecrash-can-write");
    fs::write(&probe, "").map_err(wrong)?;
    fs::remove_file(&probe).map_err(wrong)?;
    Ok(())
}
