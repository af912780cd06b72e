//! The drivers against programs and servers.

use serde_json::json;

use super::*;
use crate::wire::test_server::{Play, answer, serve};

fn hooks(name: &str, drivers: Vec<HookDriver>) -> Hooks {
    Hooks::new(BTreeMap::from([(name.to_owned(), drivers)]), false)
}

fn call(name: &str, with: &[(&str, &str)]) -> HookCall {
    let with = with.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    HookCall { name: name.to_owned(), say: Some("Do it.".to_owned()), with: with.collect() }
}

fn shell(script: &str, timeout: Duration) -> HookDriver {
    HookDriver::Exec { argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), timeout }
}

fn tty() -> HookDriver {
    HookDriver::Tty { prompt: None, timeout: LONG }
}

fn simulated(control: &str) -> HookDriver {
    HookDriver::Simulated { control: control.to_owned() }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_control_plane_is_asked_under_the_name_of_the_act() {
    for (name, with, sent) in [
        ("press", &[("kind", "double")][..], r#"{"kind":"double"}"#),
        ("press", &[], "{}"),
        ("reset", &[], "{}"),
        ("restart", &[], "{}"),
        ("orders", &[("change", "paged")], r#"{"change":"paged"}"#),
        ("database", &[("failing", "true")], r#"{"failing":true}"#),
        (
            "revoke",
            &[("flow", "jwt-login"), ("token", "true")],
            r#"{"flow":"jwt-login","token":"true"}"#,
        ),
        (
            "accounts",
            &[("flow", "jwt-login"), ("state", "blocked"), ("username", "a\"b")],
            r#"{"flow":"jwt-login","state":"blocked","username":"a\"b"}"#,
        ),
    ] {
        let server = serve([answer(200, r#"{"pressed_at_ms":1700000000000,"now_ms":1}"#)]);
        let hooks = hooks(name, vec![simulated(&format!("{}/", server.base))]);
        let before = Instant::now();
        let done = hooks.fire(&call(name, with)).await.unwrap();
        assert!(before <= done.asked && done.asked <= done.acknowledged);
        assert_eq!(done.server_now, Some(1_700_000_000_000));
        let seen = server.requests().await.remove(0);
        assert!(seen.starts_with(&format!("POST /{name} HTTP/1.1\r\n")), "{seen}");
        assert!(seen.contains("content-type: application/json\r\n"), "{seen}");
        assert!(seen.ends_with(&format!("\r\n\r\n{sent}")), "{seen}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_control_plane() {
    let server =
        serve([answer(404, r#"{"error":"there is no account `x`"}"#), answer(500, "oops")]);
    let hooks = hooks("accounts", vec![simulated(&server.base), simulated(&server.base)]);
    for told in [
        "the hook `accounts` was refused with status 404: there is no account `x`",
        "the hook `accounts` was refused with status 500: oops",
    ] {
        // The second driver is not tried: the first may have acted.
        let error = hooks.fire(&call("accounts", &[])).await.unwrap_err();
        assert_eq!(error.to_string(), told);
    }
    assert_eq!(server.requests().await.len(), 2);
}

#[tokio::test]
async fn an_http_driver_puts_the_particulars_in_their_places() {
    let server = serve([answer(204, ""), answer(200, r#"{"now_ms":7}"#)]);
    let driver = |url: &str, json| HookDriver::Http {
        method: "PUT".to_owned(),
        url: format!("{}{url}", server.base),
        json,
        headers: vec![Header::new("X-Key", "k"), Header::new("Content-Type", "text/json")],
    };
    let template = json!({"user": "${username}", "list": ["is ${state}"], "n": 1});
    let hooks = hooks("block", vec![driver("/lab/${username}?to=${state}", Some(template))]);
    let with = [("username", "a b/c"), ("state", "blocked")];
    let done = hooks.fire(&call("block", &with)).await.unwrap();
    assert_eq!((done.server_now, done.answer), (None, None));
    let seen = server.requests().await.remove(0);
    assert!(seen.starts_with("PUT /lab/a%20b%2Fc?to=blocked HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-key: k\r\n") && seen.contains("content-type: text/json\r\n"));
    assert!(seen.ends_with(r#"{"user":"a b/c","list":["is blocked"],"n":1}"#), "{seen}");

    let error = hooks.fire(&call("block", &[("username", "a")])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the hook `block` uses `${state}`, but it is called with username"
    );
    let error = hooks.fire(&call("block", &[])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the hook `block` uses `${username}`, but it is called with nothing"
    );
}

#[tokio::test]
async fn a_program_is_told_what_to_do_and_answers() {
    let script = r#"read line; echo "{\"now_ms\": 5, \"told\": $line}""#;
    let hooks = hooks("press", vec![shell(script, LONG)]);
    let done = hooks.fire(&call("press", &[("kind", "long")])).await.unwrap();
    assert_eq!(done.server_now, Some(5));
    let told = json!({"hook": "press", "say": "Do it.", "with": {"kind": "long"}});
    assert_eq!(done.answer.unwrap()["told"], told);
}

#[tokio::test]
async fn a_program_that_says_nothing_or_no_object_is_done_all_the_same() {
    for script in ["exit 0", "exec <&-; echo done; echo 17", "head -c 300000 /dev/zero"] {
        let done = hooks("press", vec![shell(script, LONG)]).fire(&call("press", &[])).await;
        assert_eq!(done.unwrap().answer, None, "{script}");
    }
}

#[tokio::test]
async fn a_program_that_leaves_another_one_behind_is_done_when_it_ends_itself() {
    let script = r#"sleep 30 & echo "{\"pid\": $!}""#;
    let hooks = hooks("press", vec![shell(script, Duration::from_secs(10))]);
    let done = hooks.fire(&call("press", &[])).await.unwrap();
    assert!(done.acknowledged - done.asked < Duration::from_secs(9));
    let pid = done.answer.unwrap()["pid"].to_string();
    std::process::Command::new("kill").arg(pid).status().unwrap();
}

#[tokio::test]
async fn a_program_that_fails_says_why() {
    for (script, told) in [
        (
            "echo '' >&2; echo ' no relay ' >&2; echo more >&2; exit 3",
            "`/bin/sh` ended with exit status: 3: no relay",
        ),
        ("exit 1", "`/bin/sh` ended with exit status: 1"),
        ("kill -9 $$", "`/bin/sh` ended with signal: 9 (SIGKILL)"),
    ] {
        let error = hooks("press", vec![shell(script, LONG)]).fire(&call("press", &[])).await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, format!("the hook `press`: {told}"));
    }
    for argv in [vec!["/no/such/program".to_owned()], Vec::new()] {
        let driver = HookDriver::Exec { argv, timeout: LONG };
        let error = hooks("press", vec![driver]).fire(&call("press", &[])).await.unwrap_err();
        assert!(matches!(error, HookError::NotStarted { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let driver = shell(&format!("echo $$ > {path}; exec sleep 600"), Duration::from_millis(300));
    let error = hooks("press", vec![driver]).fire(&call("press", &[])).await.unwrap_err();
    assert_eq!(error.to_string(), "the hook `press` was not done within 300ms");
    let pid = std::fs::read_to_string(file.path()).unwrap();
    // `kill -0` asks whether the process is there. The runtime collects it in its own time.
    let gone = async {
        loop {
            let there = tokio::process::Command::new("kill")
                .args(["-0", pid.trim()])
                .stderr(std::process::Stdio::null())
                .status();
            if !there.await.unwrap().success() {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
}

#[tokio::test]
async fn without_input_a_person_is_never_waited_for() {
    let hooks = hooks("press", vec![tty()]);
    assert!(hooks.offers("press") && !hooks.offers("restart"));
    let error = hooks.fire(&call("press", &[])).await.unwrap_err();
    assert!(matches!(error, HookError::NeedsPerson { .. }), "{error}");
    let error = hooks.fire(&call("restart", &[])).await.unwrap_err();
    assert!(matches!(error, HookError::Unknown { .. }), "{error}");
}

#[tokio::test]
async fn a_driver_that_cannot_begin_leaves_the_act_to_the_next() {
    let server = serve([answer(200, "{}")]);
    let nobody = simulated("http://127.0.0.1:1");
    let reachable = simulated(&server.base);
    let done = hooks("press", vec![tty(), nobody.clone(), reachable.clone()]);
    assert!(done.fire(&call("press", &[])).await.is_ok());
    let error = hooks("press", vec![nobody, tty()]).fire(&call("press", &[])).await.unwrap_err();
    let HookError::NoneActs { reasons, .. } = &error else { panic!("{error}") };
    assert!(reasons[0].contains("no connection") && reasons[1].contains("needs a person"));
    let error = hooks("dance", vec![reachable]).fire(&call("dance", &[])).await.unwrap_err();
    assert!(error.to_string().starts_with("the control plane knows no `dance`; it knows"));
}

#[tokio::test]
async fn a_driver_that_may_have_acted_is_the_last_one_tried() {
    let server = serve([Play::Last(Vec::new()), answer(200, "{}")]);
    let twice = vec![simulated(&server.base), simulated(&server.base)];
    let error = hooks("press", twice).fire(&call("press", &[])).await.unwrap_err();
    assert!(matches!(error, HookError::Wire { error: WireError::Closed(_), .. }), "{error}");
    assert_eq!(server.requests().await.len(), 1);
}
