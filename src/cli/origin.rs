//! How a run was started, for whoever wants to do it again.

use std::path::{Path, PathBuf};

use super::arguments::Reach;
use crate::model::Origin;

/// What all commands that run checks have in common.
pub(super) fn origin(
    command: &str,
    (target, reach): (Option<&String>, &Reach),
    corpus: &[PathBuf],
    scenarios: Option<&Path>,
) -> Origin {
    Origin {
        command: command.to_owned(),
        target: target.cloned(),
        reach: reach.words(),
        corpus: corpus.iter().map(|path| path.display().to_string()).collect(),
        scenarios: scenarios.map(|folder| folder.display().to_string()),
        ..Origin::default()
    }
}
