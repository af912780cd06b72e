//! A program that does an act.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{HookCall, HookError};

/// Runs the program and waits for its end. A program that takes too long is killed; programs that
/// it has started itself are its own affair.
pub(super) async fn run(
    argv: &[String],
    within: Duration,
    call: &HookCall,
) -> Result<Option<Value>, HookError> {
    let failed = |why: String| HookError::Failed { hook: call.name.clone(), why };
    let not_started = |why: String| HookError::NotStarted { hook: call.name.clone(), why };
    let Some((program, arguments)) = argv.split_first() else {
        return Err(not_started("`exec` names no program".to_owned()));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(format!("`{program}`: {error}")))?;
    let input = json!({"hook": call.name, "say": call.say, "with": call.with}).to_string();
    let ended = timeout(within, converse(&mut child, &input)).await;
    let ended = ended.map_err(|_| HookError::TimedOut { hook: call.name.clone(), within })?;
    let (status, output, errors) =
        ended.map_err(|error| failed(format!("`{program}` cannot be waited for: {error}")))?;
    if !status.success() {
        let errors = String::from_utf8_lossy(&errors);
        let told = errors.lines().map(str::trim).find(|line| !line.is_empty());
        let told = told.map_or_else(String::new, |line| format!(": {line}"));
        return Err(failed(format!("`{program}` ended with {status}{told}")));
    }
    Ok(serde_json::from_slice(&output).ok().filter(Value::is_object))
}

/// Writes the input, reads both outputs and waits for the end.
async fn converse(child: &mut Child, input: &str) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let status = {
        let talk = async {
            tokio::join!(
                async {
                    if let Some(mut stdin) = stdin {
                        // A program that does not read what it is told may still do the act.
                        let _ = stdin.write_all(input.as_bytes()).await;
                    }
                },
                read(stdout, &mut output),
                read(stderr, &mut errors),
            );
        };
        tokio::pin!(talk);
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                // What the program wrote is in the pipes already. They end with it, unless it has
                // left another program behind that holds them open.
                let _ = timeout(DRAIN, talk).await;
                status
            }
            () = &mut talk => child.wait().await?,
        }
    };
    Ok((status, output, errors))
}

/// Reads to the end; what passes the limit is read too, so that the program is not held up, and
/// dropped.
async fn read<R: AsyncRead + Unpin>(pipe: Option<R>, into: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let kept = (&mut pipe).take(MAX_OUTPUT).read_to_end(into).await;
    if kept.is_ok() {
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
}

const DRAIN: Duration = Duration::from_millis(100);
const MAX_OUTPUT: u64 = 64 * 1024;
