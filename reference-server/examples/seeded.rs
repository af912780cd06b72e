//! Serves with many live tokens, for a load generator to ask about.
//!
//! ```text
//! seeded gateway-button 1000000 > tokens.txt
//! ```
//!
//! Standard output: the base URL on the first line, then one token a line. Serves until standard input ends.

use std::error::Error;
use std::io::{self, BufWriter, Read as _, Write as _};

use reference_server::{Config, Flow, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flow, count] = arguments.as_slice() else {
        return Err("expected a flow and a number of tokens".into());
    };
    let flow: Flow = flow.parse()?;
    let server = Server::start(Config::default())?;
    let mut out = BufWriter::new(io::stdout().lock());
    writeln!(out, "{}", server.url())?;
    for token in server.seed_tokens(flow, count.parse()?) {
        writeln!(out, "{token}")?;
    }
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
