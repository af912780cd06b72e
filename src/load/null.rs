//! A server that does nothing but answer: what the generator does against it is the most that it does at all.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::model::Response;

/// A server on a free port of the loopback interface, on a thread of its own; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct NullServer {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const LISTENER: Token = Token(usize::MAX - 1);
/// How soon it notices that it is not needed any more.
const TICK: Duration = Duration::from_millis(10);
/// The end of a request without content, and as far as this server looks.
const END: &[u8] = b"\r\n\r\n";

impl NullServer {
    /// Starts it. Every request gets this answer. Requests are told by the ends of their heads, so `content` says how many
    /// bytes each has behind it.
    pub(super) fn start(answer: &Response, content: usize) -> io::Result<Self> {
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let stop = Arc::new(AtomicBool::new(false));
        let room = Room {
            poll,
            listener,
            visitors: Vec::new(),
            answer: encoded(answer),
            content,
            stop: Arc::clone(&stop),
        };
        let named = std::thread::Builder::new().name("null server".to_owned());
        // Whoever is connected sees the end of the connection, which is all there is to say.
        let thread = named.spawn(move || drop(room.serve()))?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The answer as bytes, with a length of its own.
fn encoded(answer: &Response) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} \r\n", answer.status).into_bytes();
    let framing = ["content-length", "transfer-encoding", "connection"];
    for header in &answer.headers {
        if !framing.iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
            bytes.extend_from_slice(header.name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(&header.value.0);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", answer.body.0.len()).as_bytes());
    bytes.extend_from_slice(&answer.body.0);
    bytes
}

struct Room {
    poll: Poll,
    listener: TcpListener,
    visitors: Vec<Option<TcpStream>>,
    answer: Vec<u8>,
    content: usize,
    stop: Arc<AtomicBool>,
}

impl Room {
    fn serve(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut buffer = vec![0; 16 * 1024];
        while !self.stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.admit()?,
                    Token(at) => self.answer(at, &mut buffer),
                }
            }
        }
        Ok(())
    }

    fn admit(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let token = Token(self.visitors.len());
                    self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    self.visitors.push(Some(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads what is there, a whole request in one piece as this generator writes it, and answers it.
    fn answer(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(stream) = self.visitors.get_mut(at).and_then(Option::as_mut) else { return };
        let read = match stream.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => 0,
        };
        let content = self.content.min(read);
        let whole = buffer[..read - content].ends_with(END);
        if !whole || stream.write(&self.answer).is_err() {
            self.visitors[at] = None;
        }
    }
}
