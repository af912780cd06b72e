//! One run divided among machines: which part of its connections, requests, tokens and due moments each has.
//!
//! Everything is counted off in turn, so that the parts differ by one at most and together are the whole, and nobody has
//! to ask anybody.

use std::fmt;
use std::str::FromStr;

/// A part of a run: `2/8` is the second of eight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    number: u32,
    of: u32,
}

/// More parts than this are a mistake.
const MOST: u32 = 10_000;

impl Default for Shard {
    fn default() -> Self {
        Self { number: 1, of: 1 }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("`{text}` is not a shard: {why}; write 2/8 for the second of eight")
        };
        let (number, of) = text.split_once('/').ok_or_else(|| wrong("it has no `/`"))?;
        let whole = |text: &str| {
            text.parse::<u32>().map_err(|_| wrong(&format!("`{text}` is not a number")))
        };
        let (number, of) = (whole(number)?, whole(of)?);
        match (number, of) {
            (_, 0) => Err(wrong("there are no shards")),
            (_, of) if of > MOST => Err(wrong(&format!("there are at most {MOST}"))),
            (0, _) => Err(wrong("the first is number 1")),
            (number, of) if number > of => Err(wrong(&format!("the last is number {of}"))),
            (number, of) => Ok(Self { number, of }),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// Its number; the first is 1.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many shards there are.
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether the run is one piece.
    pub const fn is_whole(self) -> bool {
        self.of == 1
    }

    /// How many of so many things, counted off in turn, are this shard's.
    pub fn part(self, whole: u64) -> u64 {
        let of = u64::from(self.of);
        whole / of + u64::from(u64::from(self.number - 1) < whole % of)
    }

    /// The things of this shard: the i-th, and from there on every so-and-so-many-th.
    pub fn counted_off<T>(self, all: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        all.into_iter().skip(self.number as usize - 1).step_by(self.of as usize)
    }

    /// The stream of random choices of one of its workers.
    pub(super) fn stream(self, worker: usize) -> String {
        match self.is_whole() {
            true => format!("worker {worker}"),
            false => format!("shard {self} worker {worker}"),
        }
    }
}

/// Which due moments of a schedule somebody sees to: the one of this number, and from there on every so-and-so-many-th.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    pub(super) first: u64,
    pub(super) step: u64,
}

impl Turn {
    /// The turn of a worker of a shard, among all workers of all shards.
    pub(super) fn new(shard: Shard, worker: usize, workers: usize) -> Self {
        let of = u64::from(shard.of);
        Self { first: u64::from(shard.number - 1) + worker as u64 * of, step: workers as u64 * of }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_shard_is_refused_with_a_sentence() {
        for (text, why) in [
            ("2", "no `/`"),
            ("a/8", "`a` is not a number"),
            ("1/-8", "`-8` is not a number"),
            ("0/8", "the first is number 1"),
            ("9/8", "the last is number 8"),
            ("1/0", "there are no shards"),
            ("1/99999", "at most 10000"),
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert_eq!("2/8".parse::<Shard>().unwrap().to_string(), "2/8");
    }

    proptest! {
        #[test]
        fn shards_together_are_the_whole_and_no_two_have_the_same(
            of in 1..20u32, whole in 0..1_000u64, workers in 1..5usize,
        ) {
            let shards: Vec<Shard> = (1..=of).map(|number| Shard { number, of }).collect();
            prop_assert_eq!(shards.iter().map(|shard| shard.part(whole)).sum::<u64>(), whole);
            let mut things: Vec<u64> = Vec::new();
            let mut moments: Vec<u64> = Vec::new();
            for shard in shards {
                let own: Vec<u64> = shard.counted_off(0..whole).collect();
                prop_assert_eq!(own.len() as u64, shard.part(whole));
                things.extend(own);
                for worker in 0..workers {
                    let turn = Turn::new(shard, worker, workers);
                    moments.extend((turn.first..whole).step_by(turn.step as usize));
                }
            }
            things.sort_unstable();
            moments.sort_unstable();
            prop_assert_eq!(&things, &(0..whole).collect::<Vec<_>>());
            prop_assert_eq!(moments, things);
        }
    }
}
