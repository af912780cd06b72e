//! Where the tokens of a load run come from: the server's own flow, or a file.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use crate::cli::arguments::{Load, PopularityMode, WorkloadMode};
use crate::cli::exit::{TargetError, UsageError};
use crate::engine::Connection;
use crate::load::{
    Asked, FreshTokens, Ground, Mix, Popularity, PrepareError, Prepared, Shard, Workload,
};
use crate::model::Flow;
use crate::target::{Library, Profile};

/// Where tokens come from.
pub(in crate::cli::commands) struct Supply<'a> {
    library: Arc<Library>,
    profile: &'a Profile,
    flow: Flow,
    seed: u64,
    asked: Asked,
    connection: Connection,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Supply<'a> {
    pub(in crate::cli::commands) fn new(
        arguments: &'a Load,
        library: Arc<Library>,
        profile: &'a Profile,
        flow: Flow,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let asked = asked(arguments)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the runtime did not start")?;
        let connection = Connection::new(profile, false, Instant::now())?;
        Ok(Self { library, profile, flow, seed, asked, connection, runtime })
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            library: Arc::clone(&self.library),
            profile: self.profile,
            flow: self.flow,
            wires: Arc::clone(&self.connection.wires),
            hooks: &self.connection.hooks,
            clock: &self.connection.clock,
            seed: self.seed,
        }
    }

    pub(in crate::cli::commands) fn prepare(&self) -> anyhow::Result<Prepared> {
        let shows = io::stderr().is_terminal();
        let mut progress = |tokens: usize| {
            if shows {
                eprint!("\r{tokens} of {} tokens ", self.asked.tokens);
            }
        };
        let ground = self.ground();
        let prepared = self.runtime.block_on(ground.prepare(&self.asked, &mut progress));
        if shows {
            eprint!("\r\x1b[K");
        }
        prepared.map_err(|error| match error {
            PrepareError::Unsupported(why) => UsageError(why).into(),
            refused @ PrepareError::Refused { .. } => TargetError(refused.to_string()).into(),
        })
    }

    pub(in crate::cli::commands) fn renew(&self) -> Result<FreshTokens, PrepareError> {
        self.runtime.block_on(self.ground().renew(&self.asked))
    }
}

fn asked(arguments: &Load) -> anyhow::Result<Asked> {
    let shard = arguments.shard.unwrap_or_default();
    let given = match &arguments.work.tokens_from {
        Some(path) => own_tokens(tokens_of(path)?, shard),
        None => Vec::new(),
    };
    let workload = match arguments.work.workload {
        WorkloadMode::Validate => Workload::Validate,
        WorkloadMode::Issue => Workload::Issue,
        WorkloadMode::Refresh => Workload::Refresh,
        WorkloadMode::Revoke => Workload::Revoke,
        WorkloadMode::Socket => Workload::Socket,
        WorkloadMode::SocketMessage => Workload::SocketMessage,
    };
    let shared = arguments.work.mix != Mix::default() || !given.is_empty();
    if workload != Workload::Validate && shared {
        let message = "--mix and --tokens-from are for the workload `validate`";
        return Err(UsageError(message.to_owned()).into());
    }
    let single = [Workload::Validate, Workload::Issue, Workload::Refresh].contains(&workload);
    if !single && arguments.calibrate {
        let message =
            "--calibrate has one answer to all requests: for `validate`, `issue` and `refresh`";
        return Err(UsageError(message.to_owned()).into());
    }
    Ok(Asked {
        workload,
        users: shard.part(u64::from(arguments.connections)).max(1) as usize,
        given,
        tokens: shard.part(u64::from(arguments.work.tokens)).max(1) as usize,
        mix: arguments.work.mix.clone(),
        popularity: match arguments.work.popularity {
            PopularityMode::Uniform => Popularity::Uniform,
            PopularityMode::Zipf => Popularity::Zipf,
        },
        keep_alive: !arguments.no_keep_alive,
        among_others: !shard.is_whole(),
    })
}

/// The tokens of a shard: its part of them, or all where there are fewer than shards. No request of such a run uses a token
/// up, so that is allowed.
fn own_tokens(all: Vec<String>, shard: Shard) -> Vec<String> {
    if all.len() < shard.of() as usize { all } else { shard.counted_off(all).collect() }
}

/// The tokens in a file, one a line.
fn tokens_of(path: &Path) -> anyhow::Result<Vec<String>> {
    let wrong = |why: String| UsageError(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let tokens: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match tokens.is_empty() {
        true => Err(wrong("there are no tokens in it".to_owned()).into()),
        false => Ok(tokens),
    }
}
