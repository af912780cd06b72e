//! The arguments of a load run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

#[cfg(feature = "reference-server")]
use super::Altered;
use super::Reach;
use crate::load::{FASTEST, Mix, Shard, Stage, StartAt, Threshold, parse_stages};
use crate::model::{Flow, parse_duration};

#[derive(Debug, Args)]
pub(in crate::cli) struct Load {
    /// A profile, or the address of a server that follows the documents to the letter. Without it: a reference server in a process of its own.
    pub(in crate::cli) target: Option<String>,
    /// The flow; without it the target's first one.
    #[arg(long, value_name = "FLOW")]
    pub(in crate::cli) flow: Option<Flow>,
    /// Connections. Without a rate each sends its next request when the last one is answered.
    #[arg(long, short, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(in crate::cli) connections: u32,
    /// Requests a second, whatever the answers do; response times then count from the due moment.
    #[arg(long, short, value_name = "N", value_parser = rate, conflicts_with = "stages")]
    pub(in crate::cli) rate: Option<f64>,
    /// Rates one after the other: `10s:1000,30s:5000`; `10s:0-1000` is a ramp.
    #[arg(long, value_name = "LIST", value_parser = stages, conflicts_with = "duration")]
    pub(in crate::cli) stages: Option<Stages>,
    /// How the requests of a rate are spread: `constant`, or `poisson` as independent clients come.
    #[arg(long, value_name = "HOW", default_value = "constant")]
    pub(in crate::cli) arrival: ArrivalMode,
    /// How long to measure; 10s when neither this nor a number of requests is given.
    #[arg(long, short, value_name = "TIME", value_parser = parse_duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// Sends at most so many requests; a scenario that was begun is ended.
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) requests: Option<u64>,
    /// Not measured at the beginning; 1s, or none with a number of requests.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(in crate::cli) warm_up: Option<Duration>,
    #[command(flatten)]
    pub(in crate::cli) work: Work,
    /// Each user goes through this scenario, a file or a shipped one's name, again and again; with a rate, so many begin
    /// it in a second.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workload", "tokens", "tokens_from", "popularity", "mix", "find_capacity", "calibrate", "http2", "no_keep_alive"])]
    pub(in crate::cli) scenario: Option<String>,
    /// What the run must keep to: `p99<5ms`, `service.p50<200us`, `wrong=0`, `errors=0`, `rate>20000`; may be repeated.
    #[arg(long, value_name = "BOUND")]
    pub(in crate::cli) threshold: Vec<Threshold>,
    /// Searches the highest rate that keeps the thresholds, from --rate or 1000 a second on; each rate is tried for the duration.
    #[arg(long, requires = "threshold", conflicts_with_all = ["stages", "requests"])]
    pub(in crate::cli) find_capacity: bool,
    /// Does one part of a run that several machines share: `2/8` is the second of eight. All are given the same arguments and the
    /// same seed; rates, connections, tokens and requests are those of the whole run. `gatecrash merge` puts the reports together.
    #[arg(long, value_name = "I/N", requires = "target", requires = "seed", conflicts_with_all = ["find_capacity", "calibrate", "scenario"])]
    pub(in crate::cli) shard: Option<Shard>,
    /// Begins at this moment, and not when everything is ready: `2026-01-31T12:00:00Z`, seconds since 1970, or `+30s`.
    #[arg(long, value_name = "TIME", conflicts_with = "find_capacity", allow_hyphen_values = true)]
    pub(in crate::cli) start_at: Option<StartAt>,
    /// Answers scrapes of live metrics at this address, as Prometheus makes them: http://ADDR/metrics, OpenMetrics text.
    #[arg(long, value_name = "ADDR", conflicts_with = "find_capacity")]
    pub(in crate::cli) metrics: Option<SocketAddr>,
    /// Worker threads; half of the processors without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(in crate::cli) workers: Option<u16>,
    /// Finds out first what the generator does at most on this machine, against a server that does nothing but answer.
    #[arg(long)]
    pub(in crate::cli) calibrate: bool,
    /// Speaks HTTP/2, over a common client: slower than HTTP/1.1, and said in the report.
    #[arg(long, conflicts_with = "no_keep_alive")]
    pub(in crate::cli) http2: bool,
    /// Makes a new connection for each request.
    #[arg(long)]
    pub(in crate::cli) no_keep_alive: bool,
    /// The seed of random choices; one is made up and printed without it.
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seed: Option<u64>,
    /// Warnings count as findings, and a run in which the generator was the bottleneck as inconclusive.
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
    #[cfg(feature = "reference-server")]
    #[command(flatten)]
    pub(in crate::cli) altered: Altered,
    /// Writes a report: `html=PATH`, `json=PATH`, `markdown=PATH`, `csv=PATH` with a line for each second, `hdr=PATH` as HdrHistogram
    /// logs are; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(in crate::cli) report: Vec<String>,
}

/// What users do, and with which tokens.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Work {
    /// What users do, one on each connection: `validate` tokens; `issue`: log in; `refresh`: exchange a refresh token for the next one;
    /// `revoke`: get a token, use it, revoke it and try it once more; `socket`: open a WebSocket with a token in the header;
    /// `socket-message`: with the token in the first message.
    #[arg(long, value_name = "WHAT", default_value = "validate")]
    pub(in crate::cli) workload: WorkloadMode,
    /// Valid tokens in rotation, each obtained through the flow.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(in crate::cli) tokens: u32,
    /// Takes the valid tokens from this file, one a line, for a server that hands out few.
    #[arg(long, value_name = "FILE", conflicts_with = "tokens")]
    pub(in crate::cli) tokens_from: Option<PathBuf>,
    /// How often each token is asked about: `uniform`, or `zipf` with few that are asked about most.
    #[arg(long, value_name = "HOW", default_value = "uniform")]
    pub(in crate::cli) popularity: PopularityMode,
    /// Kinds of tokens and their shares: valid, unknown, malformed, expired, revoked, other-environment, other-flow.
    #[arg(long, value_name = "LIST", default_value = "valid=100")]
    pub(in crate::cli) mix: Mix,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Compare {
    /// The JSON report of the earlier run.
    pub(in crate::cli) base: PathBuf,
    /// The JSON report of the later run.
    pub(in crate::cli) new: PathBuf,
    /// Writes two load runs side by side: `html=PATH`.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(in crate::cli) report: Vec<String>,
}

/// A list that is one argument.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Stages(pub(in crate::cli) Vec<Stage>);

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum ArrivalMode {
    Constant,
    Poisson,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum WorkloadMode {
    Validate,
    Issue,
    Refresh,
    Revoke,
    Socket,
    SocketMessage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum PopularityMode {
    Uniform,
    Zipf,
}

fn stages(text: &str) -> Result<Stages, String> {
    parse_stages(text).map(Stages)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= FASTEST);
    rate.ok_or_else(|| {
        format!("a rate is a number above 0 and up to {FASTEST}, such as 2000 or 0.5")
    })
}
