//! The order of scenarios that share one server: who may run beside whom.
//!
//! Where real time has to pass, everything that waits does so at the same time, and a run costs the longest wait and
//! not their sum. Scenarios that act on the same thing - the one button, the accounts of a flow - come one after the
//! other; those that change the whole server run alone.

use std::collections::BTreeMap;

use super::plan::Planned;

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
pub(super) fn order(scenarios: &[Planned<'_>], real_time: bool) -> Order {
    let mut order = Order::default();
    let mut lanes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, planned) in scenarios.iter().enumerate() {
        let scenario = planned.scenario;
        let hooks = scenario.hooks();
        if !real_time || !scenario.waits() || hooks.iter().any(|hook| SHAKING.contains(hook)) {
            order.alone.push(index);
            continue;
        }
        let lane = match hooks.first() {
            None => format!("scenario {index}"),
            Some(hook) => format!("hook {hook} of {}", scenario.flow),
        };
        lanes.entry(lane).or_default().push(index);
    }
    order.lanes = lanes.into_values().collect();
    order
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
        assert_eq!(order(&plan.scenarios, false), Order { alone: all.clone(), lanes: Vec::new() });

        let Order { alone, lanes } = order(&plan.scenarios, true);
        let mut every: Vec<usize> = alone.iter().chain(lanes.iter().flatten()).copied().collect();
        every.sort_unstable();
        assert_eq!(every, all);
        let name = |index: &usize| &*plan.scenarios[*index].scenario.name;
        let lane = |of: &str| lanes.iter().find(|lane| lane.iter().any(|index| name(index) == of));
        // One button: its windows cannot be open at the same time. A token's life is its own.
        let window = lane("gateway-button/window-end").unwrap();
        assert!(window.len() > 1, "{window:?}");
        assert_eq!(lane("jwt-login/lifetimes").unwrap().len(), 1);
        // Nothing that shakes the server or waits for nothing is beside others.
        assert!(alone.iter().any(|index| name(index) == "gateway-button/restart"));
        assert!(lanes.iter().flatten().all(|index| plan.scenarios[*index].scenario.waits()));
    }
}
