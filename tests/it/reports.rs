//! `--report`: what is written holds what was found, reads back, and keeps secrets.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use gatecrash::report::SCHEMA_VERSION;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};
use regex::Regex;
use serde_json::{Value, json};

use crate::support::{gatecrash, report, root, whole};

/// What a run printed and wrote.
struct Written {
    out: String,
    json: String,
    junit: String,
}

impl Written {
    /// Checks with both reports.
    #[track_caller]
    fn by(arguments: &[&str], code: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (json, junit) = (folder.path().join("run.json"), folder.path().join("run.xml"));
        let (to_json, to_junit) = (report("json", &json), report("junit", &junit));
        let reports = ["--report", &to_json, "--report", &to_junit, "--seed", "1"];
        let run = gatecrash(&[&["check", "-vv"], arguments, &reports].concat());
        run.exits(code);
        Self {
            out: run.out,
            json: std::fs::read_to_string(json).unwrap(),
            junit: std::fs::read_to_string(junit).unwrap(),
        }
    }

    fn findings(&self) -> Vec<Value> {
        let document: Value = serde_json::from_str(&self.json).unwrap();
        document["run"]["findings"].as_array().unwrap().clone()
    }
}

/// How often each verdict is given in a list of findings.
fn counted(findings: &[Value]) -> Value {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding["verdict"].as_str().unwrap()).or_default() += 1;
    }
    json!(counts)
}

#[test]
fn the_json_report_counts_what_it_lists() {
    let document = &whole().json;
    assert_eq!(document["schema_version"], json!(1));
    assert_eq!(document["schema_version"], json!(SCHEMA_VERSION));
    assert_eq!(document["generator"]["name"], "gatecrash");
    let run = &document["run"];
    let findings = run["findings"].as_array().unwrap();
    assert!(findings.len() > 500, "{} findings", findings.len());
    // Compared without regard to the order of the members.
    let counts: BTreeMap<String, Value> =
        serde_json::from_value(document["counts"].clone()).unwrap();
    let wanted: BTreeMap<String, Value> = serde_json::from_value(counted(findings)).unwrap();
    assert_eq!(counts, wanted);
    let clauses = run["clauses"].as_object().unwrap();
    assert_eq!(clauses.len(), 365);
    let proved = clauses.values().filter(|state| **state == "proved").count();
    assert_eq!(document["proved"], json!(proved));
    assert_eq!((&run["verdict"], &run["seed"]), (&json!("CONFORMANT"), &json!(7)));
    assert_eq!((&run["interrupted"], &run["clock"]), (&json!(false), &json!("virtual")));
}

#[test]
fn the_json_report_says_what_the_terminal_says() {
    let document = &whole().json;
    let line = format!("proved {} of 365 clauses", document["proved"]);
    whole().run.says(&line);
    for finding in document["run"]["findings"].as_array().unwrap() {
        whole().run.says(finding["check"].as_str().unwrap());
    }
}

fn cases(report: &Report) -> Vec<&TestCase> {
    report.test_suites.iter().flat_map(|suite| &suite.test_cases).collect()
}

#[test]
fn the_junit_report_has_a_case_for_each_check() {
    let read = Report::deserialize_from_str(&whole().junit).unwrap();
    let mut names: Vec<String> = cases(&read).iter().map(|case| case.name.to_string()).collect();
    let findings = whole().json["run"]["findings"].as_array().unwrap();
    let name = |finding: &Value| {
        format!("{} {}", finding["check"].as_str().unwrap(), finding["title"].as_str().unwrap())
    };
    let mut wanted: Vec<String> = findings.iter().map(name).collect();
    names.sort();
    wanted.sort();
    assert_eq!(names, wanted);
    for finding in findings {
        let case = *cases(&read).iter().find(|case| *case.name == name(finding)).unwrap();
        let wanted = if finding["verdict"] == "na" { "skipped" } else { "success" };
        assert_eq!(word(case), wanted, "{:?}", case.name);
    }
}

/// What a case of a JUnit report is, in the words of that format.
fn word(case: &TestCase) -> &'static str {
    match &case.status {
        TestCaseStatus::Success { .. } => "success",
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failure",
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "error",
        TestCaseStatus::Skipped { .. } => "skipped",
    }
}

#[test]
fn in_junit_what_failed_is_a_failure_and_what_was_blocked_an_error() {
    // Without a clock one check of the window is blocked; with the fault others fail and others pass.
    let only = [
        "--only", "BTN-42", "--only", "BTN-04", "--only", "BTN-05", "--only", "BTN-08", "--clock",
        "none",
    ];
    let written = Written::by(&[&only[..], &["--fault", "window-not-closed"]].concat(), 1);
    let read = Report::deserialize_from_str(&written.junit).unwrap();
    let mut seen = BTreeMap::new();
    for finding in written.findings() {
        let check = finding["check"].as_str().unwrap();
        let verdict = finding["verdict"].as_str().unwrap();
        let found = cases(&read)
            .into_iter()
            .find(|case| case.name.as_str().starts_with(&format!("{check} ")));
        let case = found.unwrap_or_else(|| panic!("no case for {check}"));
        let wanted = match verdict {
            "pass" | "info" | "warn" => "success",
            "fail" => "failure",
            "blocked" => "error",
            other => panic!("{check} is {other}"),
        };
        assert_eq!(word(case), wanted, "{check} is {verdict}");
        *seen.entry(wanted).or_insert(0) += 1;
    }
    for kind in ["success", "failure", "error"] {
        assert!(seen.contains_key(kind), "no {kind} in {seen:?}");
    }
}

#[test]
fn with_strict_a_warning_is_a_failure_in_junit_too() {
    let arguments = ["--only", "JWT-75", "--fault", "replay-keeps-family"];
    let failures = |written: &Written| {
        let read = Report::deserialize_from_str(&written.junit).unwrap();
        cases(&read).iter().filter(|case| word(case) == "failure").count()
    };
    assert_eq!(failures(&Written::by(&arguments, 0)), 0);
    assert!(failures(&Written::by(&[&arguments[..], &["--strict"]].concat(), 1)) > 0);
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_the_run() {
    for format in ["json", "junit"] {
        let to = format!("{format}=/no/such/folder/run");
        let run = gatecrash(&["check", "--only", "BTN-01", "--report", &to]);
        run.exits(2).complains("/no/such/folder/run cannot be written");
        assert_eq!(run.out, "");
    }
}

/// Every password and client secret that the profile of the reference server publishes.
fn published() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("scenarios/reference.yaml")).unwrap();
    let pattern = Regex::new(r"published: '?([^'}\n]+)'?\}").unwrap();
    let found: Vec<String> =
        pattern.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    assert!(found.len() >= 14, "{found:?}");
    found
}

/// Texts that have the form of a token of a flow; in a scenario of that flow nothing else has it.
fn tokens(flow: &str, text: &str) -> Vec<String> {
    let form = match flow {
        "gateway-button" => r"\b[0-9a-f]{48}\b",
        "channel-login" => r"\b[A-Za-z0-9]{43}\b",
        "visitor-login" => r"\b[0-9a-f]{40}\b",
        "jwt-login" => r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]*",
        "environment-token" => r"\b(sandbox|live)_[A-Za-z0-9+/]{20,}",
        other => panic!("no form of a token for {other}"),
    };
    let pattern = Regex::new(form).unwrap();
    let mut found: Vec<String> =
        pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn tokens_are_known_by_their_form() {
    for (flow, token) in [
        ("gateway-button", "09fab53c41220a11bab783c0dd15de0941d196c866fd7d7c"),
        ("channel-login", "KRMjiy4FT2GzyIXkv2bsS9x9ljq81iCUZAJuxJagCQU"),
        ("visitor-login", "e371700b60fcdf7d430343bbe787f7a6ce26fa6f"),
        ("jwt-login", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI5MjIxIn0.x"),
        ("environment-token", "sandbox_ybrpdFOkWZdnUVoDOv//1B0GH7IDtLQS4kVwvJ8IwBJ"),
    ] {
        assert_eq!(tokens(flow, &format!("{{\"token\":\"{token}\"}}")), [token], "{flow}");
        assert_eq!(tokens(flow, "Bearer ${token}"), [""; 0], "{flow}");
    }
}

/// Faulty runs whose evidence holds credentials or tokens.
const SPEAKING: [(&str, &str, &str); 10] = [
    ("gateway-button", "press-queued", "BTN-05"),
    ("gateway-button", "window-race", "BTN-07"),
    ("gateway-button", "token-shown-again", "BTN-50"),
    ("channel-login", "channel-token-quoted", "CHN-TOKEN-02"),
    ("channel-login", "get-token-mints", "CHN-22"),
    ("visitor-login", "success-text", "VMS-02"),
    ("jwt-login", "refresh-reusable", "JWT-73"),
    ("jwt-login", "query-token-overrides-header", "X-37"),
    ("environment-token", "either-secret-accepted", "SUC-08"),
    ("environment-token", "wrong-prefix", "SUC-06"),
];

/// The faulty runs, each once for all tests.
fn speaking() -> &'static [Written] {
    static RUNS: OnceLock<Vec<Written>> = OnceLock::new();
    RUNS.get_or_init(|| {
        let runs = SPEAKING.iter().map(|(flow, fault, clause)| {
            Written::by(&["--flow", flow, "--only", clause, "--fault", fault], 1)
        });
        runs.collect()
    })
}

/// Holds what each faulty run printed and wrote against what `leaks` finds in it.
#[track_caller]
fn nothing_leaks(leaks: impl Fn(&str, &str) -> Vec<String>) {
    let mut found = Vec::new();
    for ((flow, fault, clause), written) in SPEAKING.iter().zip(speaking()) {
        let shown = |finding: &Value| !finding["evidence"]["exchange"].is_null();
        assert!(written.findings().iter().any(shown), "{fault} shows no exchange");
        for (place, text) in
            [("terminal", &written.out), ("json", &written.json), ("junit", &written.junit)]
        {
            let leaked = leaks(flow, text);
            if !leaked.is_empty() {
                found.push(format!("{fault} ({clause}), {place}: {}", leaked.join(" ")));
            }
        }
    }
    assert!(found.is_empty(), "secrets in reports:\n{}", found.join("\n"));
}

#[test]
fn no_published_secret_is_in_a_report() {
    let published = published();
    nothing_leaks(|_, text| {
        published.iter().filter(|secret| text.contains(*secret)).cloned().collect()
    });
    for secret in published {
        assert!(!whole().json.to_string().contains(&secret), "{secret}");
        assert!(!whole().junit.contains(&secret) && !whole().run.out.contains(&secret), "{secret}");
    }
}

#[test]
fn no_token_is_in_a_report() {
    nothing_leaks(tokens);
}
