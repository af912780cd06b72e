//! The simulated device with its one button.
//!
//! A press opens a window of two minutes in which one token may be generated without any other authorization. The
//! window belongs to the device, not to a client or a connection, and nothing but a press opens it.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use crate::account::{NameError, parse_name};
use crate::app::App;
use crate::clock::milliseconds;
use crate::fault::Fault;
use crate::store::lock;
use crate::variant::Variant;

/// How the button is pressed. Each kind is one press and opens one window: the documents know no other use of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Press {
    /// Down and up.
    #[default]
    Short,
    /// Held for some seconds.
    Long,
    /// Twice within a moment: a nervous finger, not two presses.
    Double,
}

impl Press {
    /// All kinds of press.
    pub const ALL: [Self; 3] = [Self::Short, Self::Long, Self::Double];

    /// Its name, as the control plane writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
            Self::Double => "double",
        }
    }
}

impl fmt::Display for Press {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Press {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse_name("kind of press", name, &Self::ALL, Self::name)
    }
}

/// What one press did. Moments are milliseconds since the UNIX epoch on the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressed {
    /// When the button was pressed.
    pub at_ms: u64,
    /// When the window that is now open ends.
    pub window_ends_at_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Device {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the open window ends.
    ends: Option<u64>,
    /// Windows that a defect has queued behind the open one.
    queued: u32,
    /// The last press, for the defect that waits for the end of a bounce.
    pressed: u64,
    /// Whether a defect lets no press count any more.
    locked: bool,
}

impl Device {
    pub(crate) fn press(&self, app: &App, press: Press) -> Pressed {
        let now = app.clock.now();
        let mut length = milliseconds(app.lifetimes.button_window);
        if app.faults.has(Fault::WindowTooLong) {
            length += 1000;
        }
        if app.faults.has(Fault::WindowTooShort) {
            length = length.saturating_sub(1000);
        }
        let mut state = lock(&self.state);
        let open = state.ends.filter(|ends| within(app, now, *ends));
        let keep = app.variants.is(Variant::SecondPress, "ignore")
            || app.faults.has(Fault::SecondPressIgnored);
        let stale = state.ends.filter(|_| app.faults.has(Fault::StaleWindowKept));
        let ends = match open {
            Some(ends) if keep => ends,
            _ => stale.unwrap_or(now.saturating_add(length)),
        };
        let bounce = app.faults.has(Fault::PressDebounced) && now < state.pressed + 10_000;
        state.pressed = now;
        if bounce || state.locked {
            return Pressed { at_ms: now, window_ends_at_ms: ends };
        }
        state.ends = Some(ends);
        let doubled = press == Press::Double && app.faults.has(Fault::DoublePressTwice);
        state.queued = u32::from(doubled || app.faults.has(Fault::PressQueued));
        drop(state);
        app.events.push(now, "pressed", press.name());
        Pressed { at_ms: now, window_ends_at_ms: ends }
    }

    /// Whether a window is open, without touching it.
    pub(crate) fn is_open(&self, app: &App) -> bool {
        let now = app.clock.now();
        lock(&self.state).ends.is_some_and(|ends| within(app, now, ends))
    }

    /// Takes the open window, if there is one: of any number of callers, one gets `true`.
    pub(crate) fn take(&self, app: &App) -> bool {
        let now = app.clock.now();
        let mut state = lock(&self.state);
        let open = state.ends.is_some_and(|ends| within(app, now, ends));
        if open && state.queued > 0 {
            state.queued -= 1;
        } else if open && !app.faults.has(Fault::WindowNotClosed) {
            state.ends = None;
        }
        open
    }

    /// Only a defect does this: no press counts until everything is reset.
    pub(crate) fn lock_for_good(&self) {
        lock(&self.state).locked = true;
    }

    pub(crate) fn close(&self) {
        *lock(&self.state) = State::default();
    }
}

fn within(app: &App, now: u64, ends: u64) -> bool {
    let inclusive = app.variants.is(Variant::WindowEnd, "inclusive");
    now < ends || (inclusive && now == ends) || app.faults.has(Fault::WindowNeverExpires)
}
