//! Counts and times as a Locust master adds them up.
//!
//! The master keeps response times in milliseconds, rounded to two digits; exact ones are in the worker's own report.

use std::collections::BTreeMap;

use serde::Serialize;

/// What is asked, as the master lists it.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Asked {
    /// The method of the request.
    pub method: String,
    /// Its name: `validate valid`.
    pub name: String,
}

/// What happened to one kind of request in one second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// The second, counted from 1970.
    pub at: u64,
    /// Times of answers in nanoseconds, with how often each was seen.
    pub times: Vec<(u64, u64)>,
    /// Answers that were wrong.
    pub wrong: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Bytes of answers.
    pub bytes: u64,
}

/// Something that went wrong with requests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trouble {
    /// In a sentence.
    pub what: String,
    /// How often.
    pub count: u64,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// What happened since the last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Statistics {
    stats: Vec<Entry>,
    stats_total: Entry,
    errors: BTreeMap<String, Occurrences>,
}

/// One line of the master's table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Entry {
    name: String,
    method: String,
    last_request_timestamp: Option<f64>,
    start_time: f64,
    num_requests: u64,
    num_none_requests: u64,
    num_failures: u64,
    total_response_time: f64,
    max_response_time: f64,
    min_response_time: Option<f64>,
    total_content_length: u64,
    response_times: BTreeMap<u64, u64>,
    num_reqs_per_sec: BTreeMap<u64, u64>,
    num_fail_per_sec: BTreeMap<u64, u64>,
}

/// One line of the master's table of failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Occurrences {
    name: String,
    method: String,
    error: String,
    occurrences: u64,
    first_seen: Option<f64>,
    last_seen: Option<f64>,
}

impl Statistics {
    /// Adds a second of one kind of request.
    pub fn add(&mut self, asked: &Asked, second: &Second) {
        let same = |one: &&mut Entry| one.name == asked.name && one.method == asked.method;
        if self.stats_total.name.is_empty() {
            self.stats_total = Entry::new("Aggregated", "", second.at);
        }
        self.stats_total.add(second);
        if let Some(entry) = self.stats.iter_mut().find(same) {
            return entry.add(second);
        }
        let mut entry = Entry::new(&asked.name, &asked.method, second.at);
        entry.add(second);
        self.stats.push(entry);
    }

    /// Adds what went wrong with one kind of request.
    pub fn trouble(&mut self, asked: &Asked, trouble: &Trouble) {
        let Asked { method, name } = asked;
        let key = format!("{method}.{name}.{}", trouble.what);
        let at = trouble.at as f64;
        let sum = self.errors.entry(key).or_insert_with(|| Occurrences {
            name: name.clone(),
            method: method.clone(),
            error: trouble.what.clone(),
            first_seen: Some(at),
            ..Occurrences::default()
        });
        sum.occurrences += trouble.count;
        sum.last_seen = Some(at);
    }

    /// The same in a state to be sent: even an empty total has a name.
    pub(super) fn named(mut self) -> Self {
        if self.stats_total.name.is_empty() {
            // The master takes the earliest start of all: an empty one must not be earlier than any other.
            self.stats_total = Entry::new("Aggregated", "", u32::MAX.into());
        }
        self
    }

    /// How many requests there were.
    pub const fn requests(&self) -> u64 {
        self.stats_total.num_requests
    }

    /// How many of them failed.
    pub const fn failures(&self) -> u64 {
        self.stats_total.num_failures
    }
}

impl Entry {
    fn new(name: &str, method: &str, at: u64) -> Self {
        Self {
            name: name.to_owned(),
            method: method.to_owned(),
            start_time: at as f64,
            ..Self::default()
        }
    }

    fn add(&mut self, second: &Second) {
        let answers: u64 = second.times.iter().map(|(_, count)| count).sum();
        let requests = answers + second.unanswered;
        let failures = second.wrong + second.unanswered;
        self.num_requests += requests;
        self.num_none_requests += second.unanswered;
        self.num_failures += failures;
        self.total_content_length += second.bytes;
        for (nanoseconds, count) in &second.times {
            let milliseconds = *nanoseconds as f64 / 1e6;
            self.total_response_time += milliseconds * *count as f64;
            self.max_response_time = self.max_response_time.max(milliseconds);
            let least =
                self.min_response_time.map_or(milliseconds, |least| least.min(milliseconds));
            self.min_response_time = Some(least);
            *self.response_times.entry(rounded(milliseconds)).or_default() += count;
        }
        if requests > 0 {
            // The master divides by the time between the first start and the last request.
            self.last_request_timestamp = Some((second.at + 1) as f64);
            *self.num_reqs_per_sec.entry(second.at).or_default() += requests;
        }
        if failures > 0 {
            *self.num_fail_per_sec.entry(second.at).or_default() += failures;
        }
    }
}

/// A time in milliseconds as the master tells times apart: to two digits from a hundred on.
fn rounded(milliseconds: f64) -> u64 {
    let unit = match milliseconds {
        small if small < 100.0 => 1.0,
        middling if middling < 1_000.0 => 10.0,
        large if large < 10_000.0 => 100.0,
        _ => 1_000.0,
    };
    ((milliseconds / unit).round_ties_even() * unit) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_as_the_master_rounds_them() {
        // `bucket_response_time` of locust/stats.py.
        for (time, wanted) in [
            (0.4, 0),
            (1.6, 2),
            (99.4, 99),
            (147.0, 150),
            (3_432.0, 3_400),
            (9_960.0, 10_000),
            (58_760.0, 59_000),
        ] {
            assert_eq!(rounded(time), wanted, "{time}");
        }
    }

    #[test]
    fn seconds_are_added_up_by_name_and_for_all_together() {
        let asked = |name: &str| Asked { method: "GET".to_owned(), name: name.to_owned() };
        let mut statistics = Statistics::default();
        let times = vec![(1_000_000, 3), (250_000_000, 1)];
        let second = Second { at: 100, times, wrong: 2, unanswered: 1, bytes: 40 };
        statistics.add(&asked("validate valid"), &second);
        statistics.add(&asked("validate unknown"), &Second { at: 101, ..second.clone() });
        statistics.add(&asked("validate valid"), &Second { at: 101, ..second });
        assert_eq!((statistics.requests(), statistics.failures()), (15, 9));
        let [valid, unknown] = statistics.stats.as_slice() else { panic!("two names") };
        assert_eq!((valid.num_requests, unknown.num_requests), (10, 5));
        assert_eq!(valid.response_times, BTreeMap::from([(1, 6), (250, 2)]));
        assert_eq!(valid.num_reqs_per_sec, BTreeMap::from([(100, 5), (101, 5)]));
        assert_eq!((valid.min_response_time, valid.max_response_time), (Some(1.0), 250.0));
        assert_eq!((valid.num_none_requests, valid.total_content_length), (2, 80));
    }

    #[test]
    fn the_same_trouble_is_counted_once_with_its_first_and_last_moment() {
        let asked = Asked { method: "GET".to_owned(), name: "validate valid".to_owned() };
        let trouble = |count, at| Trouble { what: "`denied` (JWT-40)".to_owned(), count, at };
        let mut statistics = Statistics::default();
        statistics.trouble(&asked, &trouble(2, 10));
        statistics.trouble(&asked, &trouble(3, 12));
        let [one] = statistics.errors.values().collect::<Vec<_>>()[..] else { panic!("one") };
        assert_eq!((one.occurrences, one.first_seen, one.last_seen), (5, Some(10.0), Some(12.0)));
    }
}
