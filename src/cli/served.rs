//! The reference server in a process of its own, so that what a load run measures is not mixed with what it costs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::arguments::Altered;

/// A child process that serves; it ends when this is dropped, and when this program ends in any other way.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    /// Scheme and authority of the flows.
    pub(super) api: String,
    /// Scheme and authority of the control plane.
    pub(super) control: String,
}

impl Served {
    /// Starts this program again as a server on free ports.
    pub(super) fn start(altered: &Altered) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program cannot be found again")?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .args(["--clock", "virtual", "--until-end-of-input"])
            .args(altered.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // Ctrl-C is for this program; the server is needed until its last answer.
            command.process_group(0);
        }
        let mut child = command.spawn().context("the reference server did not start")?;
        let out = child.stdout.take().context("the reference server has no output")?;
        let mut served = Self { child, api: String::new(), control: String::new() };
        let mut lines = BufReader::new(out).lines();
        let mut address = || -> anyhow::Result<String> {
            let line = lines.next().context("the reference server ended before it served")?;
            let line = line.context("the reference server cannot be read")?;
            let at =
                line.find("http://").context("the reference server does not say where it is")?;
            Ok(line[at..].split_whitespace().next().unwrap_or_default().to_owned())
        };
        served.api = address()?;
        served.control = address()?;
        // What it says further must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(served)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
