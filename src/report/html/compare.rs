//! Two load runs side by side.

use std::io::{self, Write};

use super::escape::Text;
use super::load::{head, percentiles, throughput};
use super::run::badge;
use super::{footer, page};
use crate::model::{LoadReport, Verdict};
use crate::report::load::{grouped, time};
use crate::report::text::limited;

/// One quantity of two runs.
#[derive(Clone, Debug)]
pub struct ComparedRow {
    /// What it is, with its unit.
    pub name: String,
    /// In the first run.
    pub base: f64,
    /// In the second run.
    pub new: f64,
    /// The second divided by the first, with the ends of its interval; none when there is too little to tell.
    pub ratio: Option<(f64, f64, f64)>,
    /// Whether the second run is worse by more than chance.
    pub worse: bool,
}

/// Writes two load runs as one page.
///
/// # Errors
/// When it cannot be written.
pub fn write_comparison(
    (base, new): (&LoadReport, &LoadReport),
    (verdict, word): (Verdict, &str),
    (rows, cautions): (&[ComparedRow], &[String]),
    out: &mut dyn Write,
) -> io::Result<()> {
    page(&format!("{word} - two load runs"), out, |out| {
        let sentence = format!("{} and {}", limited(&base.target, 120), limited(&new.target, 120));
        head(verdict, word, &sentence, out)?;
        writeln!(
            out,
            "<p class=\"legend\"><span><i class=\"dot fill-a\"></i>base</span><span><i class=\"dot fill-b\"></i>new</span></p></header>\n<main>"
        )?;
        for caution in cautions {
            writeln!(out, "<p class=\"remark\">{}</p>", Text(caution))?;
        }
        table(rows, out)?;
        writeln!(out, "<h2>Pictures</h2>\n<div class=\"charts\">")?;
        percentiles(&[("a", "base", &base.response), ("b", "new", &new.response)], out)?;
        throughput(&[("a", "base", &base.timeline), ("b", "new", &new.timeline)], out)?;
        writeln!(out, "</div>")?;
        points(base, new, out)?;
        writeln!(
            out,
            "<p>wrong {} and {}, failed {} and {}</p>\n</main>",
            grouped(base.wrong),
            grouped(new.wrong),
            grouped(base.failed()),
            grouped(new.failed())
        )?;
        footer(out)
    })
}

fn table(rows: &[ComparedRow], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"wide\" tabindex=\"0\"><table id=\"compared\" class=\"numbers\"><thead><tr><th></th><th>base</th><th>new</th><th>ratio</th><th>95 % of chance</th></tr></thead><tbody>"
    )?;
    for row in rows {
        let verdict = if row.worse { Verdict::Fail } else { Verdict::Pass };
        let (ratio, interval) = row.ratio.map_or_else(
            || (String::new(), "too few seconds".to_owned()),
            |(value, low, high)| (format!("{value:.3}"), format!("{low:.3} to {high:.3}")),
        );
        writeln!(
            out,
            "<tr><td>{} {}</td><td>{:.1}</td><td>{:.1}</td><td>{ratio}</td><td>{interval}</td></tr>",
            badge(verdict),
            Text(&row.name),
            row.base,
            row.new
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn points(base: &LoadReport, new: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Response times</h2>\n<div class=\"wide\" tabindex=\"0\"><table class=\"numbers\"><thead><tr><th></th><th>base</th><th>new</th></tr></thead><tbody>"
    )?;
    for ((name, old), (_, now)) in base.response.points().into_iter().zip(new.response.points()) {
        writeln!(out, "<tr><td>{name}</td><td>{}</td><td>{}</td></tr>", time(old), time(now))?;
    }
    writeln!(out, "</tbody></table></div>")
}
