//! What the parts of a load run cost: writing a time down, telling when a request is due, and the whole engine against a
//! server in the same process that does nothing but answer, with answers that are known by heart and with such as have to
//! be judged one by one.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be prepared should stop where it is"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatecrash::engine::Connection;
use gatecrash::load::{
    Arrival, Asked, Ground, LoadSettings, Mix, Model, Pacer, Popularity, Prepared, Shard, Stage,
    Stop, Workload, calibrate, parse_stages,
};
use gatecrash::model::{Flow, LoadSetup};
use gatecrash::stats::Histogram;
use gatecrash::target::Library;
use gatecrash::wire::{TlsRoots, Transport};
use reference_server::{Config, Server};

mod shipped;
use shipped::{reference_profile, shelf};

fn recorder(criterion: &mut Criterion) {
    let mut histogram = Histogram::default();
    let mut time = 0x9e37_79b9_u64;
    let mut group = criterion.benchmark_group("recorder");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one time", |bencher| {
        bencher.iter(|| {
            time = time.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // Between 0 and 16 ms, as times of answers are.
            histogram.record(black_box(time >> 40));
        });
    });
    group.finish();
}

fn pacer(criterion: &mut Criterion) {
    let steady = Pacer::new(&[Stage::steady(Duration::from_secs(3_600), 10_000.0)]);
    let ramps = Pacer::new(&parse_stages("10m:0-1000,10m:1000-5000,10m:5000,30m:100").unwrap());
    let mut group = criterion.benchmark_group("pacer");
    group.throughput(Throughput::Elements(1));
    for (name, pacer) in [("one rate", &steady), ("four stages", &ramps)] {
        let mut n = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                n = (n + 1) % 1_000_000;
                pacer.due(black_box(n))
            });
        });
    }
    group.finish();
}

fn engine(criterion: &mut Criterion) {
    let server = Server::start(Config::default()).unwrap();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(1));
    group.sample_size(10);
    for (name, workload) in
        [("known answers", Workload::Validate), ("judged answers", Workload::Issue)]
    {
        let prepared = prepared(&server, workload);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|requests| {
                let settings = settings(requests.max(1_000));
                let report = calibrate(&prepared, &settings, &Stop::default()).unwrap();
                assert_eq!((report.wrong, report.failed()), (0, 0));
                report.elapsed.mul_f64(requests as f64 / requests.max(1_000) as f64)
            });
        });
    }
    group.finish();
}

/// What a run against the reference server asks.
fn prepared(server: &Server, workload: Workload) -> Prepared {
    let files = shelf();
    let library = Library::read_words(&files, None)
        .unwrap_or_else(|list| panic!("{}", list[0].render(false)));
    let profile = reference_profile(&files, &library, server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connection = Connection::new(&profile, false, Instant::now()).unwrap();
    let ground = Ground {
        library: Arc::new(library),
        profile: &profile,
        flow: Flow::JwtLogin,
        wires: Arc::clone(&connection.wires),
        hooks: &connection.hooks,
        clock: &connection.clock,
        seed: 1,
    };
    let asked = Asked {
        workload,
        users: 64,
        given: Vec::new(),
        tokens: 100,
        mix: Mix::default(),
        popularity: Popularity::Uniform,
        keep_alive: true,
        among_others: false,
    };
    runtime.block_on(ground.prepare(&asked, &mut |_| {})).unwrap()
}

fn settings(requests: u64) -> LoadSettings {
    LoadSettings {
        target: "a server that does nothing".to_owned(),
        connections: 64,
        workers: 1,
        model: Model::Open(Vec::new(), Arrival::Constant),
        warm_up: Duration::ZERO,
        requests: Some(requests),
        deadline: Duration::from_secs(5),
        max_answer_bytes: 1 << 20,
        keep_alive: true,
        transport: Transport::default(),
        roots: TlsRoots::Public,
        seed: 1,
        thresholds: Vec::new(),
        calibrated: None,
        shard: Shard::default(),
        ramped: None,
        start_at: None,
        setup: LoadSetup::default(),
    }
}

criterion_group!(benches, recorder, pacer, engine);
criterion_main!(benches);
