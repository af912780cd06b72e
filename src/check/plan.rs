//! Which scenarios run, and which of their checks count.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{CheckId, ClauseId, Flow};
use crate::scenario::{Check, Scenario};
use crate::source::closest;
use crate::target::Library;

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These flows; all of them when empty.
    pub flows: Vec<Flow>,
    /// Ids of checks or clauses, or names of scenarios, with `*` for anything.
    pub only: Vec<String>,
    /// The same, left out.
    pub skip: Vec<String>,
}

/// A scenario that runs.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Whether it declares a check that counts. Without one it only gives answers to the checks that
    /// hold every answer.
    pub declares: bool,
}

/// What runs.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The scenarios, in the order of flows and names.
    pub scenarios: Vec<Planned<'a>>,
    /// The checks that count.
    pub checks: BTreeSet<CheckId>,
    /// How many checks were left out.
    pub excluded: usize,
}

/// A name that nothing has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("nothing matches `{pattern}`{}", hint.as_ref().map(|hint| format!("; did you mean `{hint}`?")).unwrap_or_default())]
pub struct NothingMatched {
    /// What was asked for.
    pub pattern: String,
    /// A name that is near.
    pub hint: Option<String>,
}

impl<'a> Plan<'a> {
    /// Plans a run over the flows that a target offers.
    ///
    /// # Errors
    /// When a pattern, or all of them together, match nothing: an empty run proves nothing.
    pub fn new(
        library: &'a Library,
        offered: &[Flow],
        selection: &Selection,
    ) -> Result<Self, NothingMatched> {
        for pattern in selection.only.iter().chain(&selection.skip) {
            let known = library
                .checks()
                .any(|(_, scenario, id, check)| matches(pattern, scenario, id, check));
            if !known {
                return Err(nothing(library, pattern));
            }
        }
        let wanted_flow = |flow: Flow| {
            offered.contains(&flow)
                && (selection.flows.is_empty() || selection.flows.contains(&flow))
        };
        let mut checks = BTreeSet::new();
        let mut excluded = 0;
        for (flow, scenario, id, check) in library.checks() {
            let any =
                |patterns: &[String]| patterns.iter().any(|p| matches(p, scenario, id, check));
            if wanted_flow(flow)
                && (selection.only.is_empty() || any(&selection.only))
                && !any(&selection.skip)
            {
                checks.insert(id.clone());
            } else {
                excluded += 1;
            }
        }
        let always: Vec<Flow> = library
            .always
            .iter()
            .filter(|(_, declared)| declared.keys().any(|id| checks.contains(id)))
            .map(|(flow, _)| *flow)
            .collect();
        // A check that every answer is held against needs all answers of its flow, unless the user named others.
        let named_always = !selection.only.is_empty()
            && library.always.values().flatten().any(|(id, _)| checks.contains(id));
        let planned = |scenario: &'a Scenario| {
            let declares = scenario.checks.keys().any(|id| checks.contains(id));
            let answers = named_always && always.contains(&scenario.flow);
            (wanted_flow(scenario.flow) && (declares || answers))
                .then_some(Planned { scenario, declares })
        };
        let mut scenarios: Vec<Planned<'a>> =
            library.scenarios.iter().filter_map(planned).collect();
        // What was found once comes first.
        scenarios.sort_by_key(|planned| {
            let scenario = planned.scenario;
            (!scenario.was_found(), scenario.flow, scenario.name.clone())
        });
        if scenarios.is_empty() {
            let pattern = selection.only.join(", ");
            return Err(NothingMatched { pattern, hint: None });
        }
        Ok(Self { scenarios, checks, excluded })
    }
}

impl Plan<'_> {
    /// How many scenarios of each flow run, in the order of the flows.
    pub fn sizes(&self) -> Vec<(Flow, usize)> {
        let mut sizes: BTreeMap<Flow, usize> = BTreeMap::new();
        for planned in &self.scenarios {
            *sizes.entry(planned.scenario.flow).or_default() += 1;
        }
        sizes.into_iter().collect()
    }

    /// The flows that the run is about.
    pub fn flows(&self) -> BTreeSet<Flow> {
        self.scenarios.iter().map(|planned| planned.scenario.flow).collect()
    }
}

fn nothing(library: &Library, pattern: &str) -> NothingMatched {
    let clauses: BTreeSet<&ClauseId> =
        library.checks().flat_map(|(_, _, _, check)| &check.covers).collect();
    let names = library
        .check_ids()
        .map(CheckId::as_str)
        .chain(clauses.into_iter().map(ClauseId::as_str))
        .chain(library.scenarios.iter().map(|scenario| scenario.name.as_str()));
    let hint = closest(pattern, names).map(str::to_owned);
    NothingMatched { pattern: pattern.to_owned(), hint }
}

fn matches(pattern: &str, scenario: &str, id: &CheckId, check: &Check) -> bool {
    glob(pattern, id.as_str())
        || glob(pattern, id.base())
        || glob(pattern, scenario)
        || check.covers.iter().any(|clause| glob(pattern, clause.as_str()))
}

/// Whether a text matches a pattern in which `*` stands for anything.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, wanted) in [
            ("BTN-01", "BTN-01", true),
            ("BTN-0", "BTN-01", false),
            ("BTN-*", "BTN-WINDOW-01", true),
            ("*WINDOW*", "BTN-WINDOW-01", true),
            ("*-01", "BTN-WINDOW-01", true),
            ("BTN-*-01", "BTN-01", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, text), wanted, "{pattern} on {text}");
        }
    }
}
