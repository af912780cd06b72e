//! The words that every layer speaks: what was sent and answered, what was concluded from it.
//!
//! Pure data. No input or output happens here, no clock is read and nothing is parsed but ids.

mod bytes;
mod diagnosis;
mod evidence;
mod exchange;
mod finding;
mod id;
mod kill_matrix;
mod leak;
mod load;
mod load_part;
mod moment;
mod origin;
mod record;
mod report;
mod secret;
mod shell;
mod trace;

pub use bytes::Bytes;
pub use diagnosis::{Diagnosis, Examination, Examined, Readiness};
pub use evidence::{Breach, Evidence, Items, MOST_BREACHES, SentAndReceived, Violation};
pub use exchange::{Exchange, Header, Reply, Request, Response, Timing, WireError, WireKind};
pub use finding::{Finding, Level, Verdict};
pub use id::{CheckId, ClauseId, Flow, UnknownFlow};
pub use kill_matrix::{FalseAlarm, FaultRow, KillMatrix};
pub use leak::KnownSecrets;
pub use load::{
    CapacityReport, CaseReport, ComplaintReport, FailureReport, GeneratorReport, LoadReport,
    ProbeReport, Quantiles, SecondReport, ThresholdReport, ThresholdState,
};
pub use load_part::{HistogramsReport, LoadSetup, ShardReport, StartReport};
pub use moment::{
    Millis, civil_from_unix, parse_civil, parse_duration, parse_http_date, unix_from_civil,
};
pub use origin::Origin;
pub use record::{
    AnswerRecord, ContentRecord, ExchangeRecord, RequestRecord, ScenarioRecord, StepRecord,
};
pub use report::{ClauseState, ClauseText, Counts, Report, RunVerdict};
pub use secret::{CUT, Secret, SecretBook};
pub use shell::shell_word;
pub use trace::{
    Act, Bindings, Entry, ExpectationSet, Kept, Lacking, Role, Skipped, SocketEvent, Stop,
    StopKind, Trace, Trial,
};
