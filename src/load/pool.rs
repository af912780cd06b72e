//! What is asked: cases such as valid and unknown tokens, how often each comes, and which token is next.

use super::court::Expected;
use super::form::{Form, Tokens};
use crate::source::Random;

/// How often each token of a case is asked about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Popularity {
    /// All equally often.
    #[default]
    Uniform,
    /// The n-th most popular one in proportion to 1/n.
    Zipf,
}

/// One kind of request with the answer that it must get.
#[derive(Debug)]
pub(super) struct Case {
    /// Its name: `valid`.
    pub(super) name: String,
    /// Its share of all requests, in any unit.
    pub(super) weight: f64,
    pub(super) expected: Expected,
    pub(super) operation: String,
    pub(super) environment: Option<String>,
    pub(super) form: Form,
    pub(super) tokens: Tokens,
}

/// Everything that is asked.
#[derive(Debug)]
pub(super) struct Pool {
    cases: Vec<Case>,
    /// Up to which of 2^32 numbers each case is meant.
    limits: Vec<u32>,
    pickers: Vec<Picker>,
}

impl Pool {
    /// Every case has at least one token.
    pub(super) fn new(cases: Vec<Case>, popularity: Popularity) -> Self {
        let total: f64 = cases.iter().map(|case| case.weight).sum();
        let mut sum = 0.0;
        let limit = |case: &Case| {
            sum += case.weight / total;
            (sum * f64::from(u32::MAX)) as u32
        };
        let mut limits: Vec<u32> = cases.iter().map(limit).collect();
        if let Some(last) = limits.last_mut() {
            *last = u32::MAX;
        }
        let pickers = cases.iter().map(|case| Picker::new(case.tokens.len(), popularity)).collect();
        Self { cases, limits, pickers }
    }

    pub(super) fn cases(&self) -> &[Case] {
        &self.cases
    }

    #[inline]
    pub(super) fn case(&self, at: usize) -> &Case {
        &self.cases[at]
    }

    /// The next case and token.
    #[inline]
    pub(super) fn pick(&self, random: &mut Random) -> (usize, usize) {
        let bits = random.bits();
        let case = match self.limits.as_slice() {
            [_] => 0,
            limits => limits.iter().position(|limit| bits as u32 <= *limit).unwrap_or(0),
        };
        (case, self.pickers[case].pick((bits >> 32) as u32, random))
    }
}

/// Picks a number below a bound.
#[derive(Debug)]
enum Picker {
    Uniform(u32),
    /// Walker's alias method: for each number the share that is its own, and the number that has the rest.
    Alias(Vec<(u32, u32)>),
}

impl Picker {
    fn new(count: usize, popularity: Popularity) -> Self {
        match popularity {
            Popularity::Uniform => Self::Uniform(count as u32),
            Popularity::Zipf => Self::Alias(alias(count)),
        }
    }

    #[inline]
    fn pick(&self, bits: u32, random: &mut Random) -> usize {
        let below = |bound: u32| ((u64::from(bits) * u64::from(bound)) >> 32) as usize;
        match self {
            Self::Uniform(count) => below(*count),
            Self::Alias(table) => {
                let at = below(table.len() as u32);
                let (own, other) = table[at];
                if random.bits() as u32 <= own { at } else { other as usize }
            }
        }
    }
}

/// The alias table of a Zipf distribution with exponent 1 (Vose, 1991).
fn alias(count: usize) -> Vec<(u32, u32)> {
    let harmonic: f64 = (1..=count).map(|n| 1.0 / n as f64).sum();
    let mut share: Vec<f64> = (1..=count).map(|n| count as f64 / (n as f64 * harmonic)).collect();
    let mut table = vec![(u32::MAX, 0); count];
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..count).partition(|at| share[*at] < 1.0);
    while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
        table[less] = ((share[less] * f64::from(u32::MAX)) as u32, more as u32);
        share[more] -= 1.0 - share[less];
        if share[more] < 1.0 {
            large.pop();
            small.push(more);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(count: usize, popularity: Popularity) -> Vec<f64> {
        let picker = Picker::new(count, popularity);
        let mut random = Random::new(1);
        let mut counts = vec![0.0; count];
        for _ in 0..200_000 {
            let bits = (random.bits() >> 32) as u32;
            counts[picker.pick(bits, &mut random)] += 1.0 / 200_000.0;
        }
        counts
    }

    #[test]
    fn tokens_are_picked_as_often_as_their_popularity_says() {
        let harmonic: f64 = (1..=50).map(|n| 1.0 / f64::from(n)).sum();
        for (at, (uniform, zipf)) in counts(50, Popularity::Uniform)
            .into_iter()
            .zip(counts(50, Popularity::Zipf))
            .enumerate()
        {
            assert!((uniform - 0.02).abs() < 0.003, "{at}: {uniform}");
            let wanted = 1.0 / ((at + 1) as f64 * harmonic);
            assert!((zipf - wanted).abs() < 0.004, "{at}: {zipf} instead of {wanted}");
        }
        assert_eq!(counts(1, Popularity::Zipf).len(), 1);
    }
}
