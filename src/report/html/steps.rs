//! What a scenario did: its steps on the server's clock, and the bytes that crossed the wire.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::counted;
use super::escape::{Lines, Text};
use crate::model::{ContentRecord, ExchangeRecord, Finding, ScenarioRecord, StepRecord};
use crate::report::text::{acts, limited};

/// Writes the steps of a scenario; those that broke a check are marked.
pub(super) fn write(
    record: &ScenarioRecord,
    findings: &[&Finding],
    out: &mut dyn Write,
) -> io::Result<()> {
    if record.steps.is_empty() {
        return Ok(());
    }
    let broken = |step: &StepRecord| {
        let mut breaches = findings.iter().flat_map(|finding| &finding.evidence.breaches);
        breaches.any(|breach| breach.step == step.step && breach.item == step.item)
    };
    writeln!(out, "<details class=\"steps\"><summary>{}", counted(record.steps.len(), "step"))?;
    if record.left_out > 0 {
        writeln!(out, " of {}", record.steps.len() + record.left_out)?;
    }
    writeln!(out, "</summary>")?;
    timeline(record, &broken, out)?;
    writeln!(out, "<ol>")?;
    let mut before = None;
    for step in &record.steps {
        if let (Some(before), Some(now)) = (before, step.at_ms)
            && now - before >= 1_000
        {
            writeln!(out, "<li class=\"passed\">{} pass</li>", seconds(now - before))?;
        }
        before = step.at_ms.or(before);
        write_step(step, broken(step), out)?;
    }
    writeln!(out, "</ol>")?;
    if let Some(stop) = &record.stop {
        writeln!(out, "<p class=\"remark\">The scenario ended at {}</p>", Text(stop))?;
    }
    writeln!(out, "</details>")
}

fn seconds(milliseconds: i64) -> String {
    format!("{}.{:03} s", milliseconds / 1_000, milliseconds.rem_euclid(1_000))
}

/// The steps as points on the server's clock, where it moved.
fn timeline(
    record: &ScenarioRecord,
    broken: &dyn Fn(&StepRecord) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let moments = record.steps.iter().filter_map(|step| step.at_ms);
    let last = moments.max().unwrap_or_default();
    if last < 1_000 {
        return Ok(());
    }
    writeln!(
        out,
        "<figure class=\"plot\"><svg class=\"timeline\" viewBox=\"0 0 640 46\" role=\"img\" aria-label=\"steps on the server's clock, {} in all\"><line x1=\"10\" y1=\"18\" x2=\"630\" y2=\"18\"/>",
        seconds(last)
    )?;
    for quarter in 0..=4_i32 {
        let x = 10.0 + f64::from(quarter) * 155.0;
        let anchor = ["start", "middle", "middle", "middle", "end"][quarter as usize];
        let label = format!("{:.1}s", last as f64 / 1e3 * f64::from(quarter) / 4.0);
        writeln!(
            out,
            "<line x1=\"{x}\" y1=\"13\" x2=\"{x}\" y2=\"23\"/><text x=\"{x}\" y=\"40\" text-anchor=\"{anchor}\">{label}</text>"
        )?;
    }
    for step in &record.steps {
        if let Some(at) = step.at_ms.filter(|at| *at >= 0) {
            let x = 10.0 + at as f64 / last as f64 * 620.0;
            let (class, radius) = if broken(step) { ("fill-fail", 6) } else { ("fill-step", 4) };
            writeln!(
                out,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"18\" r=\"{radius}\"><title>{} {}</title></circle>",
                seconds(at),
                Text(&step.step)
            )?;
        }
    }
    writeln!(out, "</svg></figure>")
}

fn write_step(step: &StepRecord, broken: bool, out: &mut dyn Write) -> io::Result<()> {
    let class = if broken { " class=\"broken\"" } else { "" };
    write!(out, "<li{class}>")?;
    if let Some(at) = step.at_ms {
        write!(out, "<time>t+{}</time> ", seconds(at))?;
    }
    write!(out, "<code>{}</code> ", Text(&step.step))?;
    if let Some(item) = &step.item {
        write!(out, "<em>{}</em> ", Text(&limited(item, 80)))?;
    }
    if let Some(control) = &step.control {
        write!(out, "<em>control {}</em> ", Text(control))?;
    }
    write!(out, "{}", Text(&limited(&step.said, 300)))?;
    for exchange in &step.exchanges {
        write_exchange(exchange, out)?;
    }
    if step.further > 0 {
        write!(out, "<small>{} not kept</small>", counted(step.further, "request"))?;
    }
    writeln!(out, "</li>")
}

fn write_exchange(exchange: &ExchangeRecord, out: &mut dyn Write) -> io::Result<()> {
    let took = exchange.done_us.saturating_sub(exchange.sent_us) as f64 / 1e3;
    writeln!(
        out,
        "<details class=\"exchange\"><summary>bytes <small>{took:.2} ms</small></summary><div class=\"wire\">"
    )?;
    let request = &exchange.request;
    let head = if request.verbatim {
        String::new()
    } else {
        let target = request.url.split_once("://").map_or(&*request.url, |(_, rest)| rest);
        let (host, path) = target.split_at(target.find('/').unwrap_or(target.len()));
        let host =
            if has(&request.headers, "host") { String::new() } else { format!("Host: {host}\n") };
        format!("{} {path} HTTP/1.1\n{host}{}\n", request.method, fields(&request.headers))
    };
    message("sent", &head, &request.body, out)?;
    match &exchange.answer {
        Some(answer) => {
            let head = format!("HTTP/1.1 {}\n{}\n", answer.status, fields(&answer.headers));
            message("received", &head, &answer.body, out)?;
        }
        None => {
            let error = exchange.error.as_deref().unwrap_or("no answer");
            let error = Text(error);
            writeln!(
                out,
                "<figure><figcaption>received</figcaption><pre>no answer: {error}</pre></figure>"
            )?;
        }
    }
    writeln!(out, "</div></details>")
}

fn has(headers: &[(String, String)], name: &str) -> bool {
    headers.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
}

fn fields(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// Head and content as text, and the bytes for whoever asks for them.
fn message(name: &str, head: &str, content: &ContentRecord, out: &mut dyn Write) -> io::Result<()> {
    let body = &content.bytes.0;
    let text = String::from_utf8_lossy(body);
    // The script makes the bytes from the text, where the text says all of them.
    let lossy = std::str::from_utf8(body).is_err() || text.chars().any(|c| acts(c) && c != '\n');
    let bytes =
        if lossy { format!(" data-body=\"{}\"", STANDARD.encode(body)) } else { String::new() };
    write!(
        out,
        "<figure><figcaption>{name} <button type=\"button\" class=\"hex\" hidden>hex</button></figcaption><pre{bytes}><span>{}</span>{}</pre>",
        Lines(head),
        Lines(&text)
    )?;
    if content.cut {
        write!(out, "<small>the first {} of {} bytes</small>", body.len(), content.size)?;
    }
    if std::str::from_utf8(body).is_err() {
        writeln!(out, "<details><summary>hex</summary><pre>{}</pre></details>", hex(body))?;
    }
    writeln!(out, "</figure>")
}

/// Sixteen bytes a line, with the characters that they are.
fn hex(bytes: &[u8]) -> String {
    let line = |(at, chunk): (usize, &[u8])| {
        let pairs: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let text: String = chunk.iter().map(shown).collect();
        let text = Text(&text).to_string();
        format!("{:04x}  {:47}  {text}\n", at * 16, pairs.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn bytes_are_shown_sixteen_a_line_with_their_characters() {
        let shown = hex(b"<0123456789abcdef\xff");
        assert_eq!(
            shown,
            "0000  3c 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65  &lt;0123456789abcde\n0010  66 ff                                            f.\n"
        );
    }
}
