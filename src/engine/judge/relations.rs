//! How an answer stands to other things of the run: captured values, tokens, earlier answers,
//! secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::assess::{Flaw, Observed, Surroundings, json_holds, one_holds};
use super::evidence::cut;
use crate::forge::guess_key;
use crate::model::{Act, Entry, Header, Kept, Response, Role, Violation};
use crate::scenario::{Assertion, JwtAssertion, SameAs};

pub(super) fn relations_hold(
    assertion: &Assertion,
    response: &Response,
    observed: &Observed<'_>,
) -> Result<(), Flaw> {
    let around = Surroundings::of(observed);
    values_hold(assertion, &around)?;
    if let Some(jwt) = &assertion.jwt {
        jwt_holds(jwt, &around)?;
    }
    if let Some(same) = &assertion.same_as {
        same_holds(same, response, observed)?;
    }
    if let Some(except) = &assertion.no_secrets {
        no_secrets(except, response, observed)?;
    }
    if let Some(path) = &assertion.status_equals {
        let stated = observed.face.json().and_then(|json| path.first(json));
        if stated.and_then(Value::as_u64) != Some(u64::from(response.status)) {
            let got = stated.map_or_else(|| "nothing there".to_owned(), Value::to_string);
            let wanted = format!("{path} is the status code {}", response.status);
            return Err(Violation::new(wanted, format!("{path}: {got}")).into());
        }
    }
    Ok(())
}

pub(super) fn values_hold(assertion: &Assertion, around: &Surroundings<'_>) -> Result<(), Flaw> {
    for (template, matcher) in &assertion.values {
        let text = template.text(&around.scope)?;
        // A captured number is compared as the number that it was.
        let as_number = text.parse::<i64>().ok().map(Value::from);
        let as_text = Value::String(text);
        let what = "the captured value";
        let result = one_holds(what, matcher, Some(&as_text), None, around);
        let Some(number) = as_number else {
            result?;
            continue;
        };
        if let Err(Flaw::Breaks(_)) = result {
            one_holds(what, matcher, Some(&number), None, around)?;
        } else {
            result?;
        }
        // What it must not be it must not be either way: any text differs from every number.
        let negations = matcher.negations();
        one_holds(what, &negations, Some(&as_text), None, around)?;
        one_holds(what, &negations, Some(&number), None, around)?;
    }
    Ok(())
}

fn jwt_holds(jwt: &JwtAssertion, around: &Surroundings<'_>) -> Result<(), Flaw> {
    let wrong = |got: String| Flaw::Breaks(Violation::new("a JWT in compact form", got));
    let token = jwt.token.text(&around.scope)?;
    let segments: Vec<&str> = token.split('.').collect();
    let [header, payload, _] = segments.as_slice() else {
        return Err(wrong(format!("a token of {} segments", segments.len())));
    };
    if !jwt.guessable
        && let Some(key) = guess_key(&token)
    {
        let got = format!("signed with {key}");
        return Err(Violation::new("a key that is in no dictionary", got).into());
    }
    for (name, segment, members) in
        [("the JOSE header", header, &jwt.header), ("the payload", payload, &jwt.payload)]
    {
        let decoded =
            URL_SAFE_NO_PAD.decode(segment).map_err(|error| wrong(format!("{name}: {error}")))?;
        let json: Option<Value> = serde_json::from_slice(&decoded).ok();
        json_holds(
            name,
            members,
            json.as_ref(),
            || String::from_utf8_lossy(&decoded).into_owned(),
            around,
        )?;
    }
    Ok(())
}

fn same_holds(same: &SameAs, response: &Response, observed: &Observed<'_>) -> Result<(), Flaw> {
    let named = |entry: &&Entry| entry.role == Role::Step && entry.step == same.step;
    let earlier = observed.trace.entries.iter().find(named).and_then(|entry| match &entry.act {
        Act::Exchange(exchange) => exchange.reply.as_ref().ok(),
        _ => None,
    });
    let Some(earlier) = earlier else {
        let wanted = format!("the answer of `{}`", same.step);
        return Err(Violation::new(wanted, "no such answer to compare with").into());
    };
    let wanted = |what: &str| format!("the same {what} as in `{}`", same.step);
    if earlier.status != response.status {
        let got = format!("status {} instead of {}", response.status, earlier.status);
        return Err(Violation::new(wanted("status"), got).into());
    }
    if earlier.body != response.body {
        let got =
            format!("{:?} instead of {:?}", cut(&response.body.text()), cut(&earlier.body.text()));
        return Err(Violation::new(wanted("body"), got).into());
    }
    let (ours, theirs) = (comparable(response, same), comparable(earlier, same));
    if ours != theirs {
        let got = format!("{ours:?} instead of {theirs:?}");
        return Err(Violation::new(wanted("header fields"), got).into());
    }
    Ok(())
}

/// Header fields that change from answer to answer without saying anything.
const INCIDENTAL: [&str; 8] = [
    "date",
    "x-request-id",
    "x-correlation-id",
    "server-timing",
    "age",
    "connection",
    "keep-alive",
    "set-cookie",
];

fn comparable(response: &Response, same: &SameAs) -> Vec<(String, String)> {
    let named = |header: &Header| (header.name.to_lowercase(), header.value.text().into_owned());
    let mut headers: Vec<_> = response
        .headers
        .iter()
        .map(named)
        .filter(|(name, _)| !INCIDENTAL.contains(&name.as_str()) && !same.except.contains(name))
        .collect();
    headers.sort();
    headers
}

/// Shorter values are words, not secrets.
const SHORTEST_SECRET: usize = 6;

fn no_secrets(except: &[String], response: &Response, observed: &Observed<'_>) -> Result<(), Flaw> {
    let body = response.body.text();
    let known = observed.trace.secrets.iter().take(observed.entry.known_before);
    for Kept { name, value, origin } in known.filter(|kept| kept.value.len() >= SHORTEST_SECRET) {
        let excused =
            except.iter().any(|one| observed.entry.bindings.get(one) == Some(value) || one == name);
        if excused {
            continue;
        }
        let in_header = response.headers.iter().find(|h| h.value.text().contains(value.as_str()));
        let place = match in_header {
            Some(header) => format!("the header field {}", header.name),
            None if body.contains(value.as_str()) => "the body".to_owned(),
            None => continue,
        };
        let got = format!("${{{name}}}, known since {origin}, in {place}");
        return Err(Violation::new("an answer without secrets of the run", got).into());
    }
    Ok(())
}
