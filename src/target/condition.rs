//! What a server lacks, as its profile says: capabilities, parameters, answers to gaps.
//!
//! What rests on something that a server lacks does not apply to it. That is said with a reason, and is neither a
//! breach nor a gap in the proof.

use std::time::Duration;

use super::binding::FlowBinding;
use super::operation::Operation;
use crate::model::Flow;
use crate::scenario::{Placed, SendStep, When};

impl FlowBinding {
    /// Why a condition does not hold for this server; nothing where it does.
    pub fn refuses(&self, when: &When) -> Option<String> {
        match when {
            When::Capability(name) => self.lacks(name),
            When::Choice(decided) => {
                let chosen = self.choices.get(&decided.choice);
                if decided.holds(chosen) {
                    return None;
                }
                let wanted = decided.wanted();
                let gap = &decided.choice;
                Some(match chosen {
                    Some(answer) => {
                        format!("the profile says {gap}: {answer}; this is about {wanted}")
                    }
                    None => format!("the profile does not decide {gap}; this is about {wanted}"),
                })
            }
            When::Parameter(placed) => self.misplaces(placed),
        }
    }

    /// Whether an account's earlier tokens stay as they are when it gets another one, so that what is done with one
    /// does not disturb what is done with the other. The gap `previous_token` says so, where a flow has it; as long as
    /// a profile does not, they may be replaced.
    pub fn keeps_earlier_tokens(&self) -> bool {
        match self.choices.get("previous_token").map(String::as_str) {
            Some(answer) => answer != "replaced",
            None => !matches!(self.flow, Flow::ChannelLogin | Flow::EnvironmentToken),
        }
    }

    /// How long something lives at this server.
    pub fn lifetime(&self, name: &str) -> Duration {
        self.lifetimes.get(name).copied().unwrap_or_default()
    }

    /// Why the server counts as one without a capability. Everything is there unless the profile says
    /// that it is not; but many requests in a short time are for those who asked for them.
    pub fn lacks(&self, capability: &str) -> Option<String> {
        match self.capabilities.get(capability) {
            Some(false) => {
                Some(format!("the profile declares that the server has no {capability}"))
            }
            None if capability == "burst" => {
                Some("the profile does not declare the capability burst".to_owned())
            }
            Some(true) | None => None,
        }
    }

    /// Why the server does not have a parameter, or not in that part of the request.
    pub fn misplaces(&self, placed: &Placed) -> Option<String> {
        let Placed { operation, parameter, part } = placed;
        let bound = self.operations.get(operation).and_then(|o| o.parameters.get(parameter));
        match (bound, part) {
            (None, _) => Some(no_parameter(operation, parameter)),
            (Some(place), Some(part)) if place.part != *part => Some(format!(
                "the profile puts `{parameter}` of `{operation}` elsewhere ({}); this is about {}",
                place.part.name(),
                part.name()
            )),
            (Some(_), _) => None,
        }
    }

    /// Why a request cannot be made of this server: it has no such operation, or not one of the parameters.
    pub fn absent(&self, send: &SendStep) -> Option<String> {
        let operation = self.operations.get(&send.operation)?;
        let named = send.with.iter().map(|(name, _)| name).chain(&send.without);
        let mut removed = named.filter(|name| operation.removed.contains(*name));
        operation
            .capabilities
            .iter()
            .find_map(|name| self.lacks(name))
            .or_else(|| removed.next().map(|parameter| no_parameter(&send.operation, parameter)))
    }

    /// Why the answer of an operation does not have a field.
    pub fn absent_field(&self, operation: &Operation, field: &str) -> Option<String> {
        operation.field_capabilities.get(field)?.iter().find_map(|name| self.lacks(name))
    }
}

fn no_parameter(operation: &str, parameter: &str) -> String {
    format!("the profile says that `{operation}` has no `{parameter}`")
}
