//! A run as it is read at a terminal, or from a pipe.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::live::{Live, wrap};
use super::paint::Paint;
use super::text::printable;
use crate::event::{Event, Observer};
use crate::model::{ClauseState, Finding, Flow, Origin, Report, Verdict};

/// How much is said of what went right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detail {
    /// A line for each flow; then what did not pass.
    Flow,
    /// A line for each check, as it comes.
    Check,
    /// A line for each check, with what was observed.
    Observed,
}

/// Writes a run as text.
#[derive(Debug)]
pub struct Terminal<W> {
    out: W,
    paint: Paint,
    detail: Detail,
    /// The columns of the screen, where there is one.
    width: Option<usize>,
    live: Option<Live>,
    /// How the run was started, to say how it is done again.
    origin: Option<Origin>,
}

impl<W: Write> Terminal<W> {
    /// A report to a writer.
    pub const fn new(out: W, paint: Paint, detail: Detail) -> Self {
        Self { out, paint, detail, width: None, live: None, origin: None }
    }

    /// The same for a run that was started in this way, if that is known.
    pub fn of(mut self, origin: Option<Origin>) -> Self {
        self.origin = origin;
        self
    }

    /// The same on a screen of this many columns: long lines are broken, and a report without a line for each check
    /// shows how far it has come.
    pub fn on_screen(mut self, columns: usize) -> Self {
        self.width = Some(columns.max(MARGIN + 20));
        self.live = (self.detail == Detail::Flow).then(|| Live::new(columns));
        self
    }

    /// A line with a name before it; its further lines begin below its first.
    fn named(&mut self, name: &str, text: &str) -> io::Result<()> {
        let text = printable(text);
        let lines = match self.width {
            Some(width) => wrap(&text, width - MARGIN),
            None => vec![text],
        };
        for (at, line) in lines.iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            writeln!(self.out, "    {name:8} {line}")?;
        }
        Ok(())
    }

    fn check_line(&mut self, finding: &Finding) -> io::Result<()> {
        let sign = self.paint.verdict(finding.verdict, Paint::sign(finding.verdict));
        let clauses = finding.covers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let word = self.paint.verdict(finding.verdict, &format!("{:7}", finding.verdict.word()));
        writeln!(
            self.out,
            "  {sign} {word} {:22} {}  {}",
            finding.check,
            finding.title,
            self.paint.dim(&clauses)
        )?;
        if self.detail == Detail::Observed {
            for line in &finding.evidence.observed {
                writeln!(self.out, "            observed {}", printable(line))?;
            }
        }
        Ok(())
    }

    fn flow_lines(&mut self, report: &Report) -> io::Result<()> {
        let mut flows: BTreeMap<Flow, Vec<&Finding>> = BTreeMap::new();
        for finding in &report.findings {
            flows.entry(finding.flow).or_default().push(finding);
        }
        for (flow, findings) in flows {
            let of = |wanted: Verdict| findings.iter().filter(|f| f.verdict == wanted).count();
            let worst = findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Pass);
            let sign = match worst {
                Verdict::Info | Verdict::NotApplicable => Verdict::Pass,
                other => other,
            };
            let counts: Vec<String> = Verdict::ALL
                .into_iter()
                .filter(|verdict| of(*verdict) > 0)
                .map(|verdict| self.paint.verdict(verdict, &format!("{} {verdict}", of(verdict))))
                .collect();
            let sign = self.paint.verdict(sign, Paint::sign(sign));
            writeln!(self.out, "  {sign} {flow:18} {}", counts.join(" · "))?;
        }
        Ok(())
    }

    /// A line for each that is known; those who want to see more of it ask for all that was observed.
    fn known(&mut self, report: &Report) -> io::Result<()> {
        let known: Vec<&Finding> =
            report.findings.iter().filter(|f| f.verdict == Verdict::Known).collect();
        if !known.is_empty() {
            writeln!(self.out)?;
        }
        let word = self.paint.verdict(Verdict::Known, Verdict::Known.word());
        let sign = self.paint.verdict(Verdict::Known, Paint::sign(Verdict::Known));
        for finding in known {
            let reason = printable(finding.evidence.reason.as_deref().unwrap_or_default());
            writeln!(self.out, "{sign} {word}  {:22} {reason}", finding.check)?;
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding, seed: u64) -> io::Result<()> {
        let paint = self.paint;
        let evidence = &finding.evidence;
        let sign = paint.verdict(finding.verdict, Paint::sign(finding.verdict));
        let word = paint.verdict(finding.verdict, finding.verdict.word());
        let clauses = finding.covers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        writeln!(
            self.out,
            "\n{sign} {word}  {}  {}",
            paint.bold(finding.check.as_str()),
            finding.title
        )?;
        writeln!(self.out, "    clause   {clauses}  {}", finding.level)?;
        if let Some(reason) = &finding.deviation {
            writeln!(self.out, "    deviation: {}", printable(reason))?;
        }
        if let Some(step) = &evidence.step {
            writeln!(self.out, "    step     {} of {}", printable(step), finding.scenario)?;
        }
        if let Some(reason) = &evidence.reason {
            self.named("because", reason)?;
        }
        if let Some(items) = evidence.items.as_ref().filter(|items| items.held > 1) {
            let broken: Vec<String> = items.broken.iter().map(|name| printable(name)).collect();
            let (many, held) = (broken.len(), items.held);
            writeln!(self.out, "    items    {many} of {held}: {}", broken.join(", "))?;
        }
        if let Some(violation) = &evidence.violation {
            for (at, one) in violation.wanted.iter().enumerate() {
                self.named(if at == 0 { "wanted" } else { "      or" }, one)?;
            }
            self.named("got", &violation.got)?;
        }
        for line in evidence.timeline.iter().rev().take(4).rev() {
            writeln!(self.out, "    {}", paint.dim(&format!("before   {}", printable(line))))?;
        }
        if let Some(exchange) = &evidence.exchange {
            self.block("sent", &exchange.sent)?;
            self.block("received", &exchange.received)?;
            writeln!(
                self.out,
                "    explain: gatecrash explain {}",
                finding.covers.first().map_or("", |c| c.as_str())
            )?;
            if let Some(again) = self.origin.as_ref().and_then(|one| one.again(finding, seed)) {
                writeln!(self.out, "    again:   {}", printable(&again))?;
            }
            writeln!(self.out, "    curl:    {}", printable(&exchange.curl))?;
        }
        Ok(())
    }

    /// Checks without a conclusion, by the reason: one missing hook can block a hundred of them.
    fn blocked(&mut self, report: &Report) -> io::Result<()> {
        let mut reasons: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
        for finding in report.findings.iter().filter(|f| f.verdict == Verdict::Blocked) {
            let reason = finding.evidence.reason.clone().unwrap_or_default();
            reasons.entry(reason).or_default().push(finding);
        }
        for (reason, findings) in reasons {
            let sign = self.paint.verdict(Verdict::Blocked, Paint::sign(Verdict::Blocked));
            let word = self.paint.verdict(Verdict::Blocked, Verdict::Blocked.word());
            let noun = if findings.len() == 1 { "check" } else { "checks" };
            writeln!(self.out, "\n{sign} {word}  {} {noun}", findings.len())?;
            self.named("because", &reason)?;
            let ids: Vec<&str> = findings.iter().take(MOST_IDS).map(|f| f.check.as_str()).collect();
            let more = findings.len().saturating_sub(MOST_IDS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(self.out, "    checks   {}{more}", ids.join(" "))?;
        }
        Ok(())
    }

    fn block(&mut self, name: &str, text: &str) -> io::Result<()> {
        for (index, line) in text.lines().take(24).enumerate() {
            let head = if index == 0 { name } else { "" };
            writeln!(
                self.out,
                "    {head:8} {}",
                self.paint.dim(&format!("| {}", printable(line)))
            )?;
        }
        Ok(())
    }

    fn summary(&mut self, report: &Report) -> io::Result<()> {
        let counts = report.counts();
        let mut parts: Vec<String> = Verdict::ALL
            .into_iter()
            .filter(|verdict| counts.with(*verdict) > 0)
            .map(|verdict| format!("{verdict} {}", counts.with(verdict)))
            .collect();
        if report.excluded > 0 {
            parts.push(format!("excluded {}", report.excluded));
        }
        let good =
            report.findings.iter().all(|f| !matches!(f.verdict, Verdict::Fail | Verdict::Unstable));
        let verdict = self
            .paint
            .verdict(if good { Verdict::Pass } else { Verdict::Fail }, &report.verdict.to_string());
        if report.clauses.is_empty() {
            writeln!(self.out, "\n{}  {}", self.paint.bold(&verdict), parts.join(" · "))?;
            let (seconds, seed) = (report.elapsed.as_secs_f64(), report.seed);
            return writeln!(self.out, "{seconds:.2} s  seed {seed}");
        }
        let of = |state: ClauseState| report.clauses.values().filter(|s| **s == state).count();
        writeln!(self.out, "\n{}  {}", self.paint.bold(&verdict), parts.join(" · "))?;
        writeln!(
            self.out,
            "proved {} of {} clauses ({} recorded, {} broken, {} open, {} unchecked)  {:.2} s  seed {}",
            report.proved(),
            report.clauses.len(),
            of(ClauseState::Recorded),
            of(ClauseState::Broken),
            of(ClauseState::Open),
            of(ClauseState::Unchecked),
            report.elapsed.as_secs_f64(),
            report.seed
        )
    }
}

impl<W: Write> Terminal<W> {
    /// A line of a fuzz run.
    fn progress(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::CaseFound { name, file, .. } => {
                let word = self.paint.verdict(Verdict::Fail, "found");
                writeln!(self.out, "  {word}  {name}  {file}")?;
            }
            Event::CasesRun { cases, steps, cells, found, elapsed } => {
                let seconds = elapsed.as_secs_f64();
                writeln!(
                    self.out,
                    "  {seconds:5.0} s  {cases} cases  {steps} steps  {cells} cells  {found} findings"
                )?;
            }
            _ => {}
        }
        self.out.flush()
    }
}

impl<W: Write> Terminal<W> {
    /// All that there is to say in the end.
    fn finish(&mut self, report: &Report) -> io::Result<()> {
        if let Some(live) = &mut self.live {
            live.wipe(&mut self.out)?;
        }
        if self.detail == Detail::Flow {
            self.flow_lines(report)?;
        } else {
            let always = report.findings.iter().filter(|one| one.scenario == "always");
            for (at, finding) in always.enumerate() {
                if at == 0 {
                    writeln!(self.out, "{}", self.paint.bold("every answer"))?;
                }
                self.check_line(finding)?;
            }
        }
        let told = |f: &&Finding| {
            !matches!(
                f.verdict,
                Verdict::Pass
                    | Verdict::Info
                    | Verdict::NotApplicable
                    | Verdict::Excluded
                    | Verdict::Blocked
            )
        };
        let brief = self.detail != Detail::Observed;
        let known = |f: &&Finding| brief && f.verdict == Verdict::Known;
        for finding in report.findings.iter().filter(told).filter(|f| !known(f)) {
            self.finding(finding, report.seed)?;
        }
        if brief {
            self.known(report)?;
        }
        self.blocked(report)?;
        self.summary(report)
    }
}

impl<W: Write> Observer for Terminal<W> {
    fn hear(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::RunStarted { target, seed, clock, scenarios, flows, remarks } => {
                writeln!(
                    self.out,
                    "gatecrash {}  seed {seed}  target {}  clock {clock}  {scenarios} scenarios",
                    env!("CARGO_PKG_VERSION"),
                    printable(target)
                )?;
                for remark in *remarks {
                    writeln!(self.out, "  ! {}", self.paint.bold(remark))?;
                }
                let Some(live) = &mut self.live else {
                    return Ok(());
                };
                live.plan(flows);
                live.draw(self.paint, &mut self.out)
            }
            Event::ScenarioFinished { flow, name, findings, .. } => {
                if let Some(live) = &mut self.live {
                    live.note(*flow, findings);
                    return live.draw(self.paint, &mut self.out);
                }
                if self.detail == Detail::Flow {
                    return Ok(());
                }
                let heading = self.paint.bold(&format!("{name} @ {flow}"));
                writeln!(self.out, "{heading}")?;
                for finding in findings.iter().filter(|finding| finding.scenario != "always") {
                    self.check_line(finding)?;
                }
                Ok(())
            }
            Event::CaseFound { .. } | Event::CasesRun { .. } => self.progress(event),
            Event::RunFinished(report) => self.finish(report),
        }
    }
}

/// The columns before the text of a named line.
const MARGIN: usize = 13;

/// More ids than this say nothing new; the JSON report has them all.
const MOST_IDS: usize = 6;
