//! Messages between a worker and a master: MessagePack arrays `[type, data, node_id]`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// What a master says.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// It knows this worker, under this number; masters before 2.10.3 give none.
    Acknowledged(Option<u64>),
    /// It wants these users.
    Spawn(Spawn),
    /// It wants no users, until it says otherwise.
    Stop,
    /// It is over.
    Quit,
    /// It could not read what was sent, and wants a new connection.
    Reconnect,
    /// It is there.
    Heartbeat,
    /// Something that a worker need not do anything about.
    Other(String),
}

/// An order for users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spawn {
    /// When it was given by the master's clock, in seconds since 1970. Later orders replace earlier ones.
    pub timestamp: f64,
    /// How many users of which class; what is no such number is refused by whoever reads it.
    pub classes: BTreeMap<String, i64>,
    /// How long a user may take to end what it does.
    pub stop_timeout: Duration,
    /// The version of the master, where its locustfile is one that this program printed.
    pub version: Option<String>,
}

/// Why a message is not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// It is none of these messages at all.
    #[error("a message of {length} bytes is not [type, data, node_id] in MessagePack: {why}")]
    NoMessage {
        /// How long it is.
        length: usize,
        /// What is wrong.
        why: String,
    },
    /// It is one of another version.
    #[error("a spawn message without {lacks}, as Locust before 2.0 sends it")]
    OtherVersion {
        /// What is not there.
        lacks: &'static str,
        /// The version of the master, where it says it.
        version: Option<String>,
    },
}

#[derive(Deserialize)]
struct Ack {
    index: Option<u64>,
}

#[derive(Deserialize)]
struct RawSpawn {
    timestamp: Option<f64>,
    user_classes_count: Option<BTreeMap<String, i64>>,
    stop_timeout: Option<f64>,
    parsed_options: Option<Options>,
}

/// What a locustfile of this program lets the master say of itself.
#[derive(Deserialize)]
struct Options {
    gatecrash_master: Option<String>,
}

/// Reads a message.
///
/// # Errors
/// When it is none, or one of a version that is not spoken here.
pub fn incoming(bytes: &[u8]) -> Result<Incoming, Unreadable> {
    let wrong = |error: rmp_serde::decode::Error| Unreadable::NoMessage {
        length: bytes.len(),
        why: error.to_string(),
    };
    let (kind, _, _): (String, IgnoredAny, IgnoredAny) =
        rmp_serde::from_slice(bytes).map_err(wrong)?;
    Ok(match kind.as_str() {
        "ack" => {
            let (_, ack, _): (IgnoredAny, Option<Ack>, IgnoredAny) =
                rmp_serde::from_slice(bytes).map_err(wrong)?;
            Incoming::Acknowledged(ack.and_then(|ack| ack.index))
        }
        "spawn" => {
            let (_, spawn, _): (IgnoredAny, RawSpawn, IgnoredAny) =
                rmp_serde::from_slice(bytes).map_err(wrong)?;
            Incoming::Spawn(Spawn::new(spawn)?)
        }
        "stop" => Incoming::Stop,
        "quit" => Incoming::Quit,
        "reconnect" => Incoming::Reconnect,
        "heartbeat" => Incoming::Heartbeat,
        _ => Incoming::Other(kind),
    })
}

impl Spawn {
    fn new(raw: RawSpawn) -> Result<Self, Unreadable> {
        let version = raw.parsed_options.and_then(|options| options.gatecrash_master);
        let other = |lacks| Unreadable::OtherVersion { lacks, version: version.clone() };
        let timeout = raw.stop_timeout.unwrap_or_default();
        Ok(Self {
            timestamp: raw.timestamp.ok_or_else(|| other("timestamp"))?,
            classes: raw.user_classes_count.ok_or_else(|| other("user_classes_count"))?,
            stop_timeout: Duration::try_from_secs_f64(timeout).unwrap_or_default(),
            version,
        })
    }
}

/// Writes a message of a worker.
pub fn outgoing(kind: &str, data: &impl Serialize, node: &str) -> Vec<u8> {
    rmp_serde::to_vec_named(&(kind, data, node)).expect("these types can be written as MessagePack")
}
