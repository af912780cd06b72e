//! A load run as it is read at a terminal: the conclusion first, then what it rests on.

use std::io::{self, Write};
use std::time::Duration;

use super::paint::Paint;
use crate::model::{ComplaintReport, LoadReport, Quantiles, SecondReport, ThresholdState, Verdict};

/// More complaints than this say nothing new; the JSON report has them all.
const MOST_COMPLAINTS: usize = 5;
/// Longer requests and answers are cut.
const MOST_LINES: usize = 24;

/// Writes a load run as text. The first line is the conclusion.
///
/// # Errors
/// When it cannot be written.
pub fn write_load(report: &LoadReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let (verdict, word, sentence) = conclusion(report);
    let word = paint.bold(&paint.verdict(verdict, word));
    writeln!(out, "{word}  {sentence}")?;
    for reason in &report.invalid {
        writeln!(out, "{}  {}", paint.verdict(Verdict::Fail, "INVALID"), printable(reason))?;
    }
    let schedule = match report.asked {
        Some(asked) => format!("{} of {} requests sent", grouped(report.sent), grouped(asked)),
        None => format!("{} requests sent", grouped(report.sent)),
    };
    writeln!(
        out,
        "\n{} at {}  {}, {} connections  {schedule} in {:.2} s",
        report.flow,
        printable(&report.target),
        report.model,
        report.connections,
        report.elapsed.as_secs_f64(),
    )?;
    writeln!(
        out,
        "{} answers a second  {} sent, {} received\n",
        paint.bold(&format!("{:.1}", report.rate)),
        bytes(report.bytes_sent),
        bytes(report.bytes_received)
    )?;
    table(report, paint, out)?;
    outcomes(report, paint, out)?;
    for failure in &report.failures {
        let reason = printable(&failure.reason);
        writeln!(out, "  {:>12}  {}  (first: {reason})", grouped(failure.count), failure.kind)?;
    }
    for complaint in report.complaints.iter().take(MOST_COMPLAINTS) {
        complain(complaint, paint, out)?;
    }
    if report.complaints.len() > MOST_COMPLAINTS {
        writeln!(out, "\nand {} further kinds", report.complaints.len() - MOST_COMPLAINTS)?;
    }
    thresholds(report, paint, out)?;
    generator(report, out)?;
    for note in &report.notes {
        writeln!(out, "note: {}", printable(note))?;
    }
    writeln!(out, "seed {}", report.seed)
}

/// The run in a word and a sentence.
fn conclusion(report: &LoadReport) -> (Verdict, &'static str, String) {
    let complained: u64 =
        report.complaints.iter().filter(|one| one.wrong).map(|one| one.count).sum();
    if let Some((refused, all, outcome)) = report.refused_valid() {
        let share = refused as f64 / all as f64 * 100.0;
        let sentence = format!(
            "valid tokens are refused: {} of {} answers to valid tokens ({share:.3} %) are not `accepted`, most of them `{outcome}`",
            grouped(refused),
            grouped(all)
        );
        return (Verdict::Fail, "REFUSED", sentence);
    }
    if report.wrong > 0 || complained > 0 {
        let wrong = report.wrong.max(u64::from(complained > 0));
        let sentence =
            format!("{} of {} answers are wrong", grouped(wrong), grouped(report.answers));
        return (Verdict::Fail, "WRONG", sentence);
    }
    if report.failed() > 0 || report.answers == 0 {
        let sentence = format!(
            "{} requests were not answered, {} were",
            grouped(report.failed()),
            grouped(report.answers)
        );
        return (Verdict::Fail, "FAILED", sentence);
    }
    let crossed: Vec<&str> = report
        .thresholds
        .iter()
        .filter(|one| one.state == ThresholdState::Crossed)
        .map(|one| one.threshold.as_str())
        .collect();
    if !crossed.is_empty() {
        return (Verdict::Fail, "CROSSED", format!("not kept: {}", crossed.join(", ")));
    }
    let cut = if report.interrupted { " until the run was interrupted" } else { "" };
    let sentence = format!("each of {} answers was right{cut}", grouped(report.answers));
    (Verdict::Pass, "RIGHT", sentence)
}

fn table(report: &LoadReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let names = report.response.points().map(|(name, _)| format!("{name:>9}"));
    writeln!(out, "{}", paint.dim(&format!("{:10}{}", "", names.join(""))))?;
    let mut line = |name: &str, quantiles: &Quantiles| {
        let values = quantiles.points().map(|(_, value)| format!("{:>9}", time(value)));
        writeln!(out, "{name:10}{}", values.join(""))
    };
    line("response", &report.response)?;
    line("service", &report.service)?;
    if let Some(lateness) = &report.generator.lateness {
        line("lateness", lateness)?;
    }
    writeln!(out)
}

fn outcomes(report: &LoadReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    for case in &report.cases {
        for (outcome, count) in &case.outcomes {
            let verdict = if case.expects(outcome) { Verdict::Pass } else { Verdict::Fail };
            let sign = paint.verdict(verdict, Paint::sign(verdict));
            writeln!(out, "{sign} {:>12}  {} -> {outcome}", grouped(*count), case.name)?;
        }
    }
    Ok(())
}

fn complain(complaint: &ComplaintReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let verdict = if complaint.wrong { Verdict::Fail } else { Verdict::Warn };
    let sign = paint.verdict(verdict, Paint::sign(verdict));
    writeln!(
        out,
        "\n{sign} {} {} answers: {}",
        grouped(complaint.count),
        complaint.case,
        printable(&complaint.what)
    )?;
    writeln!(out, "    first at {:.6} s", complaint.first.as_secs_f64())?;
    for (name, text) in
        [("sent", &complaint.exchange.sent), ("received", &complaint.exchange.received)]
    {
        for (at, line) in text.lines().take(MOST_LINES).enumerate() {
            let head = if at == 0 { name } else { "" };
            writeln!(out, "    {head:8} {}", paint.dim(&format!("| {}", printable(line))))?;
        }
    }
    writeln!(out, "    curl:    {}", printable(&complaint.exchange.curl))
}

fn thresholds(report: &LoadReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    for threshold in &report.thresholds {
        let verdict = match threshold.state {
            ThresholdState::Held => Verdict::Pass,
            ThresholdState::Crossed => Verdict::Fail,
            ThresholdState::Undecided => Verdict::Blocked,
        };
        let sign = paint.verdict(verdict, Paint::sign(verdict));
        writeln!(out, "{sign} {}  {}", threshold.threshold, threshold.measured)?;
    }
    Ok(())
}

fn generator(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    let generator = &report.generator;
    let threads = if generator.workers == 1 { "worker" } else { "workers" };
    writeln!(
        out,
        "\ngenerator: {} {threads}, idle {:.0} % of the time, {} answers judged in full, {} connections made again",
        generator.workers,
        generator.idle * 100.0,
        grouped(generator.judged),
        grouped(generator.connects)
    )?;
    match generator.calibrated {
        Some(most) if most > 0.0 => writeln!(
            out,
            "           {} answers a second from a server that does nothing: this run needed {:.0} % of what the generator can do",
            grouped(most as u64),
            report.rate / most * 100.0
        ),
        _ => Ok(()),
    }
}

/// One second of a run in a line, as a terminal shows it while the run goes on.
pub fn load_line(second: &SecondReport) -> String {
    let mut line = format!(
        "{:>4} s  {:>9}/s  p50 {:>8}  p99 {:>8}  max {:>8}",
        second.second + 1,
        grouped(second.answers),
        time(second.response.p50),
        time(second.response.p99),
        time(second.response.max)
    );
    for (count, name) in [(second.wrong, "wrong"), (second.failed, "failed")] {
        if count > 0 {
            line = format!("{line}  {} {name}", grouped(count));
        }
    }
    if !second.latest.is_zero() {
        line = format!("{line}  late {}", time(second.latest));
    }
    line
}

/// Writes the seconds of a run as CSV (RFC 4180); durations in microseconds.
///
/// # Errors
/// When it cannot be written.
pub fn write_load_csv(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> =
        Quantiles::default().points().iter().map(|(name, _)| format!("{name}_us")).collect();
    write!(out, "second,sent,answers,wrong,failed,{},latest_us\r\n", names.join(","))?;
    for second in &report.timeline {
        let SecondReport { second: number, sent, answers, wrong, failed, response, latest } =
            second;
        write!(out, "{number},{sent},{answers},{wrong},{failed}")?;
        for (_, value) in response.points() {
            write!(out, ",{:.3}", value.as_nanos() as f64 / 1e3)?;
        }
        write!(out, ",{:.3}\r\n", latest.as_nanos() as f64 / 1e3)?;
    }
    Ok(())
}

/// A duration in three digits with its unit.
pub(super) fn time(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos() as f64;
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = match value {
        v if v >= 99.95 || unit == "ns" => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{unit}")
}

/// A number with a comma between each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

/// A text without control characters: a server must not be able to write to the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        for (nanoseconds, wanted) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_234, "1.23us"),
            (12_345, "12.3us"),
            (123_456, "123us"),
            (451_670_000, "452ms"),
            (1_500_000_000, "1.50s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanoseconds)), wanted);
        }
    }

    #[test]
    fn numbers_and_sizes_are_readable() {
        for (number, wanted) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), wanted);
        }
        for (count, wanted) in [(1_023, "1023 B"), (1_536, "1.5 KiB"), (10 << 20, "10.0 MiB")] {
            assert_eq!(bytes(count), wanted);
        }
    }
}
