//! What reading and judging cost, without a network: a stored trace judged again, templates, matchers, and a
//! scenario file decoded.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be prepared should stop where it is"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatecrash::engine::{Connection, Engine, Law, Settings, judge};
use gatecrash::model::{Flow, Trace};
use gatecrash::scenario::raw::RawScenario;
use gatecrash::scenario::{Actual, Matcher, Scenario};
use gatecrash::source::{Diagnostics, Random, Scope, SourceFile, Template, YamlPath, decode};
use gatecrash::target::{Library, Profile};
use reference_server::{Config, Server};
use serde_json::{Value, json};

mod shipped;
use shipped::{reference_profile, shelf};

/// The scenario whose trace is judged: many answers of all kinds, between controls.
const SCENARIO: &str = "gateway-button/refusals";

/// Runs a scenario once, for its trace.
fn record(profile: &Profile, scenario: &Scenario) -> Trace {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::new(profile, false, Instant::now()).unwrap();
        let settings = Settings { seed: 1, ..Settings::default() };
        let engine = Engine {
            binding: &profile.flows[&scenario.flow],
            wires: Arc::clone(&connection.wires),
            hooks: &connection.hooks,
            clock: &connection.clock,
            settings: &settings,
        };
        engine.run(scenario).await
    })
}

fn stored_trace(criterion: &mut Criterion) {
    let files = shelf();
    let library = Library::read(&files).unwrap_or_else(|list| panic!("{}", list[0].render(false)));
    let server = Server::start(Config::default()).unwrap();
    let profile = reference_profile(&files, &library, &server);
    let scenario = library.scenarios.iter().find(|scenario| scenario.name == SCENARIO).unwrap();
    let trace = record(&profile, scenario);
    assert!(trace.stop.is_none(), "{:?}", trace.stop);
    let law = Law {
        catalogue: &library.catalogue,
        binding: &profile.flows[&Flow::GatewayButton],
        always: &library.always[&Flow::GatewayButton],
    };
    let findings = judge(&law, scenario, &trace);
    assert!(
        findings.len() > scenario.checks.len(),
        "the answers were held against no `always` check"
    );

    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(trace.entries.len() as u64));
    group.bench_function("stored trace", |bencher| {
        bencher.iter(|| judge(&law, scenario, black_box(&trace)));
    });
    group.finish();
}

fn templates(criterion: &mut Criterion) {
    let text =
        "Bearer ${token|strip_prefix(live_)|flip_last}, for ${identity.first.username|base64}";
    let bindings = BTreeMap::from([
        ("token".to_owned(), "live_09fab53c41220a11bab783c0dd15de0941d196c866fd7d7c".to_owned()),
        ("identity.first.username".to_owned(), "alice@example.com".to_owned()),
    ]);
    let random = RefCell::new(Random::new(1));
    let scope = Scope { bindings: &bindings, random: Some(&random) };
    let template = Template::parse(text).unwrap();
    let mut group = criterion.benchmark_group("template");
    group.bench_function("parse", |bencher| bencher.iter(|| Template::parse(black_box(text))));
    group.bench_function("fill", |bencher| bencher.iter(|| black_box(&template).text(&scope)));
    group.finish();
}

fn matchers(criterion: &mut Criterion) {
    let file = SourceFile::new("bench.yaml", "");
    let bindings = BTreeMap::new();
    let scope = Scope { bindings: &bindings, random: None };
    let number = Value::from(3600);
    let token = Value::from("09fab53c41220a11bab783c0dd15de0941d196c866fd7d7c");
    let mut group = criterion.benchmark_group("matcher");
    for (name, wanted, value) in [
        ("equals", json!(3600), &number),
        ("bounds", json!({"type": "integer", "min": 1, "max": 86400}), &number),
        ("pattern", json!({"matches": "^[0-9a-f]{48}$"}), &token),
    ] {
        let mut wrong = Diagnostics::new(&file);
        let matcher = Matcher::parse(&wanted, &YamlPath::default(), &mut wrong);
        assert!(wrong.is_empty(), "{name}");
        let actual = Actual { value: Some(value), root: None, now: &|| None };
        assert_eq!(matcher.test(&actual, &scope), Ok(()), "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| matcher.test(black_box(&actual), &scope));
        });
    }
    group.finish();
}

fn reading(criterion: &mut Criterion) {
    let files = shelf();
    let file = files.iter().find(|file| file.name.ends_with("gateway-button/window-end.yaml"));
    let file = Arc::clone(file.unwrap());
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(file.text.len() as u64));
    group.bench_function("one scenario file", |bencher| {
        bencher
            .iter(|| decode::<RawScenario>(black_box(&file)).map(drop).map_err(|list| list.len()));
    });
    group.sample_size(10);
    group.throughput(Throughput::Bytes(files.iter().map(|file| file.text.len() as u64).sum()));
    group.bench_function("everything that is shipped", |bencher| {
        bencher.iter(|| Library::read(black_box(&files)).is_ok());
    });
    group.finish();
}

criterion_group!(benches, stored_trace, templates, matchers, reading);
criterion_main!(benches);
