//! What the reference server spends on a token validation: each flow, one request at a time and 64 connections at
//! once, with a thousand and with a million live tokens. The two must be close: a table that grows may not slow
//! the lookup.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be prepared should stop where it is"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reference_server::{Config, Flow, Server};

/// Live tokens of each of the two servers of a flow.
const LIVE: [usize; 2] = [1_000, 1_000_000];

/// Connections that ask at the same time.
const CONNECTIONS: usize = 64;

/// How many tokens are asked about, in turn: enough that no answer comes from a cache line just used.
const ASKED: usize = 10_000;

/// How a flow validates a token.
struct Validator {
    flow: Flow,
    method: &'static str,
    path: &'static str,
    headers: &'static str,
    scheme: &'static str,
    body: &'static str,
}

const VALIDATORS: [Validator; 5] = [
    Validator {
        flow: Flow::GatewayButton,
        method: "GET",
        path: "/api/v2/accesstoken",
        headers: "",
        scheme: "Bearer",
        body: "",
    },
    Validator {
        flow: Flow::ChannelLogin,
        method: "POST",
        path: "/updateCalendarInventory?roomId=12",
        headers: "Content-Type: application/json\r\n",
        scheme: "Bearer",
        body: r#"[{"date":"2026-03-15","inventoryNumber":3,"propertyName":"Lakeside Rooms"}]"#,
    },
    Validator {
        flow: Flow::VisitorLogin,
        method: "GET",
        path: "/v1/get/",
        headers: "",
        scheme: "Token",
        body: "",
    },
    Validator {
        flow: Flow::JwtLogin,
        method: "GET",
        path: "/users/me",
        headers: "",
        scheme: "Bearer",
        body: "",
    },
    Validator {
        flow: Flow::EnvironmentToken,
        method: "GET",
        path: "/sandbox/SUAPI/jservice/auth/validate-access-token",
        headers: "",
        scheme: "Bearer",
        body: "",
    },
];

impl Validator {
    fn request(&self, token: &str) -> Vec<u8> {
        let Self { method, path, headers, scheme, body, .. } = self;
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}{length}");
        format!("{head}Authorization: {scheme} {token}\r\n\r\n{body}").into_bytes()
    }
}

/// A connection that is kept open.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream, buffer: vec![0; 16 * 1024] }
    }

    /// One request with its whole answer, which must accept the token.
    fn ask(&mut self, request: &[u8]) {
        self.send(request);
        self.receive();
    }

    fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).unwrap();
    }

    fn receive(&mut self) {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(whole) = length(&self.buffer[..filled])
                && filled >= whole
            {
                break;
            }
        }
        let answer = &self.buffer[..filled];
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
    }
}

/// The length of head and body, once the head is complete.
fn length(answer: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(answer).unwrap() {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return None,
    };
    let field =
        response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let body: usize = std::str::from_utf8(field.unwrap().value).unwrap().parse().unwrap();
    Some(head + body)
}

/// A second thread with 64 connections: all send, then all are read, as often as it is asked to.
struct Crowd {
    orders: mpsc::Sender<u64>,
    done: mpsc::Receiver<Duration>,
}

impl Crowd {
    fn new(address: SocketAddr, requests: Vec<Vec<u8>>) -> Self {
        let (orders, inbox) = mpsc::channel::<u64>();
        let (outbox, done) = mpsc::channel();
        std::thread::spawn(move || {
            let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| Client::new(address)).collect();
            let mut next = requests.iter().cycle();
            // The channel closes when the measurement is over.
            while let Ok(rounds) = inbox.recv() {
                let started = Instant::now();
                for client in &mut clients {
                    client.send(next.next().unwrap());
                }
                for round in 0..rounds {
                    for client in &mut clients {
                        client.receive();
                        // Each connection has its next request under way while the others are read.
                        if round + 1 < rounds {
                            client.send(next.next().unwrap());
                        }
                    }
                }
                outbox.send(started.elapsed()).unwrap();
            }
        });
        Self { orders, done }
    }

    fn run(&self, rounds: u64) -> Duration {
        self.orders.send(rounds).unwrap();
        self.done.recv().unwrap()
    }
}

fn validators(criterion: &mut Criterion) {
    // criterion measures only when cargo bench says so; everything else is a trial.
    let asked = |name: &str| std::env::args().any(|argument| argument == name);
    let trying = asked("--test") || !asked("--bench");
    for validator in &VALIDATORS {
        let name = validator.flow.to_string();
        let mut group = criterion.benchmark_group(&name);
        group
            .sample_size(20)
            .measurement_time(Duration::from_secs(2))
            .warm_up_time(Duration::from_millis(500));
        for live in LIVE {
            // A trial of the benches must not take a minute to prepare.
            let seeded = if trying { live.min(20_000) } else { live };
            let server = Server::start(Config::default()).unwrap();
            let tokens = server.seed_tokens(validator.flow, seeded);
            let step = (tokens.len() / ASKED).max(1);
            let requests: Vec<Vec<u8>> =
                tokens.iter().step_by(step).map(|token| validator.request(token)).collect();
            drop(tokens);

            let mut client = Client::new(server.address());
            let mut next = requests.iter().cycle();
            group.throughput(Throughput::Elements(1));
            group.bench_function(BenchmarkId::new("one at a time", live), |bencher| {
                bencher.iter(|| client.ask(next.next().unwrap()));
            });
            drop(client);

            let crowd = Crowd::new(server.address(), requests.clone());
            group.throughput(Throughput::Elements(CONNECTIONS as u64));
            group.bench_function(BenchmarkId::new("64 connections", live), |bencher| {
                bencher.iter_custom(|rounds| crowd.run(rounds));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, validators);
criterion_main!(benches);
