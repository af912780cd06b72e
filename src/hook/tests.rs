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

#[cfg(unix)]
mod fifo {
    use std::fs::File;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::Path;
    use std::thread::{JoinHandle, spawn};

    use super::*;

    /// A folder with the pipes `request` and `answer`.
    fn pipes() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["request", "answer"] {
            let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status();
            assert!(made.unwrap().success());
        }
        folder
    }

    fn driver(folder: &Path, answers: bool, timeout: Duration) -> HookDriver {
        let answer = answers.then(|| folder.join("answer"));
        HookDriver::Fifo { request: folder.join("request"), answer, timeout }
    }

    /// Whoever stands at the other end: takes one line, and writes this. Both pipes are opened to read and write,
    /// so that nobody waits for the other.
    fn rig(folder: &Path, answer: Vec<u8>) -> JoinHandle<String> {
        let open = |name| File::options().read(true).write(true).open(folder.join(name)).unwrap();
        let (request, mut out) = (open("request"), open("answer"));
        spawn(move || {
            let mut line = String::new();
            BufReader::new(request).read_line(&mut line).unwrap();
            // More than a pipe holds is cut off when the other side has read enough.
            drop(out.write_all(&answer));
            line
        })
    }

    #[tokio::test]
    async fn an_act_is_one_line_and_so_is_its_answer() {
        for (answer, server_now) in [
            (&b"{\"now_ms\": 5}\n"[..], Some(5)),
            (b"{\"now_ms\": 6, \"error\": null}\n{\"now_ms\": 7}\n", Some(6)),
            (b"done\n", None),
            (b"\n", None),
        ] {
            let folder = pipes();
            let told = rig(folder.path(), answer.to_vec());
            let hooks = hooks("press", vec![driver(folder.path(), true, LONG)]);
            let done = hooks.fire(&call("press", &[("kind", "a\nb")])).await.unwrap();
            assert_eq!(done.server_now, server_now);
            let line = told.join().unwrap();
            let told: Value = serde_json::from_str(&line).unwrap();
            let expected = json!({"hook": "press", "say": "Do it.", "with": {"kind": "a\nb"}});
            assert_eq!(told, expected);
            assert!(line.ends_with("}\n"), "{line:?}");
        }
    }

    #[tokio::test]
    async fn without_an_answer_an_act_is_done_when_it_is_written() {
        let folder = pipes();
        let told = rig(folder.path(), Vec::new());
        let hooks = hooks("press", vec![driver(folder.path(), false, LONG)]);
        assert_eq!(hooks.fire(&call("press", &[])).await.unwrap().answer, None);
        assert!(told.join().unwrap().contains("press"));
    }

    #[tokio::test]
    async fn nobody_at_the_pipe_leaves_the_act_to_the_next_driver() {
        let folder = pipes();
        let server = serve([answer(200, "{}")]);
        let nobody = driver(folder.path(), true, LONG);
        let both = hooks("press", vec![nobody.clone(), simulated(&server.base)]);
        assert!(both.fire(&call("press", &[])).await.is_ok());

        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (driver, told) in [
            (nobody, "nobody reads "),
            (driver(&folder.path().join("gone"), false, LONG), "No such file"),
            (HookDriver::Fifo { request: file, answer: None, timeout: LONG }, "not a pipe"),
        ] {
            let error = hooks("press", vec![driver]).fire(&call("press", &[])).await.unwrap_err();
            assert!(matches!(error, HookError::NotStarted { .. }), "{error}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[tokio::test]
    async fn a_failure_silence_and_a_line_without_end_are_told() {
        for (answer, within, told) in [
            (
                b"{\"error\": \"the relay is stuck\"}\n".to_vec(),
                LONG,
                "the hook `press`: the relay is stuck",
            ),
            (
                b"half a line".to_vec(),
                Duration::from_millis(100),
                "the hook `press` was not done within 100ms",
            ),
            (vec![b'x'; 1 << 20], LONG, "its line is longer than 65536 bytes"),
        ] {
            let folder = pipes();
            let told_to = rig(folder.path(), answer);
            let hooks = hooks("press", vec![driver(folder.path(), true, within), tty()]);
            let error = hooks.fire(&call("press", &[])).await.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            // What is still in the pipe lets the rig end.
            let rest = folder.path().join("answer");
            spawn(move || std::io::copy(&mut File::open(rest)?, &mut std::io::sink()));
            told_to.join().unwrap();
        }
    }

    #[tokio::test]
    async fn what_came_too_late_for_one_act_is_no_answer_to_the_next() {
        let folder = pipes();
        let path = folder.path().join("answer");
        let mut late = File::options().read(true).write(true).open(path).unwrap();
        late.write_all(b"{\"now_ms\": 1}\n").unwrap();
        let told = rig(folder.path(), b"{\"now_ms\": 2}\n".to_vec());
        let hooks = hooks("press", vec![driver(folder.path(), true, LONG)]);
        assert_eq!(hooks.fire(&call("press", &[])).await.unwrap().server_now, Some(2));
        told.join().unwrap();
    }

    #[tokio::test]
    async fn an_act_of_more_than_a_line_is_not_begun() {
        let folder = pipes();
        let long = "x".repeat(70_000);
        let hooks = hooks("press", vec![driver(folder.path(), false, LONG)]);
        let error = hooks.fire(&call("press", &[("kind", &long)])).await.unwrap_err();
        assert!(error.to_string().contains("longer than 65536 bytes"), "{error}");
    }
}
