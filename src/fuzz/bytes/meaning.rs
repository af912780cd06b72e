//! What changes mean to a right server.

/// What one change means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// Nothing: the answer is of the same class.
    Same,
    /// Anything but a failure.
    Free,
    /// The credential is none any more.
    Broken,
    /// The end of the request is not where it seems: what follows on the connection may be part of it.
    Unframed,
    /// The request must not be served (RFC 9112 section 6.3), and the connection is used up.
    Refused,
}

/// What all changes together mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Meaning {
    /// Nothing that matters is changed.
    pub(crate) same: bool,
    /// The credential is none.
    pub(crate) broken: bool,
    /// Nothing can follow on the connection.
    pub(crate) alone: bool,
    /// It must not be served.
    pub(crate) unserved: bool,
}

impl Default for Meaning {
    fn default() -> Self {
        Self { same: true, broken: false, alone: false, unserved: false }
    }
}

impl Meaning {
    /// One change more.
    pub(crate) const fn add(&mut self, effect: Effect) {
        match effect {
            Effect::Same => {}
            Effect::Free => self.same = false,
            Effect::Broken => (self.same, self.broken) = (false, true),
            Effect::Unframed => (self.same, self.alone) = (false, true),
            Effect::Refused => (self.same, self.alone, self.unserved) = (false, true, true),
        }
    }
}
