//! What the coordinator of a run does each second: puts together what workers hand in.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::recorder::Slice;
use super::run::Watcher;
use crate::model::{Quantiles, SecondReport};
use crate::stats::{Histogram, PackedHistogram};

/// The points of a histogram.
pub(super) fn quantiles(histogram: &Histogram) -> Quantiles {
    Quantiles {
        count: histogram.count(),
        mean: histogram.mean(),
        p50: histogram.quantile(0.5),
        p75: histogram.quantile(0.75),
        p90: histogram.quantile(0.9),
        p95: histogram.quantile(0.95),
        p99: histogram.quantile(0.99),
        p99_9: histogram.quantile(0.999),
        p99_99: histogram.quantile(0.9999),
        max: histogram.longest(),
    }
}

/// The seconds of a run: those of its workers, put together.
pub(super) struct Seconds {
    workers: usize,
    /// Seconds that some workers have not finished.
    open: BTreeMap<u64, (usize, Slice)>,
    /// All response times.
    pub(super) response: Histogram,
    pub(super) timeline: Vec<SecondReport>,
    /// The response times of each second of the timeline.
    pub(super) each: Vec<PackedHistogram>,
}

impl Seconds {
    pub(super) fn new(workers: usize) -> Self {
        let (open, response, timeline, each) = Default::default();
        Self { workers, open, response, timeline, each }
    }

    pub(super) fn hear(&mut self, slice: Slice, watcher: &mut dyn Watcher) -> std::io::Result<()> {
        let second = slice.second;
        self.response.add(&slice.response);
        let (parts, _) = match self.open.entry(second) {
            Entry::Vacant(place) => place.insert((0, slice)),
            Entry::Occupied(place) => {
                let open = place.into_mut();
                open.1.add(&slice);
                open
            }
        };
        *parts += 1;
        if *parts == self.workers { self.close(second, watcher) } else { Ok(()) }
    }

    pub(super) fn finish(&mut self, watcher: &mut dyn Watcher) -> std::io::Result<()> {
        while let Some(second) = self.open.keys().next().copied() {
            self.close(second, watcher)?;
        }
        Ok(())
    }

    fn close(&mut self, second: u64, watcher: &mut dyn Watcher) -> std::io::Result<()> {
        let Some((_, slice)) = self.open.remove(&second) else { return Ok(()) };
        let report = SecondReport {
            second,
            sent: slice.sent,
            answers: slice.response.count(),
            wrong: slice.wrong,
            failed: slice.failed,
            response: quantiles(&slice.response),
            latest: Duration::from_nanos(slice.latest),
        };
        if report.sent + report.answers + report.failed == 0 {
            return Ok(());
        }
        self.timeline.push(report);
        self.each.push(slice.response.pack());
        watcher.second(&report, &slice.response)?;
        slice.detail.map_or(Ok(()), |detail| watcher.detail(&report, &detail))
    }
}
