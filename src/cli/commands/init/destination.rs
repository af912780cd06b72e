//! Where the profile goes. What would be in the way is said before anything is asked.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::Output;
use crate::cli::exit::UsageError;

/// A file, or standard output.
#[derive(Debug)]
pub(super) struct Destination {
    /// None for standard output.
    path: Option<PathBuf>,
    replaces: bool,
}

impl Destination {
    /// Makes sure that the file can be written, and leaves nothing behind.
    pub(super) fn find(path: &Path, force: bool) -> Result<Self, UsageError> {
        if path.as_os_str() == "-" {
            return Ok(Self { path: None, replaces: false });
        }
        let replaces = match fs::symlink_metadata(path) {
            Ok(_) if !force => return Err(exists(path)),
            // Opening a pipe would wait for a reader.
            Ok(_) if !fs::metadata(path).is_ok_and(|there| there.is_file()) => {
                let message = format!("{} is no file; `-` is standard output", path.display());
                return Err(UsageError(message));
            }
            Ok(_) => true,
            Err(_) => false,
        };
        let mut options = OpenOptions::new();
        options.append(true).create_new(!replaces);
        options.open(path).map_err(|error| unwritable(path, &error))?;
        if !replaces {
            fs::remove_file(path).map_err(|error| unwritable(path, &error))?;
        }
        Ok(Self { path: Some(path.to_owned()), replaces })
    }

    pub(super) fn is_standard_output(&self) -> bool {
        self.path.is_none()
    }

    pub(super) fn write(&self, text: &str) -> Result<(), UsageError> {
        let Some(path) = &self.path else {
            return Output
                .write_all(text.as_bytes())
                .map_err(|error| unwritable(Path::new("standard output"), &error));
        };
        let mut options = OpenOptions::new();
        options.write(true).truncate(self.replaces).create_new(!self.replaces);
        let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(path),
            _ => unwritable(path, &error),
        })
    }
}

fn exists(path: &Path) -> UsageError {
    UsageError(format!("{} is there already; --force replaces it", path.display()))
}

fn unwritable(path: &Path, error: &std::io::Error) -> UsageError {
    UsageError(format!("{} cannot be written: {error}", path.display()))
}
