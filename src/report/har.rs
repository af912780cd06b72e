//! The requests of a run with their answers, as browsers and proxies read them (HTTP Archive 1.2).
//!
//! What was not kept is not here: a run sends thousands of requests, and keeps those that show something.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::text::{limited, write_pretty};
use crate::model::{
    AnswerRecord, ContentRecord, ExchangeRecord, Report, RequestRecord, ScenarioRecord,
    civil_from_unix,
};

/// Writes every exchange that was kept. A scenario is a page, so that viewers group them.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut pages = Vec::new();
    let mut entries = Vec::new();
    for record in &report.scenarios {
        let id = format!("{}@{}", record.name, record.flow);
        let before = entries.len();
        for step in &record.steps {
            for exchange in &step.exchanges {
                entries.push(entry(report.started, &id, &step.step, exchange));
            }
        }
        if entries.len() > before {
            pages.push(page(report.started, &id, record));
        }
    }
    let (name, version) = ("gatecrash", env!("CARGO_PKG_VERSION"));
    write_pretty(
        &json!({"log": {
            "version": "1.2",
            "creator": {"name": name, "version": version},
            "pages": pages,
            "entries": entries,
        }}),
        out,
    )
}

fn page(started: i64, id: &str, record: &ScenarioRecord) -> Value {
    let first = record.exchanges().map(|exchange| exchange.sent_us).min().unwrap_or_default();
    json!({
        "startedDateTime": date(started, first),
        "id": id,
        "title": record.title,
        "pageTimings": {},
    })
}

fn entry(started: i64, page: &str, step: &str, exchange: &ExchangeRecord) -> Value {
    let ExchangeRecord { operation, request, answer, error, sent_us, done_us } = exchange;
    let milliseconds = done_us.saturating_sub(*sent_us) as f64 / 1e3;
    let comment = match error {
        Some(error) => format!("{operation}, {step}: {}", limited(error, 600)),
        None => format!("{operation}, {step}"),
    };
    json!({
        "pageref": page,
        "startedDateTime": date(started, *sent_us),
        "time": milliseconds,
        "request": sent(request),
        "response": answer.as_ref().map_or_else(|| no_answer(error.as_deref()), received),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": comment,
    })
}

fn sent(request: &RequestRecord) -> Value {
    let mut value = json!({
        "method": request.method,
        "url": absolute(&request.url),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": fields(&request.headers),
        "queryString": query(&request.url),
        "headersSize": -1,
        "bodySize": request.body.size,
    });
    if request.body.size > 0 {
        let media = media(&request.headers).unwrap_or("application/octet-stream");
        value["postData"] = json!({
            "mimeType": media,
            "text": request.body.bytes.text(),
            "comment": if request.verbatim { "the whole request, byte for byte" } else { note(&request.body) },
        });
    }
    value
}

fn received(answer: &AnswerRecord) -> Value {
    let bytes = &answer.body.bytes.0;
    let mut content = json!({
        "size": answer.body.size,
        "mimeType": media(&answer.headers).unwrap_or("application/octet-stream"),
        "comment": note(&answer.body),
    });
    match std::str::from_utf8(bytes) {
        Ok(text) => content["text"] = json!(text),
        Err(_) => {
            content["text"] = json!(STANDARD.encode(bytes));
            content["encoding"] = json!("base64");
        }
    }
    json!({
        "status": answer.status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": fields(&answer.headers),
        "content": content,
        "redirectURL": value(&answer.headers, "location").unwrap_or_default(),
        "headersSize": -1,
        "bodySize": answer.body.size,
    })
}

/// The format has no word for no answer; browsers write a status of 0.
fn no_answer(error: Option<&str>) -> Value {
    json!({
        "status": 0,
        "statusText": "",
        "httpVersion": "",
        "cookies": [],
        "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
        "comment": limited(error.unwrap_or("no answer"), 600),
    })
}

fn note(content: &ContentRecord) -> &'static str {
    if content.cut { "only the beginning is here" } else { "" }
}

fn fields(headers: &[(String, String)]) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
}

fn media(headers: &[(String, String)]) -> Option<&str> {
    value(headers, "content-type")
}

/// An address without characters that no address has: readers refuse the whole file for one.
fn absolute(url: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    let mut out = String::new();
    for c in url.chars() {
        if plain(c) {
            out.push(c);
        } else {
            let mut buffer = [0; 4];
            out.extend(c.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    out
}

/// The parameters as they stand on the wire: decoded, a secret could show that was replaced as it stood.
fn query(url: &str) -> Vec<Value> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({"name": name, "value": value})
        })
        .collect()
}

/// The moment so many microseconds after the start of the run (RFC 3339).
fn date(started: i64, after: u64) -> String {
    let micros = i64::try_from(after).unwrap_or_default();
    let (seconds, rest) = (started + micros / 1_000_000, micros % 1_000_000);
    format!("{}.{:03}Z", civil_from_unix(seconds), rest / 1_000)
}
