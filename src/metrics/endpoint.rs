//! Answers scrapes: a small HTTP/1.1 server that knows one page, and takes one request at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::exposition::Exposition;

/// How long a scraper may take for its request.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest head of a request.
const LONGEST: usize = 8 * 1024;

/// A place where the numbers of a run can be read.
#[derive(Clone, Debug)]
pub struct Endpoint {
    address: SocketAddr,
    numbers: Arc<Mutex<Exposition>>,
}

impl Endpoint {
    /// Listens there, and answers until the program ends.
    ///
    /// # Errors
    /// When nobody can listen there.
    pub fn open(address: SocketAddr, exposition: Exposition) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let numbers = Arc::new(Mutex::new(exposition));
        let shown = Arc::clone(&numbers);
        thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // A scraper that is gone does not mind.
                let _ = answer(stream, &shown);
            }
        })?;
        Ok(Self { address, numbers })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the numbers.
    pub fn change(&self, change: impl FnOnce(&mut Exposition)) {
        change(&mut self.numbers.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn answer(mut stream: TcpStream, numbers: &Mutex<Exposition>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = head(&mut stream)?;
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let plain = "text/plain; charset=utf-8";
    let (status, kind, body) = match (method, path) {
        ("GET" | "HEAD", "/metrics") => {
            // Written when it is free again: whoever hands in numbers waits for a copy and no longer.
            let now = numbers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ("200 OK", kind, now.text())
        }
        ("GET" | "HEAD", _) => ("404 Not Found", plain, "the numbers are at /metrics\n".to_owned()),
        ("", _) => ("400 Bad Request", plain, "this is no HTTP request\n".to_owned()),
        _ => ("405 Method Not Allowed", plain, "GET /metrics\n".to_owned()),
    };
    let length = body.len();
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

/// The head of a request; empty when it is none.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let from = Instant::now();
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let left = PATIENCE.saturating_sub(from.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..read]);
        if bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            let first = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Ok(String::from_utf8_lossy(first).into_owned());
        }
        if read == 0 || bytes.len() > LONGEST {
            return Ok(String::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_scrape_is_answered_and_everything_else_is_refused() {
        let endpoint = Endpoint::open(([127, 0, 0, 1], 0).into(), Exposition::default()).unwrap();
        endpoint.change(|numbers| numbers.users(3));
        for (request, status, part) in [
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200", "gatecrash_users 3\n"),
            ("GET /metrics?x=1 HTTP/1.1\r\n\r\n", "200", "# EOF\n"),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", "200", "openmetrics-text; version=1.0.0"),
            ("GET / HTTP/1.1\r\n\r\n", "404", "at /metrics"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405", "Allow: GET"),
            ("\r\n\r\n", "400", "no HTTP request"),
        ] {
            let answer = ask(endpoint.address(), request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
            assert!(answer.contains(part), "{request:?}: {answer}");
        }
        assert!(!ask(endpoint.address(), "HEAD /metrics HTTP/1.1\r\n\r\n").contains("# EOF"));
    }
}
