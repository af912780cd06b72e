//! How far the ratio of two means can be trusted, from resampling.

use crate::source::Random;

/// An estimate with the range in which the true value lies, to a given confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// The lower end of the range.
    pub low: f64,
    /// The upper end of the range.
    pub high: f64,
}

const RESAMPLES: usize = 2_000;
/// Fewer values than this say nothing about how far they scatter.
const FEWEST: usize = 5;

/// The mean of `new` divided by the mean of `base`, with its interval of this confidence by a moving-block bootstrap: neighbouring
/// values, such as those of neighbouring seconds, are not independent, so blocks of them are drawn together.
///
/// `None` when there are fewer than five values on a side or the base is zero. The same seed gives the same interval.
pub fn ratio_of_means(base: &[f64], new: &[f64], confidence: f64, seed: u64) -> Option<Interval> {
    if base.len() < FEWEST || new.len() < FEWEST || mean(base) <= 0.0 {
        return None;
    }
    let mut random = Random::derive(seed, "bootstrap");
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let below = resampled_mean(base, &mut random);
            (below > 0.0).then(|| resampled_mean(new, &mut random) / below)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios.get((share * ratios.len() as f64) as usize).copied();
    let beyond = (1.0 - confidence) / 2.0;
    Some(Interval { value: mean(new) / mean(base), low: at(beyond)?, high: at(1.0 - beyond)? })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn resampled_mean(values: &[f64], random: &mut Random) -> f64 {
    let block = (values.len() as f64).cbrt().ceil() as usize;
    let mut sum = 0.0;
    let mut taken = 0;
    while taken < values.len() {
        let start = random.below(values.len());
        // Blocks go round the end, so that every value is drawn equally often.
        for offset in 0..block.min(values.len() - taken) {
            sum += values[(start + offset) % values.len()];
            taken += 1;
        }
    }
    sum / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(level: f64, count: usize, part: &str) -> Vec<f64> {
        let mut random = Random::derive(7, part);
        (0..count).map(|_| level * (0.95 + random.below(1_000) as f64 / 10_000.0)).collect()
    }

    #[test]
    fn a_real_difference_lies_outside_and_none_inside() {
        let base = noisy(100.0, 30, "base");
        for (level, differs) in [(100.0, false), (120.0, true), (80.0, true)] {
            let interval = ratio_of_means(&base, &noisy(level, 30, "new"), 0.95, 1).unwrap();
            let outside = interval.low > 1.0 || interval.high < 1.0;
            assert_eq!(outside, differs, "{level}: {interval:?}");
            assert!(interval.low <= interval.value && interval.value <= interval.high);
        }
    }

    #[test]
    fn too_few_values_say_nothing() {
        assert_eq!(ratio_of_means(&[1.0; 4], &[1.0; 30], 0.95, 1), None);
        assert_eq!(ratio_of_means(&[0.0; 30], &[1.0; 30], 0.95, 1), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let (base, new) = (noisy(10.0, 20, "a"), noisy(10.0, 20, "b"));
        let compare = || ratio_of_means(&base, &new, 0.95, 3);
        assert_eq!(compare(), compare());
    }
}
