//! Somebody at the other end of a named pipe does an act: a rig that has no HTTP and starts no
//! programs, a person with a shell.
//!
//! No pipe is made here, and none is waited for: without a reader nothing was done.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};
use tokio::time::timeout;

use super::{HookCall, HookError};

/// Writes the act as one JSON line into a pipe, and reads one line from the other pipe, when there is
/// one. Without it the act is taken for done when its line is in the pipe.
pub(super) async fn run(
    request: &Path,
    answer: Option<&Path>,
    within: Duration,
    call: &HookCall,
) -> Result<Option<Value>, HookError> {
    let hook = || call.name.clone();
    let not_started = |why: String| HookError::NotStarted { hook: hook(), why };
    let failed = |why: String| HookError::Failed { hook: hook(), why };
    let mut line = json!({"hook": call.name, "say": call.say, "with": call.with}).to_string();
    line.push('\n');
    if line.len() > MAX_LINE {
        return Err(not_started(format!("its line is longer than {MAX_LINE} bytes")));
    }
    // Opened before anything is said: the answer may come at once.
    let ear = answer.map(|path| Ear::open(path).map_err(|error| about(path, &error))).transpose();
    let ear = ear.map_err(not_started)?;
    let mut mouth = OpenOptions::new()
        .open_sender(request)
        .map_err(|error| not_started(unopened(request, &error)))?;
    let talk = async {
        mouth.write_all(line.as_bytes()).await.map_err(|error| about(request, &error))?;
        match (ear, answer) {
            (Some(ear), Some(path)) => ear.line().await.map_err(|why| about(path, &why)),
            _ => Ok(Vec::new()),
        }
    };
    let told = timeout(within, talk).await;
    let told = told.map_err(|_| HookError::TimedOut { hook: hook(), within })?.map_err(failed)?;
    let told = serde_json::from_slice(&told).ok().filter(Value::is_object);
    match told.as_ref().and_then(|told| told.get("error")) {
        None | Some(Value::Null) => Ok(told),
        Some(Value::String(why)) => Err(failed(why.clone())),
        Some(why) => Err(failed(why.to_string())),
    }
}

/// The reading end of a pipe.
struct Ear {
    pipe: Receiver,
    /// With a writer of our own the pipe has no end: others may open and close it as they like.
    _writer: Sender,
}

impl Ear {
    fn open(path: &Path) -> io::Result<Self> {
        let pipe = OpenOptions::new().open_receiver(path)?;
        let writer = OpenOptions::new().open_sender(path)?;
        // What an earlier act was told too late is no answer to this one. The pipe is asked itself:
        // the runtime knows only later what is in it.
        let mut late = [0; 4096];
        for _ in 0..MOST_LATE {
            if rustix::io::read(&pipe, &mut late).unwrap_or(0) == 0 {
                break;
            }
        }
        Ok(Self { pipe, _writer: writer })
    }

    /// The next line, without its end.
    async fn line(mut self) -> Result<Vec<u8>, String> {
        let mut read = Vec::new();
        loop {
            if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
                read.truncate(end);
                return Ok(read);
            }
            if read.len() > MAX_LINE {
                return Err(format!("its line is longer than {MAX_LINE} bytes"));
            }
            self.pipe.read_buf(&mut read).await.map_err(|error| error.to_string())?;
        }
    }
}

fn unopened(path: &Path, error: &io::Error) -> String {
    if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) {
        return format!("nobody reads {}", path.display());
    }
    about(path, error)
}

fn about(path: &Path, why: &dyn Display) -> String {
    format!("{}: {why}", path.display())
}

const MAX_LINE: usize = 64 * 1024;
/// Pieces that are thrown away before an act: more than a pipe holds.
const MOST_LATE: usize = 256;
