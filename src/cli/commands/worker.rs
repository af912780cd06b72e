//! `gatecrash worker`.

mod crew;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use self::crew::Users;
use super::load::{Aim, Supply, choose_flow, files_suffice, random_seed, settings, watched};
use crate::cli::arguments::{Load, Worker};
use crate::cli::exit::{Exit, TargetError, UsageError};
use crate::cli::{World, shelf};
use crate::load::{LoadSettings, Model, Pace};
use crate::locust::{Ended, Patience, Session, ZeroMq, class_of, locustfile};

/// A master that says nothing for so long is gone, although its connection stands; it says something each second.
const SILENT: Duration = Duration::from_secs(60);

pub(in crate::cli) fn run(
    arguments: &Worker,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let load = arguments.as_load();
    let only = load.flow.filter(|_| !load.work.mix.needs_other_flow());
    let library = Arc::new(shelf::words(scenarios, only, world.talk)?);
    let aim = Aim::find(&load, &library, scenarios, world)?;
    let flow = choose_flow(&load, &aim.profile)?;
    if arguments.print_locustfile {
        let address = aim.profile.flows.get(&flow).map_or("", |flow| &flow.base_url);
        say!("{}", locustfile(flow, &aim.profile.name, address).trim_end());
        return Ok(Exit::Conformant);
    }
    files_suffice(&load)?;
    if aim.profile.transport.http2 {
        let message = "a worker speaks HTTP/1.1: its users have connections of the generator's own, and HTTP/2 is spoken by a common client";
        return Err(UsageError(message.to_owned()).into());
    }
    // A path that cannot be written is said now, and not after the first test.
    drop(crew::sinks(&load.report, 1)?);
    let address = arguments.locust_master.as_deref().context("clap asks for a master")?;
    let seed = random_seed(&load)?;
    let settings = ramped(settings(&load, &aim.profile, flow, seed)?, arguments.user_rate);
    let supply = Supply::new(&load, library, &aim.profile, flow, seed)?;
    let prepared = supply.prepare()?;
    let supply = Some(supply).filter(|_| prepared.expires());
    let metrics = watched::open(arguments.metrics, flow, &settings.target, 0)?;
    let node = node_name(seed)?;
    eprintln!(
        "gatecrash {}  worker {node}  {flow}  target {}  master {address}  seed {seed}",
        env!("CARGO_PKG_VERSION"),
        settings.target
    );
    let ground = crew::Ground { prepared: &prepared, supply: supply.as_ref(), metrics };
    let patience = Patience {
        absent: arguments.wait,
        gone: arguments.wait_again,
        silent: SILENT,
        answers: settings.deadline,
    };
    let (ended, exit) = serve(ground, settings, (&aim, &load, world), (address, &node), patience)?;
    match ended {
        Ended::Over => Ok(exit),
        Ended::Absent(why) => Err(TargetError(format!(
            "no Locust master at {address}: {why}; waited {:?}, see --wait",
            arguments.wait
        ))
        .into()),
        Ended::OtherVersion(why) => Err(TargetError(why).into()),
        Ended::Gone(why) => {
            eprintln!("the master at {address} left in the middle and did not come back: {why}");
            Ok(Exit::Inconclusive)
        }
    }
}

/// The same run with users who come and go.
fn ramped(mut settings: LoadSettings, user_rate: Option<f64>) -> LoadSettings {
    settings.ramped = Some(Pace(user_rate));
    settings.model = Model::Closed(None);
    settings.setup.schedule = match user_rate {
        Some(rate) => format!("as a master says, up to {rate}/s for each user"),
        None => "as a master says".to_owned(),
    };
    settings
}

/// Does what the master at an address says, until one of both has had enough; also what the tests came to.
fn serve(
    ground: crew::Ground<'_>,
    settings: LoadSettings,
    told: (&Aim, &Load, World),
    (address, node): (&str, &str),
    patience: Patience,
) -> anyhow::Result<(Ended, Exit)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    let users = (class_of(ground.prepared.flow()), settings.connections);
    let ended = thread::scope(|scope| {
        let mut crew = Users::new(scope, ground, settings, told);
        let mut link = ZeroMq::new(address, node);
        let session = Session::new((&mut link, &mut crew), node, (&users.0, users.1), patience);
        let interrupted = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let ended = runtime.block_on(session.run(interrupted));
        crew.conclude().map(|exit| (ended, exit))
    });
    // A task that still waits for the network must not hold the program up.
    runtime.shutdown_background();
    ended
}

/// The name that the master knows this worker by: the machine's and chance.
fn node_name(seed: u64) -> anyhow::Result<String> {
    let mut chance = [0; 8];
    getrandom::fill(&mut chance).context("the operating system gave no random name")?;
    let chance: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
    #[cfg(unix)]
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let machine = format!("gatecrash-{seed}");
    let _ = seed;
    let machine: String = machine.chars().filter(|c| c.is_ascii_graphic()).take(60).collect();
    if machine.is_empty() {
        return Err(UsageError("this machine has no name".to_owned()).into());
    }
    Ok(format!("{machine}_{chance}"))
}
