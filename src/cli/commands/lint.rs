//! `gatecrash lint`.

use std::path::Path;
use std::sync::Arc;

use crate::cli::arguments::Lint;
use crate::cli::exit::Exit;
use crate::cli::{World, shelf, target};
use crate::model::Flow;
use crate::source::{Diagnostic, SourceFile};
use crate::target::{Library, Profile};

pub(in crate::cli) fn run(
    arguments: &Lint,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let shipped = shelf::files(scenarios)?;
    let mut profiles = Vec::new();
    let mut shared = Vec::new();
    for path in &arguments.files {
        let file = shelf::read_file(path)?;
        match Kind::of(&file) {
            Kind::Profile => profiles.push(file),
            Kind::Shared(place) => shared.push((place, file)),
        }
    }
    let mut wrong = lint_shared(&shipped, &shared);
    if !profiles.is_empty() {
        let library = shelf::library(scenarios, world.talk)?;
        for file in &profiles {
            let parsed = Profile::parse(file, &library, &target::resolve_public);
            wrong.extend(parsed.err().into_iter().flatten());
        }
    }
    if wrong.is_empty() {
        say!("{} files, nothing wrong", arguments.files.len());
        return Ok(Exit::Conformant);
    }
    Err(shelf::mistakes(&wrong, world.talk).into())
}

enum Kind {
    Profile,
    /// A contract, a flow file or a scenario, with its place in the scenarios folder.
    Shared(String),
}

impl Kind {
    fn of(file: &SourceFile) -> Self {
        let value = |key: &str| {
            let line = file.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.map(|rest| rest.trim().trim_matches(['"', '\'']).to_owned())
        };
        let name = Path::new(&file.name)
            .file_name()
            .map_or(String::new(), |name| name.to_string_lossy().into_owned());
        if let Some(scenario) = value("scenario") {
            let folder = scenario.split('/').next().unwrap_or_default();
            let folder = folder.parse::<Flow>().unwrap_or(Flow::Common);
            return Self::Shared(format!("{folder}/{name}"));
        }
        if let Some(flow) = value("attacks") {
            return Self::Shared(format!("{flow}/vectors.yaml"));
        }
        match (value("contract"), value("flow")) {
            (Some(flow), _) => Self::Shared(format!("{flow}/contract.yaml")),
            (None, Some(flow)) => Self::Shared(format!("{flow}/flow.yaml")),
            (None, None) => Self::Profile,
        }
    }
}

/// Reads the shipped files with the given ones in their places, and keeps what is wrong with those.
fn lint_shared(
    shipped: &[Arc<SourceFile>],
    given: &[(String, Arc<SourceFile>)],
) -> Vec<Diagnostic> {
    if given.is_empty() {
        return Vec::new();
    }
    let replaced = |file: &SourceFile| {
        given.iter().any(|(place, _)| file.name.ends_with(&format!("/{place}")))
    };
    let mut files: Vec<Arc<SourceFile>> =
        shipped.iter().filter(|file| !replaced(file)).cloned().collect();
    // The place in the folder says what a file is; its own name is what a person must find.
    let mut names = Vec::new();
    for (place, file) in given {
        let placed = format!("given/{place}");
        names.push((placed.clone(), Arc::clone(file)));
        files.push(SourceFile::new(&placed, file.text.clone()));
    }
    let list = Library::read(&files).err().unwrap_or_default();
    list.into_iter()
        .filter_map(|mut diagnostic| {
            let (_, file) = names.iter().find(|(placed, _)| *placed == diagnostic.file.name)?;
            diagnostic.file = Arc::clone(file);
            Some(diagnostic)
        })
        .collect()
}
