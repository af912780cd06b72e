//! The page of a load run, and of a search for the capacity.

use std::io::{self, Write};
use std::time::Duration;

use super::chart::{self, Axis, Scale, Series, microseconds, short};
use super::escape::{Lines, Text};
use super::run::badge;
use super::{footer, page};
use crate::model::{CapacityReport, LoadReport, Quantiles, SecondReport, ThresholdState, Verdict};
use crate::report::load::{bytes, conclusion, grouped, time};
use crate::report::text::limited;

/// Longer texts are cut.
const LONGEST: usize = 600;

/// Writes a load run as a page.
pub(in crate::report) fn write_load(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    let (verdict, word, sentence) = conclusion(report);
    page(&format!("{word} - load of {}", limited(&report.target, 80)), out, |out| {
        head(verdict, word, &sentence, out)?;
        writeln!(out, "<dl class=\"facts\">")?;
        facts(report, out)?;
        writeln!(out, "</dl>")?;
        for reason in &report.invalid {
            writeln!(out, "<p class=\"remark\"><b>INVALID</b> {}</p>", Text(reason))?;
        }
        writeln!(out, "</header>\n<main>")?;
        quantiles(report, out)?;
        writeln!(out, "<h2>Pictures</h2>\n<div class=\"charts\">")?;
        percentiles(
            &[("a", "response", &report.response), ("b", "service", &report.service)],
            out,
        )?;
        throughput(&[("a", "answers", &report.timeline)], out)?;
        latencies(&report.timeline, out)?;
        writeln!(out, "</div>")?;
        outcomes(report, out)?;
        complaints(report, out)?;
        thresholds(report, out)?;
        for note in &report.notes {
            writeln!(out, "<p class=\"hint\">{}</p>", Text(&limited(note, LONGEST)))?;
        }
        writeln!(out, "</main>")?;
        footer(out)
    })
}

pub(super) fn head(
    verdict: Verdict,
    word: &str,
    sentence: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tone = match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        _ => "blocked",
    };
    writeln!(
        out,
        "<header class=\"top tone-{tone}\"><p class=\"product\">gatecrash load</p><h1 id=\"verdict\">{word}</h1><p class=\"proved\">{}</p>",
        Text(sentence)
    )
}

fn facts(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    let generator = &report.generator;
    for (name, value) in [
        ("target", limited(&report.target, 200)),
        ("flow", report.flow.to_string()),
        ("answers a second", format!("{:.1}", report.rate)),
        ("model", report.model.clone()),
        ("connections", report.connections.to_string()),
        ("measured", format!("{:.2} s", report.elapsed.as_secs_f64())),
        ("sent", format!("{} ({})", grouped(report.sent), bytes(report.bytes_sent))),
        ("answered", format!("{} ({})", grouped(report.answers), bytes(report.bytes_received))),
        (
            "generator",
            format!("{} workers, idle {:.0} %", generator.workers, generator.idle * 100.0),
        ),
        ("seed", report.seed.to_string()),
    ] {
        writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(&value))?;
    }
    Ok(())
}

fn quantiles(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Latency</h2>\n<div class=\"wide\" tabindex=\"0\"><table id=\"latency\" class=\"numbers\"><thead><tr><th></th>"
    )?;
    for (name, _) in report.response.points() {
        write!(out, "<th>{name}</th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    let lateness = report.generator.lateness.as_ref();
    let rows = [
        ("response", Some(&report.response)),
        ("service", Some(&report.service)),
        ("lateness", lateness),
    ];
    for (name, quantiles) in rows.into_iter().filter_map(|(name, row)| Some((name, row?))) {
        write!(out, "<tr><td>{name}</td>")?;
        for (_, value) in quantiles.points() {
            write!(out, "<td>{}</td>", time(value))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

/// Where a percentile is drawn: each nine takes as much room as the one before.
const NINES: [f64; 8] = [2.0, 4.0, 10.0, 20.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

/// Latency by percentile, both on a logarithmic scale: the tail is what matters.
pub(super) fn percentiles(
    rows: &[(&'static str, &str, &Quantiles)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let names = Quantiles::default().points().map(|(name, _)| name);
    let x = Axis {
        name: "percentile",
        scale: Scale::Logarithmic,
        low: 2.0,
        high: 100_000.0,
        ticks: NINES.into_iter().zip(names.map(str::to_owned)).collect(),
    };
    let points = |quantiles: &Quantiles| {
        let values = quantiles.points().map(|(_, value)| micros(value));
        NINES.into_iter().zip(values).collect::<Vec<_>>()
    };
    let series: Vec<Series> = rows
        .iter()
        .map(|(class, name, row)| Series {
            class,
            name: (*name).to_owned(),
            points: points(row),
            dots: true,
        })
        .collect();
    let values = || series.iter().flat_map(|one| &one.points).map(|point| point.1);
    let low = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let y = Axis::logarithmic("latency", (low, values().fold(0.0, f64::max)), microseconds);
    chart::write("Latency by percentile", (&x, &y), &series, out)
}

/// The seconds that were measured as a whole: the last one rarely is.
fn whole(timeline: &[SecondReport]) -> &[SecondReport] {
    &timeline[..timeline.len().saturating_sub(1).max(timeline.len().min(1))]
}

fn seconds_axis(timelines: &[&[SecondReport]]) -> Axis {
    let last = timelines.iter().map(|timeline| timeline.len()).max().unwrap_or_default();
    Axis::linear("seconds", last.saturating_sub(1).max(1) as f64, short)
}

/// Answers a second over time.
pub(super) fn throughput(
    rows: &[(&'static str, &str, &[SecondReport])],
    out: &mut dyn Write,
) -> io::Result<()> {
    let timelines: Vec<&[SecondReport]> = rows.iter().map(|(.., timeline)| *timeline).collect();
    let mut series: Vec<Series> = Vec::new();
    for (class, name, timeline) in rows {
        let points = whole(timeline).iter().map(|one| (one.second as f64, one.answers as f64));
        series.push(Series {
            class,
            name: (*name).to_owned(),
            points: points.collect(),
            dots: false,
        });
    }
    let wrong = |one: &SecondReport| one.wrong + one.failed;
    if let [(_, _, timeline)] = rows
        && timeline.iter().any(|one| wrong(one) > 0)
    {
        let points = whole(timeline).iter().map(|one| (one.second as f64, wrong(one) as f64));
        let points = points.collect();
        series.push(Series { class: "c", name: "wrong or failed".to_owned(), points, dots: false });
    }
    let most = series.iter().flat_map(|one| &one.points).map(|point| point.1).fold(0.0, f64::max);
    let y = Axis::linear("answers a second", most, short);
    chart::write("Throughput over time", (&seconds_axis(&timelines), &y), &series, out)
}

/// Percentiles over time.
fn latencies(timeline: &[SecondReport], out: &mut dyn Write) -> io::Result<()> {
    type Of = fn(&Quantiles) -> Duration;
    let rows: [(&'static str, &str, Of); 3] =
        [("a", "p50", |q| q.p50), ("b", "p99", |q| q.p99), ("c", "max", |q| q.max)];
    let series = rows.map(|(class, name, of)| Series {
        class,
        name: name.to_owned(),
        points: whole(timeline)
            .iter()
            .map(|one| (one.second as f64, micros(of(&one.response))))
            .collect(),
        dots: false,
    });
    let values = || series.iter().flat_map(|one| &one.points).map(|point| point.1);
    let low = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let y = Axis::logarithmic("response", (low, values().fold(0.0, f64::max)), microseconds);
    chart::write("Response times over time", (&seconds_axis(&[timeline]), &y), &series, out)
}

fn outcomes(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Outcomes</h2>\n<div class=\"wide\" tabindex=\"0\"><table id=\"outcomes\" class=\"numbers\"><thead><tr><th>case</th><th>must be</th><th>was</th><th>answers</th></tr></thead><tbody>"
    )?;
    for case in &report.cases {
        for (outcome, count) in &case.outcomes {
            let right = *outcome == case.expected || case.expected == "a refusal";
            let verdict = if right { Verdict::Pass } else { Verdict::Fail };
            writeln!(
                out,
                "<tr><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                badge(verdict),
                Text(&case.name),
                Text(&case.expected),
                Text(outcome),
                grouped(*count)
            )?;
        }
    }
    for failure in &report.failures {
        writeln!(
            out,
            "<tr><td>{} no answer</td><td></td><td>{}<small> {}</small></td><td>{}</td></tr>",
            badge(Verdict::Fail),
            Text(&failure.kind),
            Text(&limited(&failure.reason, 200)),
            grouped(failure.count)
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// More complaints than this say nothing new; the JSON report has them all.
const MOST_COMPLAINTS: usize = 20;

fn complaints(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    if report.complaints.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>What was wrong</h2>")?;
    for complaint in report.complaints.iter().take(MOST_COMPLAINTS) {
        let verdict = if complaint.wrong { Verdict::Fail } else { Verdict::Warn };
        writeln!(
            out,
            "<details class=\"scenario\" open><summary>{} {} {} answers: {}</summary><p>first at {:.6} s</p><div class=\"wire\"><figure><figcaption>sent</figcaption><pre>{}</pre></figure><figure><figcaption>received</figcaption><pre>{}</pre></figure></div><p class=\"command\"><b>curl</b> <code>{}</code></p></details>",
            badge(verdict),
            grouped(complaint.count),
            Text(&complaint.case),
            Text(&limited(&complaint.what, LONGEST)),
            complaint.first.as_secs_f64(),
            Lines(&complaint.exchange.sent),
            Lines(&complaint.exchange.received),
            Text(&complaint.exchange.curl)
        )?;
    }
    Ok(())
}

fn thresholds(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    if report.thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>Thresholds</h2>\n<ul class=\"attention\">")?;
    for one in &report.thresholds {
        let verdict = match one.state {
            ThresholdState::Held => Verdict::Pass,
            ThresholdState::Crossed => Verdict::Fail,
            ThresholdState::Undecided => Verdict::Blocked,
        };
        writeln!(
            out,
            "<li>{} <code>{}</code> {}</li>",
            badge(verdict),
            Text(&one.threshold),
            Text(&one.measured)
        )?;
    }
    writeln!(out, "</ul>")
}

/// Writes a search for the capacity as a page: the curve, and each rate that was tried.
pub(in crate::report) fn write_capacity(
    report: &CapacityReport,
    out: &mut dyn Write,
) -> io::Result<()> {
    let limit = report.limit_of_generator();
    let (verdict, word) = match report.highest {
        Some(rate) => (Verdict::Pass, format!("{rate:.0} a second")),
        None if limit.is_some() => (Verdict::Blocked, "NOT KNOWN".to_owned()),
        None => (Verdict::Fail, "NOT KEPT".to_owned()),
    };
    page(&format!("Capacity {word} - {}", limited(&report.target, 80)), out, |out| {
        let kept = report.thresholds.join(" and ");
        let sentence = match limit {
            None => format!("the highest rate that keeps {kept}"),
            Some(limit) => format!(
                "the highest rate that keeps {kept}; at {limit:.0} a second the generator was the limit, not the server"
            ),
        };
        head(verdict, &word, &sentence, out)?;
        writeln!(
            out,
            "<dl class=\"facts\"><div><dt>target</dt><dd>{}</dd></div><div><dt>flow</dt><dd>{}</dd></div><div><dt>seed</dt><dd>{}</dd></div></dl></header>\n<main><div class=\"charts\">",
            Text(&limited(&report.target, 200)),
            report.flow,
            report.seed
        )?;
        curve(report, out)?;
        writeln!(
            out,
            "</div>\n<div class=\"wide\" tabindex=\"0\"><table id=\"probes\" class=\"numbers\"><thead><tr><th></th><th>rate</th><th>answered</th><th>p50</th><th>p99</th><th>max</th><th>why</th></tr></thead><tbody>"
        )?;
        for probe in &report.probes {
            let verdict = if probe.kept { Verdict::Pass } else { Verdict::Fail };
            writeln!(
                out,
                "<tr><td>{}</td><td>{:.0}</td><td>{:.0}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                badge(verdict),
                probe.rate,
                probe.answered,
                time(probe.response.p50),
                time(probe.response.p99),
                time(probe.response.max),
                Text(&limited(&probe.why, 200))
            )?;
        }
        writeln!(out, "</tbody></table></div></main>")?;
        footer(out)
    })
}

/// Latency over the rate that was asked for.
fn curve(report: &CapacityReport, out: &mut dyn Write) -> io::Result<()> {
    let mut probes: Vec<_> = report.probes.iter().collect();
    probes.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let line = |class, name: &str, of: fn(&Quantiles) -> Duration| Series {
        class,
        name: name.to_owned(),
        points: probes.iter().map(|probe| (probe.rate, micros(of(&probe.response)))).collect(),
        dots: true,
    };
    let series = [line("a", "p50", |q| q.p50), line("b", "p99", |q| q.p99)];
    let values = || series.iter().flat_map(|one| &one.points).map(|point| point.1);
    let low = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let x = Axis::linear("requests a second", probes.last().map_or(1.0, |probe| probe.rate), short);
    let y = Axis::logarithmic("response", (low, values().fold(0.0, f64::max)), microseconds);
    chart::write("Capacity: response times by rate", (&x, &y), &series, out)
}
