//! The arguments of `merge`.

use std::path::PathBuf;

use clap::Args;

use crate::load::Threshold;

#[derive(Debug, Args)]
pub(in crate::cli) struct Merge {
    /// JSON reports of the parts of one run: of `load --shard`, or of `worker`.
    #[arg(required = true, num_args = 1..)]
    pub(in crate::cli) reports: Vec<PathBuf>,
    /// What the whole run must keep to, beside what its parts were given: `p99<5ms`, `wrong=0`; may be repeated.
    #[arg(long, value_name = "BOUND")]
    pub(in crate::cli) threshold: Vec<Threshold>,
    /// Warnings count as findings, and a run in which the generator was the bottleneck as inconclusive.
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    /// Writes a report: `html=PATH`, `json=PATH`, `markdown=PATH`, `csv=PATH` with a line for each second, `hdr=PATH` as HdrHistogram
    /// logs are; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(in crate::cli) report: Vec<String>,
}
