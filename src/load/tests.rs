//! What the tests of this module share, and a stall as the recorder sees it.

use std::time::Duration;

use super::clerk::Ruling;
use super::court::Expected;
use super::form::{Form, Tokens};
use super::pacer::{Pacer, Stage};
use super::pool::Case;
use super::recorder::{Moments, Recorder};
use crate::model::{
    Flow, GeneratorReport, HistogramsReport, LoadReport, LoadSetup, Quantiles, Request,
};
use crate::stats::Histogram;

/// A run of a thousand right answers.
pub(super) fn report() -> LoadReport {
    LoadReport {
        target: "a server".to_owned(),
        flow: Flow::JwtLogin,
        seed: 1,
        model: "closed".to_owned(),
        connections: 1,
        asked: None,
        elapsed: Duration::from_secs(1),
        sent: 1_000,
        answers: 1_000,
        rate: 1_000.0,
        wrong: 0,
        response: Quantiles::default(),
        service: Quantiles::default(),
        cases: Vec::new(),
        complaints: Vec::new(),
        failures: Vec::new(),
        bytes_sent: 0,
        bytes_received: 0,
        generator: GeneratorReport { workers: 1, idle: 0.5, ..GeneratorReport::default() },
        timeline: Vec::new(),
        thresholds: Vec::new(),
        invalid: Vec::new(),
        notes: Vec::new(),
        interrupted: false,
        setup: LoadSetup::default(),
        shard: None,
        start: None,
        histograms: HistogramsReport::default(),
    }
}

/// A case that asks for nothing in particular.
pub(super) fn case() -> Case {
    let request = Request { base: "http://127.0.0.1:1".to_owned(), ..Request::default() };
    Case {
        name: "valid".to_owned(),
        weight: 1.0,
        expected: Expected::Refusal,
        operation: "validate".to_owned(),
        environment: None,
        form: Form::fixed(request).unwrap(),
        tokens: Tokens::default(),
        keeps: None,
        talk: None,
        varies: false,
    }
}

/// A server of 64 connections that answers in 100 microseconds, one after the other, and does nothing for half a second
/// in every five: what a schedule of 2,000 a second sees of it, in virtual time.
fn stalled(pacer: &Pacer) -> Recorder {
    const STALL: u64 = 500_000_000;
    const PERIOD: u64 = 5_000_000_000;
    const SERVICE: u64 = 100_000;
    let awake = |moment: u64| match moment % PERIOD {
        phase if phase >= PERIOD - STALL => moment - phase + PERIOD,
        _ => moment,
    };
    let mut recorder = Recorder::new(Duration::ZERO, true, 1, 1);
    let mut free = [0; 64];
    let mut server = 0;
    for due in (0..).map_while(|n| pacer.due(n)) {
        let due = due.as_nanos() as u64;
        let connection = free.iter_mut().min().unwrap();
        let sent = due.max(*connection);
        recorder.sent(due, *connection, sent, (0, 0));
        // Four at a time, so that a queue drains within some milliseconds.
        let done = awake(awake(sent).max(server)) + SERVICE;
        server = done - SERVICE * 3 / 4;
        *connection = done;
        let ruling = Ruling { outcome: 0, wrong: false };
        recorder.answered(Moments { due, sent, done }, 0, ruling, 0);
    }
    recorder
}

#[test]
fn a_stall_of_the_server_is_in_the_response_times_and_not_in_the_generators_lateness() {
    let pacer = Pacer::new(&[Stage::steady(Duration::from_secs(30), 2_000.0)]);
    let recorder = stalled(&pacer);
    let millis = |histogram: &Histogram, share| histogram.quantile(share).as_nanos() as f64 / 1e6;
    // A tenth of all requests falls into a stall and waits for its end: P(longer than x) = (0.5 s - x) / 5 s.
    for (share, truth) in [(0.99, 451.0), (0.999, 495.0)] {
        let seen = millis(&recorder.slice.response, share);
        assert!((seen / truth - 1.0).abs() < 0.05, "{share}: {seen} instead of {truth}");
    }
    assert!((millis(&recorder.slice.response, 0.5) - 0.1).abs() < 0.1);
    // Counted from the writing of the request, the stall all but disappears: 64 requests of 10,000 wait.
    assert!(millis(&recorder.service, 0.99) < 2.0);
    assert_eq!(recorder.lateness.longest(), Duration::ZERO);
    assert_eq!(recorder.slice.response.count(), 60_000);
}
