//! `gatecrash fuzz` against targets that die, hang, or talk nonsense: each is a finding with the case that did it, and the
//! run ends in time.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reference_server::{Config, Server};

use crate::support::{Run, gatecrash, reference_profile, report};

/// What a target does with a request that it cannot stand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weakness {
    /// It ends, and takes no connection any more.
    Dies,
    /// It ends the connection.
    HangsUp,
    /// It ends the connection, the first time only.
    HangsUpOnce,
    /// It never answers.
    Hangs,
    /// It answers with something that is no answer.
    Babbles,
}

/// What the target cannot stand.
const POISON: &[u8] = b"X-Unexpected";

/// The reference server behind a connection that cannot stand one header field.
fn weak(upstream: SocketAddr, weakness: Weakness) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (dead, struck) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            if dead.load(Ordering::SeqCst) {
                return;
            }
            let (dead, struck) = (Arc::clone(&dead), Arc::clone(&struck));
            std::thread::spawn(move || {
                let fell = forward(client, upstream, weakness, &struck);
                if fell && weakness == Weakness::Dies {
                    dead.store(true, Ordering::SeqCst);
                    drop(TcpStream::connect(address));
                }
            });
        }
    });
    address
}

/// Passes on what comes until the poison is in it; whether it was.
fn forward(
    mut client: TcpStream,
    upstream: SocketAddr,
    weakness: Weakness,
    struck: &AtomicBool,
) -> bool {
    let Ok(mut server) = TcpStream::connect(upstream) else { return false };
    let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        drop(std::io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Both));
    });
    let mut chunk = [0; 65_536];
    while let Ok(length @ 1..) = client.read(&mut chunk) {
        let seen = |window: &[u8]| window.eq_ignore_ascii_case(POISON);
        let poisoned = chunk[..length].windows(POISON.len()).any(seen);
        let spared = weakness == Weakness::HangsUpOnce && struck.load(Ordering::SeqCst);
        if !poisoned || spared {
            if server.write_all(&chunk[..length]).is_err() {
                return false;
            }
            continue;
        }
        struck.store(true, Ordering::SeqCst);
        match weakness {
            Weakness::Hangs => continue,
            Weakness::Babbles => drop(client.write_all(b"\x16\x03\x01 what?\r\n\r\n")),
            Weakness::Dies | Weakness::HangsUp | Weakness::HangsUpOnce => {}
        }
        drop(client.shutdown(Shutdown::Both));
        drop(server.shutdown(Shutdown::Both));
        return true;
    }
    drop(server.shutdown(Shutdown::Both));
    false
}

struct Target {
    profile: String,
    _server: Server,
}

fn target(folder: &Path, weakness: Weakness) -> Target {
    let server = Server::start(Config::default()).unwrap();
    let upstream = server.url().trim_start_matches("http://").parse().unwrap();
    let front = format!("http://{}", weak(upstream, weakness));
    let addresses = (front.as_str(), &*server.control_url());
    let profile = reference_profile(folder, addresses, &[], "limits: {deadline: 250ms}");
    Target { profile, _server: server }
}

/// Fuzzes such a target; the run, and the only file that it wrote.
fn fuzzed(folder: &Path, target: &Target, more: &[&str]) -> (Run, String) {
    let corpus = folder.join("corpus").display().to_string();
    let fixed = ["fuzz", &target.profile, "--flow", "environment-token", "--layer", "sequences"];
    let bounds = ["--seed", "1", "--cases", "120", "--corpus", &corpus];
    let run = gatecrash(&[&fixed[..], &bounds, more].concat());
    let mut files = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path());
    let file = files.next().map(|path| path.display().to_string()).unwrap_or_default();
    assert_eq!(files.next(), None, "{}", run.out);
    (run, file)
}

#[test]
fn a_target_that_dies_ends_the_run_and_the_case_that_did_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path(), Weakness::Dies);
    let junit = folder.path().join("fuzz.xml");
    let (run, file) = fuzzed(folder.path(), &target, &["--report", &report("junit", &junit)]);
    run.exits(1).says("takes no connection").says("X-68");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("outcome: answered") && text.contains("X-Unexpected"), "{text}");
    let junit = std::fs::read_to_string(junit).unwrap();
    assert_eq!(junit.matches("<failure").count(), 1, "{junit}");
}

#[test]
fn a_target_that_hangs_up_hangs_or_babbles_is_found_and_check_fails_alike() {
    for (weakness, told) in [
        (Weakness::HangsUp, "closed"),
        (Weakness::Hangs, "no answer within"),
        (Weakness::Babbles, "HTTP"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let target = target(folder.path(), weakness);
        let (run, file) = fuzzed(folder.path(), &target, &[]);
        run.exits(1).says(told);
        let text = std::fs::read_to_string(&file).unwrap();
        let steps = text.lines().filter(|line| line.starts_with("  - ")).count();
        assert!(steps == 1 && text.contains("X-Unexpected"), "{weakness:?}: {text}");
        let replay = ["replay", &file, "--target", &target.profile];
        gatecrash(&replay).exits(1).says("SUC-FOUND").says(told);
        let check = ["check", &target.profile, "--corpus", &file, "--only", "*-FOUND-*"];
        gatecrash(&check).exits(1).says("SUC-FOUND").says(told);
    }
}

#[test]
fn an_answer_that_is_missing_once_is_told_as_a_coincidence() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path(), Weakness::HangsUpOnce);
    let (run, file) = fuzzed(folder.path(), &target, &[]);
    run.exits(1).says("unstable").says("did not fail when it was run again");
    assert_eq!(file, "");
}

#[test]
fn a_target_that_is_not_there_is_no_finding() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let run = gatecrash(&["fuzz", &url, "--no-doctor", "--cases", "10"]);
    run.exits(3).complains("takes no connection");
}
