//! How a load run is done: what its arguments come to, and what its report says of that.

use std::thread::available_parallelism;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use ring::digest::{SHA256, digest};

use crate::cli::arguments::{ArrivalMode, Load};
use crate::cli::exit::UsageError;
use crate::engine::Connection;
use crate::load::{Arrival, LoadSettings, Model, Shard, Stage};
use crate::model::{Flow, LoadSetup};
use crate::target::Profile;

/// How a run is done, as its arguments say.
pub(in crate::cli::commands) fn settings(
    arguments: &Load,
    profile: &Profile,
    flow: Flow,
    seed: u64,
) -> anyhow::Result<LoadSettings> {
    let shard = arguments.shard.unwrap_or_default();
    let processors = available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = arguments.workers.map_or((processors / 2).max(1), usize::from);
    let connections = own_part(shard, arguments.connections)?;
    let counted = arguments.requests.is_some() && arguments.duration.is_none();
    let usual = if counted { Duration::ZERO } else { WARM_UP };
    let warm_up = arguments.warm_up.unwrap_or(usual);
    let model = model(arguments, counted);
    let (roots, transport) = Connection::way(profile);
    let now = SystemTime::now();
    let start_at = arguments.start_at.map(|at| at.moment(now)).transpose();
    let setup = setup(arguments, profile, flow, &model, warm_up);
    Ok(LoadSettings {
        target: profile.name.clone(),
        connections,
        workers: workers.min(connections),
        model,
        warm_up,
        requests: arguments.requests.map(|all| shard.part(all)),
        deadline: profile.limits.deadline,
        max_answer_bytes: profile.limits.max_answer_bytes,
        keep_alive: !arguments.no_keep_alive,
        transport,
        roots,
        seed,
        thresholds: arguments.threshold.clone(),
        calibrated: None,
        shard,
        ramped: None,
        start_at: start_at.map_err(UsageError)?,
        setup,
    })
}

const DURATION: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(1);

/// The connections of a shard.
fn own_part(shard: Shard, connections: u32) -> anyhow::Result<usize> {
    if connections < shard.of() {
        let message = format!(
            "{connections} connections cannot be divided among {} shards; ask for one each at least, with --connections",
            shard.of()
        );
        return Err(UsageError(message).into());
    }
    Ok(shard.part(u64::from(connections)) as usize)
}

/// Who decides when a request is sent: the schedule of the whole run, or each connection by itself.
fn model(arguments: &Load, counted: bool) -> Model {
    let arrival = match arguments.arrival {
        ArrivalMode::Constant => Arrival::Constant,
        ArrivalMode::Poisson => Arrival::Poisson,
    };
    let length = arguments.duration.unwrap_or(DURATION);
    match (&arguments.stages, arguments.rate, arguments.requests) {
        (Some(stages), ..) => Model::Open(stages.0.clone(), arrival),
        (None, Some(rate), Some(requests)) if counted => {
            // Half a request more, so that rounding does not lose the last one.
            let length = Duration::from_secs_f64((requests as f64 - 0.5) / rate);
            Model::Open(vec![Stage::steady(length, rate)], arrival)
        }
        (None, Some(rate), _) => Model::Open(vec![Stage::steady(length, rate)], arrival),
        (None, None, _) => Model::Closed((!counted).then_some(length)),
    }
}

/// What parts of one run have in common.
fn setup(
    arguments: &Load,
    profile: &Profile,
    flow: Flow,
    model: &Model,
    warm_up: Duration,
) -> LoadSetup {
    let word = |mode: Option<clap::builder::PossibleValue>| {
        mode.map(|value| value.get_name().to_owned()).unwrap_or_default()
    };
    let counted = arguments.requests.map(|all| format!(", {all} requests")).unwrap_or_default();
    let schedule = match model {
        Model::Closed(None) => "as fast as answers come".to_owned(),
        Model::Closed(Some(length)) => format!("as fast as answers come for {length:?}"),
        Model::Open(stages, _) => {
            let stage = |one: &Stage| match one.from == one.to {
                true => format!("{:?} at {}/s", one.length, one.from),
                false => format!("{:?} from {} to {}/s", one.length, one.from, one.to),
            };
            stages.iter().map(stage).collect::<Vec<_>>().join(", ")
        }
    };
    let version = if profile.transport.http2 { "HTTP/2" } else { "HTTP/1.1" };
    let kept = if arguments.no_keep_alive { "a connection for each request" } else { "kept" };
    LoadSetup {
        profile: fingerprint(profile, flow),
        workload: word(arguments.work.workload.to_possible_value()),
        mix: arguments.work.mix.to_string(),
        popularity: word(arguments.work.popularity.to_possible_value()),
        schedule: format!("{schedule}{counted}"),
        warm_up: format!("{warm_up:?}"),
        transport: format!("{version}, {kept}"),
        deadline: format!("{:?}", profile.limits.deadline),
    }
}

/// A fingerprint of what a profile says of a flow, without addresses and accounts.
fn fingerprint(profile: &Profile, flow: Flow) -> String {
    let said = profile.flows.get(&flow).map(|flow| {
        let decided = (&flow.choices, &flow.capabilities, &flow.lifetimes, &flow.constants);
        format!("{:?} {decided:?} {:?}", flow.environments, flow.operations)
    });
    let digest = digest(&SHA256, said.unwrap_or_default().as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
