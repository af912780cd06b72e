//! What is otherwise at the reference server than by default.

use clap::Args;

use crate::cli::exit::UsageError;
use crate::model::Origin;

#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct Altered {
    /// Switches a fault of the reference server on; may be repeated. `gatecrash list faults` has their names.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) fault: Vec<String>,
    /// Decides a gap at the reference server: `FLOW.GAP=ANSWER`; may be repeated. `gatecrash list variants` has them.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(in crate::cli) variant: Vec<String>,
    /// How long something lives at the reference server: `FLOW.NAME=TIME`, as `jwt-login.access_token=10s`; may be
    /// repeated.
    #[arg(long, value_name = "NAME=TIME")]
    pub(in crate::cli) lifetime: Vec<String>,
}

impl Altered {
    /// The same as arguments of another start of this program.
    pub(in crate::cli) fn words(&self) -> Vec<String> {
        let Self { fault, variant, lifetime } = self;
        let named = [("--fault", fault), ("--variant", variant), ("--lifetime", lifetime)];
        let pairs =
            named.into_iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one)));
        pairs.flat_map(|(name, one)| [name.to_owned(), one.clone()]).collect()
    }

    /// Writes down how the server was altered.
    pub(in crate::cli) fn noted(&self, origin: Origin) -> Origin {
        let Self { fault, variant, lifetime } = self.clone();
        Origin { faults: fault, variants: variant, lifetimes: lifetime, ..origin }
    }

    /// Somebody else's server is as it is.
    pub(in crate::cli) fn nothing(&self) -> anyhow::Result<()> {
        if self.words().is_empty() {
            return Ok(());
        }
        let message = "--fault, --variant and --lifetime are for the reference server, which runs without a target";
        Err(UsageError(message.to_owned()).into())
    }
}
