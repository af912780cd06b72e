//! Scenarios that were found: a folder or single files, read beside those that are shipped.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

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

/// The kind of failure that a scenario is about, and how many steps it takes to show it.
fn kind_of(text: &str) -> Option<(String, usize)> {
    let raw: Value = serde_yaml::from_str(text).ok()?;
    let flow = raw.get("scenario")?.as_str()?.split('/').next()?;
    let check = raw.get("checks")?.as_object()?.values().next()?;
    let kind = format!("{flow} {} {}", check.get("title")?, check.get("covers")?);
    Some((kind, raw.get("steps")?.as_array()?.len()))
}

/// Keeps a case in a folder, unless a shorter one of its kind is there; a longer one makes room.
pub(super) fn keep(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let Some((kind, steps)) = kind_of(text) else {
        return fs::write(folder.join(name), text);
    };
    let known = files(&[folder.to_owned()]).unwrap_or_default();
    for path in known.into_iter().filter(|path| !path.ends_with(name)) {
        let found = fs::read_to_string(&path).ok().and_then(|text| kind_of(&text));
        match found {
            Some((other, length)) if other == kind && length <= steps => return Ok(()),
            Some((other, _)) if other == kind => fs::remove_file(&path)?,
            _ => {}
        }
    }
    fs::write(folder.join(name), text)
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
