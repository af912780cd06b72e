//! A worker and a master in one thread, over a link in memory and with a clock that is paused.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

/// What a master does when a worker calls.
enum Call {
    /// It takes the call.
    Takes,
    /// Nobody is there.
    Refuses,
}

/// A link whose master is the test.
struct Wire {
    calls: VecDeque<Call>,
    /// How often the worker called.
    called: usize,
    from_master: mpsc::UnboundedReceiver<Option<Vec<u8>>>,
    to_master: mpsc::UnboundedSender<Value>,
}

impl Link for Wire {
    async fn connect(&mut self) -> Result<(), LinkError> {
        self.called += 1;
        match self.calls.pop_front() {
            Some(Call::Takes) => Ok(()),
            Some(Call::Refuses) | None => Err(LinkError("connection refused".to_owned())),
        }
    }

    async fn send(&mut self, message: Vec<u8>) -> Result<(), LinkError> {
        // Keys may be numbers, which YAML allows and JSON writes as texts.
        let read: serde_yaml::Value = rmp_serde::from_slice(&message).unwrap();
        let read = serde_json::to_value(read).unwrap();
        self.to_master.send(read).map_err(|_| LinkError("gone".to_owned()))
    }

    async fn receive(&mut self) -> Result<Vec<u8>, LinkError> {
        match self.from_master.recv().await {
            Some(Some(message)) => Ok(message),
            Some(None) => Err(LinkError("the connection was closed".to_owned())),
            None => std::future::pending().await,
        }
    }
}

/// Users who do nothing, and write down what they are told.
#[derive(Default)]
struct Idlers {
    orders: Vec<String>,
    said: Vec<String>,
    failure: Option<String>,
}

impl Crew for Idlers {
    fn users(&mut self, count: usize) -> Result<(), String> {
        self.orders.push(format!("users {count}"));
        if count == 13 { Err("bad luck".to_owned()) } else { Ok(()) }
    }

    async fn end(&mut self, _: Duration) {
        self.orders.push("end".to_owned());
    }

    fn statistics(&mut self) -> Statistics {
        let asked = Asked { method: "GET".to_owned(), name: "validate valid".to_owned() };
        let mut statistics = Statistics::default();
        let second = Second { at: 100, times: vec![(2_000_000, 5)], wrong: 1, ..Second::default() };
        statistics.add(&asked, &second);
        let what = "`denied` instead of `accepted` (JWT-40)".to_owned();
        statistics.trouble(&asked, &Trouble { what, count: 1, at: 100 });
        statistics
    }

    fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    fn strain(&mut self) -> Strain {
        Strain { processor: 12.5, memory: 1 << 20 }
    }

    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }
}

fn message(kind: &str, data: impl Serialize) -> Option<Vec<u8>> {
    Some(outgoing(kind, &data, "node"))
}

fn spawn(timestamp: f64, classes: Value) -> Option<Vec<u8>> {
    let options = json!({"gatecrash_master": SPOKEN, "users": 10, "tags": null});
    let data = json!({
        "timestamp": timestamp, "user_classes_count": classes, "host": "http://127.0.0.1",
        "stop_timeout": 0.0, "parsed_options": options,
    });
    message("spawn", data)
}

const PATIENCE: Patience = Patience {
    absent: Duration::from_secs(60),
    gone: Duration::from_secs(10),
    silent: Duration::from_secs(60),
    answers: Duration::from_secs(5),
};

/// What came of a session: how it ended, what the users were told, what the master heard.
struct Outcome {
    ended: Ended,
    called: usize,
    crew: Idlers,
    heard: Vec<Value>,
    took: Duration,
}

impl Outcome {
    fn of(&self, kind: &str) -> Vec<&Value> {
        self.heard.iter().filter(|one| one[0] == kind).map(|one| &one[1]).collect()
    }

    fn said(&self, part: &str) -> bool {
        self.crew.said.iter().any(|line| line.contains(part))
    }
}

/// Lets a master that takes these calls say these things, one a second.
async fn play(calls: Vec<Call>, says: Vec<Option<Vec<u8>>>, mut crew: Idlers) -> Outcome {
    let (to_worker, from_master) = mpsc::unbounded_channel();
    let (to_master, mut heard) = mpsc::unbounded_channel();
    let mut wire = Wire { calls: calls.into(), called: 0, from_master, to_master };
    let began = tokio::time::Instant::now();
    let master = tokio::spawn(async move {
        for one in says {
            to_worker.send(one).unwrap_or_default();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // It stays, and says nothing more.
        std::future::pending::<()>().await;
        drop(to_worker);
    });
    let session = Session::new((&mut wire, &mut crew), "node", ("JwtLogin", 50), PATIENCE);
    let ended = session.run(std::future::pending()).await;
    let took = began.elapsed();
    master.abort();
    let called = wire.called;
    drop(wire);
    let mut all = Vec::new();
    while let Ok(one) = heard.try_recv() {
        all.push(one);
    }
    Outcome { ended, called, crew, heard: all, took }
}

fn ack() -> Option<Vec<u8>> {
    message("ack", json!({"index": 0}))
}

#[tokio::test(start_paused = true)]
async fn users_come_and_go_as_the_master_says_and_it_hears_of_them() {
    let says = vec![
        ack(),
        spawn(1.0, json!({"JwtLogin": 10})),
        spawn(2.0, json!({"JwtLogin": 50})),
        spawn(3.0, json!({"JwtLogin": 20, "Other": 0})),
        message("spawning_complete", json!({"user_count": 20})),
        message("heartbeat", ()),
        message("stop", ()),
        spawn(9.0, json!({"JwtLogin": 1})),
        message("quit", ()),
    ];
    let outcome = play(vec![Call::Takes], says, Idlers::default()).await;
    assert_eq!(outcome.ended, Ended::Over);
    let orders = ["users 10", "users 50", "users 20", "end", "users 1", "end"];
    assert_eq!(outcome.crew.orders, orders);
    let complete: Vec<u64> = outcome
        .of("spawning_complete")
        .iter()
        .map(|data| data["user_count"].as_u64().unwrap())
        .collect();
    assert_eq!(complete, [10, 50, 20, 1]);
    assert_eq!(outcome.of("spawning_complete")[2]["user_classes_count"]["Other"], 0);
    assert_eq!(outcome.of("client_ready"), [&json!(SPOKEN), &json!(SPOKEN)]);
    assert_eq!(outcome.of("client_stopped").len(), 1);
    let beats = outcome.of("heartbeat");
    assert!(beats.len() >= 7, "{}", beats.len());
    assert_eq!(
        (&beats[3]["state"], &beats[3]["current_cpu_usage"]),
        (&json!("running"), &json!(12.5))
    );
    let report = outcome.of("stats")[0];
    assert_eq!(report["stats"][0]["num_requests"], 5);
    assert_eq!(report["stats_total"]["name"], "Aggregated");
    let errors: Vec<&Value> = report["errors"].as_object().unwrap().values().collect();
    assert_eq!(errors[0]["error"], "`denied` instead of `accepted` (JWT-40)");
    // The last report comes before the worker says that it has stopped.
    let kinds: Vec<&str> = outcome.heard.iter().filter_map(|one| one[0].as_str()).collect();
    let stopped = kinds.iter().position(|kind| *kind == "client_stopped").unwrap();
    assert_eq!(kinds[stopped - 1], "stats");
}

#[tokio::test(start_paused = true)]
async fn orders_without_sense_are_refused_and_the_master_is_told_why() {
    for (classes, wanted) in [
        (
            json!({"Foreigner": 5}),
            "5 users of class `Foreigner`, and this worker has only `JwtLogin`",
        ),
        (json!({"JwtLogin": -1}), "wants -1 users of class `JwtLogin`"),
        (json!({"JwtLogin": 51}), "51 users, and this worker has at most 50"),
        (json!({"JwtLogin": 13}), "the users cannot begin: bad luck"),
        (json!({"JwtLogin": "many"}), "is not [type, data, node_id] in MessagePack"),
    ] {
        let says = vec![
            ack(),
            spawn(1.0, json!({"JwtLogin": 7})),
            spawn(2.0, classes),
            message("quit", ()),
        ];
        let outcome = play(vec![Call::Takes], says, Idlers::default()).await;
        assert_eq!(outcome.ended, Ended::Over);
        let [exception] = outcome.of("exception")[..] else { panic!("{:?}", outcome.heard) };
        assert!(exception["msg"].as_str().unwrap().contains(wanted), "{exception}");
        assert!(outcome.said(wanted), "{:?}", outcome.crew.said);
        // The master is told how many users there really are.
        assert!(outcome.of("spawning_complete").iter().all(|data| data["user_count"] == 7));
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_overtaken_is_left_out() {
    let says = vec![
        ack(),
        spawn(2.0, json!({"JwtLogin": 7})),
        spawn(1.0, json!({"JwtLogin": 3})),
        message("quit", ()),
    ];
    let outcome = play(vec![Call::Takes], says, Idlers::default()).await;
    assert_eq!(outcome.crew.orders, ["users 7", "end"]);
    assert!(outcome.said("overtaken"));
}

#[tokio::test(start_paused = true)]
async fn a_master_that_is_not_there_is_called_with_growing_pauses_and_then_given_up() {
    let outcome = play(vec![], vec![], Idlers::default()).await;
    assert_eq!(outcome.ended, Ended::Absent("connection refused".to_owned()));
    assert_eq!(outcome.took, PATIENCE.absent);
    // 0.1, 0.2, 0.4, ... 3.2 and then every 5 seconds.
    assert!((15..20).contains(&outcome.called), "{}", outcome.called);
    // Somebody who takes calls and says nothing of Locust is no master either.
    let calls = (0..100).map(|_| Call::Takes).collect();
    let outcome = play(calls, vec![], Idlers::default()).await;
    let Ended::Absent(why) = outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(why.contains("acknowledged no worker within 5s"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_master_that_leaves_is_called_again_and_then_the_users_end() {
    let says = || vec![ack(), spawn(1.0, json!({"JwtLogin": 7})), None];
    let outcome = play(vec![Call::Takes], says(), Idlers::default()).await;
    assert_eq!(outcome.ended, Ended::Gone("connection refused".to_owned()));
    assert_eq!(outcome.crew.orders, ["users 7", "end"]);
    // It comes back in time: nothing ends, and it gets to know the worker anew.
    let calls = vec![Call::Takes, Call::Refuses, Call::Takes];
    let mut again = says();
    again.extend([ack(), message("quit", ())]);
    let outcome = play(calls, again, Idlers::default()).await;
    assert_eq!(outcome.ended, Ended::Over);
    assert_eq!((outcome.called, outcome.of("client_ready").len()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_master_that_is_silent_for_a_minute_is_gone() {
    let says = vec![ack(), spawn(1.0, json!({"JwtLogin": 7}))];
    let outcome = play(vec![Call::Takes], says, Idlers::default()).await;
    assert_eq!(outcome.ended, Ended::Gone("it has said nothing for 60s".to_owned()));
    assert_eq!(outcome.crew.orders, ["users 7", "end"]);
}

#[tokio::test(start_paused = true)]
async fn another_version_is_named_with_both() {
    let old = json!({"spawn_rate": 1, "num_users": 5, "host": null, "stop_timeout": null, "timestamp": 1.0});
    let outcome =
        play(vec![Call::Takes], vec![ack(), message("spawn", old.clone())], Idlers::default())
            .await;
    let Ended::OtherVersion(why) = &outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(why.contains("of before 2.0") && why.contains(SPOKEN), "{why}");
    assert_eq!(outcome.of("exception")[0]["msg"], json!(why));
    let mut named = old;
    named["parsed_options"] = json!({"gatecrash_master": "1.6.0"});
    let outcome =
        play(vec![Call::Takes], vec![ack(), message("spawn", named)], Idlers::default()).await;
    let Ended::OtherVersion(why) = &outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(why.contains("version 1.6.0") && why.contains(SPOKEN), "{why}");
    // Another one that is understood is only talked about.
    let mut other = spawn(1.0, json!({"JwtLogin": 7})).unwrap();
    let at = other.windows(SPOKEN.len()).position(|part| part == SPOKEN.as_bytes()).unwrap();
    other[at..at + 4].copy_from_slice(b"2.99");
    let says = vec![message("ack", ()), Some(other), message("quit", ())];
    let outcome = play(vec![Call::Takes], says, Idlers::default()).await;
    assert_eq!(outcome.ended, Ended::Over);
    assert!(outcome.said("Locust 2.99.0") && outcome.said(SPOKEN), "{:?}", outcome.crew.said);
    assert!(outcome.said("2.10.2 or older"), "{:?}", outcome.crew.said);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_told_and_does_no_harm() {
    for bytes in
        [&b""[..], b"\xc1", b"\x93\xa3ack", b"\x92\xa4stop\xc0", &[0xdd, 0xff, 0xff, 0xff, 0xff]]
    {
        let says = vec![ack(), Some(bytes.to_vec()), message("hello", ()), message("quit", ())];
        let outcome = play(vec![Call::Takes], says, Idlers::default()).await;
        assert_eq!(outcome.ended, Ended::Over, "{bytes:?}");
        assert_eq!(outcome.of("exception").len(), 1, "{bytes:?}");
        assert!(outcome.said("`hello` of the master is not known here"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_by_itself_is_told_and_the_worker_is_ready_again() {
    let crew = Idlers { failure: Some("no files left".to_owned()), ..Idlers::default() };
    let says = vec![ack(), message("heartbeat", ()), message("reconnect", ()), message("quit", ())];
    let outcome = play(vec![Call::Takes, Call::Takes], says, crew).await;
    assert_eq!(outcome.ended, Ended::Over);
    assert_eq!(outcome.called, 2);
    assert!(outcome.of("exception")[0]["msg"].as_str().unwrap().contains("no files left"));
    assert_eq!(outcome.of("heartbeat")[0]["state"], "ready");
}
