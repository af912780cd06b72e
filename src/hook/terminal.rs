//! The person at the terminal.
//!
//! The terminal's device file is used, not the standard streams: those may be piped, and what goes
//! to them belongs to the command line.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::{HookCall, HookError};

/// Asks a person and waits for Enter. People are asked one thing at a time.
pub(super) async fn ask(
    asked: Option<&String>,
    within: Duration,
    call: &HookCall,
    allowed: bool,
) -> Result<Option<Value>, HookError> {
    let nobody =
        |why: &str| HookError::NeedsPerson { hook: call.name.clone(), why: why.to_owned() };
    if !allowed {
        return Err(nobody("input is switched off"));
    }
    if !std::io::stdin().is_terminal() {
        return Err(nobody("standard input is not a terminal"));
    }
    let mut turn = TURN.lock().await;
    let mut screen = OpenOptions::new()
        .write(true)
        .open(DEVICE)
        .map_err(|error| nobody(&format!("the terminal cannot be opened: {error}")))?;
    if turn.is_none() {
        *turn = Some(listen().map_err(|error| nobody(&format!("no keyboard: {error}")))?);
    }
    let Some(lines) = turn.as_mut() else {
        return Err(nobody("no keyboard"));
    };
    let sentence = match asked {
        Some(asked) => {
            super::fill(asked, &|key| call.with.get(key).cloned()).unwrap_or_else(|_| asked.clone())
        }
        None => format!("Please do: {}", call.name),
    };
    match prompt(&mut screen, lines, &sentence, within).await {
        Ok(true) => Ok(None),
        Ok(false) => Err(HookError::TimedOut { hook: call.name.clone(), within }),
        Err(error) => Err(nobody(&format!("the terminal cannot be used: {error}"))),
    }
}

/// Shows a sentence and counts down until Enter is pressed. `false` when the time is over.
async fn prompt<W: Write>(
    screen: &mut W,
    lines: &mut UnboundedReceiver<()>,
    sentence: &str,
    within: Duration,
) -> std::io::Result<bool> {
    // What was typed before the question is no answer to it.
    while lines.try_recv().is_ok() {}
    // Control characters stay off the terminal, wherever the sentence comes from.
    let sentence: String = sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(screen, "\n{sentence}")?;
    let end = Instant::now() + within;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            writeln!(screen, "\rThe time is over.{:40}", "")?;
            return Ok(false);
        }
        let seconds = left.as_millis().div_ceil(1000);
        write!(screen, "\rThen press Enter ({seconds} s left) ")?;
        screen.flush()?;
        let tick = Instant::now() + left.min(Duration::from_secs(1));
        match timeout_at(tick, lines.recv()).await {
            Ok(Some(())) => return Ok(true),
            Ok(None) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Err(_) => {}
        }
    }
}

/// Starts the one reader of the keyboard. It is a thread of its own that nobody waits for, because
/// a read from a terminal cannot be called off.
fn listen() -> std::io::Result<UnboundedReceiver<()>> {
    let keyboard = BufReader::new(File::open(DEVICE)?);
    let (sender, receiver) = unbounded_channel();
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(move || {
        for line in keyboard.split(b'\n') {
            if line.is_err() || sender.send(()).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

static TURN: Mutex<Option<UnboundedReceiver<()>>> = Mutex::const_new(None);

#[cfg(unix)]
const DEVICE: &str = "/dev/tty";
#[cfg(not(unix))]
const DEVICE: &str = "CON";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_person_sees_the_sentence_and_the_seconds_that_are_left() {
        let (_keyboard, mut lines) = unbounded_channel();
        let mut screen = Vec::new();
        let within = Duration::from_millis(2500);
        let done = prompt(&mut screen, &mut lines, "Press\x1b it.", within).await.unwrap();
        assert!(!done);
        let screen = String::from_utf8(screen).unwrap();
        let shown: Vec<&str> = screen.split('\r').map(str::trim).collect();
        assert_eq!(
            shown,
            [
                "Press  it.",
                "Then press Enter (3 s left)",
                "Then press Enter (2 s left)",
                "Then press Enter (1 s left)",
                "The time is over.",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_enter_that_follows_the_question_answers_it() {
        let (keyboard, mut lines) = unbounded_channel();
        keyboard.send(()).unwrap();
        let within = Duration::from_secs(5);
        assert!(!prompt(&mut Vec::new(), &mut lines, "Press it.", within).await.unwrap());
        let answer = async {
            tokio::time::advance(Duration::from_secs(2)).await;
            keyboard.send(()).unwrap();
        };
        let mut screen = Vec::new();
        let asked = prompt(&mut screen, &mut lines, "Press it.", within);
        let (done, ()) = tokio::join!(asked, answer);
        assert!(done.unwrap());
    }

    #[tokio::test]
    async fn nobody_is_asked_when_input_is_switched_off() {
        let call = HookCall { name: "press".to_owned(), ..HookCall::default() };
        let error = ask(None, Duration::from_secs(600), &call, false).await.unwrap_err();
        assert_eq!(error.to_string(), "the hook `press` needs a person: input is switched off");
    }
}
