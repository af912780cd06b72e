//! How surely are races and differences in time noticed? Not how fast: shares of trials, printed as a table.
//!
//! `cargo bench --bench detection` takes about three minutes and wants a quiet machine with two cores; with `--test`
//! it does little of everything. The figures are in notes.md.
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gatecrash::engine::{Assessed, compare_times};
use gatecrash::model::{Header, Request};
use gatecrash::source::Random;
use gatecrash::wire::{TlsRoots, WireSettings, Wires};

/// A server that takes a ticket once, with a gap between looking and taking, and that is slow for `/slow`.
struct Server {
    base: String,
    taken: Arc<AtomicBool>,
    gap: Arc<AtomicU64>,
    /// Whether the gap is waited out, as for a database, and not computed away.
    waits: Arc<AtomicBool>,
}

/// A gap of this length stands for a server without a race.
const ATOMIC: u64 = u64::MAX;

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (taken, gap) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(ATOMIC)));
        let waits = Arc::new(AtomicBool::new(false));
        let (its_taken, its_gap) = (Arc::clone(&taken), Arc::clone(&gap));
        let its_waits = Arc::clone(&waits);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, gap) = (Arc::clone(&its_taken), Arc::clone(&its_gap));
                let waits = Arc::clone(&its_waits);
                thread::spawn(move || serve(stream, &taken, &gap, &waits));
            }
        });
        Self { base, taken, gap, waits }
    }
}

fn serve(mut stream: TcpStream, taken: &AtomicBool, gap: &AtomicU64, waits: &AtomicBool) {
    let _ = stream.set_nodelay(true);
    let (mut buffer, mut length) = ([0; 4096], 0);
    while let Ok(read) = stream.read(&mut buffer[length..]) {
        if read == 0 {
            return;
        }
        length += read;
        if !buffer[..length].ends_with(b"\r\n\r\n") {
            continue;
        }
        let (slow, take) = (buffer.starts_with(b"GET /slow"), buffer.starts_with(b"GET /take"));
        length = 0;
        let microseconds = gap.load(Ordering::SeqCst);
        let won = if take && microseconds != ATOMIC {
            let free = !taken.load(Ordering::SeqCst);
            if waits.load(Ordering::SeqCst) {
                rest(microseconds);
            } else {
                spin(microseconds);
            }
            taken.store(true, Ordering::SeqCst);
            free
        } else {
            spin(if slow { microseconds } else { 0 });
            !taken.swap(true, Ordering::SeqCst)
        };
        let status = if won { "200 OK" } else { "409 Conflict" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn spin(microseconds: u64) {
    let until = Instant::now() + Duration::from_micros(microseconds);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

#[expect(clippy::disallowed_methods, reason = "a server that waits for something else")]
fn rest(microseconds: u64) {
    thread::sleep(Duration::from_micros(microseconds));
}

fn request(server: &Server, path: &str) -> Request {
    Request {
        base: server.base.clone(),
        method: "GET".to_owned(),
        target: path.to_owned(),
        headers: vec![Header::new("accept", "*/*")],
        connection: Some("kept".to_owned()),
        ..Request::default()
    }
}

async fn races(server: &Server, wires: &Wires, trials: u32) -> u32 {
    let request = Request { connection: None, ..request(server, "/take") };
    let mut twice = 0;
    for _ in 0..trials {
        server.taken.store(false, Ordering::SeqCst);
        let answers = wires.send_together([&request, &request]).await;
        let won = |reply: &gatecrash::model::Reply| reply.as_ref().is_ok_and(|r| r.status == 200);
        twice += u32::from(answers.iter().all(|(reply, _)| won(reply)));
    }
    twice
}

/// Whether a run of so many pairs accuses a server that is slower by the gap.
async fn accused(server: &Server, wires: &Wires, pairs: usize, random: &mut Random) -> bool {
    let requests = [request(server, "/fast"), request(server, "/slow"), request(server, "/fast")];
    let mut times: [Vec<u64>; 3] = Default::default();
    for round in 0..pairs + 10 {
        let mut order = [0, 1, 2];
        order.swap(0, random.below(3));
        order.swap(1, 1 + random.below(2));
        for kind in order {
            let (_, timing) = wires.send(&requests[kind]).await;
            if round >= 10 {
                let took = timing.done.saturating_sub(timing.sent).as_nanos();
                times[kind].push(u64::try_from(took).unwrap_or(u64::MAX));
            }
        }
    }
    let [first, second, again] = times;
    matches!(compare_times(&first, &second, &again), Assessed::Breaks(_))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let server = Server::start();
    let settings = WireSettings {
        deadline: Duration::from_secs(5),
        max_answer_bytes: 1 << 20,
        roots: TlsRoots::Public,
        started: Instant::now(),
    };
    let wires = Wires::new(settings).expect("wires");
    println!("races: pairs with two winners, the gap waited out and computed away");
    for gap in [10, 20, 50, 100, 200, 1_000, ATOMIC] {
        let trials = match (test, gap) {
            (true, _) => 5,
            (false, ATOMIC) => 1_000,
            (false, _) => 200,
        };
        server.gap.store(gap, Ordering::SeqCst);
        let mut twice = [0; 2];
        for (waits, twice) in [true, false].into_iter().zip(&mut twice) {
            server.waits.store(waits, Ordering::SeqCst);
            *twice = races(&server, &wires, trials).await;
        }
        let name = if gap == ATOMIC { "atomic".to_owned() } else { format!("{gap} us") };
        println!("{name:>8}: {} and {} of {trials}", twice[0], twice[1]);
    }
    println!("timing: runs of 400 pairs that accuse");
    let mut random = Random::new(1);
    for gap in [0, 5, 10, 20, 50] {
        let (runs, pairs) = if test { (1, 60) } else { (if gap == 0 { 60 } else { 20 }, 400) };
        server.gap.store(gap, Ordering::SeqCst);
        server.taken.store(true, Ordering::SeqCst);
        let mut found = 0;
        for _ in 0..runs {
            found += u32::from(accused(&server, &wires, pairs, &mut random).await);
        }
        println!("{gap:>5} us: {found} of {runs}");
    }
}
