//! What a profile may say of TLS, HTTP and sockets, and what is said of mistakes.

use std::collections::BTreeMap;

use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

use super::*;
use crate::source::decode;

const HEAD: &str = "target: x\nflows: {jwt-login: {}}\n";

/// Reads a profile in the folder `lab` with these files, and gives what is wrong with it.
fn read(text: &str, files: &BTreeMap<&str, String>) -> (Transport, Vec<String>) {
    let file = SourceFile::new("lab/profile.yaml", format!("{HEAD}{text}"));
    let raw: RawProfile = decode(&file).unwrap();
    let resolve = |reference: &SecretReference| match reference {
        SecretReference::Certificates(path) | SecretReference::Key(path) => {
            let text = files.get(path.as_str()).cloned();
            text.ok_or_else(|| format!("the file {path} cannot be read"))
        }
        other => panic!("nothing else is asked for: {other:?}"),
    };
    let mut out = Diagnostics::new(&file);
    let read = transport(&raw, &file, &resolve, &mut out);
    (read, out.into_list().iter().map(ToString::to_string).collect())
}

fn made() -> Made<rcgen::KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn files() -> BTreeMap<&'static str, String> {
    let (ours, other) = (made(), made());
    BTreeMap::from([
        ("lab/ca.pem", other.cert.pem()),
        ("lab/own.pem", ours.cert.pem()),
        ("lab/own.key", ours.signing_key.serialize_pem()),
        ("/keys/other.key", other.signing_key.serialize_pem()),
        ("lab/text.pem", "no certificate".to_owned()),
        (
            "lab/broken.pem",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned(),
        ),
        ("lab/absent.key", String::new()),
    ])
}

#[test]
fn what_is_right_is_taken_with_paths_beside_the_profile() {
    let files = files();
    let own = |path: &str| Pem { path: path.to_owned(), text: files[path].clone() };
    let client = (own("lab/own.pem"), own("lab/own.key"));
    for (text, expected) in [
        ("base_url: http://h\n", Transport::default()),
        (
            "base_url: https://h\ntls: {trust: ca.pem, certificate: own.pem, key: own.key}\n",
            Transport {
                trust: Trust::Authorities(own("lab/ca.pem")),
                client: Some(client.clone()),
                ..Transport::default()
            },
        ),
        (
            "base_url: https://h\ntls: {insecure: true}\nhttp_version: 2\n",
            Transport { trust: Trust::Everybody, http2: true, ..Transport::default() },
        ),
        (
            "base_url: http://h\nhttp_version: \"2\"\nunix_socket: run/s.sock\n",
            Transport {
                http2: true,
                unix_socket: Some("lab/run/s.sock".to_owned()),
                ..Transport::default()
            },
        ),
        (
            "base_url: http://h\nhttp_version: 1.1\nunix_socket: /run/s.sock\n",
            Transport { unix_socket: Some("/run/s.sock".to_owned()), ..Transport::default() },
        ),
    ] {
        let (read, wrong) = read(text, &files);
        assert_eq!(wrong, Vec::<String>::new(), "{text}");
        assert_eq!(read, expected, "{text}");
    }
    // A key that is not at hand, as for `lint`, is not looked into.
    let text = "base_url: https://h\ntls: {certificate: own.pem, key: absent.key}\n";
    assert_eq!(read(text, &files).1, Vec::<String>::new());
    assert!(!format!("{client:?}").contains("PRIVATE"), "a key is shown: {client:?}");
}

#[test]
fn everything_that_is_wrong_is_said_at_its_place() {
    let files = files();
    for (text, expected) in [
        (
            "base_url: https://h\ntls: {trust: ca.pem, insecure: true}\n",
            &[
                "4:14: with `insecure` every certificate is taken, and `trust` changes nothing; leave out one of the two",
            ][..],
        ),
        (
            "base_url: https://h\ntls: {trust: gone.pem, certificate: text.pem, key: text.pem}\n",
            &[
                "4:14: the file lab/gone.pem cannot be read; paths are relative to the folder of the profile",
                "4:37: lab/text.pem holds no certificate in PEM form; a certificate in PEM form begins with `-----BEGIN CERTIFICATE-----`",
                "4:52: lab/text.pem holds no private key in PEM form; a key begins with `-----BEGIN PRIVATE KEY-----`; one with a password is not read",
            ],
        ),
        (
            "base_url: https://h\ntls: {certificate: own.pem}\n",
            &["4:20: a client certificate needs its `key`"],
        ),
        (
            "base_url: https://h\ntls: {key: own.key}\n",
            &["4:12: a key needs the client's `certificate`"],
        ),
        (
            "base_url: http://h\ntls: {insecure: true}\nunix_socket: ''\n",
            &[
                "4:1: no address in this profile begins with `https://`; write `base_url: https://...`, or leave `tls` out",
                "5:14: `unix_socket` is the path of a socket",
            ],
        ),
    ] {
        let expected: Vec<String> =
            expected.iter().map(|told| format!("lab/profile.yaml:{told}")).collect();
        assert_eq!(read(text, &files).1, expected, "{text}");
    }
    for (text, told) in [
        ("tls: {certificate: own.pem, key: /keys/other.key}\n", "cannot be used together"),
        ("tls: {trust: broken.pem}\n", "lab/broken.pem cannot be used"),
    ] {
        let wrong = read(&format!("base_url: https://h\n{text}"), &files).1;
        assert!(wrong.len() == 1 && wrong[0].contains(told), "{text}: {wrong:?}");
    }
}

#[test]
fn an_unknown_version_of_http_is_refused_with_the_known_ones() {
    for (version, told) in [("3", "1.1, 2"), ("\"2.0\"", "`2.0` is not known here")] {
        let text = format!("{HEAD}base_url: http://h\nhttp_version: {version}\n");
        let wrong = decode::<RawProfile>(&SourceFile::new("p.yaml", text)).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].to_string().contains(told), "{wrong:?}");
    }
}
