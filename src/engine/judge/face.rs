//! An exchange with what is read off its answer, read once: the JSON of its body, its class, the
//! server's clock.
//!
//! Each answer is held against a dozen expectations and each of them may ask for the class, which
//! tries a dozen outcomes. Without the memory, reading the same body again and again took half of a
//! run's time.

use std::cell::OnceCell;

use serde_json::Value;

use crate::model::{Exchange, parse_http_date};

/// An exchange with what is read off its answer.
#[derive(Debug)]
pub struct Face<'a> {
    /// The exchange.
    pub exchange: &'a Exchange,
    json: OnceCell<Option<Value>>,
    text: OnceCell<Option<Value>>,
    now: OnceCell<Option<i64>>,
    outcome: OnceCell<Option<usize>>,
}

impl<'a> Face<'a> {
    /// A look at an exchange. All that ask it must mean the same flow of the same server.
    pub const fn new(exchange: &'a Exchange) -> Self {
        Self {
            exchange,
            json: OnceCell::new(),
            text: OnceCell::new(),
            now: OnceCell::new(),
            outcome: OnceCell::new(),
        }
    }

    /// The body as JSON, when it is.
    pub(super) fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| self.exchange.reply.as_ref().ok()?.body.json()).as_ref()
    }

    /// The body as text, as a value that matchers take.
    pub(super) fn text(&self) -> Option<&Value> {
        let text = || {
            let body = &self.exchange.reply.as_ref().ok()?.body;
            Some(Value::String(body.text().into_owned()))
        };
        self.text.get_or_init(text).as_ref()
    }

    /// The server's own statement of its time, else what its clock hook said: seconds since 1970.
    pub(super) fn now(&self) -> Option<i64> {
        *self.now.get_or_init(|| {
            let stated = self
                .exchange
                .reply
                .as_ref()
                .ok()?
                .header("date")
                .and_then(|date| parse_http_date(&date));
            stated.or_else(|| self.exchange.server_now.map(|millis| millis.div_euclid(1_000)))
        })
    }

    /// The place of the outcome that recognises the answer.
    pub(super) fn outcome(&self, find: impl FnOnce() -> Option<usize>) -> Option<usize> {
        *self.outcome.get_or_init(find)
    }
}
