//! What a run would send, without sending it: the same for the same seed, whoever asks and whenever.

use super::bytes::ByteDraw;
use super::export::case_lines;
use super::model::{Means, Rules};
use super::run::FuzzSettings;
use super::unit::{Layer, case_of, draw_of, part};
use crate::target::{ClockSetting, Library, Profile};

/// How many cases of each flow and layer are shown when nothing is said.
const SHOWN: u64 = 20;

/// The acts and requests of the first cases, one a line.
///
/// # Errors
/// A template that is none, which is a mistake in this module.
pub fn rehearsal(
    _library: &Library,
    profile: &Profile,
    settings: &FuzzSettings,
) -> Result<Vec<String>, String> {
    let means = Means {
        hooks: profile.hooks.keys().cloned().collect(),
        clock: matches!(profile.clock, ClockSetting::Control(_) | ClockSetting::Request(..)),
        fresh: profile.hooks.contains_key("reset"),
    };
    let mut lines = Vec::new();
    for (flow, binding) in &profile.flows {
        if !settings.flows.is_empty() && !settings.flows.contains(flow) {
            continue;
        }
        let rules = Rules::new(binding, &means);
        let wanted = |layer| settings.layers.is_empty() || settings.layers.contains(&layer);
        if wanted(Layer::Bytes) {
            for number in 0..settings.cases.unwrap_or(SHOWN) {
                // The bytes themselves rest on the tokens that a server gives.
                let draw = draw_of(settings.seed, &part(*flow, Layer::Bytes, number));
                lines.extend(draw.map(|draw| format!("{flow} bytes {number} {}", drawn(&draw))));
            }
        }
        for layer in [Layer::Sequences, Layer::Races] {
            if !wanted(layer) {
                continue;
            }
            for number in 0..settings.cases.unwrap_or(SHOWN) {
                let Some(case) = case_of(&rules, settings.seed, layer, number) else {
                    continue;
                };
                lines.push(format!("{flow} {} {number}", layer.name()));
                lines.extend(case_lines(binding, &case));
            }
        }
    }
    Ok(lines)
}

/// A request by its number, and what is done to it.
fn drawn((base, changes): &ByteDraw) -> String {
    let changes: Vec<String> =
        changes.iter().map(|(which, seed)| format!("{which}/{seed}")).collect();
    format!("request {base} changed by [{}]", changes.join(", "))
}
