//! A histogram of durations of bounded size, to three significant digits.

use std::time::{Duration, SystemTime};
use std::{fmt, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use hdrhistogram::serialization::{
    DeserializeError, Deserializer, Serializer as _, V2DeflateSerializer, V2Serializer,
};

/// Durations from a nanosecond to an hour, kept to three significant digits. What is longer counts as an hour. It takes 16 KiB, 8 KiB
/// more for each doubling of the longest duration above two microseconds, and so 270 KiB at most.
#[derive(Clone, Debug)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

/// An hour in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;
/// Significant digits.
const DIGITS: u8 = 3;

impl Default for Histogram {
    fn default() -> Self {
        Self(hdrhistogram::Histogram::new(DIGITS).expect("a precision that the crate allows"))
    }
}

impl Histogram {
    /// Adds a duration, in nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.record(nanoseconds.min(LONGEST)).expect("it grows up to an hour");
    }

    /// Adds everything that another histogram holds.
    pub fn add(&mut self, other: &Self) {
        // The crate's own growth would leave a bound that depends on the order.
        if self.0.high() < other.0.high() {
            let smaller = std::mem::replace(self, other.clone());
            return self.add(&smaller);
        }
        self.0.add(&other.0).expect("it is at least as wide");
    }

    /// How many durations it holds.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration that this share of all durations does not exceed; a share is between 0 and 1. Zero when empty.
    pub fn quantile(&self, share: f64) -> Duration {
        // The crate answers with the upper end of a bucket, which may lie above the greatest value.
        Duration::from_nanos(self.0.value_at_quantile(share).min(self.0.max()))
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// The longest duration.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// How many durations are longer than this one.
    pub fn above(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).min(LONGEST);
        self.0.len() - self.0.count_between(0, limit)
    }

    /// Each duration that it holds, in nanoseconds as far as it tells them apart, with how often it was recorded; in
    /// rising order.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0
            .iter_recorded()
            .map(|one| (self.0.median_equivalent(one.value_iterated_to()), one.count_at_value()))
    }

    /// The same in a kilobyte or two, to be kept. Compressing it would take a third of a mebibyte each time.
    pub fn pack(&self) -> PackedHistogram {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).expect("a vector takes every byte");
        PackedHistogram(bytes.into())
    }

    /// Everything that it holds, as other tools for HdrHistogram read it: base64 of a V2 compressed histogram. Nothing is
    /// lost. Empty when it is empty.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        if self.count() == 0 {
            return String::new();
        }
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("a vector takes every byte");
        STANDARD.encode(bytes)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When it is no such histogram, or one with other bounds.
    pub fn decode(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > LONGEST_TEXT {
            return Err(format!("a histogram of {} characters is too long", text.len()));
        }
        let bytes = STANDARD.decode(text).map_err(|error| format!("it is no base64: {error}"))?;
        let own =
            read(&bytes).map_err(|error| format!("it is no compressed HdrHistogram: {error}"))?;
        let (low, high, digits) = (own.0.low(), own.0.high(), own.0.sigfig());
        if low != 1 || digits != DIGITS || high > WIDEST {
            return Err(format!(
                "it holds {low} to {high} ns to {digits} digits; this program has 1 to {LONGEST} ns to {DIGITS}"
            ));
        }
        Ok(own)
    }
}

/// A histogram that was serialised, and that grows with what is added to it.
fn read(mut bytes: &[u8]) -> Result<Histogram, DeserializeError> {
    let mut read: hdrhistogram::Histogram<u64> = Deserializer::new().deserialize(&mut bytes)?;
    read.auto(true);
    Ok(Histogram(read))
}

/// A histogram that nothing is added to any more.
#[derive(Clone, Debug)]
pub struct PackedHistogram(Box<[u8]>);

impl PackedHistogram {
    /// The histogram itself.
    pub fn unpack(&self) -> Histogram {
        read(&self.0).expect("it was written by the same crate")
    }
}

/// No histogram with at most an hour in it has a higher bound: it doubles.
const WIDEST: u64 = LONGEST.next_power_of_two();
/// More than any histogram of these bounds takes.
const LONGEST_TEXT: usize = 1 << 20;

/// A log in the format of HdrHistogram, version 1.3 with V2 compressed histograms: a line for each interval.
///
/// Values are nanoseconds; the column of the longest value is milliseconds, as the tools for these logs expect it.
pub struct HistogramLog<W> {
    out: W,
    serializer: V2DeflateSerializer,
    started: SystemTime,
}

impl<W> fmt::Debug for HistogramLog<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramLog").field("started", &self.started).finish_non_exhaustive()
    }
}

impl<W: io::Write> HistogramLog<W> {
    /// Begins a log with its header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(mut out: W, started: SystemTime, comment: &str) -> io::Result<Self> {
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment(comment)
            .add_comment("[Histogram log format version 1.3]")
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut out, &mut serializer)?;
        Ok(Self { out, serializer, started })
    }

    /// Writes what was recorded in an interval; its beginning counts from the start of the log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn interval(
        &mut self,
        histogram: &Histogram,
        from: Duration,
        length: Duration,
        tag: &str,
    ) -> io::Result<()> {
        // The crate writes a header with each writer; only the line below it is wanted.
        let mut text = Vec::new();
        IntervalLogWriterBuilder::new()
            .with_base_time(self.started)
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut text, &mut self.serializer)?
            .write_histogram(&histogram.0, from, length, Tag::new(tag))
            .map_err(io::Error::other)?;
        let line = text.split_inclusive(|byte| *byte == b'\n').next_back().unwrap_or_default();
        self.out.write_all(line)
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When what is left cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use proptest::prelude::*;

    use super::*;

    fn of(durations: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        durations.into_iter().for_each(|nanoseconds| histogram.record(nanoseconds));
        histogram
    }

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let histogram = of((1..=100_000).map(|n| n * 1_000));
        for (share, wanted) in [(0.5, 50_000_000), (0.99, 99_000_000), (0.9999, 99_990_000)] {
            let got = histogram.quantile(share).as_nanos() as f64;
            assert!((got / f64::from(wanted) - 1.0).abs() < 0.001, "{share}: {got}");
        }
        assert_eq!(histogram.count(), 100_000);
        assert_eq!(histogram.longest().as_millis(), 100);
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile(0.99), empty.longest(), empty.count()), Default::default());
    }

    #[test]
    fn more_than_an_hour_counts_as_an_hour() {
        let histogram = of([u64::MAX, 5]);
        assert_eq!(histogram.count(), 2);
        assert!(histogram.longest() >= Duration::from_secs(3_600));
    }

    #[test]
    fn what_two_workers_recorded_is_put_together() {
        let mut all = of([1_000, 2_000]);
        all.add(&of([3_000]));
        assert_eq!(all.count(), 3);
        assert_eq!(all.above(Duration::from_nanos(2_500)), 1);
    }

    #[test]
    fn a_log_is_read_back_with_the_same_values() {
        let mut bytes = Vec::new();
        let mut log = HistogramLog::begin(&mut bytes, SystemTime::UNIX_EPOCH, "a run").unwrap();
        let second = Duration::from_secs(1);
        for from in 0..3u64 {
            let histogram = of((0..1_000).map(|n| (from + 1) * 1_000_000 + n));
            log.interval(&histogram, second * from as u32, second, "response").unwrap();
        }
        log.finish().unwrap();
        let mut deserializer = Deserializer::new();
        let mut seen = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let encoded = interval.encoded_histogram();
                let decoded = STANDARD.decode(encoded).unwrap();
                let read: hdrhistogram::Histogram<u64> =
                    deserializer.deserialize(&mut decoded.as_slice()).unwrap();
                seen.push((interval.start_timestamp(), read.len(), read.max() / 1_000_000));
            }
        }
        let wanted = [0, 1, 2].map(|n| (Duration::from_secs(n), 1_000, n + 1));
        assert_eq!(seen, wanted, "{}", String::from_utf8_lossy(&bytes));
    }

    /// All that can be asked of a histogram.
    fn answers(of: &Histogram) -> (u64, Vec<Duration>, Duration, Duration) {
        let shares = (0..=20).map(|n| f64::from(n) / 20.0).chain([0.999, 0.9999]);
        (of.count(), shares.map(|share| of.quantile(share)).collect(), of.mean(), of.longest())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn parts_that_were_written_and_read_back_are_what_one_histogram_of_all_would_have_been(
            parts in prop::collection::vec(prop::collection::vec(0..2 * LONGEST, 0..200), 1..6),
        ) {
            let mut merged = Histogram::default();
            for part in &parts {
                let part = of(part.iter().copied());
                prop_assert_eq!(part.pack().unpack().encode(), part.encode());
                merged.add(&Histogram::decode(&part.encode()).unwrap());
            }
            let whole = of(parts.into_iter().flatten());
            prop_assert_eq!(answers(&merged), answers(&whole));
            prop_assert_eq!(merged.encode(), whole.encode());
        }
    }

    #[test]
    fn what_is_no_histogram_of_this_program_is_refused_with_a_reason() {
        let mut bytes = Vec::new();
        let other = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1_000, 2).unwrap();
        V2DeflateSerializer::new().serialize(&other, &mut bytes).unwrap();
        for (text, why) in [
            ("?".to_owned(), "no base64"),
            ("aGVsbG8=".to_owned(), "no compressed HdrHistogram"),
            (STANDARD.encode(bytes), "1 to 1000 ns to 2 digits"),
            ("A".repeat(LONGEST_TEXT + 1), "too long"),
        ] {
            let error = Histogram::decode(&text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(Histogram::decode("").unwrap().count(), 0);
    }
}
