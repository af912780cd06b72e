//! How long a run would wait in real time, before it does.
//!
//! What waits on its own does so side by side; what shares a button waits one after the other, and that sum is what
//! a person who stands beside it wants to know first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lanes::{replacing, shared};
use crate::engine::{Rehearsed, Settings, rehearse};
use crate::scenario::Scenario;
use crate::target::Profile;

/// A sentence about the time that scenarios of a profile take in real time, when no single wait may be longer than
/// `longest`; nothing where none of them waits.
pub(super) fn waits<'a>(
    scenarios: impl Iterator<Item = &'a Scenario>,
    profile: &Profile,
    longest: Duration,
) -> Option<String> {
    let replacing = replacing(profile);
    let mut alone = Duration::ZERO;
    let mut lanes: BTreeMap<String, (usize, Duration)> = BTreeMap::new();
    for scenario in scenarios.filter(|scenario| scenario.waits()) {
        let Some(binding) = profile.flows.get(&scenario.flow) else {
            continue;
        };
        let waited =
            until_too_long(&rehearse(binding, &Settings::default(), scenario, true), longest);
        match shared(scenario, &replacing) {
            None => alone = alone.max(waited),
            Some(lane) => {
                let (count, sum) = lanes.entry(lane).or_default();
                *count += 1;
                *sum += waited;
            }
        }
    }
    let slowest = lanes.into_iter().max_by_key(|(_, (_, sum))| *sum);
    match slowest {
        Some((lane, (count, sum))) if sum > alone => Some(format!(
            "about {} of waiting: the {count} scenarios that share the {lane} come one after the other",
            rounded(sum)
        )),
        _ if alone.is_zero() => None,
        _ => Some(format!("about {} of waiting, side by side", rounded(alone))),
    }
}

/// What a scenario waits before it is stopped by a wait that is not allowed.
fn until_too_long(acts: &[Rehearsed], longest: Duration) -> Duration {
    let done = acts.iter().take_while(|act| act.wait <= longest);
    done.map(|act| act.elapsed).max().unwrap_or_default()
}

/// Minutes, where there are some.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..=90 => format!("{} s", seconds.max(1)),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
