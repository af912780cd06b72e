//! The active orders of the gateway, and the news that reaches authenticated sockets.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::clock::timestamp;
use crate::store::{hex, lock, random};

/// More orders than a restaurant has tables; the oldest leaves first.
const MAX_ORDERS: usize = 200;

/// What a socket that lags behind may miss before it is sent all orders anew.
const BACKLOG: usize = 256;

/// How an order changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Modified,
    Paged,
}

impl Change {
    pub(crate) const ALL: [Self; 3] = [Self::Created, Self::Modified, Self::Paged];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
            Self::Paged => "paged",
        }
    }

    fn notification(self) -> &'static str {
        match self {
            Self::Created => "ORDER_CREATED",
            Self::Modified => "ORDER_MODIFIED",
            Self::Paged => "ORDER_PAGED",
        }
    }
}

/// What open sockets are told.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// Text for every authenticated socket.
    Order(String),
    /// The server restarts or is reset: every socket ends.
    Restart,
    /// Some token was revoked: each socket looks at its own.
    Revoked,
}

#[derive(Debug, Clone)]
struct Order {
    number: u64,
    uuid: String,
    state: &'static str,
    created: u64,
    changed: u64,
    paged: bool,
}

impl Order {
    fn new(number: u64, now: u64) -> Self {
        Self { number, uuid: uuid(), state: "STARTED", created: now, changed: now, paged: false }
    }

    fn json(&self, now: u64) -> Value {
        json!({
            "name": self.number.to_string(),
            "uuid": self.uuid,
            "orderType": "ON_PREMISE",
            "locationName": "12",
            "state": self.state,
            "created": timestamp(self.created),
            "stateChanged": timestamp(self.changed),
            "paged": self.paged,
            "elapsedTime": now.saturating_sub(self.created) / 1000,
        })
    }
}

#[derive(Debug)]
pub(crate) struct Orders {
    active: Mutex<VecDeque<Order>>,
    news: broadcast::Sender<News>,
}

impl Orders {
    pub(crate) fn new(now: u64) -> Self {
        Self { active: Mutex::new(start(now)), news: broadcast::Sender::new(BACKLOG) }
    }

    /// The `ACTIVE_ORDERS` message, and every change after it: nothing is missed in between.
    pub(crate) fn follow(&self, now: u64) -> (String, broadcast::Receiver<News>) {
        let active = lock(&self.active);
        let news = self.news.subscribe();
        (active_orders(&active, now), news)
    }

    /// All orders as they are now.
    pub(crate) fn snapshot(&self, now: u64) -> String {
        active_orders(&lock(&self.active), now)
    }

    /// News without orders, for a socket that has not authenticated.
    pub(crate) fn listen(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Changes the newest order, or adds one, and says so; returns how many are active.
    pub(crate) fn change(&self, change: Change, now: u64) -> usize {
        let mut active = lock(&self.active);
        let number = active.back().map_or(1, |order| order.number + 1);
        if change == Change::Created || active.is_empty() {
            if active.len() == MAX_ORDERS {
                active.pop_front();
            }
            active.push_back(Order::new(number, now));
        }
        if let Some(order) = active.back_mut() {
            match change {
                Change::Created => {}
                Change::Modified => order.state = "LOCATED",
                Change::Paged => order.paged = true,
            }
            order.changed = now;
            let text = json!({ "type": change.notification(), "item": order.json(now) });
            self.tell(News::Order(text.to_string()));
        }
        active.len()
    }

    pub(crate) fn tell(&self, news: News) {
        // No receiver means no open socket, which is no error.
        let _ = self.news.send(news);
    }

    pub(crate) fn reset(&self, now: u64) {
        *lock(&self.active) = start(now);
        self.tell(News::Restart);
    }
}

fn start(now: u64) -> VecDeque<Order> {
    (1..=2).map(|number| Order::new(number, now)).collect()
}

fn active_orders(active: &VecDeque<Order>, now: u64) -> String {
    let items: Vec<Value> = active.iter().map(|order| order.json(now)).collect();
    json!({ "count": items.len(), "type": "ACTIVE_ORDERS", "items": items }).to_string()
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
