//! What the tests of this module share.

use std::time::Duration;

use crate::model::{Flow, GeneratorReport, LoadReport, Quantiles};

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
    }
}
