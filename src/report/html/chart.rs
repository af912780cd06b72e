//! Line charts as SVG, drawn here: no library, no script.

use std::io::{self, Write};

use super::escape::Text;

/// The scale of an axis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

/// An axis with the places that are named.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) scale: Scale,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// A line of a chart.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// `a`, `b` or `c`: the colours of the page.
    pub(super) class: &'static str,
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    pub(super) dots: bool,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;

impl Axis {
    /// From 0 to at least this, with four to ten ticks at round numbers.
    pub(super) fn linear(name: &'static str, high: f64, label: fn(f64) -> String) -> Self {
        let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
        let magnitude = 10_f64.powf((high / 5.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
        let step = steps.into_iter().find(|step| high / step <= 6.0).unwrap_or(magnitude * 10.0);
        let count = (high / step).ceil().max(1.0);
        let ticks = (0..=count as u32).map(|n| f64::from(n) * step);
        Self {
            name,
            scale: Scale::Linear,
            low: 0.0,
            high: count * step,
            ticks: ticks.map(|value| (value, label(value))).collect(),
        }
    }

    /// Whole decades around these values.
    pub(super) fn logarithmic(
        name: &'static str,
        (low, high): (f64, f64),
        label: fn(f64) -> String,
    ) -> Self {
        let low = if low.is_finite() && low > 0.0 { low } else { 1.0 };
        let high = high.max(low * 10.0);
        let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let ticks = (from..=to).map(|power| 10_f64.powi(power));
        Self {
            name,
            scale: Scale::Logarithmic,
            low: 10_f64.powi(from),
            high: 10_f64.powi(to),
            ticks: ticks.map(|value| (value, label(value))).collect(),
        }
    }

    /// Where a value is, between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => {
                (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
            }
        };
        place.clamp(0.0, 1.0)
    }
}

/// Writes a chart below its title.
pub(super) fn write(
    title: &str,
    (x, y): (&Axis, &Axis),
    series: &[Series],
    out: &mut dyn Write,
) -> io::Result<()> {
    let at = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
    let up = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
    writeln!(
        out,
        "<figure class=\"plot\"><figcaption>{0}</figcaption><svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">",
        Text(title)
    )?;
    frame((x, y), (&at, &up), out)?;
    for one in series.iter().filter(|one| !one.points.is_empty()) {
        let point = |(index, (px, py)): (usize, &(f64, f64))| {
            let letter = if index == 0 { 'M' } else { 'L' };
            format!("{letter}{:.1} {:.1}", at(*px), up(*py))
        };
        let path: String = one.points.iter().enumerate().map(point).collect();
        writeln!(out, "<path class=\"{}\" d=\"{path}\"/>", one.class)?;
        for (px, py) in one.points.iter().filter(|_| one.dots) {
            writeln!(
                out,
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                one.class,
                at(*px),
                up(*py)
            )?;
        }
    }
    writeln!(out, "</svg>")?;
    legend(series, out)?;
    writeln!(out, "</figure>")
}

/// The lines behind the curves, and what they mean.
fn frame(
    (x, y): (&Axis, &Axis),
    (at, up): (&dyn Fn(f64) -> f64, &dyn Fn(f64) -> f64),
    out: &mut dyn Write,
) -> io::Result<()> {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (value, label) in &y.ticks {
        let place = up(*value);
        writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{place:.1}\" x2=\"{right}\" y2=\"{place:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            place + 4.0,
            Text(label)
        )?;
    }
    for (value, label) in &x.ticks {
        let place = at(*value);
        writeln!(
            out,
            "<line class=\"grid\" x1=\"{place:.1}\" y1=\"{TOP}\" x2=\"{place:.1}\" y2=\"{bottom}\"/><text x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            Text(label)
        )?;
    }
    writeln!(
        out,
        "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/><text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        HEIGHT - 8.0,
        Text(x.name),
        LEFT + 6.0,
        TOP + 10.0,
        Text(y.name)
    )
}

/// The names of the curves, where there are several.
fn legend(series: &[Series], out: &mut dyn Write) -> io::Result<()> {
    if series.len() < 2 {
        return Ok(());
    }
    write!(out, "<p class=\"legend\">")?;
    for one in series {
        write!(
            out,
            "<span><svg viewBox=\"0 0 22 8\" class=\"chart\" aria-hidden=\"true\"><path class=\"{}\" d=\"M0 4H22\"/></svg>{}</span>",
            one.class,
            Text(&one.name)
        )?;
    }
    writeln!(out, "</p>")
}

/// A number without digits that say nothing.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        v if v >= 1e3 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

/// A number of microseconds with its unit.
pub(super) fn microseconds(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{}s", trimmed(value / 1e6)),
        v if v >= 1e3 => format!("{}ms", trimmed(value / 1e3)),
        _ => format!("{}us", trimmed(value)),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_ticks_that_reach_the_highest_value() {
        let axis = Axis::linear("x", 73_400.0, short);
        assert!(axis.high >= 73_400.0 && (4..=10).contains(&axis.ticks.len()), "{axis:?}");
        assert_eq!(axis.ticks[1].1, "20k");
        let axis = Axis::logarithmic("y", (85.0, 12_345.0), microseconds);
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["10us", "100us", "1ms", "10ms", "100ms"]);
        assert_eq!((axis.place(10.0), axis.place(100_000.0)), (0.0, 1.0));
    }

    #[test]
    fn nothing_measured_draws_an_empty_chart() {
        let mut out = Vec::new();
        let (x, y) = (Axis::linear("x", 0.0, short), Axis::logarithmic("y", (0.0, 0.0), short));
        let none = Series { class: "a", name: String::new(), points: Vec::new(), dots: true };
        write("t", (&x, &y), &[none], &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }
}
