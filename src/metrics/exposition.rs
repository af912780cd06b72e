//! Numbers that only grow, and their text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::stats::Histogram;

/// The bounds of buckets, in microseconds.
pub const BOUNDS: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// What happened to one case in one second.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The case.
    pub case: String,
    /// Requests written.
    pub sent: u64,
    /// Answers by outcome.
    pub outcomes: Vec<(String, u64)>,
    /// Answers that were wrong.
    pub wrong: u64,
    /// Requests without an answer, by kind.
    pub failures: Vec<(String, u64)>,
    /// Response times.
    pub response: Histogram,
}

/// The numbers of a run.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    /// What the run is about: names and values.
    info: Vec<(&'static str, String)>,
    users: u64,
    rate: u64,
    sent: BTreeMap<String, u64>,
    answers: BTreeMap<(String, String), u64>,
    wrong: BTreeMap<String, u64>,
    failures: BTreeMap<(String, String), u64>,
    response: BTreeMap<String, Times>,
    service: Times,
    lateness: Times,
}

/// Durations, sorted into buckets.
#[derive(Clone, Debug, Default)]
struct Times {
    /// How many were in each bucket or one below it.
    below: [u64; BOUNDS.len()],
    count: u64,
    /// In nanoseconds.
    sum: u128,
}

impl Times {
    fn add(&mut self, times: &Histogram) {
        for (sum, bound) in self.below.iter_mut().zip(BOUNDS) {
            *sum += times.count() - times.above(Duration::from_micros(bound));
        }
        self.count += times.count();
        self.sum += times
            .recorded()
            .map(|(time, count)| u128::from(time) * u128::from(count))
            .sum::<u128>();
    }

    fn write(&self, name: &str, labels: &[(&str, &str)], text: &mut String) {
        let within = |bound: &str| {
            let mut all = labels.to_vec();
            all.push(("le", bound));
            labelled(&all)
        };
        for (below, bound) in self.below.iter().zip(BOUNDS) {
            line(text, &format!("{name}_bucket{}", within(&number(bound as f64 / 1e6))), below);
        }
        line(text, &format!("{name}_bucket{}", within("+Inf")), &self.count);
        line(text, &format!("{name}_sum{}", labelled(labels)), &(self.sum as f64 / 1e9));
        line(text, &format!("{name}_count{}", labelled(labels)), &self.count);
    }
}

impl Exposition {
    /// Of a run that these names and values tell from others.
    pub fn new(info: Vec<(&'static str, String)>) -> Self {
        Self { info, ..Self::default() }
    }

    /// How many users or connections there are now.
    pub const fn users(&mut self, users: u64) {
        self.users = users;
    }

    /// Adds what happened in a second: of each case, and of all together how long answers and how late requests were.
    pub fn second(&mut self, parts: &[Part], service: &Histogram, lateness: &Histogram) {
        self.rate = 0;
        for part in parts {
            let case = || part.case.clone();
            *self.sent.entry(case()).or_default() += part.sent;
            *self.wrong.entry(case()).or_default() += part.wrong;
            for (outcome, count) in &part.outcomes {
                *self.answers.entry((case(), outcome.clone())).or_default() += count;
            }
            for (kind, count) in &part.failures {
                *self.failures.entry((case(), kind.clone())).or_default() += count;
            }
            self.response.entry(case()).or_default().add(&part.response);
            self.rate += part.response.count();
        }
        self.service.add(service);
        self.lateness.add(lateness);
    }

    /// The text (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        let info: Vec<(&str, &str)> =
            self.info.iter().map(|(name, value)| (*name, value.as_str())).collect();
        head(&mut text, "gatecrash", "info", "", "The run.");
        line(&mut text, &format!("gatecrash_info{}", labelled(&info)), &1);
        head(&mut text, "gatecrash_users", "gauge", "", "Users, each with a connection.");
        line(&mut text, "gatecrash_users", &self.users);
        let about = "Answers in the last whole second.";
        head(&mut text, "gatecrash_answers_per_second", "gauge", "", about);
        line(&mut text, "gatecrash_answers_per_second", &self.rate);
        head(&mut text, "gatecrash_requests", "counter", "", "Requests that were written.");
        for (case, count) in &self.sent {
            line(
                &mut text,
                &format!("gatecrash_requests_total{}", labelled(&[("case", case)])),
                count,
            );
        }
        head(&mut text, "gatecrash_answers", "counter", "", "Answers, by what they were.");
        for ((case, outcome), count) in &self.answers {
            let labels = labelled(&[("case", case), ("outcome", outcome)]);
            line(&mut text, &format!("gatecrash_answers_total{labels}"), count);
        }
        let about = "Answers that the contract does not allow.";
        head(&mut text, "gatecrash_wrong_answers", "counter", "", about);
        for (case, count) in &self.wrong {
            let labels = labelled(&[("case", case)]);
            line(&mut text, &format!("gatecrash_wrong_answers_total{labels}"), count);
        }
        head(&mut text, "gatecrash_unanswered", "counter", "", "Requests without an answer.");
        for ((case, kind), count) in &self.failures {
            let labels = labelled(&[("case", case), ("kind", kind)]);
            line(&mut text, &format!("gatecrash_unanswered_total{labels}"), count);
        }
        self.times(&mut text);
        text.push_str("# EOF\n");
        text
    }

    fn times(&self, text: &mut String) {
        let about = "From the due moment of a request to the last byte of its answer.";
        head(text, "gatecrash_response_seconds", "histogram", "seconds", about);
        for (case, times) in &self.response {
            times.write("gatecrash_response_seconds", &[("case", case)], text);
        }
        if self.service.count > 0 {
            let about = "From the writing of a request to the last byte of its answer.";
            head(text, "gatecrash_service_seconds", "histogram", "seconds", about);
            self.service.write("gatecrash_service_seconds", &[], text);
        }
        if self.lateness.count > 0 {
            let about = "From the due moment of a request to its writing, as far as the generator is to blame.";
            head(text, "gatecrash_lateness_seconds", "histogram", "seconds", about);
            self.lateness.write("gatecrash_lateness_seconds", &[], text);
        }
    }
}

fn head(text: &mut String, name: &str, kind: &str, unit: &str, about: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if !unit.is_empty() {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {about}");
}

fn line(text: &mut String, name: &str, value: &dyn std::fmt::Display) {
    let _ = writeln!(text, "{name} {value}");
}

/// A bound as OpenMetrics writes floating-point numbers: `1.0`, `0.00025`.
fn number(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn labelled(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn filled() -> Exposition {
        let mut exposition =
            Exposition::new(vec![("target", "a \"server\"\n\\ of mine".to_owned())]);
        let mut response = Histogram::default();
        for time in [40_000, 2_000_000, 2_000_000, 60_000_000_000] {
            response.record(time);
        }
        let part = Part {
            case: "valid".to_owned(),
            sent: 5,
            outcomes: vec![("accepted".to_owned(), 3), ("denied".to_owned(), 1)],
            wrong: 1,
            failures: vec![("no connection".to_owned(), 1)],
            response,
        };
        exposition.users(7);
        let late = Histogram::default();
        exposition.second(slice::from_ref(&part), &part.response, &late);
        exposition.second(slice::from_ref(&part), &part.response, &late);
        exposition
    }

    #[test]
    fn numbers_are_added_up_and_buckets_hold_everything_below_their_bound() {
        let text = filled().text();
        for wanted in [
            "gatecrash_info{target=\"a \\\"server\\\"\\n\\\\ of mine\"} 1\n",
            "gatecrash_users 7\n",
            "gatecrash_answers_per_second 4\n",
            "gatecrash_requests_total{case=\"valid\"} 10\n",
            "gatecrash_answers_total{case=\"valid\",outcome=\"accepted\"} 6\n",
            "gatecrash_wrong_answers_total{case=\"valid\"} 2\n",
            "gatecrash_unanswered_total{case=\"valid\",kind=\"no connection\"} 2\n",
            "gatecrash_response_seconds_bucket{case=\"valid\",le=\"0.00005\"} 2\n",
            "gatecrash_response_seconds_bucket{case=\"valid\",le=\"0.0025\"} 6\n",
            "gatecrash_response_seconds_bucket{case=\"valid\",le=\"10.0\"} 6\n",
            "gatecrash_response_seconds_bucket{case=\"valid\",le=\"+Inf\"} 8\n",
            "gatecrash_service_seconds_count 8\n",
        ] {
            assert!(text.contains(wanted), "no {wanted} in {text}");
        }
        assert!(!text.contains("lateness"), "{text}");
    }

    /// What the ABNF of OpenMetrics 1.0 asks of lines and families, as far as this program writes them.
    #[test]
    fn the_text_is_open_metrics() {
        let text = filled().text();
        assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
        let (mut family, mut seen) = (String::new(), Vec::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(!seen.contains(&family), "{family} is there twice");
                seen.push(family.clone());
            } else if let Some(rest) = line.strip_prefix("# ").filter(|rest| *rest != "EOF") {
                assert_eq!(rest.split(' ').nth(1).unwrap(), family, "{line}");
            } else if line != "# EOF" {
                let name = line.split(['{', ' ']).next().unwrap();
                let suffix = name.strip_prefix(family.as_str());
                let known = ["", "_info", "_total", "_bucket", "_sum", "_count"];
                assert!(suffix.is_some_and(|one| known.contains(&one)), "{line} in {family}");
                let value = line.rsplit(' ').next().unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(seen.len() > 8, "{seen:?}");
    }
}
