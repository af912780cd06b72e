//! What a scenario did, step by step, in a form for files: secrets are replaced by their names, sizes are bounded.
//!
//! A trace is what the judge needs; a record is what a reader needs. It keeps the bytes that crossed the wire, so that
//! a report can show them long after the server is gone.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bytes, CUT, Flow, SecretBook};

/// What one run of a scenario did.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ScenarioRecord {
    /// The scenario's name.
    pub name: String,
    /// The flow it ran for.
    pub flow: Flow,
    /// What it is about, in a sentence.
    pub title: String,
    /// What it did, in order.
    pub steps: Vec<StepRecord>,
    /// How many steps are not listed because they are too many.
    pub left_out: usize,
    /// Why it ended before its last step, if it did.
    pub stop: Option<String>,
}

/// One step, or one positive control around steps.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct StepRecord {
    /// The step, as a person finds it in the file.
    pub step: String,
    /// The item of a repeated step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The control that it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// What the server's clock showed, in milliseconds since the first moment at which it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<i64>,
    /// What happened, in a line.
    pub said: String,
    /// The requests with their answers, as far as they are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<ExchangeRecord>,
    /// How many further requests the step had.
    #[serde(default)]
    pub further: usize,
}

/// One request with its answer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ExchangeRecord {
    /// The operation of the flow that was called.
    pub operation: String,
    /// What was sent.
    pub request: RequestRecord,
    /// What came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerRecord>,
    /// Why nothing came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the first byte was written, in microseconds since the start of the run.
    pub sent_us: u64,
    /// When the last byte was read, in microseconds since the start of the run.
    pub done_us: u64,
}

/// A request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RequestRecord {
    /// The method.
    pub method: String,
    /// Scheme, authority, path and query.
    pub url: String,
    /// Header fields, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The content; where the request was given byte for byte, all of it.
    pub body: ContentRecord,
    /// Whether the request was given byte for byte: method and address are then only what the harness knows it by.
    #[serde(default)]
    pub verbatim: bool,
}

/// An answer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AnswerRecord {
    /// The status code.
    pub status: u16,
    /// Header fields, in the order received.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: ContentRecord,
}

/// Content, perhaps only its beginning.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ContentRecord {
    /// Its bytes, with secrets replaced by their names.
    #[schemars(with = "String")]
    pub bytes: Bytes,
    /// How many bytes there were on the wire.
    pub size: usize,
    /// Whether only the beginning is here.
    #[serde(default)]
    pub cut: bool,
}

/// Longer header values and lines are cut.
const LONGEST_LINE: usize = 600;
/// More header fields are left out.
const MOST_HEADERS: usize = 40;

impl ScenarioRecord {
    /// Replaces every secret that the book knows.
    pub fn redact(&mut self, book: &SecretBook) {
        let clean = |text: &mut String| *text = book.redact(text);
        self.stop.iter_mut().for_each(clean);
        for step in &mut self.steps {
            clean(&mut step.said);
            step.item.iter_mut().for_each(clean);
            for exchange in &mut step.exchanges {
                exchange.error.iter_mut().for_each(clean);
                clean(&mut exchange.request.url);
                redact_fields(&mut exchange.request.headers, book);
                exchange.request.body.redact(book);
                if let Some(answer) = &mut exchange.answer {
                    redact_fields(&mut answer.headers, book);
                    answer.body.redact(book);
                }
            }
        }
    }

    /// Replaces what looks like a token although nobody knows it as one: changed and forged tokens of negative steps,
    /// tokens that a careless server hands out unasked. Only its length stays.
    pub fn veil(&mut self) {
        let veil = |text: &mut String| *text = veiled(text);
        self.stop.iter_mut().for_each(veil);
        for step in &mut self.steps {
            veil(&mut step.said);
            step.item.iter_mut().for_each(veil);
            for exchange in &mut step.exchanges {
                exchange.error.iter_mut().for_each(veil);
                veil(&mut exchange.request.url);
                let answer = exchange.answer.as_mut();
                let mut fields = vec![&mut exchange.request.headers];
                let mut bodies = vec![&mut exchange.request.body];
                if let Some(answer) = answer {
                    fields.push(&mut answer.headers);
                    bodies.push(&mut answer.body);
                }
                fields.into_iter().flatten().for_each(|(_, value)| veil(value));
                bodies.into_iter().for_each(ContentRecord::veil);
            }
        }
    }

    /// Cuts what is longer than a report needs. Secrets must have been replaced before: half a secret is not found.
    pub fn trim(&mut self, longest_body: usize) {
        for step in &mut self.steps {
            cut_line(&mut step.said);
            for exchange in &mut step.exchanges {
                cut_line(&mut exchange.request.url);
                trim_fields(&mut exchange.request.headers);
                exchange.request.body.trim(longest_body);
                if let Some(answer) = &mut exchange.answer {
                    trim_fields(&mut answer.headers);
                    answer.body.trim(longest_body);
                }
            }
        }
    }

    /// All of its text, for those who look for secrets: also what a file would hold in base64.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        let bodies = self.exchanges().flat_map(|exchange| {
            [Some(&exchange.request.body), exchange.answer.as_ref().map(|answer| &answer.body)]
        });
        for body in bodies.flatten().filter(|body| std::str::from_utf8(&body.bytes.0).is_err()) {
            text.push_str(&body.bytes.text());
        }
        text
    }

    /// All requests with their answers.
    pub fn exchanges(&self) -> impl Iterator<Item = &ExchangeRecord> {
        self.steps.iter().flat_map(|step| &step.exchanges)
    }
}

impl ContentRecord {
    /// The beginning of some content, generous enough that no secret ends behind it which is still there after `trim`.
    pub fn beginning(bytes: &[u8], longest: usize) -> Self {
        let kept = bytes.len().min(longest + SLACK);
        Self { bytes: Bytes(bytes[..kept].to_vec()), size: bytes.len(), cut: kept < bytes.len() }
    }

    fn redact(&mut self, book: &SecretBook) {
        self.bytes = Bytes(book.redact_bytes(&self.bytes.0, self.cut));
    }

    fn veil(&mut self) {
        let mut out = Vec::with_capacity(self.bytes.0.len());
        for chunk in self.bytes.0.utf8_chunks() {
            out.extend(veiled(chunk.valid()).into_bytes());
            out.extend(chunk.invalid());
        }
        self.bytes = Bytes(out);
    }

    fn trim(&mut self, longest: usize) {
        let most = floor_boundary(&self.bytes.0, longest);
        self.cut |= most < self.bytes.0.len();
        self.bytes.0.truncate(most);
    }
}

/// The text with every word that looks like a token replaced by its length.
fn veiled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+/_=-".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, more) = rest.split_at(end);
        if looks_like_a_token(word) {
            // Writing to a text cannot fail.
            let _ = write!(out, "${{{} characters}}", word.len());
        } else {
            out.push_str(word);
        }
        let next = more.find(is_part).unwrap_or(more.len());
        out.push_str(&more[..next]);
        rest = &more[next..];
    }
    out
}

/// Whether a word is long and mixed: digits among letters, or letters that change their case as no language does.
fn looks_like_a_token(word: &str) -> bool {
    // What other words are joined to with a slash is looked at by itself: paths have digits too.
    let longest = word.split(['/', '=']).map(str::len).max().unwrap_or_default();
    let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_uppercase());
    let letters = || word.chars().filter(char::is_ascii_alphanumeric);
    let changes = letters().zip(letters().skip(1)).filter(|(a, b)| kind(*a) != kind(*b)).count();
    let digits = letters().filter(char::is_ascii_digit).count();
    let hexadecimal = word.len() >= SHORTEST_DIGEST && letters().all(|c| c.is_ascii_hexdigit());
    hexadecimal
        || word.len() >= SHORTEST_TOKEN
            && (longest >= SHORTEST_TOKEN || changes * 3 > word.len())
            && (digits >= 3 || changes * 3 > word.len())
}

/// Hexadecimal digits are a token from this length on, also where chance gave no digit, or one digit only.
const SHORTEST_DIGEST: usize = 32;
/// Shorter words are names and dates.
const SHORTEST_TOKEN: usize = 20;

/// A secret is shorter than this.
const SLACK: usize = 4096;

/// The nearest length that cuts no character in two.
fn floor_boundary(bytes: &[u8], longest: usize) -> usize {
    if bytes.len() <= longest {
        return bytes.len();
    }
    let is_inside = |at: &usize| bytes[*at] & 0b1100_0000 == 0b1000_0000;
    let back = (longest.saturating_sub(3)..=longest).rev().find(|at| !is_inside(at));
    back.unwrap_or(longest)
}

fn redact_fields(fields: &mut [(String, String)], book: &SecretBook) {
    for (name, value) in fields {
        *name = book.redact(name);
        *value = book.redact(value);
    }
}

fn trim_fields(fields: &mut Vec<(String, String)>) {
    fields.truncate(MOST_HEADERS);
    for (name, value) in fields {
        cut_line(name);
        cut_line(value);
    }
}

fn cut_line(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(LONGEST_LINE) {
        *text = format!("{}{CUT}{} bytes in all)", &text[..at], text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &[u8], longest: usize) -> ScenarioRecord {
        let answer = AnswerRecord {
            status: 200,
            headers: vec![("X-Token".to_owned(), "0123456789abcdef".to_owned())],
            body: ContentRecord::beginning(body, longest),
        };
        let exchange = ExchangeRecord { answer: Some(answer), ..ExchangeRecord::default() };
        ScenarioRecord {
            name: "a/b".to_owned(),
            flow: Flow::JwtLogin,
            title: String::new(),
            steps: vec![StepRecord { exchanges: vec![exchange], ..StepRecord::default() }],
            left_out: 0,
            stop: None,
        }
    }

    #[test]
    fn a_secret_is_replaced_in_bodies_that_are_no_text_and_at_the_cut() {
        let mut book = SecretBook::default();
        book.note("0123456789abcdef", "token");
        for (body, longest, wanted) in [
            (&b"\xff0123456789abcdef\xfe"[..], 100, &b"\xff${token}\xfe"[..]),
            (b"abc 0123456789abcdef", 14, b"abc ${token}"),
            (b"abc 0123456789abcdef", 6, b"abc ${"),
        ] {
            let mut record = record(body, longest);
            record.redact(&book);
            record.trim(longest);
            let answer = record.steps[0].exchanges[0].answer.as_ref().unwrap();
            assert_eq!(answer.body.bytes.0, wanted);
            assert_eq!(answer.headers[0].1, "${token}");
        }
    }

    #[test]
    fn what_looks_like_a_token_is_veiled_and_what_people_write_is_not() {
        for token in [
            "09fab53c41220a11bab783c0dd15de0941d196c866fd7d7c",
            "KRMjiy4FT2GzyIXkv2bsS9x9ljq81iCUZAJuxJagCQU",
            "ffffffffffffffffffffffffffffffffffffffffffffffff",
            "sandbox_ybrpdFOkWZdnUVoDOv//1B0GH7IDtLQS4kVwvJ8IwBJ",
            "eyJ0eXAiOiJyZWZyZXNoK2p3dCIsImFsZyI6IkhTMjU2In0",
        ] {
            let shown = veiled(&format!("{{\"a\":\"{token}\"}}"));
            assert_eq!(shown, format!("{{\"a\":\"${{{} characters}}\"}}", token.len()));
        }
        for text in [
            "application/x-www-form-urlencoded; charset=utf-8",
            "/api/v2/accesstoken/generate?name=kitchen-display",
            "Access-Control-Allow-Credentials, updateCalendarInventory",
            "Thu, 01 Jan 2026 00:06:00 GMT 2026-01-01T00:06:00",
            "http://127.0.0.1:39857/sandbox/v1/token ${token} ${identity.first.password}",
        ] {
            assert_eq!(veiled(text), text);
        }
    }

    #[test]
    fn long_bodies_are_cut_between_characters_and_say_how_long_they_were() {
        let mut record = record("ä".repeat(100_000).as_bytes(), 101);
        record.trim(101);
        let body = &record.steps[0].exchanges[0].answer.as_ref().unwrap().body;
        assert_eq!((body.bytes.0.len(), body.size, body.cut), (100, 200_000, true));
        assert!(std::str::from_utf8(&body.bytes.0).is_ok());
    }
}
