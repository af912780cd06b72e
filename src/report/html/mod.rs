//! Results as a page for people: one file, nothing from elsewhere, readable without its script.
//!
//! The page says to the browser which script it has, by its hash: should markup of a server ever get through, it would
//! not run.

mod chart;
mod check;
mod compare;
mod difference;
mod escape;
mod load;
mod matrix;
mod run;
mod self_test;
mod steps;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

pub use compare::{ComparedRow, write_comparison};
pub(super) use load::{write_capacity, write_load};
pub(super) use run::write_run;
pub(super) use self_test::write_self_test;

use escape::Text;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes a page around what `body` writes.
fn page(
    title: &str,
    out: &mut dyn Write,
    body: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let hash = STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"gatecrash {}\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-{hash}'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'\">\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n",
        Text(title),
        env!("CARGO_PKG_VERSION"),
    )?;
    body(out)?;
    writeln!(out, "<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// The last line of every page.
fn footer(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<footer>Written by gatecrash {}. Secrets are replaced by their names, such as <code>${{token}}</code>.</footer>",
        env!("CARGO_PKG_VERSION")
    )
}

/// A word, with the noun in the plural where there is not exactly one.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
