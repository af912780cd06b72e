//! The tokens that a server has issued, and whether a new one comes again or shares with an earlier one what only chance
//! should give.

use std::collections::HashMap;

use crate::model::Violation;

/// Twelve characters of a random part are at least 48 bits.
const PIECE: usize = 12;
/// So many pieces are remembered at most.
const MOST: usize = 200_000;
/// After so many tokens that are all different at a place, the place is taken for a random one. Where a name, a version or a
/// check sum stands there, one of the first few repeats it.
const TRUSTED: usize = 20;

/// Every token of a run, by its middle and by its end. Not by its beginning: a prefix or a time may stand there.
#[derive(Debug, Default)]
pub(super) struct Issued {
    middles: Place,
    ends: Place,
}

/// What stood at one place of the tokens so far.
#[derive(Debug, Default)]
struct Place {
    seen: HashMap<String, String>,
    /// How many tokens had something new here before the first that had not.
    varied: usize,
    /// Whether something came again before the place was trusted.
    structured: bool,
}

impl Issued {
    /// Notes a token; how it repeats an earlier one, if it does.
    pub(super) fn repeats(&mut self, token: &str) -> Option<Violation> {
        let body = random_part(token);
        if !body.is_ascii() || body.len() < 2 * PIECE {
            return None;
        }
        let middle = body.len() / 2 - PIECE / 2;
        let got = self.middles.note(&body[middle..middle + PIECE], token, "middle");
        let again = self.ends.note(&body[body.len() - PIECE..], token, "end");
        let got = got.or(again)?;
        Some(Violation::new("a token that has nothing in common with earlier ones", got))
    }
}

impl Place {
    fn note(&mut self, piece: &str, token: &str, name: &str) -> Option<String> {
        if self.seen.len() > MOST {
            self.seen.clear();
        }
        let Some(other) = self.seen.insert(piece.to_owned(), token.to_owned()) else {
            self.varied += 1;
            return None;
        };
        if other == token {
            return Some("the same token once more".to_owned());
        }
        self.structured |= self.varied < TRUSTED;
        (!self.structured).then(|| format!("a token with the same {name} as an earlier one"))
    }
}

/// The part of a token that chance makes: behind the prefix of an environment, or the signature of a JWT.
fn random_part(token: &str) -> &str {
    match token.rsplit_once('.') {
        Some((_, signature)) => signature,
        None => {
            token.strip_prefix("sandbox_").or_else(|| token.strip_prefix("live_")).unwrap_or(token)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Random;

    /// How many of a hundred tokens of a kind repeat an earlier one.
    fn repeated(make: impl Fn(usize, &mut Random) -> String) -> usize {
        let (mut issued, mut random) = (Issued::default(), Random::new(7));
        (0..100).filter(|at| issued.repeats(&make(*at, &mut random)).is_some()).count()
    }

    #[test]
    fn what_tokens_may_have_in_common_is_no_repetition() {
        let hex = b"0123456789abcdef";
        assert_eq!(repeated(|_, random| random.text(hex, 48)), 0);
        assert_eq!(repeated(|_, random| format!("gateway-token-{}", random.text(hex, 48))), 0);
        assert_eq!(repeated(|_, random| format!("{}-of-the-account", random.text(hex, 48))), 0);
        assert_eq!(repeated(|at, random| format!("{:012}{}", at / 5, random.text(hex, 36))), 0);
    }

    #[test]
    fn a_token_that_comes_again_is_one_from_the_first_on() {
        let hex = b"0123456789abcdef";
        assert_eq!(repeated(|_, _| "0".repeat(48)), 99);
        // After forty of them the generator begins anew, with another name in front.
        let again =
            repeated(|at, _| format!("{}{}", at / 40, Random::new(at as u64 % 40).text(hex, 48)));
        assert_eq!(again, 60);
    }
}
