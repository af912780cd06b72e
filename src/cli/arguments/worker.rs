//! The arguments of `worker`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

#[cfg(feature = "reference-server")]
use super::Altered;
use super::{ArrivalMode, Load, Reach, Work};
use crate::load::FASTEST;
use crate::model::{Flow, parse_duration};

#[derive(Debug, Args)]
pub(in crate::cli) struct Worker {
    /// A profile, or the address of a server that follows the documents to the letter.
    pub(in crate::cli) target: String,
    /// The Locust master that says how many users there are.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = master, required_unless_present = "print_locustfile")]
    pub(in crate::cli) locust_master: Option<String>,
    /// Prints the file that the master is started with, and ends.
    #[arg(long, conflicts_with_all = ["locust_master", "report"])]
    pub(in crate::cli) print_locustfile: bool,
    /// How long to wait for a master that is not there at the beginning.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    pub(in crate::cli) wait: Duration,
    /// How long to call a master whose connection broke.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub(in crate::cli) wait_again: Duration,
    /// The flow; without it the target's first one.
    #[arg(long, value_name = "FLOW")]
    pub(in crate::cli) flow: Option<Flow>,
    /// Users at most, each with a connection of its own.
    #[arg(long, short, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(in crate::cli) connections: u32,
    /// Requests a second of each user at most; without it each sends its next request when the last one is answered.
    #[arg(long, value_name = "N", value_parser = user_rate)]
    pub(in crate::cli) user_rate: Option<f64>,
    #[command(flatten)]
    pub(in crate::cli) work: Work,
    /// Worker threads; half of the processors without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(in crate::cli) workers: Option<u16>,
    /// Makes a new connection for each request.
    #[arg(long)]
    pub(in crate::cli) no_keep_alive: bool,
    /// The seed of random choices; one is made up and printed without it.
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seed: Option<u64>,
    /// Warnings count as findings.
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
    /// Answers scrapes of live metrics at this address, as for `load`.
    #[arg(long, value_name = "ADDR")]
    pub(in crate::cli) metrics: Option<SocketAddr>,
    /// Writes a report of each test of the master: `html=PATH`, `json=PATH`, `markdown=PATH`, `csv=PATH`; the second test writes
    /// PATH with `.2` before its ending, and so on. May be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(in crate::cli) report: Vec<String>,
}

impl Worker {
    /// The load run that this worker does when the master wants users.
    pub(in crate::cli) fn as_load(&self) -> Load {
        Load {
            target: Some(self.target.clone()),
            flow: self.flow,
            connections: self.connections,
            rate: None,
            stages: None,
            arrival: ArrivalMode::Constant,
            duration: None,
            requests: None,
            warm_up: Some(Duration::ZERO),
            work: self.work.clone(),
            scenario: None,
            threshold: Vec::new(),
            find_capacity: false,
            shard: None,
            start_at: None,
            workers: self.workers,
            calibrate: false,
            http2: false,
            no_keep_alive: self.no_keep_alive,
            seed: self.seed,
            strict: self.strict,
            reach: self.reach.clone(),
            metrics: self.metrics,
            #[cfg(feature = "reference-server")]
            altered: Altered::default(),
            report: self.report.clone(),
        }
    }
}

/// A host with a port; a Locust master listens at 5557 where it is not told otherwise.
fn master(text: &str) -> Result<String, String> {
    let wrong =
        |why: &str| format!("`{text}` is no address of a master: {why}; write 127.0.0.1:5557");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') || host.starts_with('[') => (host, port),
        _ => (text, "5557"),
    };
    match port.parse::<u16>() {
        _ if host.is_empty() || host.contains(['/', ' ']) => {
            Err(wrong("it has no host, or no plain one"))
        }
        Ok(port) if port > 0 => Ok(format!("{host}:{port}")),
        _ => Err(wrong(&format!("`{port}` is not a port"))),
    }
}

fn user_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= FASTEST);
    rate.ok_or_else(|| "a rate is a number above 0, such as 2 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_a_host_with_a_port() {
        for (text, wanted) in [
            ("127.0.0.1", Ok("127.0.0.1:5557")),
            ("master:6000", Ok("master:6000")),
            ("[::1]:5557", Ok("[::1]:5557")),
            ("master:0", Err("`0` is not a port")),
            ("master:x", Err("`x` is not a port")),
            (":5557", Err("no host")),
            ("http://master:5557", Err("no plain one")),
        ] {
            match (master(text), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted),
                (Err(got), Err(wanted)) => assert!(got.contains(wanted), "{got}"),
                (got, wanted) => panic!("{text}: {got:?} instead of {wanted:?}"),
            }
        }
    }
}
