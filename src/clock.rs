//! The clock of the server under test: moved on request, waited for, or out of reach.
//!
//! A server with a virtual clock is told to advance it, and a lifetime of thirty days takes a
//! millisecond. A real clock can only be waited for, within what the profile allows. Nothing here
//! knows which durations matter; that is in the scenarios.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::hook::{Call, CallError, control_wires};
use crate::model::{Header, Millis, WireError};
use crate::wire::Wires;

/// How time passes for the server.
#[derive(Debug)]
pub struct Clock {
    kind: Kind,
    wires: Result<Arc<Wires>, WireError>,
}

#[derive(Debug)]
enum Kind {
    Absent,
    Control { url: String },
    Real { tolerance: Duration, max_wait: Duration },
    Request { advance: Call },
}

/// A request that advances a virtual clock. `${milliseconds}` and `${seconds}` in the address and
/// in the strings of the content stand for the duration; seconds are rounded up. A string that is
/// one of them and nothing else becomes a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdvanceRequest {
    /// The method.
    pub method: String,
    /// The address.
    pub url: String,
    /// The content, sent as `application/json`.
    pub json: Option<Value>,
    /// More header fields.
    pub headers: Vec<Header>,
}

/// Why time did not pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The profile has no clock.
    #[error("the profile has no clock; give it one under `clock:`, or run with `--clock real`")]
    Absent,
    /// The server did not advance its clock.
    #[error("the clock was not advanced: status {status}: {answer}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The beginning of its content.
        answer: String,
    },
    /// Waiting would take longer than the profile allows.
    #[error(
        "it takes {wanted:?} to wait for it, and the profile allows {allowed:?} (`clock.max_wait`)"
    )]
    TooLong {
        /// How long the wait would be.
        wanted: Duration,
        /// The longest wait that is allowed.
        allowed: Duration,
    },
    /// The request uses a name that stands for nothing.
    #[error(
        "the clock's request uses `${{{0}}}`; it can use `${{milliseconds}}` and `${{seconds}}`"
    )]
    Unnamed(String),
    /// The request found no answer.
    #[error("the clock was not reached: {0}")]
    Wire(WireError),
}

impl Clock {
    /// No clock: time passes, but nothing can be said of it.
    pub fn none() -> Self {
        Self::of(Kind::Absent)
    }

    /// The server's own clock, waited for. It and this machine's clock agree within `tolerance`;
    /// no single wait is longer than `max_wait`.
    pub fn real(tolerance: Duration, max_wait: Duration) -> Self {
        Self::of(Kind::Real { tolerance, max_wait })
    }

    /// The virtual clock behind a control plane like the reference server's.
    pub fn virtual_by_control(url: impl Into<String>) -> Self {
        let url: String = url.into();
        Self::of(Kind::Control { url: url.trim_end_matches('/').to_owned() })
    }

    /// A virtual clock that some request advances. What it shows cannot be read.
    pub fn virtual_by_request(request: AdvanceRequest) -> Self {
        let AdvanceRequest { method, url, json, headers } = request;
        Self::of(Kind::Request { advance: Call { method, url, json, headers } })
    }

    fn of(kind: Kind) -> Self {
        Self { kind, wires: control_wires() }
    }

    /// Reaches the virtual clock over these wires, with their deadline and their trust.
    #[must_use]
    pub fn over(self, wires: Arc<Wires>) -> Self {
        Self { wires: Ok(wires), ..self }
    }

    /// The clock's mode in reports: `virtual`, `real` or `none`.
    pub const fn mode(&self) -> &'static str {
        match self.kind {
            Kind::Absent => "none",
            Kind::Real { .. } => "real",
            Kind::Control { .. } | Kind::Request { .. } => "virtual",
        }
    }

    /// How far the server's clock and ours may differ. A virtual clock is exact.
    pub const fn tolerance(&self) -> Duration {
        match self.kind {
            Kind::Real { tolerance, .. } => tolerance,
            _ => Duration::ZERO,
        }
    }

    /// What the server's clock shows: asked of a control plane, taken from this machine for a real
    /// clock, and `None` where it cannot be known.
    pub async fn now(&self) -> Option<Millis> {
        match &self.kind {
            Kind::Absent | Kind::Request { .. } => None,
            Kind::Control { url } => {
                let wires = self.wires.as_ref().ok()?;
                let shown = Call::get(format!("{url}/clock")).send(wires).await.ok()??;
                shown.get("now_ms")?.as_i64()
            }
            Kind::Real { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
                since.as_millis().try_into().ok()
            }
        }
    }

    /// Lets time pass: moves a virtual clock, waits for a real one. Parts of a millisecond are
    /// rounded up.
    ///
    /// # Errors
    /// When the clock cannot be moved, or waiting is not allowed for so long.
    pub async fn advance(&self, by: Duration) -> Result<(), ClockError> {
        self.can_wait(by)?;
        match &self.kind {
            Kind::Absent => Err(ClockError::Absent),
            Kind::Control { url } => {
                let content = json!({ "milliseconds": milliseconds(by) });
                self.ask(&Call::post(format!("{url}/clock/advance"), content)).await
            }
            Kind::Real { .. } => {
                tokio::time::sleep(by).await;
                Ok(())
            }
            Kind::Request { advance } => {
                let value = |key: &str| match key {
                    "milliseconds" => Some(json!(milliseconds(by))),
                    "seconds" => Some(json!(milliseconds(by).div_ceil(1000))),
                    _ => None,
                };
                let filled = advance.clone().filled(&value).map_err(ClockError::Unnamed)?;
                self.ask(&filled).await
            }
        }
    }

    /// Whether so much time can pass at all, without letting it.
    ///
    /// # Errors
    /// The reason, when it cannot.
    pub fn can_wait(&self, how_long: Duration) -> Result<(), ClockError> {
        match self.kind {
            Kind::Absent => Err(ClockError::Absent),
            Kind::Real { max_wait, .. } if how_long > max_wait => {
                Err(ClockError::TooLong { wanted: how_long, allowed: max_wait })
            }
            _ => Ok(()),
        }
    }

    async fn ask(&self, request: &Call) -> Result<(), ClockError> {
        let wires = self.wires.as_ref().map_err(|error| ClockError::Wire(error.clone()))?;
        match request.send(wires).await {
            Ok(_) => Ok(()),
            Err(CallError::Refused { status, answer }) => {
                Err(ClockError::Refused { status, answer })
            }
            Err(CallError::Wire(error)) => Err(ClockError::Wire(error)),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::test_server::{answer, serve};

    #[tokio::test(start_paused = true)]
    async fn a_real_clock_is_waited_for_but_not_too_long() {
        let clock = Clock::real(Duration::from_secs(2), Duration::from_secs(120));
        let before = tokio::time::Instant::now();
        clock.advance(Duration::from_secs(120)).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(120));
        let error = clock.advance(Duration::from_secs(121)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "it takes 121s to wait for it, and the profile allows 120s (`clock.max_wait`)"
        );
        assert_eq!((clock.mode(), clock.tolerance()), ("real", Duration::from_secs(2)));
        assert!(clock.now().await.is_some_and(|now| now > 1_600_000_000_000));
    }

    #[tokio::test]
    async fn without_a_clock_no_time_can_pass() {
        let clock = Clock::none();
        assert_eq!(clock.advance(Duration::ZERO).await, Err(ClockError::Absent));
        assert_eq!(clock.can_wait(Duration::ZERO), Err(ClockError::Absent));
        assert_eq!((clock.mode(), clock.now().await), ("none", None));
    }

    #[tokio::test]
    async fn a_control_plane_is_asked_for_the_time_and_told_to_move_it() {
        let server = serve([
            answer(200, r#"{"mode":"virtual","now_ms":1700000000000}"#),
            answer(200, r#"{"now_ms":1700000120001}"#),
            answer(409, r#"{"error":"the clock is real"}"#),
        ]);
        let clock = Clock::virtual_by_control(format!("{}/", server.base));
        assert_eq!((clock.mode(), clock.tolerance()), ("virtual", Duration::ZERO));
        assert_eq!(clock.now().await, Some(1_700_000_000_000));
        clock.advance(Duration::from_micros(120_000_001)).await.unwrap();
        let error = clock.advance(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "the clock was not advanced: status 409: the clock is real");
        let seen = server.requests().await;
        assert!(seen[0].starts_with("GET /clock HTTP/1.1\r\n"), "{}", seen[0]);
        assert!(seen[1].starts_with("POST /clock/advance HTTP/1.1\r\n"), "{}", seen[1]);
        assert!(seen[1].ends_with(r#"{"milliseconds":120001}"#), "{}", seen[1]);
    }

    #[tokio::test]
    async fn a_request_of_the_profile_carries_the_duration_as_a_number() {
        let server = serve([answer(204, "")]);
        let request = AdvanceRequest {
            method: "PUT".to_owned(),
            url: format!("{}/time/${{seconds}}", server.base),
            json: Some(json!({"by": "${milliseconds}", "unit": "${milliseconds} ms"})),
            headers: vec![Header::new("X-Lab", "yes")],
        };
        let clock = Clock::virtual_by_request(request.clone());
        clock.advance(Duration::from_millis(1500)).await.unwrap();
        assert_eq!(clock.now().await, None);
        let seen = server.requests().await.remove(0);
        assert!(seen.starts_with("PUT /time/2 HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("x-lab: yes\r\n"), "{seen}");
        assert!(seen.ends_with(r#"{"by":1500,"unit":"1500 ms"}"#), "{seen}");
        let wrong = AdvanceRequest { url: "http://127.0.0.1:1/${hours}".to_owned(), ..request };
        let error = Clock::virtual_by_request(wrong).advance(Duration::ZERO).await.unwrap_err();
        assert_eq!(error, ClockError::Unnamed("hours".to_owned()));
    }

    #[tokio::test]
    async fn a_clock_that_is_not_there_is_told_from_one_that_refuses() {
        let clock = Clock::virtual_by_control("http://127.0.0.1:1");
        let error = clock.advance(Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, ClockError::Wire(WireError::Connect(_))), "{error}");
    }
}
