//! How an answer decides what the documents leave open.

use super::assess::{Assessed, Observed, assess};
use super::evidence::shown;
use crate::model::{Level, WireError};
use crate::scenario::Assertion;
use crate::target::FlowBinding;

/// What an answer says of a gap.
pub(super) enum Decision {
    /// It is not what the profile says, or none of the allowed answers.
    Broken {
        /// What was seen.
        seen: String,
        /// What would have been right.
        wanted: Vec<String>,
        /// The profile says otherwise.
        contradicted: bool,
    },
    /// It is what the profile says; or the profile says nothing, and every allowed answer keeps the clause.
    Kept(String),
    /// There was no answer.
    NoAnswer(String),
    /// Neither the documents nor the profile decide: written down.
    Recorded(String),
}

/// Finds which allowed answer to a gap the server gives.
pub(super) fn decide(
    binding: &FlowBinding,
    gap: &str,
    answers: &[(String, Assertion)],
    observed: &Observed<'_>,
    level: Level,
) -> Decision {
    if let (Err(error), None) = (&observed.face.exchange.reply, observed.event)
        && !matches!(error, WireError::Closed(_))
    {
        return Decision::NoAnswer(error.to_string());
    }
    let shows =
        |assertion: &Assertion| matches!(assess(binding, assertion, observed), Assessed::Holds);
    let chosen = binding.choices.get(gap);
    // Two answers may look alike in one exchange: what the profile says is tried first.
    let as_chosen = chosen.and_then(|name| answers.iter().find(|(answer, _)| answer == name));
    let found = as_chosen
        .into_iter()
        .chain(answers)
        .find(|(_, assertion)| shows(assertion))
        .map(|(name, _)| name);
    let seen = match found {
        Some(name) => format!("{gap}: {name}"),
        None => format!("{gap}: none of the allowed answers: {}", shown(binding, observed)),
    };
    if let (Err(error), None, None) = (&observed.face.exchange.reply, observed.event, found) {
        return Decision::NoAnswer(error.to_string());
    }
    match (chosen, found) {
        (None, _) if level == Level::Record => Decision::Recorded(seen),
        (None, Some(_)) => Decision::Kept(seen),
        (Some(chosen), Some(found)) if chosen == found => Decision::Kept(seen),
        (Some(chosen), _) => {
            let wanted = vec![format!("{gap}: {chosen}, as the profile says")];
            Decision::Broken { seen, wanted, contradicted: true }
        }
        (None, None) => {
            let wanted = answers.iter().map(|(name, _)| format!("{gap}: {name}")).collect();
            Decision::Broken { seen, wanted, contradicted: false }
        }
    }
}
