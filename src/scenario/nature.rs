//! What a scenario does, seen from afar: whether it lets time pass, whether it acts on what others share.

use std::collections::BTreeSet;

use super::action::{Action, HookStep, Scenario, SendStep, Step};

impl Scenario {
    /// Whether time has to pass in it.
    pub fn waits(&self) -> bool {
        any(&self.steps, &|step| matches!(step.action, Action::Wait(_) | Action::Boundary(_)))
    }

    /// The hooks that it fires.
    pub fn hooks(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        note_hooks(&self.steps, &mut found);
        found
    }
}

impl SendStep {
    /// Whether it is a login as a client of the server would make it, with nothing changed.
    pub fn is_plain_login(&self) -> bool {
        self.identity.is_some()
            && self.with.is_empty()
            && self.without.is_empty()
            && self.place.is_empty()
            && self.headers.is_empty()
            && self.method.is_none()
            && self.path.is_none()
            && self.query.is_none()
            && self.body.is_none()
            && self.verbatim.is_none()
    }
}

/// Whether steps fire a hook, and so act on what other steps share.
pub fn uses_hooks(steps: &[Step]) -> bool {
    any(steps, &|step| matches!(step.action, Action::Hook(_)))
}

fn any(steps: &[Step], wanted: &impl Fn(&Step) -> bool) -> bool {
    steps.iter().any(|step| wanted(step) || any(step.inner(), wanted))
}

fn note_hooks<'a>(steps: &'a [Step], found: &mut BTreeSet<&'a str>) {
    for step in steps {
        if let Action::Hook(HookStep { name, .. }) = &step.action {
            found.insert(name);
        }
        note_hooks(step.inner(), found);
    }
}
