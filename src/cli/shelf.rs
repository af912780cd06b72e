//! The scenario files: the copy in the binary, or a folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use include_dir::{Dir, include_dir};

use super::exit::UsageError;
use crate::model::Flow;
use crate::report::Paint;
use crate::source::{Diagnostic, SourceFile};
use crate::target::Library;

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// All YAML files of the shipped folder, or of another one.
pub(super) fn files(folder: Option<&Path>) -> anyhow::Result<Vec<Arc<SourceFile>>> {
    let mut files = Vec::new();
    match folder {
        Some(folder) => read_folder(folder, &mut files)?,
        None => read_shipped(&SHIPPED, &mut files),
    }
    if files.is_empty() {
        let folder =
            folder.map_or_else(|| "the binary".to_owned(), |folder| folder.display().to_string());
        return Err(UsageError(format!("there are no scenario files in {folder}")).into());
    }
    Ok(files)
}

/// Everything that the files say.
pub(super) fn library(folder: Option<&Path>, paint: Paint) -> anyhow::Result<Library> {
    Library::read(&files(folder)?).map_err(|list| mistakes(&list, paint).into())
}

/// Contracts and flow files alone, of one flow or of all.
pub(super) fn words(
    folder: Option<&Path>,
    flow: Option<Flow>,
    paint: Paint,
) -> anyhow::Result<Library> {
    Library::read_words(&files(folder)?, flow).map_err(|list| mistakes(&list, paint).into())
}

/// The profile of the reference server.
pub(super) fn reference_profile(folder: Option<&Path>) -> anyhow::Result<Arc<SourceFile>> {
    let files = files(folder)?;
    let found = files.into_iter().find(|file| file.name.ends_with("reference.yaml"));
    found.ok_or_else(|| UsageError("the scenarios folder has no reference.yaml".to_owned()).into())
}

/// Prints what is wrong with files, and makes the error that ends the program.
pub(super) fn mistakes(list: &[Diagnostic], paint: Paint) -> UsageError {
    for diagnostic in list {
        eprintln!("{}\n", diagnostic.render(paint.colour));
    }
    let noun = if list.len() == 1 { "mistake" } else { "mistakes" };
    UsageError(format!("{} {noun} in the files above", list.len()))
}

fn read_folder(folder: &Path, files: &mut Vec<Arc<SourceFile>>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| {
        UsageError(format!("the folder {} cannot be read: {error}", folder.display()))
    })?;
    for entry in entries {
        let path = entry.context("reading a folder")?.path();
        if path.is_dir() {
            read_folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(read_file(&path)?);
        }
    }
    Ok(())
}

/// Reads one file that the user named.
pub(super) fn read_file(path: &Path) -> anyhow::Result<Arc<SourceFile>> {
    let text = fs::read_to_string(path).map_err(|error| {
        UsageError(format!("the file {} cannot be read: {error}", path.display()))
    })?;
    Ok(SourceFile::new(path, text))
}

fn read_shipped(folder: &Dir<'_>, files: &mut Vec<Arc<SourceFile>>) {
    for file in folder.files() {
        let yaml = file.path().extension().is_some_and(|extension| extension == "yaml");
        if let Some(text) = file.contents_utf8().filter(|_| yaml) {
            files.push(SourceFile::new(Path::new("scenarios").join(file.path()), text));
        }
    }
    folder.dirs().for_each(|folder| read_shipped(folder, files));
}
