//! The command line: arguments, settings, a job, an exit code.
//!
//! The only module that prints and the only one that reads the environment. Data goes to standard
//! output, talk to standard error.
#![expect(clippy::print_stderr, reason = "this is the module that prints")]

/// Prints a line to standard output. A reader who has seen enough and closed the pipe, as `head`
/// does, is no error.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!($crate::cli::Output, $($argument)*));
    }};
}

mod arguments;
mod commands;
mod corpus;
#[cfg(feature = "reference-server")]
mod embedded;
mod exit;
mod fuzz_arguments;
mod origin;
mod plane;
#[cfg(feature = "reference-server")]
mod served;
mod shelf;
mod sinks;
mod target;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;

pub use exit::Exit;

use crate::report::Paint;
use arguments::{Arguments, Command};

/// Standard output, for which a closed pipe is the end of interest and not of the program.
#[derive(Debug)]
struct Output;

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match io::stdout().flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

/// What a command may know of the world outside.
#[derive(Clone, Copy, Debug)]
struct World {
    /// Colour on standard output.
    paint: Paint,
    /// Colour on standard error.
    talk: Paint,
    /// Whether a person reads standard output.
    person: bool,
    /// The columns of the screen, where there is one.
    columns: Option<usize>,
}

/// Runs the program and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            drop(error.print());
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Conformant };
            return exit.into();
        }
    };
    raise_file_limit();
    match run(arguments, World::look()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::of_error(&error).into()
        }
    }
}

fn run(arguments: Arguments, world: World) -> anyhow::Result<Exit> {
    let scenarios = arguments.scenarios.as_deref();
    match arguments.command {
        Command::Advance(advance) => commands::control::advance(&advance),
        Command::Check(check) => commands::check::run(&check, scenarios, world),
        Command::Compare(compare) => commands::compare::run(&compare, world),
        Command::Completions(completions) => commands::shell::completions(&completions),
        Command::Coverage(coverage) => commands::coverage::run(&coverage, scenarios, world),
        Command::Doctor(doctor) => commands::doctor::run(&doctor, scenarios, world),
        Command::Explain(explain) => commands::explain::run(&explain, scenarios, world),
        Command::Fuzz(fuzz) => commands::fuzz::run(&fuzz, scenarios, world),
        Command::Init(init) => commands::init::run(&init, scenarios, world),
        Command::Lint(lint) => commands::lint::run(&lint, scenarios, world),
        Command::List(list) => commands::list::run(&list, scenarios, world),
        Command::Load(load) => commands::load::run(&load, scenarios, world),
        Command::Man(man) => commands::shell::man(&man),
        Command::Merge(merge) => commands::merge::run(&merge, world),
        Command::Press(press) => commands::control::press(&press),
        Command::Report(report) => commands::report::run(&report),
        Command::Replay(replay) => commands::replay::run(&replay, scenarios, world),
        Command::Schema(schema) => commands::schema::run(&schema),
        #[cfg(feature = "reference-server")]
        Command::Selftest(selftest) => commands::selftest::run(&selftest, scenarios, world),
        #[cfg(feature = "reference-server")]
        Command::Serve(serve) => commands::serve::run(&serve, world),
        Command::Worker(worker) => commands::worker::run(&worker, scenarios, world),
    }
}

/// As many open files as the operating system lets this user have: an embedded server and its client each hold one
/// for each connection. Where it cannot be raised, what needs more says so itself.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment for colour"
    )]
    fn look() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let colour = |terminal: bool| Paint { colour: !forbidden && (terminal || forced) };
        let person = io::stdout().is_terminal();
        let columns = terminal_size::terminal_size_of(io::stdout())
            .map(|(width, _)| usize::from(width.0))
            .filter(|columns| person && *columns > 0);
        Self { paint: colour(person), talk: colour(io::stderr().is_terminal()), person, columns }
    }
}
