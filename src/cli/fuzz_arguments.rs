//! The arguments of the commands that fuzz and replay.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

#[cfg(feature = "reference-server")]
use super::arguments::Altered;
use super::arguments::Reach;
use crate::model::{Flow, parse_duration};

#[derive(Debug, Args)]
pub(super) struct Fuzz {
    /// A profile, or the address of a server that follows the documents to the letter.
    pub(super) target: Option<String>,
    /// Only this flow; may be repeated.
    #[arg(long, value_name = "FLOW")]
    pub(super) flow: Vec<Flow>,
    /// Only this layer; may be repeated.
    #[arg(long, value_name = "LAYER")]
    pub(super) layer: Vec<Layer>,
    /// Ends after so many cases.
    #[arg(long, value_name = "N")]
    pub(super) cases: Option<u64>,
    /// Ends after so long; 60 s when neither `--cases` nor `--patience` is given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) time: Option<Duration>,
    /// Ends when so many cases in a row have shown no new kind of answer.
    #[arg(long, value_name = "N")]
    pub(super) patience: Option<u64>,
    /// The seed of every case; one is made up and printed without it.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Writes what is found into this folder, as scenarios that `check` and `replay` run, one for each kind of failure; runs
    /// those that are there first.
    #[arg(long, value_name = "DIR")]
    pub(super) corpus: Option<PathBuf>,
    /// Servers at once, where each worker has one of its own; as many as there are cores without it.
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Prints the requests of the first cases of each flow, and sends none.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Warnings count as findings.
    #[arg(long)]
    pub(super) strict: bool,
    #[cfg(feature = "reference-server")]
    #[command(flatten)]
    pub(super) altered: Altered,
    /// Writes a report, as `check` does: `json=PATH`, `html=PATH`; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(super) report: Vec<String>,
    /// Begins without looking first whether a verdict can be given (`gatecrash doctor`).
    #[arg(long)]
    pub(super) no_doctor: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// What a kind of case tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Layer {
    Bytes,
    Races,
    Sequences,
}

impl From<Layer> for crate::fuzz::Layer {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Bytes => Self::Bytes,
            Layer::Races => Self::Races,
            Layer::Sequences => Self::Sequences,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Scenarios that `fuzz` wrote, or one check of a JSON report: `run.json#BTN-END-02`.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The profile or the address of the server; without it the one of the report, or the embedded reference server.
    #[arg(long, value_name = "TARGET")]
    pub(super) target: Option<String>,
    /// The seed of random choices; one is made up and printed without it.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Warnings count as findings.
    #[arg(long)]
    pub(super) strict: bool,
    #[cfg(feature = "reference-server")]
    #[command(flatten)]
    pub(super) altered: Altered,
    /// Writes a report, as `check` does: `json=PATH`, `html=PATH`; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(super) report: Vec<String>,
    #[command(flatten)]
    pub(super) reach: Reach,
}
