//! What is asked: cases such as valid and unknown tokens, how often each comes, and which token is next.

use super::court::Expected;
use super::form::{Form, Tokens};
use super::talk::Talk;
use crate::source::Random;
use crate::target::Field;

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
    /// The tokens that all users share; none where each user has one of its own.
    pub(super) tokens: Tokens,
    /// What a user keeps of the answer, as its own token.
    pub(super) keeps: Option<Field>,
    /// How its users talk on a socket, when they do.
    pub(super) talk: Option<Talk>,
    /// Whether each answer differs from all others, so that none is worth remembering.
    pub(super) varies: bool,
}

/// Where a user's request has its token from, instead of the shared ones.
pub(super) const OWN: usize = u32::MAX as usize;

/// Everything that is asked.
#[derive(Debug)]
pub(super) struct Pool {
    cases: Vec<Case>,
    order: Order,
}

/// Which case is next.
#[derive(Debug)]
enum Order {
    /// Each request stands for itself.
    Mixed {
        /// Up to which of 2^32 numbers each case is meant.
        limits: Vec<u32>,
        pickers: Vec<Picker>,
    },
    /// Each user goes through the cases in turn, again and again, with a token of its own.
    InTurn {
        /// How many cases there are in a turn.
        turn: usize,
        /// What each user has at the beginning.
        first: Tokens,
    },
}

impl Pool {
    /// Users that go through cases in turn. The case behind the last one of a turn, where there is one, is what a user does
    /// whose token may be lost: it brings a new one, and is not part of what is measured.
    pub(super) fn in_turn(cases: Vec<Case>, turn: usize, first: Tokens) -> Self {
        Self { cases, order: Order::InTurn { turn, first } }
    }

    /// The token of a user's own at the beginning; `None` where users have none.
    pub(super) fn first_of(&self, user: usize) -> Option<&str> {
        match &self.order {
            Order::Mixed { .. } => None,
            Order::InTurn { first, .. } => Some(first.get(user)),
        }
    }

    /// Where a user goes on behind a case.
    #[inline]
    pub(super) fn after(&self, case: usize, went_well: bool) -> usize {
        match &self.order {
            Order::Mixed { .. } => 0,
            Order::InTurn { turn, .. } if went_well => {
                if case + 1 < *turn {
                    case + 1
                } else {
                    0
                }
            }
            // The mending case, or the first of the turn.
            Order::InTurn { turn, .. } => *turn % self.cases.len(),
        }
    }

    /// Whether a user at this place has to get a new token first, beside what is measured.
    #[inline]
    pub(super) fn mends(&self, place: usize) -> bool {
        matches!(&self.order, Order::InTurn { turn, .. } if place >= *turn)
    }

    /// Whether users talk on sockets, one for each request.
    #[inline]
    pub(super) fn talks(&self) -> bool {
        self.cases[0].talk.is_some()
    }

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
        Self { cases, order: Order::Mixed { limits, pickers } }
    }

    pub(super) fn cases(&self) -> &[Case] {
        &self.cases
    }

    #[inline]
    pub(super) fn case(&self, at: usize) -> &Case {
        &self.cases[at]
    }

    /// The next case and token of a user at a place of its turn.
    #[inline]
    pub(super) fn pick(&self, place: usize, random: &mut Random) -> (usize, usize) {
        let Order::Mixed { limits, pickers } = &self.order else { return (place, OWN) };
        let bits = random.bits();
        let case = match limits.as_slice() {
            [_] => 0,
            limits => limits.iter().position(|limit| bits as u32 <= *limit).unwrap_or(0),
        };
        (case, pickers[case].pick((bits >> 32) as u32, random))
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
    use crate::load::tests::case;

    #[test]
    fn a_user_goes_through_its_turn_and_begins_again_where_something_broke() {
        let cases = |count| (0..count).map(|_| case()).collect::<Vec<_>>();
        let plain = Pool::in_turn(cases(3), 3, Tokens::default());
        assert_eq!([0, 1, 2].map(|at| plain.after(at, true)), [1, 2, 0]);
        assert_eq!([0, 1, 2].map(|at| plain.after(at, false)), [0, 0, 0]);
        let mended = Pool::in_turn(cases(3), 2, ["a", "b"].into_iter().collect());
        assert_eq!([0, 1, 2].map(|at| mended.after(at, true)), [1, 0, 0]);
        assert_eq!([0, 1, 2].map(|at| mended.after(at, false)), [2, 2, 2]);
        assert_eq!([0, 1, 2].map(|at| mended.mends(at)), [false, false, true]);
        assert_eq!([0, 1, 2].map(|at| mended.first_of(at)), [Some("a"), Some("b"), Some("")]);
    }

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
