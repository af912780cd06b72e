//! What a check does to a server that somebody else uses: it can be asked beforehand, it has bounds, and what could do
//! harm must be meant.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::front::Front;
use crate::support::{Run, Served, gatecrash, reference_profile, report};

/// The finding of a check, out of a JSON report.
struct Found(Value);

impl Found {
    fn by(arguments: &[&str]) -> (Run, Self) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let run = gatecrash(&[arguments, &["--report", &report("json", &path)]].concat());
        let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{}", run.err));
        (run, Self(serde_json::from_str(&text).unwrap()))
    }

    #[track_caller]
    fn is(&self, check: &str, verdict: &str, reason: &str) -> &Self {
        let findings = self.0["run"]["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no finding of {check}"));
        assert_eq!(found["verdict"], verdict, "{found:#}");
        assert!(found.to_string().contains(reason), "{reason} is not in {found:#}");
        self
    }
}

#[test]
fn a_dry_run_names_each_request_and_sends_none() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let front = Front::at("127.0.0.1", move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::ready(())
    });
    let folder = tempfile::tempdir().unwrap();
    let base = format!("http://{}", front.address);
    let profile = reference_profile(folder.path(), (&base, &base), &[], "");
    let arguments = ["check", &profile, "--flow", "visitor-login", "--dry-run", "--seed", "1"];
    let run = gatecrash(&[&arguments[..], &["-v"]].concat());
    run.exits(0).says("POST /v1/oauth/").says("GET /v1/get/").says("hook");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "something was sent");
    assert!(!run.out.contains("visitor-password-1"), "a password is shown");
}

#[test]
fn a_dry_run_of_a_quick_run_names_the_smaller_crowd() {
    for (level, crowd) in [("quick", "GET /api/v2/websocket x 250"), ("default", "x 1000")] {
        let arguments = ["check", "--only", "BTN-IDLE-09", "--dry-run", "--level", level];
        gatecrash(&arguments).exits(0).says(crowd);
    }
}

#[test]
fn what_takes_longer_than_the_longest_wait_is_blocked_with_the_time_it_would_take() {
    let server = Served::start(&["--clock", "real"]);
    let folder = tempfile::tempdir().unwrap();
    let profile = reference_profile(folder.path(), (&server.api, &server.control), &[], "");
    let only = ["--only", "BTN-END-02"];
    let real = ["--clock", "real", "--max-wait", "1s", "--seed", "1"];
    let (run, found) = Found::by(&[&["check", &profile], &only[..], &real].concat());
    run.exits(4);
    found.is("BTN-END-02", "blocked", "it takes");
}

#[test]
fn the_doctor_says_how_long_a_run_in_real_time_would_wait() {
    let server = Served::start(&["--clock", "real"]);
    let folder = tempfile::tempdir().unwrap();
    let profile = reference_profile(folder.path(), (&server.api, &server.control), &[], "");
    let doctor = ["doctor", &profile, "--clock", "real", "--flow", "gateway-button"];
    let sum = "scenarios that share the hook press of gateway-button come one after the other";
    let long = [&doctor[..], &["--max-wait", "10m"]].concat();
    gatecrash(&long).exits(0).says(" min of waiting: the ").says(sum);
    let short = [&doctor[..], &["--max-wait", "1s"]].concat();
    let run = gatecrash(&short);
    assert!(!run.exits(0).out.contains(" min of waiting"), "{}", run.out);
}

/// Passes everything on, and counts the answers with the vendor's codes of refused logins: wrong credentials, and none.
/// Disguised, they have codes that nobody knows.
async fn count_refusals(
    client: TcpStream,
    upstream: SocketAddr,
    refused: Arc<AtomicUsize>,
    disguised: bool,
) {
    let server = TcpStream::connect(upstream).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asked = async move { tokio::io::copy(&mut from_client, &mut to_server).await };
    let answered = async move {
        let mut answer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut answer).await {
            let text = String::from_utf8_lossy(&answer[..read]);
            let codes = ["\"1142\"", "\"1157\""].map(|code| text.matches(code).count());
            refused.fetch_add(codes.iter().sum(), Ordering::SeqCst);
            let text = if disguised { text.replace("\"11", "\"77") } else { text.into_owned() };
            if to_client.write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    // When one side ends, the connection does.
    tokio::select! { _ = asked => {}, () = answered => {} }
}

/// Checks the visitor login through something that counts, with thirty wrong logins allowed.
fn count_wrong_logins(disguised: bool) -> (Run, Found, usize) {
    let server = Served::start(&["--clock", "virtual"]);
    let upstream: SocketAddr = server.api.trim_start_matches("http://").parse().unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let front = Front::at("127.0.0.1", move |client| {
        count_refusals(client, upstream, Arc::clone(&counter), disguised)
    });
    let base = format!("http://{}", front.address);
    let folder = tempfile::tempdir().unwrap();
    let few = [("\nflows:", "\nlimits: {max_failed_logins: 30}\nflows:")];
    let profile = reference_profile(folder.path(), (&base, &server.control), &few, "");
    let arguments = ["check", &profile, "--flow", "visitor-login", "--seed", "1", "--jobs", "1"];
    let (run, found) = Found::by(&arguments);
    let made = refused.load(Ordering::SeqCst);
    assert!((1..=30).contains(&made), "{made} wrong logins were made");
    (run, found, made)
}

#[test]
fn a_refusal_that_nobody_knows_counts_as_a_wrong_login_too() {
    let (run, _, made) = count_wrong_logins(true);
    run.exits(1);
    assert!(made > 10, "only {made}");
}

#[test]
fn a_run_makes_no_more_wrong_logins_than_its_profile_allows() {
    let (run, found, _) = count_wrong_logins(false);
    run.exits(4);
    let findings = found.0["run"]["findings"].as_array().unwrap();
    let blocked = findings.iter().filter(|finding| {
        finding["verdict"] == "blocked" && finding.to_string().contains("max_failed_logins")
    });
    assert!(blocked.count() > 3, "the bound was not felt");
    let failed = findings.iter().filter(|finding| finding["verdict"] == "fail");
    assert_eq!(failed.count(), 0, "a bound is no finding about the server");
}

#[test]
fn a_server_elsewhere_is_shaken_only_when_that_is_meant() {
    let server = Served::start(&["--clock", "virtual"]);
    let folder = tempfile::tempdir().unwrap();
    // An address of this machine that does not look like one.
    let elsewhere = server.api.replace("127.0.0.1", "0.0.0.0");
    let profile = reference_profile(folder.path(), (&elsewhere, &server.control), &[], "");
    let only = ["--only", "CHN-GUESS-0*", "--seed", "1", "--level", "quick"];
    let arguments = [&["check", &profile][..], &only].concat();
    gatecrash(&arguments).exits(3).complains("--allow-host 0.0.0.0");
    let allowed = [&arguments[..], &["--allow-host", "0.0.0.0"]].concat();
    let (_, found) = Found::by(&allowed);
    found.is("CHN-GUESS-01", "excluded", "--destructive");
    let meant = [&allowed[..], &["--destructive"]].concat();
    let (_, found) = Found::by(&meant);
    let findings = found.0["run"]["findings"].as_array().unwrap();
    let excluded = findings.iter().any(|finding| finding.to_string().contains("--destructive"));
    assert!(!excluded && !findings.is_empty(), "it was meant");
}
