//! Servers that are reached or that speak in another way than most: what is wrong is said with what
//! to do about it, and what is only odd is not held against them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd,
};
use reference_server::{Config, Server};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use serde_json::Value;
use tempfile::TempDir;

use crate::front::{Front, Manner};
use crate::support::{
    Run, answer_each, gatecrash, gatecrash_among, reference_profile, report, serve_each,
};

/// A certificate authority, with a folder for what a profile names.
pub(crate) struct Authority {
    pub(crate) folder: TempDir,
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, name: &str, change: impl Fn(&mut CertificateParams)) -> Leaf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Leaf { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// Writes a client certificate and its key beside the profile.
    pub(crate) fn issue_client(&self, folder: &Path) {
        let client = self.issue("client.example", |_| {});
        std::fs::write(folder.join("client.pem"), client.certificate.pem()).unwrap();
        std::fs::write(folder.join("client.key"), client.key.serialize_pem()).unwrap();
    }

    /// What a server of this certificate is set to; with `clients`, it asks for certificates of this authority.
    pub(crate) fn server(
        &self,
        leaf: &Leaf,
        versions: &[&'static SupportedProtocolVersion],
        clients: bool,
    ) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = match clients {
            true => builder.with_client_cert_verifier(verifier.build().unwrap()),
            false => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
        builder.with_single_cert(vec![leaf.certificate.der().clone()], key).unwrap()
    }
}

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

pub(crate) fn reference() -> Server {
    Server::start(Config::default()).unwrap()
}

/// The profile of the reference server with another address, and with more in it. It is written into the folder.
pub(crate) fn profile(folder: &Path, server: &Server, base: &str, more: &str) -> String {
    reference_profile(folder, (base, &server.control_url()), &[], more)
}

/// The flow that most of these tests check: plain requests, and not too many.
const FLOW: &str = "environment-token";

const LITTLE: [&str; 4] = ["--seed", "1", "--level", "quick"];

fn check(target: &str, more: &[&str]) -> Run {
    gatecrash(&[&["check", target, "--flow", FLOW][..], &LITTLE, more].concat())
}

/// The verdict of each check of a flow.
#[track_caller]
fn verdicts(flow: &str, target: &str, more: &[&str]) -> (Run, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let report = report("json", &path);
    let arguments = ["check", target, "--flow", flow, "--report", &report];
    let run = gatecrash(&[&arguments[..], &LITTLE, more].concat());
    let json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let found = json["run"]["findings"].as_array().unwrap().iter();
    let found = found.map(|finding| (word(&finding["check"]), word(&finding["verdict"])));
    (run, found.collect())
}

/// What every server says here to everything.
const MISSING: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

pub(crate) fn url(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{address}")
}

#[test]
fn a_certificate_that_is_not_taken_is_told_with_what_to_do() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let server = reference();
    let right = authority.issue("127.0.0.1", |_| {});
    let expired = authority.issue("127.0.0.1", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let future = authority.issue("127.0.0.1", |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
    });
    let other = authority.issue("gateway.example", |_| {});
    for (leaf, clients, more, told) in [
        (&right, false, "", "tls: {trust: FILE}"),
        (&expired, false, "tls: {trust: ca.pem}", "has expired"),
        (&future, false, "tls: {trust: ca.pem}", "is not valid yet"),
        (&other, false, "tls: {trust: ca.pem}", "is for another name"),
        (&right, true, "tls: {trust: ca.pem}", "asks for a client certificate"),
    ] {
        let config = authority.server(leaf, BOTH, clients);
        let front = Front::with_tls(config, server.address());
        let base = url("https", front.address);
        let run = check(&profile(folder, &server, &base, more), &[]);
        run.exits(3).complains(&base).complains(told);
    }
}

#[test]
fn a_client_certificate_is_asked_for_and_looked_at_in_both_versions_of_tls() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let folder = authority.folder.path();
    let server = reference();
    let leaf = authority.issue("127.0.0.1", |_| {});
    for version in BOTH {
        let front = Front::with_tls(authority.server(&leaf, &[version], true), server.address());
        let base = url("https", front.address);
        let run = check(&profile(folder, &server, &base, "tls: {trust: ca.pem}"), &[]);
        assert_eq!(run.code, 3, "{version:?}: {run:?}");
        let shown = "tls: {trust: ca.pem, certificate: client.pem, key: client.key}";
        stranger.issue_client(folder);
        let run = check(&profile(folder, &server, &base, shown), &[]);
        run.exits(3).complains("does not accept the client certificate");
        authority.issue_client(folder);
        check(&profile(folder, &server, &base, shown), &[]).exits(0).says("PARTIAL");
    }
}

#[test]
fn without_a_look_at_certificates_every_report_says_so() {
    const LOUD: &str = "TLS certificates are NOT checked";
    let authority = Authority::new();
    let folder = authority.folder.path();
    let server = reference();
    let leaf = authority.issue("gateway.example", |_| {});
    let front = Front::with_tls(authority.server(&leaf, BOTH, false), server.address());
    let base = url("https", front.address);
    let (json, junit) = (folder.join("run.json"), folder.join("run.xml"));
    let reports = [report("json", &json), report("junit", &junit)];
    let written = ["--report", &reports[0], "--report", &reports[1]];
    let path = profile(folder, &server, &base, "tls: {insecure: true}");
    check(&path, &written).exits(0).says(LOUD).complains(LOUD);
    let read = |path| std::fs::read_to_string(path).unwrap();
    let run: Value = serde_json::from_str(&read(json)).unwrap();
    assert!(run["run"]["remarks"][0].as_str().unwrap().contains(LOUD));
    assert!(read(junit).contains(LOUD));

    let path = profile(folder, &server, &base, "");
    check(&path, &["--insecure"]).exits(0).says(LOUD).complains(LOUD);
    check(&path, &[]).exits(3);
    let path = profile(folder, &server, &base, "tls: {trust: ca.pem}");
    check(&path, &["--insecure"]).exits(2).complains("leave out one of the two");
    gatecrash(&["check", "--insecure"]).exits(2);
}

#[test]
fn https_at_a_server_without_tls_is_no_connection() {
    let address = serve_each(|mut stream| {
        // The first bytes of a handshake are no line that anybody could wait for the end of.
        let mut first = [0; 1024];
        drop(stream.read(&mut first));
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    });
    check(&url("https", address), &[]).exits(3).complains("what came back is not TLS");
}

#[test]
fn files_of_a_profile_that_do_not_fit_are_all_told_at_once() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    authority.issue_client(folder);
    let server = reference();
    let more = "tls: {trust: client.key, certificate: client.pem, key: ca.pem, insecure: true}\n\
                http_version: \"3\"";
    let path = profile(folder, &server, "https://127.0.0.1:1", more);
    check(&path, &[]).exits(2).complains("`3` is not known here");
    let path = profile(folder, &server, "https://127.0.0.1:1", more.split('\n').next().unwrap());
    let run = check(&path, &[]);
    run.exits(2).complains("leave out one of the two");
    run.complains("client.key holds no certificate").complains("ca.pem holds no private key");
    run.complains("3 mistakes in the files above");
    // Where secrets are not at hand, a profile can still be linted.
    let more = "tls: {certificate: client.pem, key: gone.key}";
    let path = profile(folder, &server, "https://127.0.0.1:1", more);
    gatecrash(&["lint", &path]).exits(0);
    check(&path, &[]).exits(2).complains("gone.key cannot be read");
}

#[test]
fn a_proxy_in_the_environment_is_not_asked() {
    let server = reference();
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
        .map(|name| (name, "http://127.0.0.1:1"));
    let target = server.url();
    let control = server.control_url();
    let arguments =
        ["check", &target, "--accounts", "reference", "--control", &control, "--flow", FLOW];
    let run = gatecrash_among(&variables, &[&arguments[..], &LITTLE].concat());
    run.exits(0).says("PARTIAL");
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let elsewhere = serve_each(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer_each(stream, MISSING);
    });
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let address = serve_each(move |stream| answer_each(stream, answer.as_bytes()));
    let target = url("http", address);
    check(&target, &["--accounts", "reference"]).exits(3).complains("302");
    check(&target, &["--accounts", "reference", "--no-doctor"]).exits(1).says("302");
    assert_eq!(hits.load(Ordering::SeqCst), 0, "the redirect was followed");
}

#[test]
fn a_server_that_says_nothing_in_time_is_told_with_the_deadline() {
    let server = reference();
    let folder = tempfile::tempdir().unwrap();
    let mute = serve_each(|stream| {
        let mut stream = stream;
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    let base = url("http", mute);
    let path = profile(folder.path(), &server, &base, "limits: {deadline: 300ms}");
    check(&path, &[]).exits(3).complains(&base).complains("no answer within 300ms");
}

#[test]
fn a_host_that_nobody_allowed_is_not_asked_in_any_environment() {
    let server = reference();
    let folder = tempfile::tempdir().unwrap();
    let path = profile(folder.path(), &server, &server.url(), "");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "  environment-token:\n",
        "  environment-token:\n    environments: {production: http://192.0.2.1}\n",
    );
    std::fs::write(&path, text).unwrap();
    check(&path, &[]).exits(3).complains("--allow-host 192.0.2.1");
}

#[test]
fn content_in_a_coding_that_nobody_asked_for_is_no_finding_but_no_proof_either() {
    let server = reference();
    let front = Front::reframing(Manner::Coded, server.address());
    let control = server.control_url();
    let target = url("http", front.address);
    let more = ["--accounts", "reference", "--control", &control];
    check(&target, &more).exits(3).complains("coded with `gzip`");
    let more = [&more[..], &["--no-doctor"]].concat();
    let (run, verdicts) = verdicts(FLOW, &target, &more);
    run.exits(4).says("coded with `gzip`");
    assert!(!verdicts.values().any(|verdict| verdict == "fail"), "{}", run.out);
}

/// The verdicts on a flow with nobody in front, found out once.
fn without_a_front(flow: &str) -> BTreeMap<String, String> {
    static KNOWN: Mutex<BTreeMap<String, BTreeMap<String, String>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    let found = known.entry(flow.to_owned()).or_insert_with(|| {
        let server = reference();
        let control = server.control_url();
        let more = ["--accounts", "reference", "--control", &control];
        let (run, found) = verdicts(flow, &server.url(), &more);
        run.exits(0);
        assert!(!found.values().any(|verdict| verdict == "fail"));
        found
    });
    found.clone()
}

/// The verdicts on a flow are those without anybody in front.
#[track_caller]
fn changes_nothing(manner: Manner, flow: &str) {
    let server = reference();
    let control = server.control_url();
    let more = ["--accounts", "reference", "--control", &control];
    let expected = without_a_front(flow);
    let front = Front::reframing(manner, server.address());
    let (run, found) = verdicts(flow, &url("http", front.address), &more);
    let other: Vec<_> =
        found.iter().filter(|(check, verdict)| expected[*check] != **verdict).collect();
    assert!(other.is_empty() && run.code == 0, "{manner:?} {flow}: {other:?}\n{}", run.out);
}

#[test]
fn no_right_way_of_saying_an_answer_changes_a_verdict() {
    for (manner, flow) in [
        (Manner::Chunked, "jwt-login"),
        (Manner::Closing, "channel-login"),
        (Manner::Crumbs, "gateway-button"),
        (Manner::Interim, "visitor-login"),
        (Manner::Old, "environment-token"),
        (Manner::Plain, "gateway-button"),
        (Manner::Slow, "environment-token"),
    ] {
        changes_nothing(manner, flow);
    }
}

#[test]
fn a_server_on_ipv6_is_reached_by_all_wires() {
    let server = reference();
    let front = Front::passing("::1", server.address());
    let control = server.control_url();
    let more = ["--accounts", "reference", "--control", &control];
    check(&url("http", front.address), &more).exits(0).says("PARTIAL");
}

#[cfg(unix)]
#[test]
fn a_unix_socket_carries_every_request_and_no_hook() {
    let server = reference();
    let folder = tempfile::tempdir().unwrap();
    let _front = Front::on_socket(&folder.path().join("s"), server.address());
    // The address is nowhere: only the socket leads to the server.
    let base = "http://gateway.invalid";
    let path = profile(folder.path(), &server, base, "unix_socket: s");
    let arguments = ["check", &path, "--flow", "gateway-button", "--seed", "1", "--level", "quick"];
    gatecrash(&arguments).exits(0).says("PARTIAL");
    let path = profile(folder.path(), &server, base, "unix_socket: gone");
    check(&path, &[]).exits(3).complains("gone: No such file");
}

#[test]
fn a_server_of_both_versions_is_checked_in_http2() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let server = reference();
    let leaf = authority.issue("127.0.0.1", |_| {});
    let tls = authority.server(&leaf, BOTH, false);
    let (_, expected) = verdicts(FLOW, &profile(folder, &server, &server.url(), ""), &[]);
    for (tls, scheme, more) in [
        (None, "http", "http_version: 2"),
        (Some(tls), "https", "http_version: \"2\"\ntls: {trust: ca.pem}"),
    ] {
        let front = Front::of_http2(tls, true, server.address());
        let path = profile(folder, &server, &url(scheme, front.address), more);
        let (run, found) = verdicts(FLOW, &path, &[]);
        assert_eq!(found, expected, "{scheme}\n{}", run.out);
    }
}

#[test]
fn where_only_http2_is_spoken_raw_steps_are_blocked_and_nothing_fails() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let server = reference();
    let leaf = authority.issue("127.0.0.1", |_| {});
    let tls = authority.server(&leaf, BOTH, false);
    for (tls, scheme, more) in [
        (None, "http", "http_version: 2"),
        (Some(tls), "https", "http_version: 2\ntls: {trust: ca.pem}"),
    ] {
        let front = Front::of_http2(tls, false, server.address());
        let path = profile(folder, &server, &url(scheme, front.address), more);
        let (run, found) = verdicts(FLOW, &path, &[]);
        run.exits(4).says("this needs HTTP/1.1");
        let count = |word: &str| found.values().filter(|verdict| *verdict == word).count();
        assert!(count("fail") == 0 && count("pass") > count("blocked"), "{scheme}\n{}", run.out);
    }
}

#[test]
fn a_server_without_http2_is_told_before_anything_is_checked() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let server = reference();
    let leaf = authority.issue("127.0.0.1", |_| {});
    let mut tls = authority.server(&leaf, BOTH, false);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let secure = Front::with_tls(tls, server.address());
    let plain = Front::passing("127.0.0.1", server.address());
    for (base, more, told) in [
        (url("https", secure.address), "http_version: 2\ntls: {trust: ca.pem}", "does not offer"),
        (url("http", plain.address), "http_version: 2", "asked in HTTP/2: `http_version`"),
    ] {
        let run = check(&profile(folder, &server, &base, more), &[]);
        run.exits(3).complains(&base).complains(told);
    }
}
