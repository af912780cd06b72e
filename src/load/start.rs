//! When a run begins, and how far apart the clocks are that say so.
//!
//! Machines that begin at the same time do so by their own clocks. How far this one is from the target's can be told from
//! the `Date` of an answer (RFC 9110 section 6.6.1), which has whole seconds: the difference is known to about a second,
//! and said as the two ends that it lies between.

use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::run::Stop;
use crate::model::{Response, StartReport, parse_civil, parse_duration, parse_http_date};

/// How much later than asked a run may begin.
pub const TOLERANCE: Duration = Duration::from_millis(100);

/// A start that lies further away than this is a mistake.
const FURTHEST: Duration = Duration::from_secs(86_400);

/// A moment at which a run is to begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StartAt {
    /// So long from now.
    In(Duration),
    /// At a time of day.
    At(SystemTime),
}

impl FromStr for StartAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a time; write 2026-01-31T12:00:00Z, seconds since 1970, or +30s from now"
            )
        };
        if let Some(rest) = text.strip_prefix('+') {
            return parse_duration(rest).map(Self::In).map_err(|_| wrong());
        }
        let seconds = match text.strip_suffix(['Z', 'z']) {
            Some(civil) => parse_civil(civil).map(|seconds| seconds as f64),
            None => text.parse::<f64>().ok(),
        };
        let since = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        since.and_then(|since| UNIX_EPOCH.checked_add(since)).map(Self::At).ok_or_else(wrong)
    }
}

impl StartAt {
    /// The moment, seen from now.
    ///
    /// # Errors
    /// When it is over, or more than a day away.
    pub fn moment(self, now: SystemTime) -> Result<SystemTime, String> {
        let at = match self {
            Self::In(wait) => now.checked_add(wait).ok_or("--start-at is too far away")?,
            Self::At(at) => at,
        };
        match at.duration_since(now) {
            Ok(wait) if wait > FURTHEST => {
                Err("--start-at is more than a day away; write the time in UTC, with a Z"
                    .to_owned())
            }
            Ok(_) => Ok(at),
            Err(over) => Err(format!(
                "--start-at is over since {:.1} s; shards begin at the same time, so choose a later one for all of them",
                over.duration().as_secs_f64()
            )),
        }
    }
}

/// Waits until a run is to begin, or until somebody ends it: the moment by both clocks.
pub(super) fn wait(at: Option<SystemTime>, stop: &Stop) -> (Instant, SystemTime) {
    /// How long it takes to hear that somebody ends the run.
    const PATIENCE: Duration = Duration::from_millis(20);
    loop {
        let (instant, now) = (Instant::now(), SystemTime::now());
        let left = at.and_then(|at| at.duration_since(now).ok()).unwrap_or_default();
        if left.is_zero() || stop.is_set() {
            return (instant, now);
        }
        thread::park_timeout(left.min(PATIENCE));
    }
}

/// What the report says of the start.
pub(super) fn report(
    at: SystemTime,
    asked: Option<SystemTime>,
    skew: Option<(f64, f64)>,
) -> StartReport {
    StartReport { at: unix(at), asked: asked.map(unix), skew }
}

/// Why a run that began too late does not belong to the others.
pub(super) fn too_late(start: &StartReport) -> Option<String> {
    let late = start.at - start.asked?;
    (late > TOLERANCE.as_secs_f64()).then(|| {
        format!(
            "it began {late:.1} s after --start-at, and {} ms are allowed: tokens and connections took longer; choose a later time",
            TOLERANCE.as_millis()
        )
    })
}

/// What a reader of the report of a run with a start should know of clocks.
pub(super) fn note(start: &StartReport) -> Option<String> {
    let (low, high) = start.skew?;
    let late = (start.at - start.asked?) * 1e3;
    Some(format!(
        "it began {late:.1} ms after --start-at by this machine's clock ({} ms are allowed); the target's clock is between {low:+.1} s and {high:+.1} s from it, as its `Date` tells",
        TOLERANCE.as_millis()
    ))
}

/// How far the clock of whoever answered is ahead, between these two, when the answer was made between two moments.
pub(super) fn skew(answer: &Response, from: SystemTime, to: SystemTime) -> Option<(f64, f64)> {
    let date = parse_http_date(&answer.header("date")?)? as f64;
    // A `Date` is cut to the second: it was that moment or up to a second later.
    Some((date - unix(to), date + 1.0 - unix(from)))
}

/// Seconds since 1970.
fn unix(moment: SystemTime) -> f64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Header;

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_start_is_a_time_of_day_or_so_long_from_now() {
        let now = at(1_000_000.0);
        for (text, wanted) in [
            ("+30s", Ok(at(1_000_030.0))),
            ("1000005.5", Ok(at(1_000_005.5))),
            ("1970-01-12T14:00:00Z", Ok(at(1_000_800.0))),
            ("999990", Err("over since 10.0 s")),
            ("1970-01-14T14:00:00Z", Err("more than a day away")),
        ] {
            let moment = text.parse::<StartAt>().unwrap().moment(now);
            match wanted {
                Ok(wanted) => assert_eq!(moment, Ok(wanted), "{text}"),
                Err(why) => assert!(moment.unwrap_err().contains(why), "{text}"),
            }
        }
        for text in ["", "soon", "+5", "-1", "NaN", "inf", "1e300", "2026-01-31T12:00:00", "12:00Z"]
        {
            let error = text.parse::<StartAt>().unwrap_err();
            assert!(error.contains("is not a time"), "{text}: {error}");
        }
    }

    #[test]
    fn clocks_differ_by_what_a_date_with_whole_seconds_allows() {
        let date = Header::new("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let answer = Response { headers: vec![date], ..Response::default() };
        let seen = 784_111_770.0;
        let (low, high) = skew(&answer, at(seen), at(seen + 0.25)).unwrap();
        assert!((low - 6.75).abs() < 1e-6 && (high - 8.0).abs() < 1e-6, "{low} {high}");
        assert_eq!(skew(&Response::default(), at(seen), at(seen)), None);
    }

    #[test]
    fn a_late_start_is_named_and_a_punctual_one_is_not() {
        let began = |at, asked| StartReport { at, asked, skew: None };
        assert_eq!(too_late(&began(10.05, Some(10.0))), None);
        assert_eq!(too_late(&began(10.05, None)), None);
        assert!(too_late(&began(11.25, Some(10.0))).unwrap().contains("1.2 s after --start-at"));
    }
}
