//! A run as the results of an analysis (SARIF 2.1.0, OASIS): a rule for each clause, a result for each check.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value, json};

use super::format::Manner;
use super::text::{limited, write_pretty};
use crate::model::{Evidence, Finding, Level, Report, Verdict};

/// Writes a report as SARIF.
pub(super) fn write(report: &Report, manner: &Manner, out: &mut dyn io::Write) -> io::Result<()> {
    let rules = rules(report);
    let places: BTreeMap<&str, usize> =
        rules.iter().enumerate().map(|(at, (id, _))| (id.as_str(), at)).collect();
    let results: Vec<Value> =
        report.findings.iter().map(|finding| result(finding, &places, manner)).collect();
    let rules: Vec<&Value> = rules.iter().map(|(_, rule)| rule).collect();
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "gatecrash",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "automationDetails": {"id": format!("gatecrash/{}", limited(&report.target, LONGEST))},
            "invocations": [{
                "executionSuccessful": !report.interrupted,
                "toolExecutionNotifications": notifications(report),
            }],
            "columnKind": "unicodeCodePoints",
            "properties": {
                "verdict": report.verdict.to_string(),
                "proved": report.proved(),
                "clauses": report.clauses.len(),
                "seed": report.seed.to_string(),
            },
            "results": results,
        }],
    });
    write_pretty(&document, out)
}

/// Longer texts are cut.
const LONGEST: usize = 1_000;

/// A rule for each clause that a finding is about, in the order of their ids.
fn rules(report: &Report) -> Vec<(String, Value)> {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    for finding in &report.findings {
        let own = finding.covers.is_empty().then_some(finding.check.base());
        for id in finding.covers.iter().map(|clause| clause.as_str()).chain(own) {
            rules.entry(id).or_insert_with(|| rule(report, id, finding));
        }
    }
    rules.into_iter().map(|(id, rule)| (id.to_owned(), rule)).collect()
}

fn rule(report: &Report, id: &str, finding: &Finding) -> Value {
    let text = report.catalogue.iter().find(|(clause, _)| clause.as_str() == id);
    let (text, source, level) = match text {
        Some((_, clause)) => (clause.text.as_str(), clause.source.as_str(), clause.level),
        None => (finding.title.as_str(), "", finding.level),
    };
    json!({
        "id": id,
        "shortDescription": {"text": limited(text, LONGEST)},
        "fullDescription": {"text": format!("{level}: {}", limited(text, LONGEST))},
        "help": {"text": format!("Source: {}. `gatecrash explain {id}` says more.", limited(source, LONGEST))},
        "defaultConfiguration": {"level": if level == Level::Must { "error" } else { "warning" }},
        "properties": {"tags": [finding.flow.name(), level.to_string()]},
    })
}

fn result(finding: &Finding, places: &BTreeMap<&str, usize>, manner: &Manner) -> Value {
    let rule = finding.covers.first().map_or(finding.check.base(), |clause| clause.as_str());
    let (kind, level) = match finding.verdict {
        Verdict::Fail | Verdict::Unstable | Verdict::Stale => ("fail", "error"),
        Verdict::Warn | Verdict::Known => ("fail", "warning"),
        Verdict::Pass => ("pass", "none"),
        Verdict::Info => ("informational", "none"),
        Verdict::NotApplicable | Verdict::Excluded => ("notApplicable", "none"),
        Verdict::Blocked | Verdict::Error => ("open", "none"),
    };
    let mut result = Map::from_iter([
        ("ruleId".to_owned(), json!(rule)),
        ("kind".to_owned(), json!(kind)),
        ("level".to_owned(), json!(level)),
        ("message".to_owned(), json!({"text": message(finding)})),
        ("locations".to_owned(), json!([location(finding)])),
        ("partialFingerprints".to_owned(), json!({"check/v1": finding.check.as_str()})),
        (
            "properties".to_owned(),
            json!({
                "check": finding.check.as_str(),
                "verdict": finding.verdict.word(),
                "level": finding.level.to_string(),
                "flow": finding.flow.name(),
                "clauses": finding.covers,
                "replay": format!("gatecrash replay {}#{}", manner.json, finding.check),
            }),
        ),
    ]);
    if let Some(place) = places.get(rule) {
        result.insert("ruleIndex".to_owned(), json!(place));
    }
    if finding.verdict == Verdict::Known {
        let reason = limited(finding.evidence.reason.as_deref().unwrap_or_default(), LONGEST);
        let suppression = json!([{"kind": "external", "justification": reason}]);
        result.insert("suppressions".to_owned(), suppression);
    }
    Value::Object(result)
}

fn message(finding: &Finding) -> String {
    let Evidence { violation, reason, .. } = &finding.evidence;
    let said = match (violation, reason) {
        (Some(violation), _) => {
            let wanted: Vec<String> =
                violation.wanted.iter().map(|one| limited(one, LONGEST)).collect();
            format!("wanted {}, got {}", wanted.join(" or "), limited(&violation.got, LONGEST))
        }
        (None, Some(reason)) => limited(reason, LONGEST),
        (None, None) => finding.verdict.word().to_owned(),
    };
    format!("{} {}: {said}", finding.check, finding.title)
}

/// Where the check is written: a server has no lines.
fn location(finding: &Finding) -> Value {
    let file = match finding.scenario.as_str() {
        "always" => format!("scenarios/{}/flow.yaml", finding.flow),
        name if name.contains('/') => format!("scenarios/{name}.yaml"),
        name => format!("scenarios/{}/{name}.yaml", finding.flow),
    };
    let path: String = file
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "/._-".contains(c) { c } else { '_' })
        .collect();
    json!({
        "physicalLocation": {
            "artifactLocation": {"uri": path},
            "region": {"startLine": 1},
        },
        "logicalLocations": [{"fullyQualifiedName": finding.check.as_str(), "kind": "member"}],
    })
}

fn notifications(report: &Report) -> Vec<Value> {
    let remark =
        |text: &String| json!({"level": "warning", "message": {"text": limited(text, LONGEST)}});
    report.remarks.iter().map(remark).collect()
}
