//! Durations and dates as text: `120s`, `Sun, 06 Nov 1994 08:49:37 GMT`, `2016-12-24T08:04:34`.

use std::time::Duration;

/// A moment on a server's clock: milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Reads a duration: a number with `ms`, `s`, `m`, `h` or `d` behind it.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("`{text}` is not a duration; write a number and a unit: 250ms, 120s, 2m, 1h, 30d")
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(scale).map(Duration::from_millis).ok_or_else(wrong)
}

/// Reads the preferred form of an HTTP date (RFC 9110 section 5.6.7) as seconds since 1970.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let rest = text.split_once(", ")?.1;
    let mut parts = rest.split(' ');
    let day: u32 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u32 + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let time = parts.next()?;
    let seconds = seconds_of_day(time)?;
    (parts.next()? == "GMT").then(|| unix_from_civil(year, month, day) + seconds)
}

/// Seconds since 1970 at the start of a day of the proleptic Gregorian calendar.
pub fn unix_from_civil(year: i64, month: u32, day: u32) -> i64 {
    // Days are counted from 1 March, so that the leap day is the last of the year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * 86_400
}

/// A moment in seconds since 1970 as `YYYY-MM-DDTHH:MM:SS`, in UTC.
pub fn civil_from_unix(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // As in `unix_from_civil`: days since 1 March of the year 0.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hours, minutes) = (rest / 3_600, rest / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{:02}", rest % 60)
}

/// Reads `YYYY-MM-DDTHH:MM:SS` without a zone, as the gateway document writes dates, as if it were
/// UTC: seconds since 1970.
pub fn parse_civil(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut parts = date.split('-');
    let year = fixed_digits(parts.next()?, 4)?;
    let month = fixed_digits(parts.next()?, 2)?;
    let day = fixed_digits(parts.next()?, 2)?;
    let valid = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    let seconds = seconds_of_day(time)?;
    valid.then(|| unix_from_civil(year, month as u32, day as u32) + seconds)
}

fn seconds_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| fixed_digits(part, 2));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let valid = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 61;
    valid.then_some(hours * 3_600 + minutes * 60 + seconds)
}

fn fixed_digits(text: &str, width: usize) -> Option<i64> {
    let digits = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("120s", 120_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "120", "s", "1.5s", "-1s", "1w", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_are_written_as_they_are_read() {
        for text in [
            "1970-01-01T00:00:00",
            "2016-12-24T08:04:34",
            "2024-02-29T23:59:59",
            "2100-03-01T00:00:00",
        ] {
            assert_eq!(parse_civil(text).map(civil_from_unix).as_deref(), Some(text));
        }
    }

    #[test]
    fn dates_are_read_to_the_second() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_http_date("Sunday"), None);
        assert_eq!(parse_civil("2016-12-24T08:04:34"), Some(1_482_566_674));
        for wrong in
            ["2016-12-24 08:04:34", "2016-13-24T08:04:34", "2016-12-24T08:04", "16-1-2T1:2:3"]
        {
            assert_eq!(parse_civil(wrong), None, "{wrong}");
        }
    }
}
