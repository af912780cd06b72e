//! What a finding rests on, as a person reads it. Sizes are bounded; secrets are replaced later,
//! by whoever knows all of them.

use super::assess::Observed;
use super::classify::classify;
use crate::model::{
    Act, CUT, Exchange, Header, Reply, Request, Role, SentAndReceived, SocketEvent, Trace,
    shell_word,
};
use crate::target::FlowBinding;

/// Longer texts are cut.
const LONGEST: usize = 600;
/// Longer requests and answers are cut.
const LONGEST_MESSAGE: usize = 4_000;
/// Older steps are left out of a timeline.
const TIMELINE: usize = 12;

/// A text, cut where it is too long for a line of a report.
pub(super) fn cut(text: &str) -> String {
    cut_at(text, LONGEST)
}

fn cut_at(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}{CUT}{} bytes in all)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// What was observed, in a line: its class, its status, its body.
pub fn shown(binding: &FlowBinding, observed: &Observed<'_>) -> String {
    if let Some(seen) = observed.event {
        return event(seen);
    }
    let class = classify(binding, observed.face);
    match &observed.face.exchange.reply {
        Ok(response) => {
            let body = cut(response.body.text().trim());
            format!("{}: status {}, body {body:?}", class.name(), response.status)
        }
        Err(error) => error.to_string(),
    }
}

/// What was seen on a socket, in a line.
pub(super) fn event(event: &SocketEvent) -> String {
    match event {
        SocketEvent::Closed { code: Some(code), reason } => {
            format!("closed with code {code} {reason:?}")
        }
        SocketEvent::Closed { code: None, reason } => {
            format!("closed without a close frame {reason:?}")
        }
        SocketEvent::Failed(error) => format!("failed: {error}"),
        SocketEvent::Message { payload, .. } => format!("the message {:?}", cut(&payload.text())),
        SocketEvent::Opened(_) => "opened".to_owned(),
        SocketEvent::Pong(_) => "a pong".to_owned(),
        SocketEvent::Refused(response) => {
            format!(
                "the handshake refused with status {}, body {:?}",
                response.status,
                cut(&response.body.text())
            )
        }
        SocketEvent::Silent => "nothing".to_owned(),
        SocketEvent::Transmitted => "a frame sent".to_owned(),
    }
}

/// An exchange as a person reads it.
pub fn exchange(exchange: &Exchange) -> SentAndReceived {
    SentAndReceived {
        sent: render_request(&exchange.request),
        received: render_response(&exchange.reply),
        curl: curl(&exchange.request),
    }
}

/// A request as it stood on the wire, with control bytes made visible.
pub fn render_request(request: &Request) -> String {
    if let Some(bytes) = &request.verbatim {
        return cut_at(&visible(&bytes.text()), LONGEST_MESSAGE);
    }
    let mut text = format!("{} {} HTTP/1.1\n", request.method, visible_line(&request.target));
    let given = |name: &str| request.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
    if !given("host") {
        // Both wires add it (RFC 9112 section 3.2).
        let host = request.base.split("://").last().unwrap_or_default();
        field_line(&mut text, &Header::new("Host", host));
    }
    for header in &request.headers {
        field_line(&mut text, header);
    }
    if !request.body.0.is_empty() && !given("content-length") && !given("transfer-encoding") {
        let length = request.body.0.len().to_string();
        field_line(&mut text, &Header::new("Content-Length", &length));
    }
    if !request.body.0.is_empty() {
        text.push('\n');
        text.push_str(&visible(&request.body.text()));
    }
    cut_at(&text, LONGEST_MESSAGE)
}

/// An answer as it stood on the wire, or why there is none.
pub fn render_response(reply: &Reply) -> String {
    let response = match reply {
        Ok(response) => response,
        Err(error) => return format!("no answer: {error}"),
    };
    let mut text = format!("HTTP/1.1 {}\n", response.status);
    for header in &response.headers {
        field_line(&mut text, header);
    }
    if !response.body.0.is_empty() {
        text.push('\n');
        text.push_str(&visible(&response.body.text()));
    }
    cut_at(&text, LONGEST_MESSAGE)
}

fn field_line(text: &mut String, header: &Header) {
    text.push_str(&visible_line(&header.name));
    text.push_str(": ");
    text.push_str(&visible_line(&header.value.text()));
    text.push('\n');
}

fn visible_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn visible(text: &str) -> String {
    let shown = |c: char| c == '\n' || !c.is_control();
    text.replace("\r\n", "\n")
        .chars()
        .flat_map(|c| if shown(c) { vec![c] } else { c.escape_default().collect() })
        .collect()
}

/// A command line that sends the same request, as far as curl can.
fn curl(request: &Request) -> String {
    if request.verbatim.is_some() {
        return "these bytes cannot be sent with curl; use `replay`, or a raw connection"
            .to_owned();
    }
    let mut words = vec!["curl".to_owned(), "-i".to_owned()];
    if request.method == "HEAD" {
        words.push("-I".to_owned());
    } else if request.method != "GET" || !request.body.0.is_empty() {
        words.extend(["-X".to_owned(), shell_word(&request.method)]);
    }
    for header in &request.headers {
        words.extend([
            "-H".to_owned(),
            shell_word(&format!("{}: {}", header.name, header.value.text())),
        ]);
    }
    if !request.body.0.is_empty() {
        words.extend([
            "--data-binary".to_owned(),
            shell_word(&cut_at(&request.body.text(), LONGEST_MESSAGE)),
        ]);
    }
    words.push("--path-as-is".to_owned());
    words.push(shell_word(&format!("{}{}", request.base, request.target)));
    words.join(" ")
}

/// What had happened before a step, and the step itself, one line each.
pub fn timeline(trace: &Trace, at: usize) -> Vec<String> {
    let end = (at + 1).min(trace.entries.len());
    let start = end.saturating_sub(TIMELINE);
    let origin = trace.entries.iter().find_map(|entry| moment(&entry.act));
    trace.entries[start..end]
        .iter()
        .map(|entry| {
            let at = moment(&entry.act)
                .zip(origin)
                .map(|(now, origin)| format!("t+{:.3}s ", (now - origin) as f64 / 1e3));
            let role = match &entry.role {
                Role::Step => String::new(),
                Role::Before(name) | Role::After(name) => format!(" (control {name})"),
            };
            format!("{}{}{role}: {}", at.unwrap_or_default(), entry.step, line(&entry.act))
        })
        .collect()
}

/// What the server's clock showed.
pub(in crate::engine) fn moment(act: &Act) -> Option<i64> {
    match act {
        Act::Exchange(exchange) | Act::Socket { exchange, .. } => exchange.server_now,
        Act::Hook { result, .. } => result.as_ref().ok().copied().flatten(),
        Act::Race { .. } | Act::Sample { .. } | Act::Timing { .. } | Act::Wait { .. } => None,
    }
}

/// What happened, in a line.
pub(in crate::engine) fn line(act: &Act) -> String {
    let answer = |exchange: &Exchange| match &exchange.reply {
        Ok(response) => format!("{}", response.status),
        Err(error) => error.to_string(),
    };
    match act {
        Act::Exchange(exchange) => {
            let target = cut_at(&visible_line(&exchange.request.target), 120);
            format!("{} {target} -> {}", exchange.request.method, answer(exchange))
        }
        Act::Hook { hook, result: Ok(_) } => format!("hook {hook}"),
        Act::Hook { hook, result: Err(reason) } => format!("hook {hook}: {reason}"),
        Act::Race { trials } => format!("a race of {} pairs", trials.len()),
        Act::Sample { exchanges, .. } => format!("a sample of {} requests", exchanges.len()),
        Act::Socket { connection, event: seen, .. } => {
            format!("socket {connection}: {}", event(seen))
        }
        Act::Timing { first, .. } => format!("a comparison of {} pairs", first.len()),
        Act::Wait { milliseconds } => format!("{:.3} s pass", *milliseconds as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curl_line_survives_quotes_and_control_bytes() {
        let request = Request {
            base: "http://127.0.0.1:1".to_owned(),
            method: "POST".to_owned(),
            target: "/a?b=1&c".to_owned(),
            headers: vec![Header::new("X-A", "it's"), Header::new("X-B", "a\0b")],
            body: "a=b c".into(),
            ..Request::default()
        };
        assert_eq!(
            curl(&request),
            "curl -i -X POST -H 'X-A: it'\\''s' -H $'X-B: a\\x00b' --data-binary 'a=b c' --path-as-is 'http://127.0.0.1:1/a?b=1&c'"
        );
    }

    #[test]
    fn long_texts_are_cut_and_control_bytes_shown() {
        assert!(cut(&"x".repeat(10_000)).len() < 700);
        let request = Request {
            verbatim: Some(Vec::from(*b"GET / HTTP/1.1\r\nA: \x00\x1b[31m\r\n\r\n").into()),
            ..Request::default()
        };
        assert_eq!(render_request(&request), "GET / HTTP/1.1\nA: \\u{0}\\u{1b}[31m\n\n");
    }
}
