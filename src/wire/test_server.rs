//! A small server for tests: it reads requests and answers with bytes that a test wrote down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does on a connection when the next request comes.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// Reads the request, sends these bytes, and reads the next request.
    Answer(Vec<u8>),
    /// Reads the request, sends these bytes, and closes the connection.
    Last(Vec<u8>),
    /// Reads the request, and says nothing for as long as the client stays.
    Mute,
    /// Closes the connection with the request unread, which resets it.
    Reset,
}

/// A server that lives as long as the test's runtime.
#[derive(Debug)]
pub(crate) struct TestServer {
    pub(crate) base: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    plays: Mutex<VecDeque<Play>>,
    seen: Mutex<Vec<(usize, String)>>,
    closed: tokio::sync::Notify,
}

/// Starts a server that follows these plays, whichever connections the requests come on.
pub(crate) fn serve<const N: usize>(plays: [Play; N]) -> TestServer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::new(State { plays: Mutex::new(plays.into()), ..State::default() });
    let shared = Arc::clone(&state);
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(follow(stream, connection, Arc::clone(&shared)));
        }
    });
    TestServer { base, state }
}

/// An answer with a length, after which the connection stays open.
pub(crate) fn answer(status: u16, body: &str) -> Play {
    let length = body.len();
    Play::Answer(format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}").into())
}

impl TestServer {
    /// The requests so far, as text.
    pub(crate) async fn requests(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    /// The number of the connection of each request so far.
    pub(crate) fn connections(&self) -> Vec<usize> {
        self.state.seen.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }

    /// Waits until the server has closed a connection.
    pub(crate) async fn closed(&self) {
        self.state.closed.notified().await;
    }
}

async fn follow(mut stream: TcpStream, connection: usize, state: Arc<State>) {
    loop {
        // One byte of the request must be there before its play is taken.
        let mut first = [0];
        if stream.read_exact(&mut first).await.is_err() {
            return;
        }
        let play = state.plays.lock().unwrap().pop_front().unwrap_or(Play::Mute);
        if matches!(play, Play::Reset) {
            return;
        }
        let Some(request) = read_request(&mut stream, first[0]).await else {
            return;
        };
        state.seen.lock().unwrap().push((connection, request));
        match play {
            Play::Answer(bytes) => drop(stream.write_all(&bytes).await),
            Play::Last(bytes) => {
                drop(stream.write_all(&bytes).await);
                drop(stream);
                state.closed.notify_one();
                return;
            }
            Play::Mute => drop(stream.read(&mut first).await),
            Play::Reset => return,
        }
    }
}

async fn read_request(stream: &mut TcpStream, first: u8) -> Option<String> {
    let mut bytes = vec![first];
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= head + 4 + length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
