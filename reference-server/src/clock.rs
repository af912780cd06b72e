//! The server's clock: every lifetime, the button window, the socket timer and the `Date` header ask it.
//!
//! A virtual clock moves only when it is told to, so that a month passes in no time and a boundary can be met to
//! the millisecond. It leaves alone what protects the process itself (slow headers, slow bodies): those limits
//! count real time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// 2026-01-01T00:00:00Z, where a virtual clock starts unless told otherwise (seconds since the UNIX epoch).
pub const DEFAULT_START: u64 = 1_767_225_600;

/// 9999-12-31T23:59:59Z in milliseconds: dates with five-digit years fit no documented format.
const LAST_MOMENT: u64 = 253_402_300_799_000;

/// Which time the server lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockMode {
    /// The time of the machine.
    Real,
    /// A clock that stands still until it is advanced.
    Virtual {
        /// Where it starts, in seconds since the UNIX epoch.
        start: u64,
    },
}

impl Default for ClockMode {
    fn default() -> Self {
        Self::Virtual { start: DEFAULT_START }
    }
}

/// The running clock. Moments are milliseconds since the UNIX epoch.
#[derive(Debug)]
pub(crate) struct Clock {
    hands: Option<Virtual>,
}

#[derive(Debug)]
struct Virtual {
    /// What `now` reads: one relaxed load on the validation path.
    now: AtomicU64,
    /// The same moment, for those who wait for it.
    waiters: watch::Sender<u64>,
}

impl Clock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        let hands = match mode {
            ClockMode::Real => None,
            ClockMode::Virtual { start } => {
                let now = start.saturating_mul(1000).min(LAST_MOMENT);
                Some(Virtual { now: AtomicU64::new(now), waiters: watch::Sender::new(now) })
            }
        };
        Self { hands }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.hands.is_some()
    }

    pub(crate) fn now(&self) -> u64 {
        match &self.hands {
            Some(hands) => hands.now.load(Ordering::Acquire),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |elapsed| milliseconds(elapsed).min(LAST_MOMENT)),
        }
    }

    /// Moves a virtual clock forward and wakes whoever waits for that moment; `None` for a real clock.
    pub(crate) fn advance(&self, by: Duration) -> Option<u64> {
        let hands = self.hands.as_ref()?;
        let mut moment = 0;
        hands.waiters.send_modify(|now| {
            *now = now.saturating_add(milliseconds(by)).min(LAST_MOMENT);
            hands.now.store(*now, Ordering::Release);
            moment = *now;
        });
        Some(moment)
    }

    /// Returns once the clock shows `moment` or later.
    pub(crate) async fn sleep_until(&self, moment: u64) {
        match &self.hands {
            Some(hands) => {
                let mut waiter = hands.waiters.subscribe();
                // The sender lives as long as the clock that is borrowed here, so waiting cannot fail.
                let _ = waiter.wait_for(|now| *now >= moment).await;
            }
            None => loop {
                let now = self.now();
                if now >= moment {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(moment - now)).await;
            },
        }
    }
}

/// A duration in whole milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `YYYY-MM-DDTHH:MM:SS`, without a zone, as the gateway writes its dates.
///
/// Digit by digit, past the formatting machinery: each gateway validation writes two of these.
pub(crate) fn timestamp(moment: u64) -> String {
    let date = Date::from_seconds(moment / 1000);
    let mut text = String::with_capacity(19);
    push_two_digits(&mut text, date.year / 100);
    for (number, separator) in [
        (date.year % 100, '-'),
        (date.month, '-'),
        (date.day, 'T'),
        (date.hour, ':'),
        (date.minute, ':'),
    ] {
        push_two_digits(&mut text, number);
        text.push(separator);
    }
    push_two_digits(&mut text, date.second);
    text
}

fn push_two_digits(text: &mut String, number: u64) {
    for digit in [number / 10 % 10, number % 10] {
        text.extend(u32::try_from(digit).ok().and_then(|digit| char::from_digit(digit, 10)));
    }
}

/// An IMF-fixdate (RFC 9110 section 5.6.7) for a moment in seconds.
pub(crate) fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = Date::from_seconds(seconds);
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        DAYS[usize::try_from(seconds / 86_400 % 7).unwrap_or(0)],
        date.day,
        MONTHS[usize::try_from(date.month - 1).unwrap_or(0)],
        date.year,
        date.hour,
        date.minute,
        date.second
    )
}

struct Date {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Date {
    /// Days to a Gregorian date in the manner of Hinnant's `civil_from_days`: years start in March, so that the
    /// leap day is the last of its year.
    fn from_seconds(seconds: u64) -> Self {
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_match_known_moments() {
        for (seconds, stamp, date) in [
            (0, "1970-01-01T00:00:00", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "1994-11-06T08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "2000-02-29T00:00:00", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_501_257_349, "2017-07-28T15:55:49", "Fri, 28 Jul 2017 15:55:49 GMT"),
            (DEFAULT_START, "2026-01-01T00:00:00", "Thu, 01 Jan 2026 00:00:00 GMT"),
            (LAST_MOMENT / 1000, "9999-12-31T23:59:59", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(timestamp(seconds * 1000), stamp);
            assert_eq!(http_date(seconds), date);
        }
    }

    #[test]
    fn a_virtual_clock_moves_only_when_told_and_never_past_the_last_four_digit_year() {
        let clock = Clock::new(ClockMode::default());
        assert_eq!(clock.now(), DEFAULT_START * 1000);
        assert_eq!(clock.advance(Duration::from_millis(7)), Some(DEFAULT_START * 1000 + 7));
        assert_eq!(clock.advance(Duration::MAX), Some(LAST_MOMENT));
        assert_eq!(Clock::new(ClockMode::Real).advance(Duration::from_secs(1)), None);
    }

    #[tokio::test]
    async fn a_sleeper_wakes_at_its_moment_and_not_a_millisecond_before() {
        let clock = Clock::new(ClockMode::Virtual { start: 10 });
        let mut sleeper = Box::pin(clock.sleep_until(11_000));
        clock.advance(Duration::from_millis(999));
        tokio::select! {
            biased;
            () = &mut sleeper => panic!("woke early"),
            () = tokio::task::yield_now() => {}
        }
        clock.advance(Duration::from_millis(1));
        sleeper.await;
    }
}
