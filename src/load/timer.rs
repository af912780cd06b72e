//! Waking up at a due moment, to a few microseconds where the operating system has a timer for it.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

/// Timers that a readiness loop waits for together with its connections: one for the next due moment, and one that ticks.
/// With them the wait itself has no end, which spares it a timer of its own each time.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Timer {
    due: std::os::fd::OwnedFd,
    /// The moment it is set to.
    set: Option<u64>,
    ticking: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Timer {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let (due, ticking) = (registered(registry, token)?, registered(registry, token)?);
        Ok(Self { due, set: None, ticking })
    }

    /// Has the loop wake up once more, so long from now at the latest. One that repeats itself would have to be read
    /// each time.
    pub(super) fn tick(&self, length: Duration) -> io::Result<()> {
        set(&self.ticking, length)
    }

    /// How long the loop may wait when nothing is due: until the next tick.
    #[expect(clippy::unused_self, reason = "where there is no such timer, it knows the tick")]
    pub(super) const fn patience(&self) -> Option<Duration> {
        None
    }

    /// Has the loop wake up at a moment, and says how long the loop itself may wait at most.
    ///
    /// The timer is not read: setting it makes it unread again, and the loop hears of each edge.
    pub(super) fn wake_at(&mut self, due: u64, now: u64) -> io::Result<Option<Duration>> {
        let wait = due.saturating_sub(now);
        if wait < SHORTEST {
            return Ok(Some(Duration::ZERO));
        }
        if self.set != Some(due) {
            set(&self.due, Duration::from_nanos(wait))?;
            self.set = Some(due);
        }
        Ok(None)
    }
}

#[cfg(target_os = "linux")]
fn registered(registry: &Registry, token: Token) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::AsRawFd as _;

    use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let raw = descriptor.as_raw_fd();
    registry.register(&mut mio::unix::SourceFd(&raw), token, mio::Interest::READABLE)?;
    Ok(descriptor)
}

#[cfg(target_os = "linux")]
fn set(timer: &std::os::fd::OwnedFd, length: Duration) -> io::Result<()> {
    use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
    let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
    let it_value = Timespec {
        tv_sec: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: length.subsec_nanos().into(),
    };
    let value = Itimerspec { it_interval, it_value };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &value)?;
    Ok(())
}

/// Shorter waits are not worth the two system calls and the change of task that a sleep takes.
#[cfg(target_os = "linux")]
const SHORTEST: u64 = 8_000;

/// Elsewhere the loop sleeps whole milliseconds and then looks again and again until the moment has come.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Timer(Duration);

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self(Duration::ZERO))
    }

    pub(super) fn tick(&mut self, length: Duration) -> io::Result<()> {
        self.0 = length;
        Ok(())
    }

    pub(super) const fn patience(&self) -> Option<Duration> {
        Some(self.0)
    }

    #[expect(clippy::needless_pass_by_ref_mut, reason = "as on Linux")]
    pub(super) fn wake_at(&mut self, due: u64, now: u64) -> io::Result<Option<Duration>> {
        let wait = Duration::from_nanos(due.saturating_sub(now));
        Ok(Some(wait.saturating_sub(Duration::from_millis(1)).min(self.0)))
    }
}
