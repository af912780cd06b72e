//! Do two requests take equally long? A rank test, in the words of evidence and not of proof.
//!
//! Times over a network are skewed and have wild tails, so means and t-tests say nothing; ranks do
//! (Mann and Whitney). Measured on loopback with the samples interleaved: a difference of 20 us is found
//! with 400 pairs, and equal requests are not accused (benches/notes.md).

use std::collections::BTreeSet;

use super::assess::Assessed;
use crate::model::Violation;

/// How far from chance a difference must be: beyond 4.5 standard deviations lie 7 in a million.
const ACCUSED: f64 = 4.5;
/// How far each half of the samples must be by itself: a disturbance of the machine is seldom in both.
const SUPPORTED: f64 = 2.0;
/// Fewer pairs say nothing.
const FEWEST: usize = 50;

/// Compares the times of two requests, with those of the first sent once more: what a timing step concludes from
/// times alone.
pub fn compare_times(first: &[u64], second: &[u64], again: &[u64]) -> Assessed {
    alike(first, second, again, &BTreeSet::from([0])).0
}

/// Holds the times of two requests against each other, with those of the first sent once more as the
/// measure of what the machine does by itself. Also says what was seen.
pub(super) fn alike(
    first: &[u64],
    second: &[u64],
    again: &[u64],
    statuses: &BTreeSet<u16>,
) -> (Assessed, String) {
    if statuses.len() != 1 {
        // A server that throttles after some tries, say: the time of another answer proves nothing.
        let reason = format!("the answers are not of one kind to compare: status {statuses:?}");
        return (Assessed::NoAnswer(reason.clone()), reason);
    }
    let count = first.len().min(second.len()).min(again.len());
    if count < FEWEST {
        let reason = format!("{count} pairs are too few, {FEWEST} are needed");
        return (Assessed::NoAnswer(reason.clone()), reason);
    }
    let score = z(first, second);
    let halves = [
        z(&first[..count / 2], &second[..count / 2]),
        z(&first[count / 2..], &second[count / 2..]),
    ];
    let control = z(first, again);
    let shift = (micros(median(second)) - micros(median(first)), detectable(first, again));
    let seen = format!(
        "the second takes {:+.1} us in the median (z {score:.1}, equal requests {control:.1}, n {count}, least detectable {:.1} us)",
        shift.0, shift.1
    );
    if control.abs() > ACCUSED {
        let reason = format!("equal requests differ as well, the machine is too restless: {seen}");
        return (Assessed::NoAnswer(reason), seen);
    }
    let supported = halves.iter().all(|half| half * score.signum() > SUPPORTED);
    if score.abs() > ACCUSED && supported {
        let wanted = "no difference in the time of the two answers that stands out from chance";
        return (Assessed::Breaks(Violation::new(wanted, seen.clone())), seen);
    }
    (Assessed::Holds, format!("no evidence of a difference: {seen}"))
}

/// The standard score of Mann and Whitney's U for `second` against `first`, ties halved and corrected.
fn z(first: &[u64], second: &[u64]) -> f64 {
    let mut all: Vec<(u64, bool)> = first.iter().map(|time| (*time, false)).collect();
    all.extend(second.iter().map(|time| (*time, true)));
    all.sort_unstable();
    let (n, m) = (first.len() as f64, second.len() as f64);
    let total = n + m;
    let (mut rank_sum, mut ties) = (0.0, 0.0);
    let mut at = 0;
    while at < all.len() {
        let end = all[at..].partition_point(|(time, _)| *time == all[at].0) + at;
        let size = (end - at) as f64;
        let rank = (at + 1 + end) as f64 / 2.0;
        rank_sum += rank * all[at..end].iter().filter(|(_, second)| *second).count() as f64;
        ties += size * size * size - size;
        at = end;
    }
    let u = rank_sum - m * (m + 1.0) / 2.0;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 { 0.0 } else { (u - n * m / 2.0) / variance.sqrt() }
}

/// The least shift, in microseconds, that this sample would have shown: by halving.
fn detectable(first: &[u64], again: &[u64]) -> f64 {
    let shown = |shift: u64| {
        let moved: Vec<u64> = again.iter().map(|time| time.saturating_add(shift)).collect();
        z(first, &moved) > ACCUSED
    };
    let (mut low, mut high) = (0, 1_000_000_000);
    while low + 100 < high {
        let middle = u64::midpoint(low, high);
        if shown(middle) { high = middle } else { low = middle }
    }
    micros(high)
}

fn median(times: &[u64]) -> u64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Random;

    /// Times around 100 us with a long tail, and a constant on top.
    fn times(seed: u64, count: usize, shift: u64) -> Vec<u64> {
        let mut random = Random::new(seed);
        let one = |random: &mut Random| {
            let spread = random.below(20_000) as u64;
            let tail = if random.below(20) == 0 { random.below(2_000_000) as u64 } else { 0 };
            100_000 + spread + tail + shift
        };
        (0..count).map(|_| one(&mut random)).collect()
    }

    #[test]
    fn equal_requests_are_not_accused() {
        for seed in 0..200 {
            let (result, seen) = alike(
                &times(seed, 400, 0),
                &times(seed + 1_000, 400, 0),
                &times(seed + 2_000, 400, 0),
                &BTreeSet::from([401]),
            );
            assert_eq!(result, Assessed::Holds, "seed {seed}: {seen}");
        }
    }

    #[test]
    fn a_difference_of_twenty_microseconds_is_seen_each_time() {
        for seed in 0..50 {
            let (result, seen) = alike(
                &times(seed, 400, 0),
                &times(seed + 1_000, 400, 20_000),
                &times(seed + 2_000, 400, 0),
                &BTreeSet::from([401]),
            );
            assert!(matches!(result, Assessed::Breaks(_)), "seed {seed}: {seen}");
            assert!(seen.contains("least detectable"), "{seen}");
        }
    }

    #[test]
    fn a_restless_machine_too_few_pairs_and_answers_of_two_kinds_are_said() {
        let one = BTreeSet::from([401]);
        let two = BTreeSet::from([401, 429]);
        for (count, again, statuses) in [(400, 90_000, &one), (20, 0, &one), (400, 0, &two)] {
            let (first, second) = (times(1, count, 0), times(2, count, 90_000));
            let (result, seen) = alike(&first, &second, &times(3, count, again), statuses);
            assert!(matches!(result, Assessed::NoAnswer(_)), "{seen}");
        }
    }

    #[test]
    fn equal_times_are_no_difference() {
        assert!(z(&[5; 100], &[5; 100]).abs() < f64::EPSILON);
        assert!(z(&[1, 2, 3], &[4, 5, 6]) > 1.9);
    }
}
