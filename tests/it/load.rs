//! `gatecrash load` from outside.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::front::Front;
use crate::odd_servers::{self, Authority, BOTH, reference, url};
use crate::support::{gatecrash, report, serve_each};

#[test]
fn each_flow_is_asked_about_good_and_bad_tokens_and_every_answer_is_right() {
    for (flow, mix) in [
        ("gateway-button", "valid=60,unknown=20,malformed=10,revoked=10"),
        ("channel-login", "valid=60,unknown=10,malformed=10,expired=10,revoked=5,other-flow=5"),
        ("visitor-login", "valid=60,unknown=10,malformed=10,expired=10,revoked=10"),
        ("jwt-login", "valid=70,unknown=10,malformed=10,expired=10"),
        (
            "environment-token",
            "valid=50,unknown=10,malformed=10,expired=10,revoked=10,other-environment=10",
        ),
    ] {
        let run = gatecrash(&[
            "load",
            "--flow",
            flow,
            "-n",
            "600",
            "--tokens",
            "20",
            "--mix",
            mix,
            "--seed",
            "7",
            "--threshold",
            "wrong=0",
            "--threshold",
            "errors=0",
        ]);
        // A generator that had no time to wait is said to have been the bottleneck; the answers are right all the same.
        run.exits(0).says("RIGHT  each of 600 answers was right").says("valid -> accepted");
        for kind in mix.split(',').filter_map(|part| part.split('=').next()) {
            run.says(&format!("{kind} -> "));
        }
    }
}

#[test]
fn a_schedule_sends_what_it_asks_for_and_reports_when_it_was_late() {
    for arrival in ["constant", "poisson"] {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("load.json");
        let run = gatecrash(&[
            "load",
            "--rate",
            "2000",
            "-n",
            "300",
            "--arrival",
            arrival,
            "--seed",
            "3",
            "--report",
            &report("json", &json),
        ]);
        // Whether a busy machine was late is not what this test is about.
        assert!([0, 4].contains(&run.code), "{run:?}");
        run.says(&format!("open, {arrival}")).says("lateness");
        let read: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
        let load = &read["load"];
        assert_eq!(load["asked"], 300);
        let sent = load["sent"].as_u64().unwrap();
        assert!((240..=300).contains(&sent), "{sent}");
        assert_eq!(load["generator"]["lateness"]["count"].as_u64(), Some(sent));
    }
}

#[test]
fn tokens_that_wear_out_are_reported_as_refused_with_the_exchange_and_without_the_token() {
    let run = gatecrash(&[
        "load",
        "--flow",
        "gateway-button",
        "--fault",
        "token-wears-out",
        "--tokens",
        "4",
        "-n",
        "1000",
    ]);
    run.exits(1).says("not `accepted`, most of them `denied`").says("GET /api/v2/accesstoken");
    assert!(run.out.starts_with("REFUSED  valid tokens are refused: "), "{}", run.out);
    run.says("Authorization: Bearer ${token}").says("curl:");
}

#[test]
fn a_fault_that_refuses_one_good_token_in_a_thousand_is_reported_in_each_flow() {
    for flow in
        ["gateway-button", "channel-login", "visitor-login", "jwt-login", "environment-token"]
    {
        let fault = ["load", "--flow", flow, "--fault", "one-in-a-thousand-refused"];
        let run = gatecrash(&[&fault[..], &["--tokens", "1", "-n", "3000"]].concat());
        run.exits(1).says("REFUSED  valid tokens are refused: 3 of 3,000 answers");
        run.says("3 valid answers: ").says("${token}").says("sent     | ").says("received | ");
    }
}

#[test]
fn users_ask_for_tokens_in_each_flow_and_every_answer_is_right() {
    for flow in
        ["gateway-button", "channel-login", "visitor-login", "jwt-login", "environment-token"]
    {
        let run = gatecrash(&["load", "--flow", flow, "--workload", "issue", "-n", "60"]);
        run.exits(0).says("RIGHT  each of 60 answers was right").says("issue -> issued");
    }
}

#[test]
fn each_user_refreshes_with_the_token_that_it_was_given_last() {
    let arguments =
        ["load", "--flow", "jwt-login", "--workload", "refresh", "-c", "8", "-n", "400"];
    for more in [&[][..], &["--no-keep-alive"], &["--rate", "4000"]] {
        let run = gatecrash(&[&arguments[..], more].concat());
        // A machine that is busy may not keep the rate.
        assert!([0, 4].contains(&run.code), "{run:?}");
        run.says("RIGHT  each of ").says("refresh -> issued");
        assert!(!run.out.contains("after a lost answer"), "{}", run.out);
    }
}

#[test]
fn a_user_whose_chain_of_refreshes_broke_logs_in_again_beside_what_is_measured() {
    let fault = ["load", "--flow", "jwt-login", "--workload", "refresh", "--fault"];
    let run = gatecrash(&[&fault[..], &["refresh-ends-others", "-c", "2", "-n", "40"]].concat());
    run.exits(1).says("login, after a lost answer -> issued").says("refresh -> denied");
}

#[test]
fn a_token_that_was_revoked_is_refused_from_then_on() {
    let turn = ["--workload", "revoke", "-c", "4", "-n", "400"];
    for more in [
        &["--flow", "gateway-button"][..],
        &["--flow", "jwt-login", "--variant", "jwt-login.logout=revoking"],
    ] {
        let run = gatecrash(&[&["load"], &turn[..], more].concat());
        run.exits(0).says("RIGHT  each of 400 answers was right");
        for outcome in ["issue -> issued", "use -> accepted", "use after revoke -> denied"] {
            run.says(outcome);
        }
    }
    let fault = ["load", "--fault", "delete-keeps-token"];
    gatecrash(&[&fault[..], &turn].concat()).exits(1).says("use after revoke -> accepted");
}

#[test]
fn users_of_sockets_are_let_in_by_header_and_by_message() {
    for workload in ["socket", "socket-message"] {
        let arguments = ["load", "--workload", workload, "-n", "200", "-c", "8", "--tokens", "4"];
        let run = gatecrash(&arguments);
        run.exits(0).says("RIGHT  each of 200 answers was right").says("valid -> upgraded");
    }
    // A socket that is told of a good token and turns it away.
    let fault = ["load", "--workload", "socket", "-n", "20", "-c", "2", "--tokens", "1", "--fault"];
    let run = gatecrash(&[&fault[..], &["socket-shows-token"]].concat());
    assert!(!run.out.contains("accesstoken\":\"0"), "{}", run.out);
    let message = ["load", "--workload", "socket-message", "-n", "2000", "--tokens", "1"];
    let run = gatecrash(&[&message[..], &["--fault", "token-wears-out"]].concat());
    run.exits(1).says("the first message is not the active orders").says("returnCode");
}

#[test]
fn tokens_are_renewed_through_the_flow_before_they_expire() {
    let (folder, profile) = profile(stub(|_, writer| accept(writer)));
    let text = std::fs::read_to_string(&profile).unwrap();
    // A tenth of the time of the run: however slow the machine is, some of them are renewed.
    let short = text.replace("    identities:", "    lifetimes: {token: 100ms}\n    identities:");
    std::fs::write(&profile, short).unwrap();
    let run = gatecrash(&["load", &profile, "--duration", "1s", "--warm-up", "0s", "-c", "2"]);
    run.exits(0).says("RIGHT").says("note: the valid tokens were renewed ");
    drop(folder);
}

#[test]
fn the_generator_says_what_it_does_at_most() {
    for workload in ["validate", "issue"] {
        let arguments = ["load", "--calibrate", "--workload", workload, "-n", "300", "-c", "8"];
        let run = gatecrash(&[&arguments[..], &["--flow", "channel-login"]].concat());
        // How much of it the run needed is for the machine to say.
        assert!([0, 4].contains(&run.code), "{run:?}");
        run.says("RIGHT  each of 300 answers").says("from a server that does nothing");
    }
}

/// What a server answers to the n-th validation.
type Validation = fn(usize, &mut TcpStream);

/// A server that hands out a token and answers validations as the test says.
fn stub(validation: Validation) -> SocketAddr {
    let count = Arc::new(AtomicUsize::new(0));
    serve_each(move |stream| {
        let Ok(mut writer) = stream.try_clone() else { return };
        let mut lines = BufReader::new(stream).lines();
        while let Some(Ok(first)) = lines.next() {
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            if first.contains("generate-access-token") {
                let token = r#"{"success":true,"data":{"token_type":"Bearer","token":"sandbox_0123456789abcdef0123","expire_in":"3600"},"message":"Access Token generated successfully"}"#;
                answer(&mut writer, "200 OK", token);
            } else {
                validation(count.fetch_add(1, Ordering::Relaxed), &mut writer);
            }
        }
    })
}

/// Writes an answer; a client that is gone does not mind.
fn answer(writer: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nPragma: no-cache\r\nWWW-Authenticate: Bearer\r\nContent-Length: {length}\r\n\r\n"
    );
    drop(writer.write_all(format!("{head}{body}").as_bytes()));
}

fn accept(writer: &mut TcpStream) {
    answer(writer, "200 OK", r#"{"success":true}"#);
}

fn deny(writer: &mut TcpStream) {
    let body =
        r#"{"Status":"Fail","Errors":[{"Code":"497","ShortText":"Authorization Required"}]}"#;
    answer(writer, "401 Unauthorized", body);
}

/// A profile of a stub; its folder lives as long as the test.
fn profile(address: SocketAddr) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stub.yaml");
    let text = format!(
        "target: a stub\nbase_url: http://{address}\nlimits: {{deadline: 1s}}\nflows:\n  environment-token:\n    identities:\n      first: {{client_id: {{public: someone}}, sandbox_secret: {{published: secret-of-someone}}}}\n"
    );
    std::fs::write(&path, text).unwrap();
    let path = path.to_string_lossy().into_owned();
    (folder, path)
}

#[test]
fn a_server_that_refuses_every_valid_token_fails_the_run_and_the_first_line_says_so() {
    let (_folder, profile) = profile(stub(|_, writer| deny(writer)));
    let run = gatecrash(&["load", &profile, "-n", "200", "-c", "8", "--tokens", "1"]);
    run.exits(1);
    let first = run.out.lines().next().unwrap_or_default();
    let wanted = "REFUSED  valid tokens are refused: 200 of 200 answers to valid tokens (100.000 %) are not `accepted`, most of them `denied`";
    assert_eq!(first, wanted);
    run.says("INVALID");
}

#[test]
fn one_wrong_answer_in_a_thousand_is_reported_with_its_exchange() {
    let (_folder, profile) = profile(stub(|n, writer| match n % 1_000 {
        500 => deny(writer),
        _ => accept(writer),
    }));
    let run = gatecrash(&["load", &profile, "-n", "2000", "-c", "8", "--tokens", "1"]);
    run.exits(1)
        .says("REFUSED  valid tokens are refused: 2 of 2,000")
        .says("`denied` instead of `accepted`");
    run.says("Authorization Required").says("2 valid answers");
    assert!(!run.out.contains("sandbox_0123456789abcdef0123"), "{}", run.out);
}

#[test]
fn an_answer_that_is_not_as_it_should_be_is_a_warning_and_with_strict_a_finding() {
    let (_folder, profile) = profile(stub(|n, writer| match n % 100 {
        50 => answer(writer, "200 OK", "{\"success\":tru"),
        _ => accept(writer),
    }));
    let arguments = ["load", &profile, "-n", "1000", "-c", "4", "--tokens", "1", "--strict"];
    for (count, code) in [(8, 0), (9, 1)] {
        let run = gatecrash(&arguments[..count]);
        run.exits(code).says("10 valid answers: breaks X-ANSWER-08");
    }
}

#[test]
fn a_server_that_breaks_http_gets_a_finished_report_of_what_it_did() {
    let broken: [(&str, Validation); 8] = [
        ("closed before the answer was complete", |_, writer| {
            drop(writer.shutdown(std::net::Shutdown::Both));
        }),
        ("closed before the answer was complete", |_, writer| {
            drop(writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
            drop(writer.shutdown(std::net::Shutdown::Both));
        }),
        ("no HTTP answer, or too large", |_, writer| drop(writer.write_all(b"SSH-2.0-x\r\n"))),
        ("answer larger than", |_, writer| {
            drop(writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nxxxx"));
        }),
        ("is not one number", |_, writer| {
            drop(writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"));
        }),
        ("larger than", |_, writer| {
            let chunk = [b'x'; 1 << 16];
            drop(writer.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
            while writer.write_all(&chunk).is_ok() {}
        }),
        ("no answer within the deadline", |_, writer| {
            drop(writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
        }),
        ("no answer within the deadline", |_, _| {}),
    ];
    for (wanted, validation) in broken {
        let (_folder, profile) = profile(stub(validation));
        let run = gatecrash(&["load", &profile, "-n", "4", "-c", "2", "--tokens", "1"]);
        run.exits(1).says("FAILED  4 requests were not answered").says(wanted);
    }
}

#[test]
fn a_mistake_is_told_before_anything_runs() {
    for (arguments, code, wanted) in [
        (&["--rate", "0"][..], 2, "a rate is a number above 0"),
        (&["--rate", "fast"], 2, "a rate is a number above 0"),
        (&["--http2", "--no-keep-alive"], 2, "cannot be used with"),
        (&["--connections", "0"], 2, "1..=1000000"),
        (&["--connections", "1000000"], 2, "open files"),
        (&["--stages", "10s:1000,x"], 2, "`x` is not a stage"),
        (&["--stages", "1s:1", "--duration", "1s"], 2, "cannot be used with"),
        (&["--mix", "vaild=1"], 2, "did you mean `valid`"),
        (&["--threshold", "p98<5ms"], 2, "nothing is measured as `p98`"),
        (&["--duration", "10"], 2, "is not a duration"),
        (&["--tokens", "0"], 2, "1..=1000000"),
        (&["--tokens-from", "no-such-file"], 2, "no-such-file"),
        (&["--report", "xml=x"], 2, "`xml` is not a format"),
        (&["--report", "json=/no/such/folder/x"], 2, "cannot be written"),
        (&["--workload", "isue"], 2, "a similar value exists: 'issue'"),
        (&["--workload", "issue", "--mix", "unknown=1"], 2, "are for the workload `validate`"),
        (&["--workload", "refresh"], 2, "gateway-button of reference server has no refresh tokens"),
        (&["--flow", "channel-login", "--workload", "revoke"], 2, "no request that revokes"),
        (&["--workload", "revoke", "--calibrate"], 2, "one answer to all requests"),
        (&["--flow", "jwt-login", "--workload", "socket"], 2, "has no WebSocket"),
        (&["--mix", "expired=1"], 2, "do not expire"),
        (&["--mix", "other-environment=1"], 2, "has one environment"),
        (&["--flow", "jwt-login", "--mix", "revoked=1"], 2, "does not revoke"),
        (&["http://192.0.2.1:1", "--flow", "jwt-login"], 3, "--allow-host"),
        (
            &["http://127.0.0.1:1", "--accounts", "reference", "--flow", "jwt-login"],
            3,
            "no token of jwt-login",
        ),
    ] {
        let mut all = vec!["load", "-n", "1"];
        all.extend(arguments);
        gatecrash(&all).exits(code).complains(wanted);
    }
}

#[test]
fn a_threshold_that_is_crossed_or_cannot_be_told_has_an_exit_code_of_its_own() {
    for (threshold, code) in [("rate<0.001", 1), ("p99.99<1s", 4), ("max<60s", 0)] {
        let run = gatecrash(&["load", "-n", "200", "--tokens", "1", "--threshold", threshold]);
        run.exits(code).says(threshold);
    }
}

#[test]
fn runs_are_compared_and_a_file_that_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [base, other] = ["base.json", "other.json"].map(|name| folder.path().join(name));
    gatecrash(&["load", "-n", "300", "--tokens", "1", "--report", &report("json", &base)]).exits(0);
    let base = base.to_string_lossy().into_owned();
    // A run of a fraction of a second has no five whole seconds to tell chance from change by.
    gatecrash(&["compare", &base, &base]).exits(4).says("UNDECIDED").says("whole seconds");
    std::fs::write(&other, "{\"schema_version\": 1}").unwrap();
    let other = other.to_string_lossy().into_owned();
    gatecrash(&["compare", &base, &other]).exits(2).complains("not a report of gatecrash");
    gatecrash(&["compare", &base, "no-such-file"]).exits(2).complains("no-such-file");
}

#[test]
fn the_search_for_capacity_ends_where_a_threshold_is_crossed() {
    let run = gatecrash(&[
        "load",
        "--find-capacity",
        "--rate",
        "200",
        "--duration",
        "100ms",
        "--warm-up",
        "0s",
        "--tokens",
        "1",
        "--threshold",
        "rate<1",
    ]);
    // A machine that is busy enough makes the generator late, and then nothing is said of the server.
    assert!([1, 4].contains(&run.code), "{}", run.out);
    run.says("rate<1").says(if run.code == 1 { "not even the lowest" } else { "nothing is known" });
}

#[test]
fn reports_are_written_as_json_csv_and_histogram_log() {
    let folder = tempfile::tempdir().unwrap();
    let [json, csv, hdr] =
        ["load.json", "load.csv", "load.hdr"].map(|name| folder.path().join(name));
    let run = gatecrash(&[
        "load",
        "-n",
        "500",
        "--tokens",
        "5",
        "--seed",
        "1",
        "--report",
        &report("json", &json),
        "--report",
        &report("csv", &csv),
        "--report",
        &report("hdr", &hdr),
    ]);
    run.exits(0);
    let read: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let load = &read["load"];
    assert_eq!(
        (&read["schema_version"], &load["answers"], &load["wrong"]),
        (&1.into(), &500.into(), &0.into())
    );
    assert_eq!(load["cases"][0]["outcomes"]["accepted"], 500);
    assert_eq!(load["response"]["count"], 500);
    let seconds: u64 = load["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["answers"].as_u64().unwrap())
        .sum();
    assert_eq!(seconds, 500);
    let csv = std::fs::read_to_string(csv).unwrap();
    assert!(csv.starts_with("second,sent,answers,wrong,failed,p50_us,"), "{csv}");
    assert!(csv.lines().count() >= 2, "{csv}");
    let hdr = std::fs::read_to_string(hdr).unwrap();
    assert!(hdr.contains("[Histogram log format version 1.3]"), "{hdr}");
    assert!(hdr.lines().any(|line| line.starts_with("Tag=response,0.000,1.000,")), "{hdr}");
}

#[test]
fn connections_are_made_again_when_the_server_closes_them() {
    for more in [&["--no-keep-alive"][..], &[]] {
        let (_folder, profile) = profile(stub(|n, writer| match n % 10 {
            9 => {
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n";
                let rest = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                drop(writer.write_all(format!("{head}{rest}").as_bytes()));
                drop(writer.shutdown(std::net::Shutdown::Both));
            }
            _ => accept(writer),
        }));
        let mut arguments = vec!["load", &profile, "-n", "200", "-c", "1", "--tokens", "1"];
        arguments.extend(more);
        gatecrash(&arguments).exits(0).says("RIGHT  each of 200 answers was right");
    }
}

#[test]
fn load_goes_over_tls_with_and_without_a_certificate_of_the_client() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let server = reference();
    authority.issue_client(folder);
    let leaf = authority.issue("127.0.0.1", |_| {});
    for (clients, more) in [
        (false, "tls: {trust: ca.pem}"),
        (true, "tls: {trust: ca.pem, certificate: client.pem, key: client.key}"),
    ] {
        let front = Front::with_tls(authority.server(&leaf, BOTH, clients), server.address());
        let path = odd_servers::profile(folder, &server, &url("https", front.address), more);
        let run = gatecrash(&["load", &path, "-n", "300", "-c", "8", "--tokens", "4"]);
        run.exits(0).says("RIGHT  each of 300 answers was right");
        let arguments = ["load", &path, "-n", "20", "-c", "2", "--tokens", "1"];
        gatecrash(&[&arguments[..], &["--no-keep-alive"]].concat()).exits(0).says("RIGHT");
    }
    let front = Front::with_tls(authority.server(&leaf, BOTH, false), server.address());
    let path = odd_servers::profile(folder, &server, &url("https", front.address), "");
    let run = gatecrash(&["load", &path, "-n", "50", "-c", "2", "--tokens", "1", "--insecure"]);
    run.exits(0).says("RIGHT").says("note: TLS certificates are NOT checked");
}

#[test]
fn load_speaks_http2_over_a_common_client_and_says_so() {
    let server = reference();
    let folder = tempfile::tempdir().unwrap();
    let front = Front::of_http2(None, true, server.address());
    let base = url("http", front.address);
    let path = odd_servers::profile(folder.path(), &server, &base, "");
    for more in [&[][..], &["--rate", "500"], &["--flow", "jwt-login", "--workload", "refresh"]] {
        let arguments = ["load", &path, "--http2", "-n", "60", "-c", "4"];
        let run = gatecrash(&[&arguments[..], more].concat());
        assert!([0, 4].contains(&run.code), "{run:?}");
        run.says("RIGHT  each of 60 answers was right").says("HTTP/2 is spoken by a common client");
    }
    let arguments = ["load", &path, "--http2", "-n", "20", "-c", "2", "--mix", "unknown=1"];
    gatecrash(&arguments).exits(0).says("unknown -> denied");
    gatecrash(&["load", &path, "--http2", "--workload", "socket"]).exits(3).complains("HTTP/1.1");
}

#[cfg(unix)]
#[test]
fn load_goes_through_a_unix_socket() {
    let server = reference();
    let folder = tempfile::tempdir().unwrap();
    let _front = Front::on_socket(&folder.path().join("s"), server.address());
    // The address is nowhere: only the socket leads to the server.
    let base = "http://gateway.invalid";
    let path = odd_servers::profile(folder.path(), &server, base, "unix_socket: s");
    for more in [&[][..], &["--no-keep-alive"], &["--rate", "5000"]] {
        let arguments = ["load", &path, "-n", "200", "-c", "8", "--tokens", "4"];
        let run = gatecrash(&[&arguments[..], more].concat());
        assert!([0, 4].contains(&run.code), "{run:?}");
        run.says("RIGHT  each of ");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_still_reports_what_it_saw() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatecrash"))
        .args(["load", "--duration", "50s", "--tokens", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    // Held open to the end: a program that cannot say what is wrong breaks.
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    assert!(line.contains("load gateway-button"), "{line}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{out}");
    assert!(out.contains("at reference server") && out.contains("seed "), "{out}");
}
