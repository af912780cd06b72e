//! When the n-th request is due: an absolute schedule that no slow answer can push back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::shard::Turn;
use crate::model::parse_duration;
use crate::source::Random;

/// A part of a schedule: requests at a steady rate, or at one that grows or shrinks evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// How long it takes.
    pub length: Duration,
    /// Requests a second at its beginning.
    pub from: f64,
    /// Requests a second at its end.
    pub to: f64,
}

impl Stage {
    /// A stage at one rate.
    pub const fn steady(length: Duration, rate: f64) -> Self {
        Self { length, from: rate, to: rate }
    }

    /// How many requests are due in it.
    pub fn requests(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.length.as_secs_f64()
    }

    /// Reads `10s:1000`, ten seconds at a thousand a second, or `10s:0-1000`, a ramp.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("`{text}` is not a stage: {why}; write 10s:1000, or 10s:0-1000 for a ramp")
        };
        let (length, rates) = text.split_once(':').ok_or_else(|| wrong("it has no `:`"))?;
        let length = parse_duration(length).map_err(|error| wrong(&error))?;
        let rate = |text: &str| match text.parse::<f64>() {
            Ok(rate) if (0.0..=FASTEST).contains(&rate) => Ok(rate),
            Ok(_) => Err(wrong(&format!("a rate is between 0 and {FASTEST}"))),
            Err(_) => Err(wrong(&format!("`{text}` is not a rate"))),
        };
        let (from, to) = match rates.split_once('-') {
            Some((from, to)) => (rate(from)?, rate(to)?),
            None => (rate(rates)?, rate(rates)?),
        };
        match length.is_zero() {
            true => Err(wrong("it takes no time")),
            false => Ok(Self { length, from, to }),
        }
    }
}

/// More requests a second than this are a mistake.
pub const FASTEST: f64 = 10_000_000.0;

/// Reads `10s:1000,30s:5000`.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn parse_stages(text: &str) -> Result<Vec<Stage>, String> {
    let stages =
        text.split(',').map(|one| Stage::parse(one.trim())).collect::<Result<Vec<_>, _>>()?;
    match stages.iter().map(Stage::requests).sum::<f64>() >= 1.0 {
        true => Ok(stages),
        false => Err(format!("the stages `{text}` ask for less than one request")),
    }
}

/// How requests are spread over time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// Evenly.
    Constant,
    /// As independent clients come: the gaps are exponential (a Poisson process).
    Poisson,
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        })
    }
}

/// The schedule of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Pacer {
    /// Each stage with the moment and the number of requests at which it begins.
    stages: Vec<(Stage, f64, f64)>,
    length: Duration,
    total: f64,
}

impl Pacer {
    /// A schedule of stages, one after the other.
    pub fn new(stages: &[Stage]) -> Self {
        let (mut start, mut before) = (0.0, 0.0);
        let mut placed = Vec::new();
        for stage in stages {
            placed.push((*stage, start, before));
            start += stage.length.as_secs_f64();
            before += stage.requests();
        }
        let length = stages.iter().map(|stage| stage.length).sum();
        Self { stages: placed, length, total: before }
    }

    /// How long it takes.
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// How many requests it asks for in the time between two moments.
    pub fn requests_between(&self, from: Duration, to: Duration) -> f64 {
        self.requests_until(to) - self.requests_until(from)
    }

    /// How many requests become due in the time between two moments, of those that have this turn.
    pub(super) fn due_between(&self, from: Duration, to: Duration, turn: Turn) -> u64 {
        let (from, to) = (self.requests_until(from).ceil(), self.requests_until(to).ceil());
        let before = |end: f64| (end as u64).saturating_sub(turn.first).div_ceil(turn.step);
        before(to) - before(from)
    }

    /// The moment at which request `n` is due, counted from the start; the first is number 0 and due at once.
    /// `None` behind the end of the last stage.
    pub fn due(&self, n: u64) -> Option<Duration> {
        self.moment(n as f64)
    }

    /// The moment at which so many requests, or parts of one, have become due.
    fn moment(&self, position: f64) -> Option<Duration> {
        if position >= self.total {
            return None;
        }
        let at =
            self.stages.partition_point(|(_, _, before)| *before <= position).checked_sub(1)?;
        // A stage without requests begins at the same number as the one behind it, and is passed over.
        let (stage, start, before) = &self.stages[at];
        let within = position - before;
        let slope = (stage.to - stage.from) / stage.length.as_secs_f64();
        let root = (stage.from * stage.from + 2.0 * slope * within).max(0.0).sqrt();
        let behind = if within > 0.0 { 2.0 * within / (stage.from + root) } else { 0.0 };
        Duration::try_from_secs_f64(start + behind).ok()
    }

    fn requests_until(&self, moment: Duration) -> f64 {
        let moment = moment.as_secs_f64();
        let of = |(stage, start, _): &(Stage, f64, f64)| {
            let length = stage.length.as_secs_f64();
            let inside = (moment - start).clamp(0.0, length);
            let rate = stage.from + (stage.to - stage.from) * inside / length;
            f64::midpoint(stage.from, rate) * inside
        };
        self.stages.iter().map(of).sum()
    }
}

/// The part of a schedule that one of several workers sees to.
#[derive(Debug)]
pub(super) struct Share {
    pacer: Arc<Pacer>,
    position: f64,
    step: u64,
    random: Option<Random>,
}

impl Share {
    /// The share of whoever has this turn. The moments of a Poisson process are drawn by everybody from the same seed,
    /// and each takes its own: together they are one process, however it is divided.
    pub(super) fn new(pacer: Arc<Pacer>, arrival: Arrival, turn: Turn, seed: u64) -> Self {
        let Turn { first, step } = turn;
        let mut share = Self { pacer, position: first as f64, step, random: None };
        if arrival == Arrival::Poisson {
            share.random = Some(Random::derive(seed, "arrivals"));
            share.position = share.gaps(first + 1);
        }
        share
    }

    /// When the next request of the share is due, in nanoseconds from the start.
    pub(super) fn next_due(&mut self) -> Option<u64> {
        let moment = self.pacer.moment(self.position)?;
        self.position += self.gaps(self.step);
        u64::try_from(moment.as_nanos()).ok()
    }

    /// So many gaps of the schedule, one after the other.
    fn gaps(&mut self, count: u64) -> f64 {
        match &mut self.random {
            Some(random) => (0..count).map(|_| exponential(random)).sum(),
            None => count as f64,
        }
    }
}

/// A gap of a Poisson process with one event a unit.
fn exponential(random: &mut Random) -> f64 {
    // Between 0 and 1, and never 0.
    -(((random.bits() >> 11) + 1) as f64 / (1u64 << 53) as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::shard::Shard;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_request_is_due_where_the_schedule_puts_it() {
        let steady = Pacer::new(&[Stage::steady(seconds(10), 1_000.0)]);
        let slow = Pacer::new(&[Stage::steady(seconds(60), 0.5)]);
        let thirds = Pacer::new(&[Stage::steady(seconds(9), 1.0 / 3.0)]);
        let stairs = Pacer::new(&parse_stages("10s:1000,30s:5000").unwrap());
        let ramp = Pacer::new(&parse_stages("10s:0-1000").unwrap());
        let pause = Pacer::new(&parse_stages("1s:10,2s:0,1s:10").unwrap());
        for (name, pacer, n, wanted) in [
            ("steady", &steady, 0, Some(0.0)),
            ("steady", &steady, 1, Some(0.001)),
            ("steady", &steady, 9_999, Some(9.999)),
            ("steady", &steady, 10_000, None),
            ("slow", &slow, 3, Some(6.0)),
            ("slow", &slow, 30, None),
            ("thirds", &thirds, 2, Some(6.0)),
            ("stairs", &stairs, 10_000, Some(10.0)),
            ("stairs", &stairs, 15_000, Some(11.0)),
            ("stairs", &stairs, 159_999, Some(39.9998)),
            ("stairs", &stairs, 160_000, None),
            // n = 50 t^2
            ("ramp", &ramp, 50, Some(1.0)),
            ("ramp", &ramp, 1_250, Some(5.0)),
            ("pause", &pause, 9, Some(0.9)),
            ("pause", &pause, 10, Some(3.0)),
            ("pause", &pause, 19, Some(3.9)),
        ] {
            let got = pacer.due(n).map(|due| due.as_secs_f64());
            let near = match (got, wanted) {
                (Some(got), Some(wanted)) => (got - wanted).abs() < 2e-9,
                (got, wanted) => got.is_none() && wanted.is_none(),
            };
            assert!(near, "{name}: request {n} is due at {got:?}, wanted {wanted:?}");
        }
    }

    #[test]
    fn no_second_is_a_burst() {
        let pacer = Pacer::new(&[Stage::steady(seconds(5), 2_000.0)]);
        let mut slots = [0; 100];
        (0..10_000).filter_map(|n| pacer.due(n)).for_each(|due| {
            slots[due.as_millis() as usize / 50] += 1;
        });
        // A due moment is rounded down to a nanosecond and may fall into the slot before.
        assert!(slots.iter().all(|count: &i32| (count - 100).abs() <= 1), "{slots:?}");
    }

    #[test]
    fn the_shares_of_workers_are_the_whole_schedule() {
        let pacer = Arc::new(Pacer::new(&[Stage::steady(seconds(2), 333.3)]));
        let mut all: Vec<u64> = (0..3)
            .flat_map(|worker| {
                let turn = Turn { first: worker, step: 3 };
                let mut share = Share::new(Arc::clone(&pacer), Arrival::Constant, turn, 1);
                std::iter::from_fn(move || share.next_due()).collect::<Vec<_>>()
            })
            .collect();
        all.sort_unstable();
        let wanted: Vec<u64> =
            (0..).map_while(|n| pacer.due(n)).map(|due| due.as_nanos() as u64).collect();
        assert_eq!(all, wanted);
    }

    #[test]
    fn poisson_gaps_are_exponential_and_repeat_with_their_seed() {
        let pacer = Arc::new(Pacer::new(&[Stage::steady(seconds(100), 1_000.0)]));
        let take = |seed| {
            let turn = Turn { first: 0, step: 1 };
            let mut share = Share::new(Arc::clone(&pacer), Arrival::Poisson, turn, seed);
            std::iter::from_fn(move || share.next_due()).collect::<Vec<_>>()
        };
        let moments = take(1);
        assert_eq!(moments, take(1));
        assert_ne!(moments, take(2));
        assert!((moments.len() as f64 - 100_000.0).abs() < 1_500.0, "{}", moments.len());
        for multiple in [0.5, 1.0, 2.0, 4.0] {
            let long = moments.windows(2).filter(|w| (w[1] - w[0]) as f64 > multiple * 1e6).count();
            let share = long as f64 / moments.len() as f64;
            let wanted = (-multiple).exp();
            assert!((share - wanted).abs() < 0.01, "{multiple}: {share} instead of {wanted}");
        }
    }

    #[test]
    fn shards_of_a_schedule_are_due_when_the_whole_is_and_no_moment_is_due_twice() {
        let pacer = Arc::new(Pacer::new(&parse_stages("2s:0-500,3s:500").unwrap()));
        let take = |arrival, turn| {
            let mut share = Share::new(Arc::clone(&pacer), arrival, turn, 7);
            std::iter::from_fn(move || share.next_due()).collect::<Vec<_>>()
        };
        let (from, to) = (seconds(2), seconds(5));
        for arrival in [Arrival::Constant, Arrival::Poisson] {
            let whole = take(arrival, Turn { first: 0, step: 1 });
            let mut all = Vec::new();
            let mut asked = 0;
            for (shard, workers) in [("1/3", 2), ("2/3", 1), ("3/3", 4)] {
                let shard: Shard = shard.parse().unwrap();
                (0..workers).for_each(|worker| {
                    all.extend(take(arrival, Turn::new(shard, worker, workers)));
                });
                asked += pacer.due_between(from, to, Turn::new(shard, 0, 1));
            }
            all.sort_unstable();
            // Sums of gaps are added up in another order.
            let near = all.iter().zip(&whole).all(|(part, whole)| part.abs_diff(*whole) <= 1_000);
            assert!(all.len() == whole.len() && near, "{arrival}");
            assert_eq!(asked, 1_500);
        }
    }

    #[test]
    fn a_malformed_stage_is_refused_with_a_sentence() {
        for (text, why) in [
            ("", "no `:`"),
            ("10s", "no `:`"),
            ("10:5", "is not a duration"),
            ("10s:x", "is not a rate"),
            ("10s:-5", "is not a rate"),
            ("0s:5", "takes no time"),
            ("10s:99999999999", "between 0 and"),
            ("10s:NaN", "between 0 and"),
            ("1s:0", "less than one request"),
            ("10s:5,", "no `:`"),
        ] {
            let error = parse_stages(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn what_was_asked_between_two_moments_is_known() {
        let pacer = Pacer::new(&parse_stages("10s:0-1000,10s:1000").unwrap());
        let between = |from, to| pacer.requests_between(seconds(from), seconds(to)).round();
        assert_eq!(between(0, 20), 15_000.0);
        assert_eq!(between(10, 11), 1_000.0);
        assert_eq!(between(0, 1), 50.0);
    }
}
