//! One failing run in every format, each held against what readers of that format insist on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::schema::misfits;
use crate::support::{Run, Served, gatecrash, report};

/// Every format of a run.
const FORMATS: [&str; 9] =
    ["badge", "har", "html", "json", "junit", "markdown", "ndjson", "sarif", "tap"];

/// What a run printed and wrote.
pub(crate) struct Written {
    pub(crate) run: Run,
    pub(crate) files: BTreeMap<&'static str, String>,
}

/// Runs with every report.
pub(crate) fn all_formats(folder: &Path, arguments: &[&str]) -> Written {
    let paths = FORMATS.map(|format| (format, folder.join(format!("run.{format}"))));
    let reports = paths.each_ref().map(|(format, path)| report(format, path));
    let mut all = arguments.to_vec();
    for report in &reports {
        all.extend(["--report", report]);
    }
    let run = gatecrash(&all);
    let read = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let files = paths.iter().map(|(format, path)| (*format, read(path))).collect();
    Written { run, files }
}

const FAULTS: [&str; 3] = ["window-too-long", "token-shown-again", "press-queued"];

/// A server with three faults, checked once for all tests.
fn failing() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let faults = FAULTS.map(|fault| ["--fault", fault]).concat();
        let server = Served::start(&[&["--clock", "virtual"][..], &faults].concat());
        let folder = tempfile::tempdir().unwrap();
        let only = ["BTN-04", "BTN-05", "BTN-50", "BTN-42"].map(|id| ["--only", id]).concat();
        let target =
            ["check", &server.api, "--control", &server.control, "--accounts", "reference"];
        let arguments = [&target[..], &["--seed", "1"], &only].concat();
        let written = all_formats(folder.path(), &arguments);
        written.run.exits(1);
        written
    })
}

fn json_of(format: &str) -> Value {
    serde_json::from_str(&failing().files[format]).unwrap()
}

fn findings() -> Vec<Value> {
    json_of("json")["run"]["findings"].as_array().unwrap().clone()
}

#[track_caller]
fn fits(value: &Value, schema: &Value) {
    let found = misfits(value, schema);
    assert!(found.is_empty(), "{} misfits: {:#?}", found.len(), &found[..found.len().min(5)]);
}

#[test]
fn the_json_report_fits_the_schema_that_the_program_prints() {
    let schema: Value =
        serde_json::from_str(&gatecrash(&["schema", "report"]).exits(0).out).unwrap();
    fits(&json_of("json"), &schema);
    fits(&crate::support::whole().json, &schema);
    let mut wrong = json_of("json");
    wrong["run"]["verdict"] = json!("FINE");
    assert!(!misfits(&wrong, &schema).is_empty());
}

#[test]
fn the_json_report_keeps_the_clauses_and_the_bytes_of_the_steps() {
    let run = &json_of("json")["run"];
    assert!(run["catalogue"]["BTN-04"]["text"].as_str().unwrap().contains("two minutes"));
    assert_eq!(run["origin"]["command"], "check");
    let scenarios = run["scenarios"].as_array().unwrap();
    let window = scenarios.iter().find(|one| one["name"] == "gateway-button/window-end").unwrap();
    let steps = window["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["at_ms"].as_i64().is_some_and(|at| at >= 119_999)));
    let exchanges =
        || steps.iter().flat_map(|step| step["exchanges"].as_array().into_iter().flatten());
    assert!(exchanges().any(|one| one["answer"]["status"] == 201));
    assert!(exchanges().all(|one| one["request"]["url"].as_str().unwrap().starts_with("http")));
}

#[test]
fn sarif_fits_its_schema_and_has_a_result_for_each_check() {
    let sarif = json_of("sarif");
    fits(&sarif, &serde_json::from_str(include_str!("schemas/sarif.json")).unwrap());
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), findings().len());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        // SARIF 2.1.0, 3.27.10: only what failed has a level.
        assert_eq!(result["kind"] == "fail", result["level"] != "none", "{result}");
    }
    assert!(results.iter().any(|result| result["level"] == "error"));
}

#[test]
fn har_fits_its_schema_and_has_the_requests_that_were_kept() {
    let har = json_of("har");
    fits(&har, &serde_json::from_str(include_str!("schemas/har.json")).unwrap());
    let entries = har["log"]["entries"].as_array().unwrap();
    assert!(entries.len() > 10, "{}", entries.len());
    let pages: Vec<&Value> =
        har["log"]["pages"].as_array().unwrap().iter().map(|page| &page["id"]).collect();
    assert!(entries.iter().all(|entry| pages.contains(&&entry["pageref"])));
}

/// Reads TAP 14 as strictly as its document says: version, plan, points in order, blocks of YAML below them.
fn read_tap(text: &str) -> Vec<(bool, String, Option<String>)> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan = lines.next().unwrap().strip_prefix("1..").unwrap().parse::<usize>().unwrap();
    let point =
        Regex::new(r"^(not )?ok ([0-9]+) - ((?:[^#\\]|\\[#\\])*?)(?: # (SKIP|TODO) (.*))?$")
            .unwrap();
    let value = Regex::new(r"^  [a-z]+: (.*)$").unwrap();
    let mut points: Vec<(bool, String, Option<String>)> = Vec::new();
    let mut inside = false;
    for line in lines {
        match line {
            "  ---" if !inside && !points.is_empty() => inside = true,
            "  ..." if inside => inside = false,
            line if inside => {
                let value = value.captures(line).unwrap_or_else(|| panic!("{line:?}"));
                serde_json::from_str::<Value>(&value[1]).unwrap();
            }
            line if line.starts_with("# ") => {}
            line => {
                let found =
                    point.captures(line).unwrap_or_else(|| panic!("no test point: {line:?}"));
                assert_eq!(found[2].parse::<usize>().unwrap(), points.len() + 1);
                let directive = found.get(4).map(|word| word.as_str().to_owned());
                points.push((found.get(1).is_none(), found[3].to_owned(), directive));
            }
        }
    }
    assert!(!inside && points.len() == plan, "{} points of {plan}", points.len());
    points
}

#[test]
fn tap_has_a_point_for_each_check_and_only_what_is_right_is_ok() {
    let points = read_tap(&failing().files["tap"]);
    for (finding, (ok, title, directive)) in findings().iter().zip(&points) {
        assert!(title.starts_with(finding["check"].as_str().unwrap()), "{title}");
        let wanted = match finding["verdict"].as_str().unwrap() {
            "pass" | "info" | "warn" => (true, None),
            "na" | "excluded" => (true, Some("SKIP")),
            "known" => (false, Some("TODO")),
            _ => (false, None),
        };
        assert_eq!((*ok, directive.as_deref()), wanted, "{title}");
    }
    assert!(points.iter().any(|(ok, ..)| !ok));
}

/// Which elements may stand in which, and which attributes they may have, as CI systems read JUnit.
const JUNIT: [(&str, &[&str], &[&str]); 10] = [
    (
        "testsuites",
        &["testsuite"],
        &["name", "tests", "failures", "errors", "skipped", "time", "timestamp", "uuid"],
    ),
    (
        "testsuite",
        &["properties", "testcase", "system-out", "system-err"],
        &["name", "tests", "disabled", "errors", "failures", "time", "timestamp", "skipped"],
    ),
    ("properties", &["property"], &[]),
    ("property", &[], &["name", "value"]),
    (
        "testcase",
        &["properties", "skipped", "error", "failure", "system-out", "system-err"],
        &["name", "classname", "time", "assertions", "timestamp"],
    ),
    ("failure", &[], &["message", "type"]),
    ("error", &[], &["message", "type"]),
    ("skipped", &[], &["message", "type"]),
    ("system-out", &[], &[]),
    ("system-err", &[], &[]),
];

#[test]
fn junit_keeps_to_the_elements_and_attributes_that_readers_know_and_its_counts_are_right() {
    let text = &failing().files["junit"];
    let tag = Regex::new(r#"<(/?)([a-z-]+)((?:\s+[a-z:]+="[^"<]*")*)\s*(/?)>"#).unwrap();
    let attribute = Regex::new(r#"([a-z:]+)="([^"]*)""#).unwrap();
    let mut open: Vec<&str> = Vec::new();
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut said = BTreeMap::new();
    for found in tag.captures_iter(text) {
        let name = found.get(2).unwrap().as_str();
        if &found[1] == "/" {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let (_, _, attributes) =
            JUNIT.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("<{name}>"));
        if let Some(parent) = open.last() {
            let row = JUNIT.iter().find(|row| row.0 == *parent).unwrap();
            assert!(row.1.contains(&name), "<{name}> in <{parent}>");
        }
        for given in attribute.captures_iter(&found[3]) {
            assert!(attributes.contains(&&given[1]), "{} of <{name}>", &given[1]);
            if name == "testsuites" {
                said.insert(given[1].to_owned(), given[2].to_owned());
            }
        }
        *counted.entry(name).or_default() += 1;
        if &found[4] != "/" {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} is not closed");
    // Whatever begins an element is one of those above: nothing of a server is markup.
    assert_eq!(text.matches('<').count() - 1, tag.find_iter(text).count());
    for (attribute, element) in
        [("tests", "testcase"), ("failures", "failure"), ("errors", "error")]
    {
        let count = counted.get(element).copied().unwrap_or_default();
        assert_eq!(said[attribute], count.to_string(), "{attribute}");
    }
    assert_eq!(counted["testcase"], findings().len());
}

#[test]
fn the_badge_says_the_verdict_and_how_much_was_proved() {
    let badge = json_of("badge");
    let proved = &json_of("json")["proved"];
    assert_eq!((&badge["schemaVersion"], &badge["label"]), (&json!(1), &json!("gatecrash")));
    let message = badge["message"].as_str().unwrap();
    assert!(
        message.contains("nonconformant") && message.contains(&format!("{proved} of ")),
        "{message}"
    );
    assert_eq!(badge["color"], "red");
}

#[test]
fn the_markdown_summary_names_every_failure_and_is_short() {
    let text = &failing().files["markdown"];
    assert!(text.starts_with("## NONCONFORMANT\n") && text.len() < 20_000, "{}", text.len());
    for finding in findings() {
        let named = text.contains(&format!("`{}`", finding["check"].as_str().unwrap()));
        let wanted = ["fail", "warn", "blocked"].contains(&finding["verdict"].as_str().unwrap());
        assert_eq!(named, wanted, "{}", finding["check"]);
    }
}

#[test]
fn a_stream_says_everything_that_the_report_says() {
    let lines: Vec<Value> =
        failing().files["ndjson"].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!((events[0], events[events.len() - 1]), ("run-started", "run-finished"));
    assert!(events[1..events.len() - 1].iter().all(|event| *event == "scenario-finished"));
    assert_eq!(lines[lines.len() - 1]["run"]["findings"], json_of("json")["run"]["findings"]);
}

#[test]
fn every_format_can_be_made_later_from_the_json_report_and_from_the_stream() {
    let name = Regex::new(r"[^ ]*(run|json)\.json").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for source in ["json", "ndjson"] {
        let path = folder.path().join("run.json");
        std::fs::write(&path, &failing().files[source]).unwrap();
        let mut arguments = vec!["report".to_owned(), path.display().to_string()];
        let to = FORMATS.map(|format| (format, folder.path().join(format!("{source}.{format}"))));
        for (format, path) in &to {
            arguments.extend(["--to".to_owned(), report(format, path)]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        gatecrash(&arguments).exits(0);
        for (format, path) in to.iter().filter(|(format, _)| *format != "ndjson") {
            let text = std::fs::read_to_string(path).unwrap();
            // Only the name of the JSON report is another one.
            let same = |text: &str| name.replace_all(text, "RUN").into_owned();
            assert!(
                same(&text) == same(&failing().files[format]),
                "{format} from {source} is another one"
            );
        }
    }
}

#[test]
fn a_stream_that_breaks_off_is_still_a_report_of_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let text = &failing().files["ndjson"];
    let end = text.rfind("{\"event\":\"run-finished\"").unwrap();
    // In the middle of the last scenario that was written.
    let path = folder.path().join("run.ndjson");
    std::fs::write(&path, &text[..end - 100]).unwrap();
    let to = folder.path().join("run.tap");
    gatecrash(&["report", path.to_str().unwrap(), "--to", &report("tap", &to)]).exits(0);
    let tap = std::fs::read_to_string(&to).unwrap();
    assert!(tap.contains("the run broke off") && tap.contains("Bail out!"), "{tap}");
    assert!(tap.contains("not ok"), "what was found is there");
}

#[test]
fn what_cannot_be_converted_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let name = path.to_str().unwrap();
    let whole = &failing().files["json"];
    let to = report("html", &folder.path().join("x.html"));
    for (text, said) in [
        ("", "is empty"),
        (&whole[..whole.len() / 2], "ends in the middle"),
        (&whole.replacen("\"schema_version\": 1", "\"schema_version\": 7", 1), "version 7"),
        ("{\"hello\": 1}", "not a report of gatecrash"),
    ] {
        std::fs::write(&path, text).unwrap();
        gatecrash(&["report", name, "--to", &to]).exits(2).complains(said);
    }
    std::fs::write(&path, whole).unwrap();
    gatecrash(&["report", name, "--to", "html=/no/such/folder/x"])
        .exits(2)
        .complains("cannot be written");
    gatecrash(&["report", name, "--to", "csv=x"]).exits(2).complains("no format of this command");
    gatecrash(&["report", name, "--to", "word=x"]).exits(2).complains("not a format");
    gatecrash(&["report", name]).exits(2).complains("--to");
}

#[test]
fn a_path_that_cannot_be_written_is_said_before_the_run_in_every_format() {
    for format in FORMATS {
        let to = format!("{format}=/no/such/folder/run");
        let run = gatecrash(&["check", "--only", "BTN-01", "--report", &to]);
        run.exits(2).complains("/no/such/folder/run cannot be written");
        assert_eq!(run.out, "");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let (one, other) = (report("json", &path), report("html", &path));
    gatecrash(&["check", "--report", &one, "--report", &other])
        .exits(2)
        .complains("two reports would be written to");
}

#[test]
fn the_page_is_one_file_that_asks_for_nothing_from_elsewhere() {
    let page = &failing().files["html"];
    let loads = Regex::new(r#"(?i)<(img|iframe|object|embed|base|form action|video|audio|source)\b|\bsrc=|url\(|@import|href="(https?:)?//"#).unwrap();
    let found: Vec<&str> = loads.find_iter(page).map(|found| found.as_str()).collect();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    for part in [
        "NONCONFORMANT",
        "id=\"check-BTN-END-02\"",
        "gatecrash explain BTN-04",
        "#BTN-END-02</code>",
        "<mark>",
        "prefers-color-scheme:dark",
        "@media print",
        "119.999 s",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn the_json_report_of_a_load_run_fits_its_schema_and_makes_every_other_report() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("load.json");
    let to = report("json", &json);
    let load = ["load", "--flow", "jwt-login", "-n", "100", "-c", "2", "--tokens", "5"];
    gatecrash(&[&load[..], &["--report", &to]].concat()).exits(0);
    let schema = serde_json::from_str(&gatecrash(&["schema", "load-report"]).exits(0).out).unwrap();
    fits(&serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap(), &schema);
    for (format, part) in [
        ("html", "Latency by percentile"),
        ("csv", "second,sent,"),
        ("markdown", "answers a second"),
    ] {
        let path = folder.path().join(format);
        let to = report(format, &path);
        gatecrash(&["report", json.to_str().unwrap(), "--to", &to]).exits(0);
        assert!(std::fs::read_to_string(path).unwrap().contains(part), "{format}");
    }
    let hdr = report("hdr", &folder.path().join("hdr"));
    gatecrash(&["report", json.to_str().unwrap(), "--to", &hdr]).exits(2).complains("no format");
}
