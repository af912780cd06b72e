//! What a run must keep to: `p99<5ms`, `wrong=0`, `rate>20000`.

use std::fmt;
use std::str::FromStr;

use crate::model::{LoadReport, Quantiles, ThresholdReport, ThresholdState};
use crate::source::closest;

/// A bound on something that a run measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    subject: Subject,
    relation: Relation,
    /// A count, a rate, or nanoseconds.
    bound: f64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Subject {
    Wrong,
    Errors,
    Rate,
    Time(Clock, Point),
}

/// Which durations are meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Clock {
    Response,
    Service,
    Lateness,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Point {
    Mean,
    /// The name of one of the points that are reported.
    Quantile(&'static str),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relation {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

const NAMES: [&str; 12] = [
    "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max", "mean", "wrong", "errors", "rate",
];

impl Threshold {
    /// How many answers it takes to say something of it.
    pub fn answers_needed(&self) -> u64 {
        match self.subject {
            Subject::Time(_, Point::Quantile(name)) => needed(name),
            Subject::Errors | Subject::Rate | Subject::Time(..) | Subject::Wrong => 1,
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            let examples = "write p99<5ms, service.p50<200us, wrong=0, errors=0 or rate>20000";
            format!("`{text}` is not a threshold: {why}; {examples}")
        };
        let at = text.find(['<', '>', '=']).ok_or_else(|| wrong("it has none of < > ="))?;
        let (name, rest) = text.split_at(at);
        let (relation, bound) = [
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("<", Relation::Less),
            (">", Relation::More),
            ("=", Relation::Equal),
        ]
        .into_iter()
        .find_map(|(sign, relation)| Some((relation, rest.strip_prefix(sign)?)))
        .ok_or_else(|| wrong("it has none of < > ="))?;
        let subject = subject(name.trim()).map_err(|why| wrong(&why))?;
        let bound = match subject {
            Subject::Time(..) => nanoseconds(bound.trim()).map_err(|why| wrong(&why))?,
            _ => number(bound.trim()).map_err(|why| wrong(&why))?,
        };
        if relation == Relation::Equal && matches!(subject, Subject::Time(..) | Subject::Rate) {
            return Err(wrong("a measured value is never exactly that; use < or >"));
        }
        Ok(Self { text: text.to_owned(), subject, relation, bound })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn subject(name: &str) -> Result<Subject, String> {
    let (clock, point) = match name.split_once('.') {
        Some(("response", point)) => (Clock::Response, point),
        Some(("service", point)) => (Clock::Service, point),
        Some(("lateness", point)) => (Clock::Lateness, point),
        _ => (Clock::Response, name),
    };
    Ok(match point {
        "wrong" => Subject::Wrong,
        "errors" => Subject::Errors,
        "rate" => Subject::Rate,
        "mean" => Subject::Time(clock, Point::Mean),
        _ => match Quantiles::default().points().iter().find(|(known, _)| *known == point) {
            Some((known, _)) => Subject::Time(clock, Point::Quantile(known)),
            None => {
                let meant = closest(point, NAMES).map(|near| format!(", did you mean `{near}`?"));
                return Err(format!(
                    "nothing is measured as `{name}`{}",
                    meant.unwrap_or_default()
                ));
            }
        },
    })
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("`{text}` is not a number"))
}

fn nanoseconds(text: &str) -> Result<f64, String> {
    let at = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let scale = match &text[at..] {
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err(format!("`{text}` is not a duration such as 500us, 5ms or 1s")),
    };
    Ok(number(&text[..at])? * scale)
}

impl Threshold {
    /// Holds a report against the threshold.
    pub fn hold(&self, report: &LoadReport) -> ThresholdReport {
        let (measured, value) = match self.measure(report) {
            Ok((value, shown)) => (shown, Some(value)),
            Err(why) => (why, None),
        };
        let state = match value {
            None => ThresholdState::Undecided,
            Some(value) if self.relation.holds(value, self.bound) => ThresholdState::Held,
            Some(_) => ThresholdState::Crossed,
        };
        ThresholdReport { threshold: self.text.clone(), measured, state }
    }

    fn measure(&self, report: &LoadReport) -> Result<(f64, String), String> {
        let (clock, point) = match self.subject {
            Subject::Wrong => return Ok((report.wrong as f64, report.wrong.to_string())),
            Subject::Errors => return Ok((report.failed() as f64, report.failed().to_string())),
            Subject::Rate => return Ok((report.rate, format!("{:.1}", report.rate))),
            Subject::Time(clock, point) => (clock, point),
        };
        let quantiles = match clock {
            Clock::Response => report.response,
            Clock::Service => report.service,
            Clock::Lateness => {
                report.generator.lateness.ok_or("there was no schedule to be late for")?
            }
        };
        let value = match point {
            Point::Mean => quantiles.mean,
            Point::Quantile(name) => {
                let needed = needed(name);
                if quantiles.count < needed {
                    let count = quantiles.count;
                    return Err(format!(
                        "{name} needs at least {needed} answers; there were {count}"
                    ));
                }
                let found = quantiles.points().into_iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value).unwrap_or_default()
            }
        };
        if quantiles.count == 0 {
            return Err("there were no answers".to_owned());
        }
        Ok((value.as_nanos() as f64, format!("{value:?}")))
    }
}

/// With fewer answers than ten beyond a quantile, one slow answer moves it at will.
fn needed(point: &str) -> u64 {
    match point {
        "p50" => 20,
        "p75" => 40,
        "p90" => 100,
        "p95" => 200,
        "p99" => 1_000,
        "p99.9" => 10_000,
        "p99.99" => 100_000,
        _ => 1,
    }
}

impl Relation {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => (value - bound).abs() < f64::EPSILON,
            Self::AtLeast => value >= bound,
            Self::More => value > bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::tests::report;

    #[test]
    fn a_threshold_holds_or_is_crossed_or_cannot_be_told() {
        let ms = Duration::from_millis;
        let mut report = report();
        report.response =
            Quantiles { count: 5_000, p50: ms(1), p99: ms(5), ..Quantiles::default() };
        report.service = Quantiles { count: 5_000, mean: ms(2), ..Quantiles::default() };
        (report.wrong, report.rate) = (3, 1_000.0);
        for (text, wanted) in [
            ("p99<6ms", ThresholdState::Held),
            ("p99<5ms", ThresholdState::Crossed),
            ("p99<=5ms", ThresholdState::Held),
            ("p50 < 1500us", ThresholdState::Held),
            ("response.p50<0.5ms", ThresholdState::Crossed),
            ("p99.9<1s", ThresholdState::Undecided),
            ("service.mean<3ms", ThresholdState::Held),
            ("lateness.p99<1ms", ThresholdState::Undecided),
            ("wrong=0", ThresholdState::Crossed),
            ("wrong<=3", ThresholdState::Held),
            ("errors=0", ThresholdState::Held),
            ("rate>999.5", ThresholdState::Held),
            ("rate>=20000", ThresholdState::Crossed),
        ] {
            let threshold: Threshold = text.parse().unwrap();
            let held = threshold.hold(&report);
            assert_eq!(held.state, wanted, "{text}: {}", held.measured);
        }
    }

    #[test]
    fn a_malformed_threshold_is_refused_with_a_sentence() {
        for (text, why) in [
            ("", "none of < > ="),
            ("p99", "none of < > ="),
            ("p98<5ms", "nothing is measured as `p98`"),
            ("wrnog=0", "did you mean `wrong`"),
            ("p99<5", "is not a duration"),
            ("p99<5min", "is not a duration"),
            ("p99<-5ms", "is not a number"),
            ("rate>many", "is not a number"),
            ("wrong=NaN", "is not a number"),
            ("p99=5ms", "never exactly"),
            ("service.wrong.p99<1ms", "nothing is measured"),
            ("p99<<5ms", "is not a number"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
