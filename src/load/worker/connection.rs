//! Where one connection of a worker stands.

use crate::load::stream::Stream;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// There is none; a new one is made when the moment has come.
    Down,
    Connecting,
    Idle,
    /// A request is under way.
    Busy,
    /// Its user has gone, or has not come yet.
    Parked,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Option<Stream>,
    pub(super) state: State,
    /// When the request that is under way was due and was written; when the connection became free, or is to be made again.
    pub(super) due: u64,
    pub(super) sent: u64,
    pub(super) free: u64,
    pub(super) case: u32,
    pub(super) token: u32,
    /// Which generation of tokens its token is of.
    pub(super) generation: u32,
    /// The user of this connection: where it is in its turn, and its own token.
    pub(super) place: u32,
    pub(super) own: String,
    /// A request waits for the connection to be made.
    pub(super) waiting: bool,
    /// Its user has said on the socket who it is.
    pub(super) introduced: bool,
    /// What could not be written at once, and an answer that came in pieces.
    pub(super) unwritten: Vec<u8>,
    pub(super) partial: Vec<u8>,
    /// How long `partial` must be before it is worth another look.
    pub(super) wanted: usize,
    /// Attempts to connect that failed one after the other.
    pub(super) attempts: u32,
}

impl Connection {
    /// One that is to be made, for a user with this token.
    pub(super) fn new(own: &str) -> Self {
        Self {
            stream: None,
            state: State::Down,
            due: 0,
            sent: 0,
            free: 0,
            case: 0,
            token: 0,
            generation: 0,
            place: 0,
            own: own.to_owned(),
            waiting: false,
            introduced: false,
            unwritten: Vec::new(),
            partial: Vec::new(),
            wanted: 0,
            attempts: 0,
        }
    }
}
