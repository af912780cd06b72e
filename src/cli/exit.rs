//! Exit codes: a documented type, so that scripts can rely on them.

use std::process::ExitCode;

use crate::check::{CheckError, NothingMatched};
use crate::model::{Report, RunVerdict, Verdict};

/// How the program ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Conformant, or nothing worse than known, warn and info.
    Conformant = 0,
    /// Findings: fail, unstable, stale; with `--strict` also warn.
    Findings = 1,
    /// Usage: bad YAML, an unknown id or name, or nothing that matched.
    Usage = 2,
    /// The target or the profile cannot be used.
    Target = 3,
    /// A MUST is blocked, or the harness erred on a check.
    Inconclusive = 4,
    /// The self-test found a fault that survives, a check that notices nothing, or a false alarm.
    SelfTest = 5,
    /// Something inside went wrong.
    Internal = 70,
    /// Interrupted; the partial report is written.
    Interrupted = 130,
}

impl Exit {
    /// Every code with its meaning, for `explain`.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Conformant, "conformant, or nothing worse than known, warn and info"),
        (Self::Findings, "findings: fail, unstable, stale; with --strict also warn"),
        (Self::Usage, "usage: bad YAML, an unknown id or name, or nothing matched"),
        (
            Self::Target,
            "the target or the profile cannot be used: unreachable, a hook or a secret missing",
        ),
        (Self::Inconclusive, "inconclusive: a MUST is blocked, or the harness erred on a check"),
        (
            Self::SelfTest,
            "self-test: a fault survived, a check notices nothing, or a server without a fault got a finding",
        ),
        (Self::Internal, "internal error"),
        (Self::Interrupted, "interrupted; the partial report is written"),
    ];

    /// The code that a report comes to.
    pub fn of(report: &Report, strict: bool) -> Self {
        if report.interrupted {
            return Self::Interrupted;
        }
        let warned = report.findings.iter().any(|finding| finding.verdict == Verdict::Warn);
        match report.verdict {
            RunVerdict::Nonconformant => Self::Findings,
            _ if strict && warned => Self::Findings,
            RunVerdict::Inconclusive => Self::Inconclusive,
            RunVerdict::Conformant | RunVerdict::Partial => Self::Conformant,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Something wrong with what the user gave: files with mistakes, or a name that is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

impl UsageError {
    /// A command without a target, in a build that has no reference server to run it against.
    #[cfg(not(feature = "reference-server"))]
    pub(super) fn no_reference_server() -> Self {
        Self("this build has no reference server; name a profile or an address".to_owned())
    }
}

/// Something wrong with the target or its profile.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct TargetError(pub(super) String);

/// The exit code of an error.
pub(super) fn of_error(error: &anyhow::Error) -> Exit {
    if error.is::<UsageError>() || error.is::<NothingMatched>() {
        Exit::Usage
    } else if error.is::<TargetError>() || error.is::<CheckError>() {
        Exit::Target
    } else {
        Exit::Internal
    }
}
