//! The class of an answer.

use super::assess::{Assessed, holds_alone};
use super::face::Face;
use crate::model::WireError;
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
pub fn classify<'a>(binding: &'a FlowBinding, face: &Face<'_>) -> Class<'a> {
    match &face.exchange.reply {
        Err(WireError::Closed(_)) => return Class::Closed,
        Err(_) => return Class::None,
        Ok(_) => {}
    }
    let fits = |outcome: &Outcome| {
        (outcome.operations.is_empty() || outcome.operations.contains(&face.exchange.operation))
            && matches!(holds_alone(&outcome.recognise, face), Assessed::Holds)
    };
    let found = face.outcome(|| binding.outcomes.iter().position(fits));
    found.map_or(Class::Unrecognised, |at| Class::Known(&binding.outcomes[at]))
}

/// Whether an answer is of a class that an expectation names.
pub(super) fn is_class(binding: &FlowBinding, face: &Face<'_>, name: &str) -> bool {
    let class = classify(binding, face);
    match name {
        "refused" => refuses(&class, face),
        "succeeded" => {
            matches!(class, Class::Known(outcome) if outcome.kind == OutcomeKind::Success)
        }
        "closed" => matches!(class, Class::Closed),
        "answered" => face.exchange.reply.is_ok(),
        _ => matches!(class, Class::Known(outcome) if outcome.name == name),
    }
}

/// Whether an answer refuses: of a class that does, and not because the server broke down.
fn refuses(class: &Class<'_>, face: &Face<'_>) -> bool {
    let broke_down = face.exchange.reply.as_ref().is_ok_and(|response| response.status >= 500);
    matches!(class, Class::Known(outcome) if outcome.kind == OutcomeKind::Refusal) && !broke_down
}
