//! `gatecrash worker` from outside, with a master of a few lines: a ROUTER socket in this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use zeromq::{RouterSocket, Socket as _, SocketRecv as _, SocketSend as _, ZmqMessage};

use crate::support::{Served, gatecrash, report};

/// No answer of a worker takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A master with one worker.
struct Master {
    socket: RouterSocket,
    address: String,
    /// The name of the worker on the wire.
    worker: Vec<u8>,
    /// What workers reported, added up.
    requests: u64,
    failures: u64,
    errors: BTreeMap<String, u64>,
}

impl Master {
    async fn new() -> Self {
        let mut socket = RouterSocket::new();
        let address = socket.bind("tcp://127.0.0.1:0").await.unwrap().to_string();
        let address = address.trim_start_matches("tcp://").to_owned();
        let (worker, requests, failures, errors) = Default::default();
        Self { socket, address, worker, requests, failures, errors }
    }

    async fn say(&mut self, kind: &str, data: Value) {
        let node = String::from_utf8_lossy(&self.worker).into_owned();
        let message = rmp_serde::to_vec_named(&(kind, data, node)).unwrap();
        let mut frames = ZmqMessage::from(self.worker.clone());
        frames.push_back(message.into());
        self.socket.send(frames).await.unwrap();
    }

    /// Hears messages until one of this kind.
    async fn hear(&mut self, wanted: &str) -> Value {
        loop {
            let frames = timeout(PATIENCE, self.socket.recv()).await.unwrap().unwrap().into_vec();
            self.worker = frames[0].to_vec();
            // Keys may be numbers, which YAML allows and JSON writes as texts.
            let message: serde_yaml::Value = rmp_serde::from_slice(&frames[1]).unwrap();
            let message = serde_json::to_value(message).unwrap();
            if message[0] == "stats" {
                self.count(&message[1]);
            }
            if message[0] == wanted {
                return message[1].clone();
            }
        }
    }

    fn count(&mut self, report: &Value) {
        self.requests += report["stats_total"]["num_requests"].as_u64().unwrap();
        self.failures += report["stats_total"]["num_failures"].as_u64().unwrap();
        for error in report["errors"].as_object().unwrap().values() {
            let text = error["error"].as_str().unwrap().to_owned();
            *self.errors.entry(text).or_default() += error["occurrences"].as_u64().unwrap();
        }
    }

    async fn meet(&mut self) -> Value {
        let version = self.hear("client_ready").await;
        self.say("ack", json!({"index": 0})).await;
        version
    }

    /// Orders users, and hears how many there are then.
    async fn spawn(&mut self, timestamp: f64, users: i64) -> u64 {
        let order = json!({
            "timestamp": timestamp, "user_classes_count": {"JwtLogin": users}, "host": null,
            "stop_timeout": 0.0, "parsed_options": {},
        });
        self.say("spawn", order).await;
        self.hear("spawning_complete").await["user_count"].as_u64().unwrap()
    }

    /// Waits until so many more requests were reported.
    async fn count_on(&mut self, more: u64) {
        let wanted = self.requests + more;
        while self.requests < wanted {
            self.hear("stats").await;
        }
    }
}

fn worker(server: &Served, master: &str, json: &Path, more: &[&str]) -> Child {
    let json = report("json", json);
    let fixed = ["--accounts", "reference", "--flow", "jwt-login", "--tokens", "3", "--seed", "1"];
    Command::new(env!("CARGO_BIN_EXE_gatecrash"))
        .args(["worker", &server.api, "--locust-master", master, "--report", &json])
        .args(fixed)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How a worker ended: its code, and what it said.
fn ended(worker: Child) -> (i32, String) {
    let output = worker.wait_with_output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.code().unwrap_or(-1), text.concat())
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_master_counts_is_what_the_reports_say_test_after_test() {
    let server = Served::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("worker.json");
    let mut master = Master::new().await;
    let worker =
        worker(&server, &master.address.clone(), &first, &["-c", "20", "--user-rate", "20"]);
    assert_eq!(master.meet().await, json!("2.47.0"));
    for (at, users) in [4, 20, 2].into_iter().enumerate() {
        assert_eq!(master.spawn(at as f64 + 1.0, users).await, users as u64);
        master.count_on(1).await;
    }
    assert_eq!(master.spawn(8.0, 21).await, 2, "more than it has");
    master.say("stop", Value::Null).await;
    master.hear("client_stopped").await;
    let whole = read(&first);
    assert_eq!(whole["load"]["answers"].as_u64(), Some(master.requests));
    assert_eq!(whole["load"]["connections"], 20);
    // Another test, and another report.
    master.hear("client_ready").await;
    let before = master.requests;
    assert_eq!(master.spawn(9.0, 3).await, 3);
    master.count_on(1).await;
    master.say("quit", Value::Null).await;
    master.hear("quit").await;
    let (code, text) = ended(worker);
    assert_eq!(code, 0, "{text}");
    let second = read(&folder.path().join("worker.2.json"));
    assert_eq!(second["load"]["answers"].as_u64(), Some(master.requests - before));
    let both = [first, folder.path().join("worker.2.json")].map(|path| path.display().to_string());
    let merged = gatecrash(&["merge", &both[0], &both[1]]);
    let count = merged.out.lines().next().unwrap().replace(',', "");
    assert_eq!(count, format!("RIGHT  each of {} answers was right", master.requests));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_is_a_failure_that_names_the_clause() {
    let server = Served::start(&["--fault", "one-in-a-thousand-refused"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.json");
    let mut master = Master::new().await;
    let worker = worker(&server, &master.address.clone(), &path, &[]);
    master.meet().await;
    master.spawn(1.0, 4).await;
    while master.failures == 0 {
        master.hear("stats").await;
    }
    master.say("quit", Value::Null).await;
    master.hear("quit").await;
    let (code, text) = ended(worker);
    assert_eq!(code, 1, "{text}");
    let named = master
        .errors
        .keys()
        .find(|error| error.contains("`denied` instead of `accepted` (JWT-40)"));
    assert!(named.is_some(), "{:?}", master.errors);
    assert_eq!(read(&path)["load"]["wrong"].as_u64(), Some(master.failures));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_leaves_ends_the_users_and_the_report_is_written() {
    let server = Served::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.json");
    let mut master = Master::new().await;
    let worker = worker(
        &server,
        &master.address.clone(),
        &path,
        &["--wait-again", "1s", "--user-rate", "20"],
    );
    master.meet().await;
    master.spawn(1.0, 4).await;
    master.count_on(1).await;
    drop(master);
    let (code, text) = ended(worker);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("left in the middle") && text.contains("RIGHT  each of"), "{text}");
    assert!(read(&path)["load"]["answers"].as_u64() > Some(0));
}

#[test]
fn a_master_that_is_not_there_is_waited_for_and_then_it_is_said() {
    let server = Served::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = folder.path().join("worker.json");
    let (code, text) = ended(worker(&server, &nobody.to_string(), &path, &["--wait", "500ms"]));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains(&format!("no Locust master at {nobody}")), "{text}");
}

#[test]
fn a_locustfile_names_the_class_and_the_address() {
    let url = "http://127.0.0.1:1";
    let run = gatecrash(&["worker", url, "--print-locustfile", "--flow", "environment-token"]);
    run.exits(0).says("class EnvironmentToken(User):").says("host = \"http://127.0.0.1:1\"");
    gatecrash(&["worker", url]).exits(2).complains("--locust-master");
    gatecrash(&["worker", url, "--locust-master", "a:b"]).exits(2).complains("`b` is not a port");
}
