//! The highest rate at which a server keeps its thresholds.

use std::time::Duration;

/// What became of one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Requests a second that were asked for.
    pub rate: f64,
    /// The 99th percentile of response times.
    pub p99: Duration,
    /// Whether everything that was asked was kept.
    pub kept: bool,
    /// What was not kept, in a few words.
    pub why: String,
}

/// The curve of a search, in rising order of the rates, and the highest rate that was kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Every rate that was tried.
    pub curve: Vec<Probe>,
    /// The highest that was kept; `None` when not even the first one was.
    pub highest: Option<f64>,
}

/// Rates are told apart to about this share: finer steps measure the noise.
const PRECISION: f64 = 0.04;
/// More doublings than this lead beyond what any generator sends.
const MOST_DOUBLINGS: usize = 24;

/// Doubles the rate until something is not kept, then halves the gap until it is small. `probe` tries one rate, and
/// answers `None` when the search is to end early.
///
/// # Errors
/// Those of `probe`.
pub fn find_capacity<E>(
    first: f64,
    mut probe: impl FnMut(f64) -> Result<Option<Probe>, E>,
) -> Result<Capacity, E> {
    let mut capacity = Capacity::default();
    let (mut kept, mut lost) = (None, None);
    let mut rate = first;
    for _ in 0..MOST_DOUBLINGS {
        let Some(tried) = probe(rate)? else { return Ok(capacity.sorted()) };
        let was_kept = tried.kept;
        capacity.curve.push(tried);
        if !was_kept {
            lost = Some(rate);
            break;
        }
        kept = Some(rate);
        capacity.highest = kept;
        rate *= 2.0;
    }
    // Not even the first rate was kept: what is below it is not searched for ever.
    let mut low = kept.unwrap_or(first / 8.0);
    let Some(mut high) = lost else { return Ok(capacity.sorted()) };
    while high / low > 1.0 + PRECISION {
        let middle = (low * high).sqrt();
        let Some(tried) = probe(middle)? else { break };
        if tried.kept {
            low = middle;
            capacity.highest = Some(middle);
        } else {
            high = middle;
        }
        capacity.curve.push(tried);
    }
    Ok(capacity.sorted())
}

impl Capacity {
    fn sorted(mut self) -> Self {
        self.curve.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that keeps its promises up to a rate.
    fn search(limit: f64, first: f64, most: usize) -> (Capacity, usize) {
        let mut probes = 0;
        let probe = |rate| {
            probes += 1;
            let (p99, why) = (Duration::from_millis(1), String::new());
            let tried = Probe { rate, p99, kept: rate <= limit, why };
            Ok::<_, ()>((probes <= most).then_some(tried))
        };
        (find_capacity(first, probe).unwrap(), probes)
    }

    #[test]
    fn the_highest_rate_is_found_within_its_precision() {
        for limit in [1_000.0, 1_999.0, 12_345.0, 500.0, 80_000.0] {
            let (capacity, probes) = search(limit, 1_000.0, 100);
            let highest = capacity.highest.unwrap();
            assert!(highest <= limit && highest * (1.0 + PRECISION) >= limit, "{limit}: {highest}");
            assert!(probes < 20, "{probes}");
            assert!(capacity.curve.windows(2).all(|pair| pair[0].rate < pair[1].rate));
        }
    }

    #[test]
    fn a_server_that_keeps_nothing_or_everything_ends_the_search() {
        let (nothing, probes) = search(0.0, 1_000.0, 100);
        assert!(nothing.highest.is_none() && probes < 100, "{probes}");
        let (everything, probes) = search(f64::MAX, 1_000.0, 100);
        assert!(everything.highest.is_some() && probes == MOST_DOUBLINGS);
    }

    #[test]
    fn a_search_that_is_ended_early_keeps_what_it_found() {
        let (capacity, _) = search(12_345.0, 1_000.0, 3);
        assert_eq!((capacity.highest, capacity.curve.len()), (Some(4_000.0), 3));
    }
}
