//! What a load run that is a part of a larger one says of itself, so that the parts can be put together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a load run was set up. Parts of one run have the same.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct LoadSetup {
    /// A fingerprint of what the profile says of the flow, without addresses and accounts.
    pub profile: String,
    /// What users do: `validate`.
    pub workload: String,
    /// Kinds of tokens and their shares.
    pub mix: String,
    /// How often each token is asked about.
    pub popularity: String,
    /// When requests are sent: `as fast as answers come, for 10s`, or rates and lengths of the whole run.
    pub schedule: String,
    /// Not measured at the beginning, in seconds.
    pub warm_up: String,
    /// How connections are made and kept.
    pub transport: String,
    /// How long an answer may take.
    pub deadline: String,
}

impl LoadSetup {
    /// Each part of it with its name.
    pub fn parts(&self) -> [(&'static str, &str); 8] {
        [
            ("the profile", &self.profile),
            ("the workload", &self.workload),
            ("the mix", &self.mix),
            ("the popularity", &self.popularity),
            ("the schedule", &self.schedule),
            ("the warm-up", &self.warm_up),
            ("the transport", &self.transport),
            ("the deadline", &self.deadline),
        ]
    }
}

/// Which part of a run this is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ShardReport {
    /// Its number; the first is 1.
    pub number: u32,
    /// How many parts there are.
    pub of: u32,
}

/// When a run began, and how far clocks can be trusted.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct StartReport {
    /// When its warm-up began by this machine's clock, in seconds since 1970.
    pub at: f64,
    /// When it was to begin, where that was asked.
    pub asked: Option<f64>,
    /// How far the target's clock was ahead of this machine's: between these two, in seconds. `Date` has whole seconds,
    /// so they lie a second apart at least. None where the target sent no `Date`.
    pub skew: Option<(f64, f64)>,
}

/// All durations that were recorded, for programs: base64 of V2 compressed HdrHistograms in nanoseconds, from 1 to an hour
/// to three digits. Empty where there were none.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct HistogramsReport {
    /// Response times.
    pub response: String,
    /// Service times.
    pub service: String,
    /// How late requests were written because of the generator.
    pub lateness: String,
    /// Response times of each second of the timeline.
    pub seconds: Vec<String>,
}
