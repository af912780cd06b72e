//! The order of scenarios that share one server: who may run beside whom.
//!
//! Where real time has to pass, everything that waits does so at the same time, and a run costs the longest wait and
//! not their sum. Scenarios that act on the same thing - the one button, the accounts of a flow - come one after the
//! other; those that change the whole server run alone.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Planned;
use crate::model::Flow;
use crate::scenario::Scenario;
use crate::target::Profile;

/// Places in the plan.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Order {
    /// One after the other, with nothing beside them.
    pub(super) alone: Vec<usize>,
    /// Lanes beside each other, each one after the other.
    pub(super) lanes: Vec<Vec<usize>>,
}

/// Hooks that everybody on the server notices.
pub(super) const SHAKING: [&str; 3] = ["database", "reset", "restart"];

/// The order for a server that all scenarios share.
pub(super) fn order(
    scenarios: &[Planned<'_>],
    real_time: bool,
    replacing: &BTreeSet<Flow>,
) -> Order {
    let mut order = Order::default();
    let mut lanes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, planned) in scenarios.iter().enumerate() {
        let scenario = planned.scenario;
        let hooks = scenario.hooks();
        if !real_time || !scenario.waits() || hooks.iter().any(|hook| SHAKING.contains(hook)) {
            order.alone.push(index);
            continue;
        }
        let lane = shared(scenario, replacing).unwrap_or_else(|| format!("scenario {index}"));
        lanes.entry(lane).or_default().push(index);
    }
    order.lanes = lanes.into_values().collect();
    order
}

/// What a scenario acts on that others act on as well, and must not have beside it: `hook press of gateway-button`.
pub(super) fn shared(scenario: &Scenario, replacing: &BTreeSet<Flow>) -> Option<String> {
    if replacing.contains(&scenario.flow) {
        return Some(format!("accounts of {}", scenario.flow));
    }
    scenario.hooks().first().map(|hook| format!("hook {hook} of {}", scenario.flow))
}

/// The flows of a profile in which a new token of an account may end the one before it.
pub(super) fn replacing(profile: &Profile) -> BTreeSet<Flow> {
    let flows = profile.flows.values().filter(|binding| !binding.keeps_earlier_tokens());
    flows.map(|binding| binding.flow).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::check::{Plan, Selection};
    use crate::model::Flow;
    use crate::source::SourceFile;
    use crate::target::Library;

    fn files(folder: &Path, found: &mut Vec<Arc<SourceFile>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(SourceFile::new(&path, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn in_real_time_what_waits_is_side_by_side_and_what_shares_a_hook_is_not() {
        let mut found = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"), &mut found);
        let library = Library::read(&found).unwrap();
        let plan = Plan::new(&library, &Flow::DOCUMENTED, &Selection::default()).unwrap();
        let all: Vec<usize> = (0..plan.scenarios.len()).collect();
        let none = BTreeSet::new();
        assert_eq!(
            order(&plan.scenarios, false, &none),
            Order { alone: all.clone(), lanes: Vec::new() }
        );

        let Order { alone, lanes } = order(&plan.scenarios, true, &none);
        let mut every: Vec<usize> = alone.iter().chain(lanes.iter().flatten()).copied().collect();
        every.sort_unstable();
        assert_eq!(every, all);
        let name = |index: &usize| &*plan.scenarios[*index].scenario.name;
        let lane = |of: &str| lanes.iter().find(|lane| lane.iter().any(|index| name(index) == of));
        // One button: its windows cannot be open at the same time. A token's life is its own.
        let window = lane("gateway-button/window-end").unwrap();
        assert!(window.len() > 1, "{window:?}");
        assert_eq!(lane("jwt-login/lifetimes").unwrap().len(), 1);
        // Unless an account's next token is the end of the one before.
        let replacing = BTreeSet::from([Flow::JwtLogin]);
        let Order { lanes, .. } = order(&plan.scenarios, true, &replacing);
        let lane = |of: &str| lanes.iter().find(|lane| lane.iter().any(|index| name(index) == of));
        assert_eq!(lane("jwt-login/lifetimes"), lane("jwt-login/refresh-lifetimes"));
        // Nothing that shakes the server or waits for nothing is beside others.
        assert!(alone.iter().any(|index| name(index) == "gateway-button/restart"));
        assert!(lanes.iter().flatten().all(|index| plan.scenarios[*index].scenario.waits()));
    }
}
