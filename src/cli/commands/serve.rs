//! `gatecrash serve`.

use anyhow::Context as _;
use reference_server::{ClockMode, Config, Listeners, run as serve};

use crate::cli::arguments::Serve;
use crate::cli::exit::{Exit, TargetError, UsageError};
use crate::cli::{World, embedded};

#[expect(
    clippy::field_reassign_with_default,
    reason = "the configuration may grow: no literal of it outside its crate"
)]
pub(in crate::cli) fn run(arguments: &Serve, world: World) -> anyhow::Result<Exit> {
    let mut config = Config::default();
    config.listen = arguments.listen;
    config.control = arguments.control;
    config.clock = if arguments.clock == "real" { ClockMode::Real } else { ClockMode::default() };
    for name in &arguments.altered.fault {
        config.faults.push(embedded::fault(name)?);
    }
    for variant in &arguments.altered.variant {
        config.variants.set_assignment(variant).map_err(|error| UsageError(error.to_string()))?;
    }
    for lifetime in &arguments.altered.lifetime {
        embedded::live(lifetime, &mut config)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    let entered = runtime.enter();
    let listeners = Listeners::bind(&config).map_err(|error| {
        let (api, control) = (arguments.listen, arguments.control);
        TargetError(format!("{api} or {control} cannot be listened on: {error}"))
    })?;
    drop(entered);
    introduce(arguments, &listeners, world);
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let abandoned = end_of_input(arguments.until_end_of_input);
    runtime.block_on(serve(listeners, config, async {
        tokio::select! {
            () = interrupted => {}
            () = abandoned => {}
        }
    }));
    // A thread that still reads standard input must not hold the program up.
    runtime.shutdown_background();
    Ok(Exit::Conformant)
}

/// Completes when standard input ends, if that is what is waited for: a server must not outlive the program that started
/// it for itself, however that program ended.
async fn end_of_input(wanted: bool) {
    let (done, ended) = tokio::sync::oneshot::channel();
    if wanted {
        std::thread::spawn(move || {
            drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
            // The server may have ended for another reason.
            let _ = done.send(());
        });
        drop(ended.await);
    } else {
        std::future::pending::<()>().await;
    }
}

fn introduce(arguments: &Serve, listeners: &Listeners, world: World) {
    let paint = world.paint;
    let (api, control) = (listeners.address(), listeners.control_address());
    say!("{}  http://{api}", paint.bold("reference server"));
    say!("control plane     http://{control}   clock {}", arguments.clock);
    if !arguments.altered.fault.is_empty() {
        say!("faults            {}", arguments.altered.fault.join(", "));
    }
    say!("\ntry, in another terminal:");
    say!("  gatecrash press --control http://{control}");
    say!("  curl -i http://{api}/api/v2/accesstoken/generate");
    say!(
        "  curl -i http://{api}/generateToken -d Username=channel_user -d Password=550e8400-e29b-41d4-a716-446655440000"
    );
    say!("  curl -i http://{api}/v1/oauth/ -d username=reception -d password=visitor-password-1");
    say!(
        "  curl -i http://{api}/auth/jwt/login -d grant_type=password -d username=alice@example.com -d password=alice-password-1"
    );
    say!(
        "  curl -i http://{api}/sandbox/SUAPI/jservice/auth/generate-access-token -H 'client-id: aG90ZWwuZXhhbXBsZQ==' -H 'client-secret: sandbox-secret-hotel-1'"
    );
    say!("\nCtrl-C ends it");
}
