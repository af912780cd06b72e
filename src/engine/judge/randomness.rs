//! Could somebody guess the next token? What a sample of them shows.
//!
//! No sample proves randomness; these are the marks of the usual mistakes: repeats, an order, a counter or a clock
//! somewhere in the text, characters that are seldom or never used, too few characters that change at all.

use std::collections::{BTreeMap, BTreeSet};

use super::assess::Assessed;
use crate::model::Violation;

/// Fewer tokens show too little.
const FEWEST: usize = 30;
/// Tokens in order by chance: beyond six standard deviations lie 2 in a thousand million.
const IN_ORDER: f64 = 6.0;
/// So many characters side by side are read as a number.
const WINDOW: usize = 4;

/// Holds a sample of tokens against the least number of random bits. What else is in them, a prefix, a name or a time, is
/// neither here nor there: it counts as nothing.
pub(super) fn roomy(values: &[Option<String>], least_bits: u32) -> Assessed {
    let tokens = match enough(values) {
        Ok(tokens) => tokens,
        Err(missing) => return missing,
    };
    let different = tokens.iter().collect::<BTreeSet<_>>().len();
    if different < tokens.len() {
        let got = format!("{different} different ones among {}", tokens.len());
        return breaks("tokens that never repeat", got);
    }
    let columns = columns(&tokens);
    let bits = bits(&columns);
    if bits < f64::from(least_bits) {
        let constant = columns.iter().filter(|column| alphabet(column).len() == 1).count();
        let got = format!(
            "about {bits:.0} bits: {} characters, {constant} of them always the same",
            columns.len()
        );
        return breaks(&format!("tokens of at least {least_bits} random bits"), got);
    }
    Assessed::Holds
}

/// Looks for an order, a counter or a clock in a sample of tokens.
pub(super) fn patternless(values: &[Option<String>]) -> Assessed {
    let tokens = match enough(values) {
        Ok(tokens) => tokens,
        Err(missing) => return missing,
    };
    let count = tokens.len();
    let rising = tokens.windows(2).filter(|pair| pair[0] < pair[1]).count();
    // Neighbours of a random row rise in half of the cases, with a variance of a twelfth of their number.
    let off = (rising as f64 - (count - 1) as f64 / 2.0) / ((count + 1) as f64 / 12.0).sqrt();
    if off.abs() > IN_ORDER {
        let got = format!("{rising} of {} tokens are greater than the one before", count - 1);
        return breaks("tokens in no order", got);
    }
    if let Some((at, times)) = counter(&columns(&tokens)) {
        let got = format!(
            "the characters {} to {} change by the same amount in {times} of {} steps",
            at + 1,
            at + WINDOW,
            count - 1
        );
        return breaks("tokens without a counter or a clock in them", got);
    }
    Assessed::Holds
}

/// The tokens of a sample, if there are enough of them and none is missing.
fn enough(values: &[Option<String>]) -> Result<Vec<&str>, Assessed> {
    let tokens: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
    if tokens.len() < values.len() || tokens.len() < FEWEST {
        let reason =
            format!("{} tokens came of {}, {FEWEST} are needed", tokens.len(), values.len());
        return Err(Assessed::NoAnswer(reason));
    }
    Ok(tokens)
}

fn breaks(wanted: &str, got: String) -> Assessed {
    Assessed::Breaks(Violation::new(wanted, got))
}

/// The characters at each place; what is longer than the shortest token counts as nothing.
fn columns(tokens: &[&str]) -> Vec<Vec<u8>> {
    let shortest = tokens.iter().map(|token| token.len()).min().unwrap_or_default();
    (0..shortest).map(|at| tokens.iter().map(|token| token.as_bytes()[at]).collect()).collect()
}

fn alphabet(column: &[u8]) -> BTreeMap<u8, usize> {
    let mut counts = BTreeMap::new();
    for byte in column {
        *counts.entry(*byte).or_default() += 1;
    }
    counts
}

/// A window of characters that, read as a number, grows by the same amount again and again.
fn counter(columns: &[Vec<u8>]) -> Option<(usize, usize)> {
    columns.windows(WINDOW).enumerate().find_map(|(at, window)| {
        let digit = |byte: u8| i64::from(char::from(byte).to_digit(36).unwrap_or(u32::from(byte)));
        let base = if window.iter().flatten().all(u8::is_ascii_digit) {
            10
        } else if window.iter().flatten().all(u8::is_ascii_hexdigit) {
            16
        } else {
            36
        };
        let number =
            |row: usize| window.iter().fold(0, |sum, column| sum * base + digit(column[row]));
        let mut steps: BTreeMap<i64, usize> = BTreeMap::new();
        let rows = window[0].len();
        for row in 1..rows {
            *steps.entry(number(row) - number(row - 1)).or_default() += 1;
        }
        // A constant window does not change by the same amount: it does not change.
        steps.remove(&0);
        let (by, most) = steps.into_iter().max_by_key(|(_, count)| *count)?;
        let chance = by_chance(&(0..rows).map(number).collect::<Vec<_>>(), by);
        let often = most as f64 > chance + IN_ORDER * chance.sqrt().max(1.0);
        (most > rows / 4 && often).then_some((at, most))
    })
}

/// How many steps of such an amount are to be expected when the same numbers come in any order: beside constant characters a
/// single one that has four values changes by one in every fifth step.
fn by_chance(numbers: &[i64], amount: i64) -> f64 {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for number in numbers {
        *counts.entry(*number).or_default() += 1;
    }
    let pairs: usize = counts
        .iter()
        .map(|(number, count)| count * counts.get(&(number + amount)).copied().unwrap_or_default())
        .sum();
    pairs as f64 / numbers.len() as f64
}

/// About how many random bits a token has: a place whose characters are spread evenly over the alphabet of all places
/// that change counts in full, another one by its own spread. Places that depend on each other are not seen.
fn bits(columns: &[Vec<u8>]) -> f64 {
    let alphabets: Vec<BTreeMap<u8, usize>> =
        columns.iter().map(|column| alphabet(column)).collect();
    // Thirty tokens show every letter of base64 somewhere, but not at each place.
    let varied = alphabets.iter().filter(|counts| counts.len() > 1);
    let whole = varied.flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().len();
    alphabets.iter().map(|counts| place_bits(counts, whole)).sum()
}

/// The bits of one place: even over the whole alphabet, or over its own characters, or neither.
fn place_bits(counts: &BTreeMap<u8, usize>, whole: usize) -> f64 {
    if counts.len() < 2 {
        return 0.0;
    }
    if is_even(counts, whole) {
        return (whole as f64).log2();
    }
    if is_even(counts, counts.len()) {
        return (counts.len() as f64).log2();
    }
    let total = counts.values().sum::<usize>() as f64;
    counts.values().map(|n| *n as f64 / total).map(|share| -share * share.log2()).sum()
}

/// Whether these characters look like an even draw from so many.
fn is_even(counts: &BTreeMap<u8, usize>, size: usize) -> bool {
    let total = counts.values().sum::<usize>() as f64;
    let expected = total / size as f64;
    let missing = (size - counts.len()) as f64 * expected;
    let square: f64 = counts.values().map(|n| (*n as f64 - expected).powi(2) / expected).sum();
    // The score of a chi-square with so many degrees of freedom, nearly normal after Wilson and Hilferty.
    let freedom = size as f64 - 1.0;
    let spread = 2.0 / (9.0 * freedom);
    let score = (((square + missing) / freedom).cbrt() - (1.0 - spread)) / spread.sqrt();
    score < 6.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Random;

    fn sample(make: impl Fn(usize, &mut Random) -> String) -> Vec<Option<String>> {
        let mut random = Random::new(7);
        (0..200).map(|at| Some(make(at, &mut random))).collect()
    }

    #[test]
    fn tokens_of_a_good_generator_hold_in_every_usual_alphabet() {
        let base64url = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for (name, tokens) in [
            ("hex", sample(|_, random| random.text(b"0123456789abcdef", 32))),
            ("base64url", sample(|_, random| random.text(base64url, 22))),
            ("prefixed", sample(|_, random| format!("live_{}", random.text(base64url, 24)))),
            (
                "uuid",
                sample(|_, random| {
                    let hex = |random: &mut Random, n| random.text(b"0123456789abcdef", n);
                    let variant = random.text(b"89ab", 1);
                    let (a, b, c) = (hex(random, 8), hex(random, 4), hex(random, 3));
                    format!("{a}-{b}-4{c}-{variant}{}-{}", hex(random, 3), hex(random, 12))
                }),
            ),
        ] {
            for tokens in [&tokens[..], &tokens[..FEWEST]] {
                assert_eq!(roomy(tokens, 120), Assessed::Holds, "{name}");
                assert_eq!(patternless(tokens), Assessed::Holds, "{name}");
            }
        }
    }

    #[test]
    fn what_stands_beside_enough_chance_is_no_lack_of_it() {
        let hex = b"0123456789abcdef";
        for (name, tokens) in [
            ("a time before", timed()),
            (
                "a name behind",
                sample(|_, random| format!("{}.account-of-alice", random.text(hex, 32))),
            ),
            ("a counter behind", sample(|at, random| format!("{}{at:08x}", random.text(hex, 40)))),
        ] {
            assert_eq!(roomy(&tokens, 120), Assessed::Holds, "{name}");
            assert_eq!(roomy(&tokens[..FEWEST], 120), Assessed::Holds, "{name}");
        }
    }

    #[test]
    fn constant_parts_with_little_between_them_are_no_counter() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let (hex, few) = (b"0123456789abcdef", b"89ab");
            let token = |random: &mut Random| {
                let (a, b, c) = (random.text(hex, 1), random.text(few, 1), random.text(hex, 40));
                Some(format!("key-{a}-v01-{b}---{c}-end"))
            };
            let tokens: Vec<_> = (0..200).map(|_| token(&mut random)).collect();
            assert_eq!(patternless(&tokens), Assessed::Holds, "seed {seed}");
            assert_eq!(patternless(&tokens[..FEWEST]), Assessed::Holds, "seed {seed}");
        }
    }

    #[test]
    fn repeats_and_too_little_room_are_seen_in_many_tokens_and_in_few() {
        let hex = b"0123456789abcdef";
        for (name, tokens) in [
            ("repeats", sample(|at, _| format!("{:032x}", at % 25))),
            ("padding", sample(|_, random| format!("{}{}", random.text(hex, 4), "0".repeat(44)))),
            ("digits as hex", sample(|_, random| random.text(b"0123456789", 32))),
            ("a name and a little", sample(|_, r| format!("alice-and-her-key{}", r.text(hex, 16)))),
        ] {
            for tokens in [&tokens[..], &tokens[..FEWEST]] {
                assert!(matches!(roomy(tokens, 120), Assessed::Breaks(_)), "{name}");
            }
        }
        let few = &timed()[..FEWEST - 1];
        assert!(matches!(roomy(few, 120), Assessed::NoAnswer(_)));
        assert!(matches!(patternless(few), Assessed::NoAnswer(_)));
    }

    #[test]
    fn an_order_a_counter_and_a_clock_are_seen() {
        let hex = b"0123456789abcdef";
        let clock = |at| 1_700_000_000 + at;
        for (name, tokens) in [
            ("a time before", timed()),
            ("a counter", sample(|at, r| format!("{}{:08x}", r.text(hex, 40), 77 + at))),
            (
                "a clock in the middle",
                sample(|at, r| format!("{}{}{}", r.text(hex, 20), clock(at), r.text(hex, 20))),
            ),
        ] {
            for tokens in [&tokens[..], &tokens[..FEWEST]] {
                assert!(matches!(patternless(tokens), Assessed::Breaks(_)), "{name}");
            }
        }
    }

    fn timed() -> Vec<Option<String>> {
        sample(|at, random| {
            format!("{:08x}{}", 0x5f00_0000 + at * 977, random.text(b"0123456789abcdef", 40))
        })
    }
}
