//! The class of an answer.

use super::assess::{Assessed, Observed, holds_alone};
use crate::model::{Exchange, WireError};
use crate::target::{FlowBinding, Outcome, OutcomeKind};

/// The class of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Class<'a> {
    /// One of the flow's outcomes.
    Known(&'a Outcome),
    /// The connection ended without an answer.
    Closed,
    /// No answer for another reason.
    None,
    /// An answer that no outcome recognises.
    Unrecognised,
}

impl Class<'_> {
    /// The name in reports.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(outcome) => &outcome.name,
            Self::Closed => "closed",
            Self::None => "no answer",
            Self::Unrecognised => "an answer of no known class",
        }
    }
}

/// Finds the class of an answer: the first outcome that recognises it.
pub fn classify<'a>(binding: &'a FlowBinding, exchange: &Exchange) -> Class<'a> {
    match &exchange.reply {
        Err(WireError::Closed(_)) => return Class::Closed,
        Err(_) => return Class::None,
        Ok(_) => {}
    }
    let observed = Observed::alone(exchange);
    let fits = |outcome: &&Outcome| {
        (outcome.operations.is_empty() || outcome.operations.contains(&exchange.operation))
            && matches!(holds_alone(&outcome.recognise, &observed), Assessed::Holds)
    };
    binding.outcomes.iter().find(fits).map_or(Class::Unrecognised, Class::Known)
}

/// Whether an answer is of a class that an expectation names.
pub(super) fn is_class(binding: &FlowBinding, exchange: &Exchange, name: &str) -> bool {
    let class = classify(binding, exchange);
    match name {
        "refused" => refuses(&class, exchange),
        "succeeded" => matches!(class, Class::Known(outcome) if outcome.kind == OutcomeKind::Success),
        "closed" => matches!(class, Class::Closed),
        _ => matches!(class, Class::Known(outcome) if outcome.name == name),
    }
}

/// Whether an answer refuses: of a class that does, and not because the server broke down.
pub fn refuses(class: &Class<'_>, exchange: &Exchange) -> bool {
    let broke_down = exchange.reply.as_ref().is_ok_and(|response| response.status >= 500);
    matches!(class, Class::Known(outcome) if outcome.kind == OutcomeKind::Refusal) && !broke_down
}
