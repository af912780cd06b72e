//! Cells: kinds of answers to kinds of requests. What is in a cell already is nothing new.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::case::{Bearer, Call, Claim};
use crate::engine::Class;
use crate::model::Exchange;

/// What an answer is told by, but for the clock.
pub(crate) fn fingerprint(call: &Call, exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    (call.operation, call.method, call.bearer == Bearer::None).hash(&mut hasher);
    if let Ok(response) = &exchange.reply {
        response.status.hash(&mut hasher);
        for header in
            response.headers.iter().filter(|header| !header.name.eq_ignore_ascii_case("date"))
        {
            (&header.name, &header.value.0).hash(&mut hasher);
        }
        response.body.0.hash(&mut hasher);
    }
    hasher.finish()
}

/// A cell of anything that can be told apart.
pub(crate) fn hashed(of: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Operation, kind of input, class of the answer, and the shape of its body.
pub(crate) fn cell(call: &Call, class: &Class<'_>, exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    (call.operation, call.method, class.name()).hash(&mut hasher);
    let bearer = match call.bearer {
        Bearer::Altered(_, guise) => format!("altered {guise:?}"),
        Bearer::Spelt(_, spelling) => format!("spelt {spelling:?}"),
        Bearer::Elsewhere(_, place) => format!("elsewhere {place:?}"),
        Bearer::None => "none".to_owned(),
        Bearer::Stranger => "stranger".to_owned(),
        Bearer::Token(_) => "token".to_owned(),
        Bearer::Twice(_, first) => format!("twice {first}"),
    };
    bearer.hash(&mut hasher);
    let claim: Option<Claim> = call.login.as_ref().map(|(_, claim)| *claim);
    format!("{claim:?} {:?}", call.idle).hash(&mut hasher);
    shape(exchange).hash(&mut hasher);
    hasher.finish()
}

/// The status of an answer and its body without what changes from one to the next.
pub(crate) fn shape(exchange: &Exchange) -> String {
    let Ok(response) = &exchange.reply else {
        return "none".to_owned();
    };
    let text = response.body.text();
    let words = text.split(|c: char| !c.is_alphanumeric() && !"-._~+/=".contains(c));
    let words = words.filter(|word| !word.is_empty()).map(|word| {
        // A token is a long word of any letters; a number, a date and a name with one are told by having a digit.
        if word.len() > LONG_WORD {
            "*"
        } else if word.contains(|c: char| c.is_ascii_digit()) {
            "#"
        } else {
            word
        }
    });
    let status = response.status.to_string();
    [status.as_str()].into_iter().chain(words.take(MOST_WORDS)).collect::<Vec<_>>().join(" ")
}

const LONG_WORD: usize = 18;

/// What comes behind so many words is more of the same.
const MOST_WORDS: usize = 40;
