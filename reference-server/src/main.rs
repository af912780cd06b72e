//! The standalone reference server: arguments in, two listening ports out, until it is interrupted.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use reference_server::{ClockMode, Config, Fault, Listeners, Variants, run};

/// A reference server for five documented API-token flows, with a simulated button device.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where the five flows listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Where the control plane listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8001")]
    control: SocketAddr,
    /// A clock that stands still until it is advanced, or the time of the machine
    #[arg(long, value_enum, default_value = "virtual")]
    clock: Clock,
    /// A deliberate defect; may be repeated
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<Fault>,
    /// An answer to what the documents leave open; may be repeated
    #[arg(long = "variant", value_name = "FLOW.KEY=VALUE")]
    variants: Vec<String>,
    /// List all faults and variants, then stop
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Clock {
    Virtual,
    Real,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = if arguments.list { list() } else { serve(arguments) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to say that standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for fault in Fault::all() {
        writeln!(out, "fault {fault}: {}", fault.sentence())?;
    }
    for variant in reference_server::Variant::all() {
        let values = variant.values().join(" | ");
        writeln!(out, "variant {variant}={values}: {}", variant.sentence())?;
    }
    Ok(())
}

fn serve(arguments: Arguments) -> io::Result<()> {
    let mut variants = Variants::default();
    for assignment in &arguments.variants {
        variants.set_assignment(assignment).map_err(io::Error::other)?;
    }
    let config = Config {
        listen: arguments.listen,
        control: arguments.control,
        clock: match arguments.clock {
            Clock::Virtual => ClockMode::default(),
            Clock::Real => ClockMode::Real,
        },
        faults: arguments.faults,
        variants,
        ..Config::default()
    };
    // One thread serves everything: the flows are the judged side, and a load generator wants the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listeners = Listeners::bind(&config)?;
        let mut out = io::stdout().lock();
        writeln!(out, "flows    http://{}", listeners.address())?;
        writeln!(out, "control  http://{}", listeners.control_address())?;
        drop(out);
        let interrupted = async {
            // Without signals the process ends by being killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        run(listeners, config, interrupted).await;
        Ok(())
    })
}
