//! Choices that are drawn beforehand: a case is a list of numbers, and what they mean is for the models to say. Small
//! numbers mean the plainest choice, so that making numbers smaller makes cases plainer.

use super::case::{TokenId, TokenKind};
use super::model::State;

/// The numbers of one step.
pub(crate) type Draw = [u8; 6];

/// The numbers of one step, to be used up one after the other.
#[derive(Debug)]
pub(crate) struct Dice {
    draw: Draw,
    at: usize,
}

impl Dice {
    /// Dice that show these numbers.
    pub(crate) const fn new(draw: Draw) -> Self {
        Self { draw, at: 0 }
    }

    fn next(&mut self) -> u8 {
        let value = self.draw[self.at % self.draw.len()];
        // Beyond the end the same numbers serve again, shifted, so that one choice does not decide another.
        let value = if self.at < self.draw.len() { value } else { value.rotate_left(3) };
        self.at += 1;
        value
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        if bound <= 1 {
            return 0;
        }
        usize::from(self.next()) % bound
    }

    /// Whether something that happens so many times in 256 happens.
    pub(crate) fn chance(&mut self, of_256: u16) -> bool {
        u16::from(self.next()) >= 256 - of_256
    }

    /// One of some.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// One of some, by their weights; those with no weight are left out.
    pub(crate) fn weigh<T: Copy>(&mut self, of: &[(u8, T)]) -> T {
        let sum: usize = of.iter().map(|(weight, _)| usize::from(*weight)).sum();
        let mut rest = self.below(sum.max(1));
        for (weight, choice) in of {
            if rest < usize::from(*weight) {
                return *choice;
            }
            rest -= usize::from(*weight);
        }
        of[0].1
    }

    /// A token of the case so far: mostly the newest.
    pub(crate) fn token(&mut self, state: &State, kind: TokenKind) -> Option<TokenId> {
        let ids: Vec<TokenId> =
            state.tokens.keys().rev().filter(|id| id.kind == kind).copied().collect();
        if ids.is_empty() {
            return None;
        }
        let any = self.below(2 * ids.len());
        Some(ids[if any < ids.len() { 0 } else { any - ids.len() }])
    }
}
