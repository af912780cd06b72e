//! Two ways to drive connections, measured against each other: a readiness loop on mio with a state for each connection,
//! and a current-thread tokio runtime with a task for each. Both put the same bytes on the wire and compare each answer
//! with the first one; they differ in nothing but who waits.
//!
//! `cargo bench --bench readiness` runs pairs in turn, the server on core 0 and the client on core 1 (with `taskset`, where it
//! is installed), and prints requests a second and the client's processor time for a million requests.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made should stop where it is, and it prints what it measured"
)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatecrash::stats::Histogram;
use mio::{Events, Interest, Poll, Token};
use reference_server::{Config, Server};

const CONNECTIONS: usize = 64;
const REQUEST: &[u8] = b"GET /api/v2/accesstoken HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer 000102030405060708090a0b0c0d0e0f1011121314151617\r\n\r\n";
const PAIRS: usize = 6;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve(),
        [way @ ("mio" | "tokio"), address, seconds] => {
            let length = Duration::from_secs_f64(seconds.parse().unwrap());
            let client = Client::new(address.parse().unwrap(), length);
            let requests = if *way == "mio" { client.on_mio() } else { client.on_tokio() };
            println!("{requests} {}", processor_time().as_secs_f64());
        }
        other => compare(if other.contains(&"--test") { (1, 0.05) } else { (PAIRS, 3.0) }),
    }
}

fn serve() {
    let server = Server::start(Config::default()).unwrap();
    println!("{}", server.url().trim_start_matches("http://"));
    // Until whoever started it ends it.
    let _ = std::io::stdin().read(&mut [0]);
}

fn compare((pairs, seconds): (usize, f64)) {
    let program = std::env::current_exe().unwrap();
    let pinned = |core: &str| {
        let taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).status();
        match taskset.is_ok() {
            true => {
                let mut command = Command::new("taskset");
                command.args(["-c", core]).arg(&program);
                command
            }
            false => Command::new(&program),
        }
    };
    let mut server =
        pinned("0").arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let seconds = seconds.to_string();
    let measure = |way: &str| {
        let output = pinned("1").args([way, address.trim(), &seconds]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (requests, time) = text.trim().split_once(' ').unwrap();
        let requests: f64 = requests.parse().unwrap();
        (requests / seconds.parse::<f64>().unwrap(), time.parse::<f64>().unwrap() / requests * 1e6)
    };
    println!(
        "| pair | mio, requests a second | tokio | mio, CPU s per million | tokio | ratio of CPU |"
    );
    println!("|---|---|---|---|---|---|");
    for pair in 0..pairs {
        let (mio, tokio) = if pair % 2 == 0 {
            let mio = measure("mio");
            (mio, measure("tokio"))
        } else {
            let tokio = measure("tokio");
            (measure("mio"), tokio)
        };
        println!(
            "| {pair} | {:.0} | {:.0} | {:.2} | {:.2} | {:.3} |",
            mio.0,
            tokio.0,
            mio.1,
            tokio.1,
            mio.1 / tokio.1
        );
    }
    drop(server.stdin.take());
    server.kill().unwrap();
    server.wait().unwrap();
}

/// User and system time of this process so far.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15, in hundredths of a second; the list begins with field 3.
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0u64);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

struct Client {
    address: SocketAddr,
    length: Duration,
}

/// What both clients do with an answer: the same as the first one needs no second look.
struct Judge {
    first: Vec<u8>,
    times: Histogram,
    requests: u64,
}

impl Judge {
    fn new() -> Self {
        Self { first: Vec::new(), times: Histogram::default(), requests: 0 }
    }

    fn hear(&mut self, answer: &[u8], sent: Instant, now: Instant) {
        if self.first.is_empty() {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            httparse::Response::new(&mut fields).parse(answer).unwrap();
            self.first = answer.to_vec();
        }
        // The date may differ; the length may not.
        assert_eq!(answer.len(), self.first.len(), "an answer came in two pieces");
        self.times.record((now - sent).as_nanos() as u64);
        self.requests += 1;
    }
}

impl Client {
    const fn new(address: SocketAddr, length: Duration) -> Self {
        Self { address, length }
    }

    fn connections(&self) -> Vec<std::net::TcpStream> {
        (0..CONNECTIONS)
            .map(|_| {
                let stream = std::net::TcpStream::connect(self.address).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_nonblocking(true).unwrap();
                stream
            })
            .collect()
    }

    fn on_mio(&self) -> u64 {
        let mut poll = Poll::new().unwrap();
        let mut streams: Vec<mio::net::TcpStream> =
            self.connections().into_iter().map(mio::net::TcpStream::from_std).collect();
        let started = Instant::now();
        let mut sent = vec![started; CONNECTIONS];
        for (at, stream) in streams.iter_mut().enumerate() {
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(stream, Token(at), both).unwrap();
            stream.write_all(REQUEST).unwrap();
        }
        let (mut judge, mut buffer) = (Judge::new(), vec![0; 64 * 1024]);
        let mut events = Events::with_capacity(1024);
        let mut now = started;
        while now - started < self.length {
            poll.poll(&mut events, Some(Duration::from_millis(20))).unwrap();
            for event in &events {
                let at = event.token().0;
                let Ok(read) = streams[at].read(&mut buffer) else { continue };
                now = Instant::now();
                judge.hear(&buffer[..read], sent[at], now);
                sent[at] = now;
                streams[at].write_all(REQUEST).unwrap();
            }
        }
        judge.requests
    }

    fn on_tokio(&self) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let tasks = async {
            let local = tokio::task::LocalSet::new();
            let judge =
                std::rc::Rc::new(std::cell::RefCell::new((Judge::new(), vec![0; 64 * 1024])));
            let started = Instant::now();
            for stream in self.connections() {
                let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                let (judge, length) = (std::rc::Rc::clone(&judge), self.length);
                let requests = Arc::clone(&requests);
                local.spawn_local(async move {
                    let mut sent = started;
                    while sent - started < length {
                        assert_eq!(stream.try_write(REQUEST).unwrap(), REQUEST.len());
                        loop {
                            stream.readable().await.unwrap();
                            let (judge, buffer) = &mut *judge.borrow_mut();
                            let Ok(read) = stream.try_read(buffer) else { continue };
                            let now = Instant::now();
                            judge.hear(&buffer[..read], sent, now);
                            requests.store(judge.requests, Ordering::Relaxed);
                            sent = now;
                            break;
                        }
                    }
                });
            }
            local.await;
        };
        runtime.block_on(tasks);
        requests.load(Ordering::Relaxed)
    }
}
