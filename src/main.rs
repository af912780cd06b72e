//! Hands the arguments to the command line and returns its exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatecrash::cli::main(std::env::args_os())
}
