//! Two requests that arrive together, by last-byte synchronisation.
//!
//! Both requests are written but for their last byte, on connections of their own. The server has
//! read all there is and waits. Then the two missing bytes leave back to back, and what is left of
//! the difference between the two is a few microseconds, whatever the network.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use crate::model::{Reply, Request, Timing, WireError};

use super::address::Origin;
use super::answer::{closed, read_answer};
use super::connection::Connection;
use super::{Wires, encode};

impl Wires {
    /// Sends two requests whose last bytes leave together, each on a new connection of the raw
    /// wire, and reads both answers at the same time. The answers stand in the order of the
    /// requests. When one of the requests cannot be prepared, the other is not completed either.
    ///
    /// `sent` is the moment before the last bytes, one and the same for both.
    pub async fn send_together(&self, pair: [&Request; 2]) -> [(Reply, Timing); 2] {
        let asked = self.elapsed();
        let [first, second] = pair;
        let prepared = tokio::join!(self.prepare(first), self.prepare(second));
        let (mut first, mut second) = match prepared {
            (Ok(first), Ok(second)) => (first, second),
            (first, second) => {
                let timing = Timing { sent: asked, done: self.elapsed() };
                return [first, second].map(|side| (Err(why_not_raced(side)), timing));
            }
        };
        sleep(SETTLE).await;
        let sent = self.elapsed();
        let released = release(&mut first, &mut second).await;
        let answers = tokio::join!(
            self.finish(first, released.0, sent),
            self.finish(second, released.1, sent)
        );
        answers.into()
    }

    async fn prepare(&self, request: &Request) -> Result<Runner, WireError> {
        let origin = Origin::parse(&request.base)?;
        let bytes = encode::encode(request, &origin).into_owned();
        let method = encode::method(request).into_owned();
        let mut connecting = true;
        let prepared = timeout(self.settings.deadline, async {
            let connection = self.connect(&origin).await?;
            connecting = false;
            Runner::approach(connection, &bytes, method).await
        })
        .await;
        prepared.unwrap_or_else(|_| Err(self.too_late(request, connecting)))
    }

    async fn finish(
        &self,
        runner: Runner,
        released: std::io::Result<()>,
        sent: Duration,
    ) -> (Reply, Timing) {
        let Runner { mut connection, method, .. } = runner;
        let deadline = self.settings.deadline;
        let limit = self.settings.max_answer_bytes;
        let read = read_answer(&mut connection.stream, &mut connection.received, &method, limit);
        let reply = match timeout(deadline, read).await {
            Ok(Ok(answer)) => Ok(answer.response),
            // The server may have answered and closed before the last byte; then there was an
            // answer. Otherwise the failure to write tells more than the end that followed it.
            Ok(Err(error)) => Err(released.map_or_else(|first| closed(&first), |()| error)),
            Err(_) => Err(WireError::Deadline(deadline)),
        };
        (reply, Timing { sent, done: self.elapsed() })
    }
}

/// A request that has been written but for its last byte.
struct Runner {
    connection: Connection,
    method: String,
    last: u8,
}

impl Runner {
    async fn approach(
        mut connection: Connection,
        bytes: &[u8],
        method: String,
    ) -> Result<Self, WireError> {
        let Some((last, others)) = bytes.split_last() else {
            return Err(WireError::Unsendable("it has no bytes".to_owned()));
        };
        connection.stream.write_all(others).await.map_err(|error| closed(&error))?;
        connection.stream.flush().await.map_err(|error| closed(&error))?;
        Ok(Self { connection, method, last: *last })
    }
}

/// Lets both go: two writes with nothing between them, then whatever the streams hold back.
async fn release(
    first: &mut Runner,
    second: &mut Runner,
) -> (std::io::Result<()>, std::io::Result<()>) {
    let one = first.connection.stream.write_all(&[first.last]).await;
    let two = second.connection.stream.write_all(&[second.last]).await;
    let one = match one {
        Ok(()) => first.connection.stream.flush().await,
        failed => failed,
    };
    let two = match two {
        Ok(()) => second.connection.stream.flush().await,
        failed => failed,
    };
    (one, two)
}

fn why_not_raced(side: Result<Runner, WireError>) -> WireError {
    match side {
        Ok(_) => {
            WireError::Unsendable("the other request of the pair could not be sent".to_owned())
        }
        Err(error) => error,
    }
}

/// How long a server is given to read what came before the last bytes.
const SETTLE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    /// Writes down what is written to it, with its name.
    struct Witness(&'static str, Arc<Mutex<Vec<(&'static str, usize)>>>);

    impl AsyncRead for Witness {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Witness {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            self.1.lock().unwrap().push((self.0, bytes.len()));
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            self.1.lock().unwrap().push((self.0, 0));
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn the_last_bytes_leave_back_to_back_and_after_all_others() {
        let log = Arc::default();
        let runner = |name| {
            let connection = Connection::over(Box::new(Witness(name, Arc::clone(&log))));
            Runner::approach(connection, b"GET / HTTP/1.1\r\n\r\n", "GET".to_owned())
        };
        let (mut first, mut second) = (runner("a").await.unwrap(), runner("b").await.unwrap());
        let (one, two) = release(&mut first, &mut second).await;
        assert!(one.is_ok() && two.is_ok());
        let expected =
            [("a", 17), ("a", 0), ("b", 17), ("b", 0), ("a", 1), ("b", 1), ("a", 0), ("b", 0)];
        assert_eq!(*log.lock().unwrap(), expected);
    }
}
