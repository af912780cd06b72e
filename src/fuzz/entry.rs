//! The parsers by themselves: where coverage-guided fuzzing enters, and where the tests enter with proptest. Each takes any
//! bytes, must neither panic nor hang, and holds what it read against a rule that always holds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::forge::{forge, guess_key};
use crate::model::Flow;
use crate::scenario::{Algorithm, Edit, Sign, Vector};
use crate::source::{Random, Scope, SourceFile, Template};
use crate::target::{Library, Profile, SecretReference};
use crate::wire::read_whole_answer;

/// A library without any flow: enough to read files against.
fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        Library::read(&[]).unwrap_or_else(|_| unreachable!("nothing cannot be wrong"))
    })
}

fn file(data: &[u8]) -> Option<Arc<SourceFile>> {
    Some(SourceFile::new("input.yaml", std::str::from_utf8(data).ok()?))
}

/// Reads a scenario; every mistake points into the text.
pub fn scenario(data: &[u8]) {
    let Some(file) = file(data) else {
        return;
    };
    if let Err(wrong) = library().scenario(Flow::JwtLogin, &file) {
        wrong.iter().for_each(|mistake| drop(mistake.render(false)));
    }
}

/// Reads a profile; every mistake points into the text.
pub fn profile(data: &[u8]) {
    let Some(file) = file(data) else {
        return;
    };
    let resolve = |_: &SecretReference| Ok("secret".to_owned());
    if let Err(wrong) = Profile::parse(&file, library(), &resolve) {
        wrong.iter().for_each(|mistake| drop(mistake.render(false)));
    }
}

/// Reads a template, and fills it.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let bindings: BTreeMap<String, String> =
        template.names().map(|name| (name.to_owned(), "value".to_owned())).collect();
    let random = RefCell::new(Random::new(1));
    let scope = Scope { bindings: &bindings, random: Some(&random) };
    assert!(template.bytes(&scope).is_ok(), "a template whose names all have values can be filled");
}

/// Reads an answer of HTTP/1.1.
pub fn answer(data: &[u8]) {
    if let Ok(response) = read_whole_answer(data, "GET") {
        assert!(response.body.0.len() <= data.len(), "the content is no longer than the answer");
    }
}

/// Takes a token apart, forges it anew, and guesses at its key.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let bindings = BTreeMap::new();
    let scope = Scope { bindings: &bindings, random: None };
    let edit = Edit {
        remove: vec!["exp".to_owned()],
        add: vec![("iat".to_owned(), 5)],
        ..Edit::default()
    };
    let vector = Vector {
        id: "any".to_owned(),
        header: edit.clone(),
        payload: edit,
        sign: Sign::New(Algorithm::HS256, Template::plain("key")),
        token: whole(),
    };
    if let Ok(forged) = forge(text, &vector, &scope) {
        assert_eq!(forged.split('.').count(), 3, "a forged token has three parts");
    }
    // The dictionary is long; a short text cannot be signed anyway.
    if text.len() > 60 && text.len() < 200 {
        drop(guess_key(text));
    }
}

fn whole() -> Template {
    Template::parse("${header}.${payload}.${signature}").unwrap_or_else(|_| Template::plain(""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that begin like something and go on at random.
    fn like(starts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let text = proptest::string::string_regex("[ -~\n]{0,80}").unwrap();
        (0..starts.len(), text, any::<Vec<u8>>(), any::<bool>()).prop_map(
            |(start, text, bytes, raw)| {
                let mut data = starts[start].as_bytes().to_vec();
                if raw {
                    data.extend(bytes);
                } else {
                    data.extend(text.into_bytes());
                }
                data
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_break_the_scenario_parser(data in like(&["", "scenario: a/b\n", "scenario: jwt-login/x\ntitle: t\nchecks: {A: "])) {
            scenario(&data);
        }

        #[test]
        fn no_bytes_break_the_profile_parser(data in like(&["", "target: x\nbase_url: ", "target: x\nbase_url: http://h\nflows: {"])) {
            profile(&data);
        }

        #[test]
        fn no_bytes_break_a_template(data in like(&["", "${", "${a|", "${random_hex(", "$${", "${hex("])) {
            template(&data);
        }

        #[test]
        fn no_bytes_break_the_reading_of_an_answer(
            data in like(&["", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200\r\nContent-Length: "])
        ) {
            answer(&data);
        }

        #[test]
        fn no_bytes_break_the_forge(data in like(&["", "eyJhbGciOiJIUzI1NiJ9.", "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjF9."])) {
            token(&data);
        }
    }
}
