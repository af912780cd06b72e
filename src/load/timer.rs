//! Waking up at a due moment, to a few microseconds where the operating system has a timer for it.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

/// A timer that a readiness loop waits for together with its connections.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Timer {
    descriptor: std::os::fd::OwnedFd,
    /// The moment it is set to.
    set: Option<u64>,
}

#[cfg(target_os = "linux")]
impl Timer {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;

        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let raw = descriptor.as_raw_fd();
        registry.register(&mut mio::unix::SourceFd(&raw), token, mio::Interest::READABLE)?;
        Ok(Self { descriptor, set: None })
    }

    /// Has the loop wake up at a moment, and says how long the loop itself may wait at most.
    ///
    /// The timer is not read: setting it makes it unread again, and the loop hears of each edge.
    pub(super) fn wake_at(&mut self, due: u64, now: u64, most: Duration) -> io::Result<Duration> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let wait = due.saturating_sub(now);
        if wait < SHORTEST {
            return Ok(Duration::ZERO);
        }
        if self.set != Some(due) {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let it_value = Timespec {
                tv_sec: i64::try_from(wait / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: (wait % 1_000_000_000) as _,
            };
            let value = Itimerspec { it_interval: zero, it_value };
            timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &value)?;
            self.set = Some(due);
        }
        Ok(most)
    }
}

/// Shorter waits are not worth the two system calls and the change of task that a sleep takes.
#[cfg(target_os = "linux")]
const SHORTEST: u64 = 8_000;

/// Elsewhere the loop sleeps whole milliseconds and then looks again and again until the moment has come.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as on Linux")]
    pub(super) fn wake_at(&mut self, due: u64, now: u64, most: Duration) -> io::Result<Duration> {
        let wait = Duration::from_nanos(due.saturating_sub(now));
        Ok(wait.saturating_sub(Duration::from_millis(1)).min(most))
    }
}
