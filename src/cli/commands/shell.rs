//! `gatecrash completions` and `gatecrash man`: what shells and readers of manuals want, made from the arguments
//! themselves.

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::Output;
use crate::cli::arguments::{Arguments, Completions, Man};
use crate::cli::exit::{Exit, UsageError};

pub(in crate::cli) fn completions(arguments: &Completions) -> anyhow::Result<Exit> {
    // The generator gives up on a pipe that was closed; a whole text is written or not.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "gatecrash", &mut text);
    std::io::Write::write_all(&mut Output, &text)?;
    Ok(Exit::Conformant)
}

pub(in crate::cli) fn man(arguments: &Man) -> anyhow::Result<Exit> {
    match &arguments.write {
        Some(folder) => {
            if !folder.is_dir() {
                let message = format!("{} is no folder", folder.display());
                return Err(UsageError(message).into());
            }
            pages(folder)?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut text)?;
            std::io::Write::write_all(&mut Output, &text)?;
        }
    }
    Ok(Exit::Conformant)
}

/// A page for the program and one for each command.
fn pages(folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(Arguments::command(), folder)
        .with_context(|| format!("writing manual pages to {}", folder.display()))
}
