//! A connection for many requests in a row: each is written as the bytes that it is, and several may be written at once
//! before the first is answered.

use std::fmt;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::Wires;
use super::address::Origin;
use super::answer::read_answer;
use super::connection::Connection;
use crate::model::{Reply, WireError};

/// One connection at a time to one target.
pub struct Lane {
    origin: Origin,
    wires: Arc<Wires>,
    kept: Option<Connection>,
}

/// What came back for some bytes.
#[derive(Debug)]
pub struct LaneAnswers {
    /// The answers in their order; the last one is an error when there are fewer than were asked for.
    pub replies: Vec<Reply>,
    /// Whether more bytes came than the answers that were asked for.
    pub surplus: bool,
    /// Whether the server said, or showed, that it takes no further request on the connection.
    pub closed: bool,
}

/// What was heard in another protocol.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Heard {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Whether the server ended the connection.
    pub ended: bool,
}

impl Wires {
    /// A lane to a target.
    ///
    /// # Errors
    /// When the base is no address.
    pub fn lane(self: &Arc<Self>, base: &str) -> Result<Lane, WireError> {
        Ok(Lane { origin: Origin::parse(base)?, wires: Arc::clone(self), kept: None })
    }
}

impl Lane {
    /// Writes bytes and reads an answer for each method. With `last` nothing more will come: the server is told so, and
    /// everything is read that it still says.
    pub async fn send(&mut self, bytes: &[u8], methods: &[&str], last: bool) -> LaneAnswers {
        let mut answers = LaneAnswers { replies: Vec::new(), surplus: false, closed: false };
        let mut connection = match self.kept.take() {
            Some(kept) => kept,
            None => {
                match timeout(self.wires.settings.deadline, self.wires.connect(&self.origin)).await
                {
                    Ok(Ok(fresh)) => fresh,
                    Ok(Err(error)) => return failed(answers, error),
                    Err(_) => {
                        return failed(
                            answers,
                            WireError::Connect("it did not take a connection in time".to_owned()),
                        );
                    }
                }
            }
        };
        let talk = talk(
            &mut connection,
            bytes,
            methods,
            (last, self.wires.settings.max_answer_bytes),
            &mut answers,
        );
        if timeout(self.wires.settings.deadline, talk).await.is_err() {
            return failed(answers, WireError::Deadline(self.wires.settings.deadline));
        }
        answers.surplus |= !connection.received.is_empty();
        answers.closed |= last
            || answers.replies.len() < methods.len()
            || answers.replies.iter().any(Result::is_err);
        if !answers.closed && !answers.surplus {
            self.kept = Some(connection);
        }
        answers
    }

    /// Asks for another protocol on a connection of its own. It stays open only if the server switches.
    pub async fn upgrade(&mut self, bytes: &[u8]) -> Reply {
        self.kept = None;
        let limit = self.wires.settings.max_answer_bytes;
        let asked = async {
            let mut connection = self.wires.connect(&self.origin).await?;
            let answer = connection.exchange(bytes, "GET", limit).await?;
            Ok((connection, answer.response))
        };
        let deadline = self.wires.settings.deadline;
        match timeout(deadline, asked).await {
            Ok(Ok((connection, response))) => {
                self.kept = Some(connection).filter(|_| response.status == 101);
                Ok(response)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(WireError::Deadline(deadline)),
        }
    }

    /// Says bytes in another protocol, and reads until these bytes come, or to the end.
    pub async fn say(&mut self, bytes: &[u8], until: Option<&[u8]>) -> Heard {
        let mut heard = Heard::default();
        let Some(mut connection) = self.kept.take() else {
            return Heard { ended: true, ..heard };
        };
        heard.bytes.append(&mut connection.received);
        let limit = self.wires.settings.max_answer_bytes;
        let listen = async {
            // A server may have ended it before everything was said.
            let said = connection.stream.write_all(bytes).await.is_ok();
            drop(connection.stream.flush().await);
            let came = |heard: &Heard| {
                until.is_some_and(|until| heard.bytes.windows(until.len()).any(|it| it == until))
            };
            let mut chunk = [0; 4096];
            while !came(&heard) && heard.bytes.len() < limit {
                match connection.stream.read(&mut chunk).await {
                    Ok(length @ 1..) => heard.bytes.extend_from_slice(&chunk[..length]),
                    Ok(0) | Err(_) => {
                        heard.ended = true;
                        break;
                    }
                }
            }
            said
        };
        let in_time = timeout(self.wires.settings.deadline, listen).await.is_ok();
        if in_time && !heard.ended {
            self.kept = Some(connection);
        }
        heard
    }

    /// Ends the connection: the next bytes go over another one.
    pub fn hang_up(&mut self) {
        self.kept = None;
    }
}

fn failed(mut answers: LaneAnswers, error: WireError) -> LaneAnswers {
    answers.replies.push(Err(error));
    answers.closed = true;
    answers
}

async fn talk(
    connection: &mut Connection,
    bytes: &[u8],
    methods: &[&str],
    (last, limit): (bool, usize),
    answers: &mut LaneAnswers,
) {
    let (mut input, mut output) = tokio::io::split(&mut connection.stream);
    let received = &mut connection.received;
    let write = async {
        // A server may answer and close before it has read everything; its answer then tells more than the failure.
        let written = output.write_all(bytes).await.is_ok() && output.flush().await.is_ok();
        if last && written {
            let _ = output.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let read = async {
        for method in methods {
            match read_answer(&mut input, received, method, limit).await {
                Ok(answer) => {
                    answers.replies.push(Ok(answer.response));
                    if !answer.reusable {
                        answers.closed = true;
                        break;
                    }
                }
                Err(error) => {
                    answers.replies.push(Err(error));
                    break;
                }
            }
        }
        if last && !answers.closed && answers.replies.iter().all(Result::is_ok) {
            // Whatever still comes was not asked for.
            answers.surplus = read_answer(&mut input, received, "GET", limit).await.is_ok();
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("origin", &self.origin).finish_non_exhaustive()
    }
}
