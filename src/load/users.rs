//! What users have in common who are tasks of one thread, with a common client: one runs as long as there is something
//! to do, and somebody looks at the clock meanwhile.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use super::recorder::{Failure, SECOND};
use super::worker::Shared;
use crate::model::WireError;

/// How often somebody looks at the clock.
const TICK: Duration = Duration::from_millis(20);
/// How long a user waits after a failure, so that a server that is gone is not asked without end.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Lets users live until all of them are done, the run is stopped, or whoever looks at the clock says that it is over.
/// Nobody who is still on the way then is waited for. How long that took, in nanoseconds.
pub(super) fn live(
    users: LocalSet,
    started: Instant,
    shared: &Shared,
    mut look: impl FnMut(u64) -> bool,
) -> io::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = async {
        loop {
            tokio::time::sleep(TICK).await;
            if look(nanoseconds(started)) || shared.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    runtime.block_on(async {
        tokio::select! {
            () = users => {}
            () = watch => {}
        }
    });
    let ran = nanoseconds(started);
    drop(runtime);
    Ok(ran)
}

pub(super) fn nanoseconds(started: Instant) -> u64 {
    started.elapsed().as_nanos() as u64
}

/// How long this thread has had a processor.
pub(super) fn processor_time() -> u64 {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec.unsigned_abs() * SECOND + time.tv_nsec.unsigned_abs()
    }
    #[cfg(not(unix))]
    0
}

pub(super) const fn failure(error: &WireError) -> Failure {
    match error {
        WireError::Connect(_) => Failure::Connect,
        WireError::Closed(_) => Failure::Closed,
        WireError::Deadline(_) => Failure::Deadline,
        WireError::Nonsense(_) | WireError::Unreadable(_) | WireError::Unsendable(_) => {
            Failure::Nonsense
        }
    }
}
