//! The file that a failing case becomes: its name, what it needs, its one check, and where it came from.
//!
//! What the steps are is `export`'s business.

use std::collections::BTreeSet;

use serde_json::Value;

use super::case::{Act, Call, Case};
use super::oracle::{Failure, Oracle};
use super::yaml::{flow, write_step};
use crate::model::{Flow, Level};

/// Stands for the check of the scenario until its id is known.
pub(super) const OWN_CHECK: &str = "OWN CHECK";

/// Where a case came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The seed of the run.
    pub(crate) seed: u64,
    /// Which case of which layer: `sequences 123`.
    pub(crate) case: String,
    /// How many steps it had before it was made shorter.
    pub(crate) steps: usize,
    /// The sentence of the clause, and how binding it is.
    pub(crate) clause: (String, String, Level),
}

/// A failing case as a file.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The name of the scenario, without its flow.
    pub(crate) topic: String,
    /// The id of its check.
    pub(crate) check: String,
    /// The text of the file.
    pub(crate) text: String,
}

/// What stands above the steps.
pub(super) struct Head<'a> {
    pub(super) flow: Flow,
    pub(super) title: String,
    pub(super) needs: Vec<String>,
    pub(super) failure: &'a Failure,
    pub(super) origin: &'a Origin,
}

/// Puts a file together; `identity` tells the case from others.
pub(super) fn assemble(head: &Head<'_>, identity: &str, steps: Vec<Value>) -> Written {
    let Head { failure, origin, .. } = head;
    let digest = digest(&format!("{identity} {}", failure.oracle.check_name()));
    let topic = format!("found-{digest}");
    let check = format!("{}-FOUND-{}", head.flow.prefix(), digest.to_uppercase());
    let (clause, sentence, level) = &origin.clause;
    let forced = !matches!(level, Level::Must | Level::Should)
        || matches!(failure.oracle, Oracle::Failed | Oracle::Unanswered);
    let title = flow(&Value::from(head.title.clone()));
    let mut lines = vec![
        "# yaml-language-server: $schema=../scenario.schema.json".to_owned(),
        format!(
            "# Found by `gatecrash fuzz --seed {}`: {}, {} steps before it was shortened.",
            origin.seed, origin.case, origin.steps
        ),
        format!("# {clause} {level}: {}", one_line(sentence)),
        format!("scenario: {}/{topic}", head.flow),
        format!("title: {title}"),
    ];
    let needs: Vec<Value> = head.needs.iter().map(|need| Value::from(need.as_str())).collect();
    if !needs.is_empty() {
        lines.push(format!("needs: {}", flow(&Value::from(needs))));
    }
    lines.extend([
        "checks:".to_owned(),
        format!("  {check}:"),
        format!("    title: {title}"),
        format!("    covers: [{clause}]"),
    ]);
    if forced {
        lines.push("    level: MUST".to_owned());
    }
    lines.push("steps:".to_owned());
    let mut text = lines.join("\n");
    text.push('\n');
    for step in steps {
        let step = step.to_string().replace(OWN_CHECK, &check);
        write_step(&mut text, &serde_json::from_str(&step).unwrap_or_default());
    }
    Written { topic, check, text }
}

/// What a case cannot do without.
pub(super) fn needs(case: &Case) -> Vec<String> {
    let mut needs = BTreeSet::new();
    let mut note = |call: &Call| {
        if let Some((role, _)) = call.login.as_ref().filter(|(role, _)| role != "first") {
            needs.insert(format!("identity.{role}"));
        }
        if call.environment.as_deref().is_some_and(|name| name != "sandbox") {
            needs.insert("environments".to_owned());
        }
    };
    let mut hooks = BTreeSet::new();
    for step in &case.steps {
        match &step.act {
            Act::Account { .. } => drop(hooks.insert("accounts")),
            Act::Advance(_) => drop(hooks.insert("clock")),
            Act::Call(call) => note(call),
            Act::Database(_) => drop(hooks.insert("database")),
            Act::Press(_) => drop(hooks.insert("press")),
            Act::Race(pair) => pair.iter().for_each(&mut note),
            Act::Restart => drop(hooks.insert("restart")),
            Act::Revoke(_) => drop(hooks.insert("revoke")),
        }
    }
    hooks.into_iter().map(str::to_owned).chain(needs).collect()
}

/// The file name of a written case.
pub(crate) fn file_name(flow: Flow, topic: &str) -> String {
    format!("{flow}-{topic}.yaml")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A short name for a case: the same case has the same name in every run.
fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:06x}", hash & 0xff_ffff)
}
