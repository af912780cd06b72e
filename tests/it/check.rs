//! `gatecrash check`: against the embedded server, with and without faults, and against servers that do not behave.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{Run, Served, answer_each, gatecrash, report, serve_each, whole};

/// The findings of a report as `check verdict`, in the order of the file.
fn verdicts(report: &Value) -> Vec<String> {
    let findings = report["run"]["findings"].as_array().unwrap();
    let line = |finding: &Value| {
        let word = |key: &str| finding[key].as_str().unwrap().to_owned();
        format!("{} {}", word("check"), word("verdict"))
    };
    findings.iter().map(line).collect()
}

/// The two numbers of `proved N of M clauses`.
#[track_caller]
fn proved(run: &Run) -> (usize, usize) {
    let line = run.out.lines().find(|line| line.starts_with("proved "));
    let line = line.unwrap_or_else(|| panic!("no count of clauses: {}", run.out));
    let numbers: Vec<usize> =
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    (numbers[0], numbers[1])
}

/// The lines of checks that a run printed, as id and verdict.
fn check_lines(run: &Run) -> Vec<(&str, &str)> {
    let lines = run.out.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (verdict, id) = (words.next()?, words.next()?);
            Some((id, verdict))
        })
        .collect()
}

#[test]
fn the_embedded_server_is_conformant() {
    let run = &whole().run;
    run.exits(0).says("\nCONFORMANT ");
    assert_eq!(run.err, "");
    let (proved, of) = proved(run);
    assert_eq!(of, 365);
    assert!(proved >= 150, "only {proved} clauses were proved");
}

#[test]
fn the_seed_is_on_the_first_line_and_on_the_last() {
    let lines: Vec<&str> = whole().run.out.lines().collect();
    assert!(lines[0].contains("  seed 7  "), "{}", lines[0]);
    let last = lines.last().unwrap();
    assert!(last.ends_with("  seed 7"), "{last}");
}

#[test]
fn the_same_seed_gives_the_same_verdicts_again() {
    let folder = tempfile::tempdir().unwrap();
    let again = |name: &str| {
        let path = folder.path().join(name);
        let to = report("json", &path);
        let quick = ["check", "--flow", "channel-login", "--seed", "11", "--level", "quick"];
        gatecrash(&[&quick[..], &["--report", &to]].concat()).exits(0);
        let text = std::fs::read_to_string(path).unwrap();
        verdicts(&serde_json::from_str(&text).unwrap())
    };
    let first = again("first.json");
    assert!(first.len() > 50, "{first:?}");
    assert_eq!(first, again("second.json"));
}

#[test]
fn a_name_that_nothing_has_ends_the_run_before_it_starts() {
    for (arguments, complaint) in [
        (["--only", "NOPE"], "nothing matches `NOPE`"),
        (["--only", "BTN-WINDOW-1"], "did you mean `BTN-WINDOW-"),
        (["--skip", "NOPE-*"], "nothing matches `NOPE-*`"),
        (["--flow", "gateway-buton"], "gateway-button"),
        (["--fault", "window-not-close"], "did you mean `window-not-closed`"),
        (["--variant", "jwt-login.logout"], "FLOW.GAP=ANSWER"),
        (["--variant", "jwt-login.logot=stateless"], "jwt-login.logout"),
        (["--report", "pdf=run.pdf"], "there are badge, har,"),
        (["--seed", "many"], "--seed"),
        (["--repeat", "0"], "--repeat"),
    ] {
        let run = gatecrash(&[&["check"], arguments.as_slice()].concat());
        run.exits(2).complains(complaint);
        assert_eq!(run.out, "", "{arguments:?} ran something");
    }
}

#[test]
fn faults_are_only_for_the_embedded_server() {
    gatecrash(&["check", "http://127.0.0.1:1", "--fault", "window-race"])
        .exits(2)
        .complains("are for the reference server");
}

#[test]
fn flows_ids_and_patterns_select() {
    for (arguments, wanted, unwanted) in [
        (vec!["--only", "BTN-WINDOW-01"], "BTN-WINDOW-01", "BTN-WINDOW-02"),
        (vec!["--only", "BTN-WINDOW-*"], "BTN-WINDOW-02", "BTN-END-01"),
        (vec!["--only", "BTN-01"], "BTN-WINDOW-01", "CHN-TOKEN-01"),
        (vec!["--only", "gateway-button/window"], "BTN-WINDOW-01", "BTN-END-01"),
        (
            vec!["--only", "BTN-WINDOW-*", "--skip", "BTN-WINDOW-01"],
            "BTN-WINDOW-02",
            "BTN-WINDOW-01",
        ),
        (
            vec!["--flow", "visitor-login", "--only", "X-01", "--only", "VMS-14"],
            "VMS-",
            "@jwt-login",
        ),
    ] {
        let run = gatecrash(&[&["check"], arguments.as_slice()].concat());
        run.exits(0).says("\nPARTIAL ");
        let lines = check_lines(&run);
        let has = |part: &str| lines.iter().any(|(id, _)| id.contains(part));
        assert!(has(wanted) && !has(unwanted), "{arguments:?}: {lines:?}");
    }
}

#[test]
fn nothing_that_listens_is_no_finding() {
    // No test is given port 1.
    let run = gatecrash(&["check", "http://127.0.0.1:1"]);
    run.exits(3).complains("cannot be reached");
}

#[test]
fn a_host_that_is_not_this_machine_has_to_be_named() {
    gatecrash(&["check", "http://192.0.2.1"]).exits(3).complains("--allow-host 192.0.2.1");
}

/// Checks a flow of the embedded server with one fault, for one clause, and returns the findings about it.
fn caught(flow: &str, fault: &str, clause: &str) {
    let arguments = ["check", "--flow", flow, "--only", clause, "--fault", fault, "--seed", "1"];
    let run = gatecrash(&[&arguments[..], &["--level", "quick"]].concat());
    run.exits(1).says("\nNONCONFORMANT ");
    let named = |block: &&str| {
        let line = block.lines().find(|line| line.trim_start().starts_with("clause "));
        let words = line.unwrap_or_default().split([' ', ',']);
        block.starts_with("✗ fail  ")
            && words.filter(|word| !word.is_empty()).any(|word| word == clause)
    };
    let blocks: Vec<&str> = run.out.split("\n\n").filter(named).collect();
    assert!(!blocks.is_empty(), "{fault}: no failure names {clause}\n{}", run.out);
    for part in ["wanted ", "got ", "sent ", "explain: gatecrash explain ", "again: ", "curl: "] {
        let there = |block: &&str| block.lines().any(|line| line.trim_start().starts_with(part));
        assert!(blocks.iter().any(there), "{fault}: no `{part}` about {clause}\n{}", run.out);
    }
}

/// Without the faults the same clauses hold: what is caught is the fault and nothing else.
fn clean(flow: &str, faults: &[(&str, &str)]) {
    let mut arguments = vec!["check", "--flow", flow, "--seed", "1", "--level", "quick"];
    for (_, clause) in faults {
        arguments.extend(["--only", clause]);
    }
    gatecrash(&arguments).exits(0);
}

fn all_caught(flow: &str, faults: &[(&str, &str)]) {
    clean(flow, faults);
    for (fault, clause) in faults {
        caught(flow, fault, clause);
    }
}

#[test]
fn faults_of_the_gateway_button_are_caught() {
    all_caught(
        "gateway-button",
        &[
            ("button-not-needed", "BTN-01"),
            ("last-used-never-set", "BTN-53"),
            ("no-challenge", "X-01"),
            ("query-token-overrides-header", "X-37"),
            ("second-press-ignored", "BTN-08"),
            ("token-shown-again", "BTN-50"),
            ("window-race", "BTN-07"),
            ("window-too-long", "BTN-04"),
        ],
    );
}

#[test]
fn faults_of_the_channel_login_are_caught() {
    all_caught(
        "channel-login",
        &[
            ("blocked-account-gets-token", "CHN-08"),
            ("channel-token-never-expires", "CHN-18"),
            ("channel-token-quoted", "CHN-12"),
            ("get-token-mints", "CHN-22"),
            ("sticky-connection", "X-19"),
            ("token-echoed", "X-66"),
        ],
    );
}

#[test]
fn faults_of_the_visitor_login_are_caught() {
    all_caught(
        "visitor-login",
        &[
            ("error-code-number", "VMS-14"),
            ("expiry-milliseconds", "VMS-04"),
            ("device-info-limit-short", "VMS-20"),
            ("sql-shown", "VMS-44"),
        ],
    );
}

#[test]
fn faults_of_the_jwt_login_are_caught() {
    all_caught(
        "jwt-login",
        &[
            ("alg-none-accepted", "JWT-43"),
            ("expires-in-text", "JWT-04"),
            ("refresh-race", "JWT-76"),
            ("refresh-reusable", "JWT-73"),
        ],
    );
}

#[test]
fn faults_of_the_environment_token_are_caught() {
    all_caught(
        "environment-token",
        &[
            ("other-environment-accepted", "SUC-22"),
            ("prefix-cosmetic", "SUC-23"),
            ("secret-not-checked", "SUC-11"),
            ("wrong-prefix", "SUC-06"),
        ],
    );
}

#[test]
fn a_run_in_which_nothing_applies_is_not_green() {
    let run = gatecrash(&["check", "--only", "JWT-CONFUSED-01"]);
    run.exits(4).says("\nINCONCLUSIVE ").says("na 1");
}

#[test]
fn a_broken_should_is_a_finding_only_when_asked_to_be() {
    let arguments = ["check", "--only", "JWT-75", "--fault", "replay-keeps-family", "--seed", "1"];
    let run = gatecrash(&arguments);
    run.exits(0).says("! warn  JWT-");
    gatecrash(&[arguments.as_slice(), &["--strict"]].concat()).exits(1);
}

#[test]
fn a_variant_of_the_server_is_the_choice_of_its_profile() {
    let arguments =
        ["check", "--only", "BTN-08", "--variant", "gateway-button.second_press=ignore"];
    gatecrash(&arguments).exits(0);
}

#[test]
fn without_a_clock_what_waits_is_blocked_and_the_run_is_not_green() {
    let run = gatecrash(&["check", "--only", "BTN-04", "--clock", "none"]);
    run.exits(4).says("\nINCONCLUSIVE ").says("clock");
    assert!(check_lines(&run).iter().all(|(_, verdict)| *verdict == "blocked"), "{}", run.out);
}

/// Checks a server that does the same with each connection.
fn check_server(act: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> Run {
    let url = format!("http://{}", serve_each(act));
    gatecrash(&[
        "check",
        &url,
        "--accounts",
        "reference",
        "--flow",
        "channel-login",
        "--flow",
        "gateway-button",
        "--no-input",
        "--no-doctor",
        "--seed",
        "1",
    ])
}

/// Checks a server that gives every request this answer.
fn check_answering(answer: &'static str) -> Run {
    check_server(move |stream| answer_each(stream, answer.as_bytes()))
}

/// The run ended with one of these codes, and proved less than a tenth of the clauses.
#[track_caller]
fn not_green(run: &Run, codes: &[i32]) {
    assert!(codes.contains(&run.code), "exit {}, wanted {codes:?}\n{}", run.code, run.out);
    let (proved, _) = proved(run);
    assert!(
        proved < 10,
        "{proved} clauses proved on a server that does nothing right\n{}",
        run.out
    );
}

#[test]
fn a_server_that_closes_at_once_is_not_green() {
    not_green(&check_server(drop), &[1, 4]);
}

#[test]
fn a_server_that_resets_connections_is_not_green() {
    // Closing with bytes unread resets the connection.
    let reset = |stream: TcpStream| drop(stream.peek(&mut [0]));
    not_green(&check_server(reset), &[1, 4]);
}

#[test]
fn a_server_that_speaks_another_protocol_is_inconclusive() {
    let garbage = |mut stream: TcpStream| {
        drop(stream.read(&mut [0; 4096]));
        drop(stream.write_all(b"\x00\xffSSH-2.0-nothing\r\n\r\n\x1b[2J"));
    };
    let run = check_server(garbage);
    not_green(&run, &[4]);
    assert!(!run.out.contains('\x1b'), "the server wrote to the terminal");
}

#[test]
fn an_endless_answer_is_inconclusive() {
    let endless = |mut stream: TcpStream| {
        drop(stream.read(&mut [0; 4096]));
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    };
    not_green(&check_server(endless), &[4]);
}

#[test]
fn a_server_that_fails_at_everything_is_nonconformant() {
    let run =
        check_answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nOops");
    not_green(&run, &[1]);
    run.says("status 500");
}

#[test]
fn a_server_that_agrees_with_everything_is_nonconformant() {
    let run = check_answering(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    );
    not_green(&run, &[1]);
}

#[test]
fn a_server_that_refuses_everything_is_nonconformant() {
    let run = check_answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    not_green(&run, &[1]);
}

#[test]
fn a_server_that_never_answers_cannot_be_checked() {
    let url =
        format!("http://{}", serve_each(|mut stream| drop(stream.read_to_end(&mut Vec::new()))));
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("mute.yaml");
    let text = format!(
        "target: mute\nbase_url: {url}\nlimits: {{deadline: 100ms}}\nflows: {{visitor-login: {{}}}}\n"
    );
    std::fs::write(&profile, text).unwrap();
    let run = gatecrash(&["check", profile.to_str().unwrap()]);
    run.exits(3).complains("cannot be reached").complains(&url);
}

#[test]
fn a_server_that_stops_answering_is_given_up() {
    let act = |stream: TcpStream| {
        let mut first = [0; 16];
        if stream.peek(&mut first).is_ok_and(|_| first.starts_with(b"GET / ")) {
            answer_each(
                stream,
                b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            );
        } else {
            drop((&stream).read_to_end(&mut Vec::new()));
        }
    };
    let url = format!("http://{}", serve_each(act));
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("stops.yaml");
    let text = format!(
        "target: stops\nbase_url: {url}\nlimits: {{deadline: 50ms}}\nflows: {{visitor-login: {{}}}}\n"
    );
    std::fs::write(&profile, text).unwrap();
    let run = gatecrash(&["check", profile.to_str().unwrap()]);
    not_green(&run, &[4]);
}

#[test]
fn a_server_whose_lifetimes_are_others_passes_when_the_profile_says_so() {
    let lifetimes = [
        "gateway-button.button_window=10s",
        "gateway-button.socket_token=5s",
        "channel-login.token=30s",
        "visitor-login.access_token=60s",
        "jwt-login.access_token=20s",
        "jwt-login.refresh_token=90s",
        "environment-token.token=40s",
    ];
    let mut arguments = vec!["check", "--seed", "1", "--level", "quick"];
    for only in ["*LIFE*", "BTN-END-*", "BTN-IDLE-*", "BTN-FRAME-*", "*-LOGIN-*", "JWT-REFRESH-*"] {
        arguments.extend(["--only", only]);
    }
    for lifetime in &lifetimes {
        arguments.extend(["--lifetime", lifetime]);
    }
    gatecrash(&arguments).exits(0).says("PARTIAL  pass 8");
    // What the profile does not know counts as wrong.
    let server = Served::start(&["--clock", "virtual", "--lifetime", "jwt-login.access_token=20s"]);
    let address = [&*server.api, "--accounts", "reference", "--control", &*server.control];
    let only = ["--only", "JWT-LOGIN-04", "--seed", "1"];
    gatecrash(&[&["check"], &address[..], &only[..]].concat()).exits(1).says("JWT-LOGIN-04");
    for wrong in
        ["jwt-login.acces_token=20s", "jwt-login.access_token=0s", "jwt-login.access_token"]
    {
        let run = gatecrash(&["check", "--lifetime", wrong]);
        run.exits(2).complains(wrong).complains("jwt-login.access_token, ");
    }
}
