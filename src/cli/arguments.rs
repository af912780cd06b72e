//! The arguments as they are typed.

#[cfg(feature = "reference-server")]
mod altered;
mod load;
mod merge;
mod worker;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::Flow;
#[cfg(feature = "reference-server")]
pub(super) use altered::Altered;
pub(super) use load::{ArrivalMode, Compare, Load, PopularityMode, Work, WorkloadMode};
pub(super) use merge::Merge;
pub(super) use worker::Worker;

/// Checks servers that issue and validate API tokens against their documented contracts.
#[derive(Debug, Parser)]
#[command(name = "gatecrash", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// Reads contracts, flows and scenarios from this folder instead of the binary's own copy.
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) scenarios: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Moves the clock of a running reference server.
    #[command(after_help = "Example: gatecrash advance 120s")]
    Advance(Advance),
    /// Checks a server, clause by clause. Without a target: the embedded reference server.
    #[command(
        after_help = "Examples:\n  gatecrash check\n  gatecrash check my-server.yaml --flow jwt-login --report junit=report.xml\n  gatecrash check http://127.0.0.1:8080 --control http://127.0.0.1:8081 --only 'BTN-*'"
    )]
    Check(Check),
    /// Prints what a shell needs to complete the commands.
    #[command(after_help = "Example: gatecrash completions bash > gatecrash.bash")]
    Completions(Completions),
    /// Says what changed between two runs: verdicts and recorded behaviour, or speed by more than chance.
    #[command(
        after_help = "Examples:\n  gatecrash compare base.json new.json\n  gatecrash compare base.json new.json --report html=compare.html"
    )]
    Compare(Compare),
    /// Prints which checks cover which clause, and why a clause has none.
    #[command(after_help = "Example: gatecrash coverage --missing")]
    Coverage(Coverage),
    /// Looks whether a verdict can be given: the profile, the target, each account, each hook, the clock.
    #[command(
        after_help = "Examples:\n  gatecrash doctor my-server.yaml\n  gatecrash doctor my-server.yaml --flow jwt-login --no-act"
    )]
    Doctor(Doctor),
    /// Explains a clause, a check, a gap, a fault, a verdict or an exit code.
    #[command(after_help = "Examples:\n  gatecrash explain BTN-04\n  gatecrash explain blocked")]
    Explain(Explain),
    /// Looks for answers that no right server gives: inputs, orders and races that nobody wrote down.
    #[command(
        after_help = "Examples:\n  gatecrash fuzz --time 60s --seed 1\n  gatecrash fuzz my-server.yaml --corpus found --report junit=fuzz.xml"
    )]
    Fuzz(super::fuzz_arguments::Fuzz),
    /// Writes a first profile for a server; asks for what is not given.
    #[command(
        after_help = "Examples:\n  gatecrash init --url http://127.0.0.1:8080 --flow jwt-login\n  gatecrash init my-server.yaml --from openapi.json"
    )]
    Init(Init),
    /// Says everything that is wrong with scenarios, contracts, flow files and profiles.
    #[command(after_help = "Example: gatecrash lint my-server.yaml my-scenarios/*.yaml")]
    Lint(Lint),
    /// Lists checks, clauses, scenarios, gaps, faults or variants.
    #[command(after_help = "Example: gatecrash list clauses --flow jwt-login")]
    List(List),
    /// Asks a server to validate tokens, as fast as it can or on a schedule, and holds every answer against the contract.
    #[command(
        after_help = "Examples:\n  gatecrash load --flow jwt-login\n  gatecrash load my-server.yaml --rate 2000 --duration 60s --threshold 'p99<5ms' --threshold 'wrong=0'\n  gatecrash load --mix valid=98,unknown=1,revoked=1 --tokens 10000 --report json=load.json"
    )]
    Load(Load),
    /// Prints the manual page, or writes one for each command.
    #[command(after_help = "Example: gatecrash man --write .")]
    Man(Man),
    /// Puts the reports of the parts of one load run together: exact percentiles, counts and seconds of the whole.
    #[command(
        after_help = "Examples:\n  gatecrash merge shard-*.json\n  gatecrash merge 1.json 2.json --threshold 'p99<5ms' --report html=load.html"
    )]
    Merge(Merge),
    /// Presses the button of a running reference server.
    #[command(after_help = "Example: gatecrash press")]
    Press(Press),
    /// Runs again what `fuzz` found, or one check of a report: new tokens, the same acts, the same seed.
    #[command(
        after_help = "Examples:\n  gatecrash replay run.json#BTN-END-02\n  gatecrash replay found/jwt-login-found-3fa2c1.yaml"
    )]
    Replay(super::fuzz_arguments::Replay),
    /// Writes a JSON report, or a stream of events, in other formats.
    #[command(
        after_help = "Examples:\n  gatecrash report run.json --to html=run.html --to sarif=run.sarif\n  gatecrash report load.json --to html=load.html"
    )]
    Report(Convert),
    /// Prints the JSON Schema of a kind of file.
    #[command(after_help = "Example: gatecrash schema profile > profile.schema.json")]
    Schema(Schema),
    /// Proves that the checks can fail: every fault of the reference server is noticed, and none is seen where none is.
    #[cfg(feature = "reference-server")]
    #[command(
        after_help = "Examples:\n  gatecrash selftest\n  gatecrash selftest --fault 'window-*'\n  gatecrash selftest --full --report markdown=kill-matrix.md"
    )]
    Selftest(Selftest),
    /// Runs the reference server in the foreground.
    #[cfg(feature = "reference-server")]
    #[command(
        after_help = "Examples:\n  gatecrash serve --lifetime jwt-login.access_token=10s\n  gatecrash serve --fault window-not-closed --variant jwt-login.logout=revoking"
    )]
    Serve(Serve),
    /// Makes load as a Locust master says: its users are connections of this process, and every answer is held against the contract.
    #[command(
        after_help = "Examples:\n  gatecrash worker my-server.yaml --print-locustfile > locustfile.py\n  locust -f locustfile.py --master\n  gatecrash worker my-server.yaml --locust-master 127.0.0.1 --report json=worker.json"
    )]
    Worker(Worker),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// A profile, or the address of a server that follows the documents to the letter.
    pub(super) target: Option<String>,
    /// Only this flow; may be repeated.
    #[arg(long, value_name = "FLOW")]
    pub(super) flow: Vec<Flow>,
    /// Only these checks, clauses or scenarios, by id or pattern with `*`; may be repeated.
    #[arg(long, value_name = "ID")]
    pub(super) only: Vec<String>,
    /// All but these; may be repeated.
    #[arg(long, value_name = "ID")]
    pub(super) skip: Vec<String>,
    /// Warnings count as findings.
    #[arg(long)]
    pub(super) strict: bool,
    /// The seed of random choices; one is made up and printed without it.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Runs each scenario so many times; repeats that disagree are `unstable`.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) repeat: u32,
    /// How often races and statistics are repeated: `quick` a quarter, `thorough` five times.
    #[arg(long, value_name = "LEVEL", default_value = "default")]
    pub(super) level: Effort,
    /// Never asks a person; what needs one is blocked.
    #[arg(long)]
    pub(super) no_input: bool,
    /// Scenarios at once, where each has a server of its own.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(super) jobs: usize,
    #[cfg(feature = "reference-server")]
    #[command(flatten)]
    pub(super) altered: Altered,
    /// Writes a report: badge, har, html, json, junit, markdown, ndjson, sarif or tap, as `html=run.html`; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(super) report: Vec<String>,
    /// Also runs the scenarios of this folder, or this file, before all others: what `fuzz` found; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(super) corpus: Vec<PathBuf>,
    /// Lists every request and act that would be made, and makes none; `-v` shows the requests in full.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Also runs, on other machines than this one, what could harm a server that others use: bursts, guessed
    /// passwords, restarts.
    #[arg(long)]
    pub(super) destructive: bool,
    /// Gives a verdict without looking first whether one can be given (`gatecrash doctor`).
    #[arg(long)]
    pub(super) no_doctor: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
    /// Says more: a line for each check, `-vv` what was observed.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Effort {
    Quick,
    Default,
    Thorough,
}

impl Effort {
    /// Its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Default => "default",
            Self::Thorough => "thorough",
        }
    }
}

impl From<Effort> for crate::engine::Effort {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Quick => Self::Quick,
            Effort::Default => Self::Normal,
            Effort::Thorough => Self::Thorough,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum ClockMode {
    Virtual,
    Real,
    None,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// A profile, or the address of a server that follows the documents to the letter.
    pub(super) target: String,
    /// Only this flow; may be repeated.
    #[arg(long, value_name = "FLOW")]
    pub(super) flow: Vec<Flow>,
    /// Fires no hook and moves no clock; what can be seen without is tried.
    #[arg(long)]
    pub(super) no_act: bool,
    /// Never asks a person.
    #[arg(long)]
    pub(super) no_input: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// How a target is found and reached.
#[derive(Clone, Debug, Args)]
pub(super) struct Reach {
    /// The clock, where it is not the profile's: `virtual`, `real` or `none`.
    #[arg(long, value_name = "MODE")]
    pub(super) clock: Option<ClockMode>,
    /// The longest real wait of one probe, where it is not the profile's; what needs more is blocked.
    #[arg(long, value_name = "TIME", value_parser = crate::model::parse_duration)]
    pub(super) max_wait: Option<std::time::Duration>,
    /// The control plane of a reference server, for its button and its clock.
    #[arg(long, value_name = "URL")]
    pub(super) control: Option<String>,
    /// The profile to use at an address: `reference` has the reference server's accounts.
    #[arg(long, value_name = "NAME", value_parser = ["documented", "reference"])]
    pub(super) accounts: Option<String>,
    /// Hosts besides loopback that may be sent to; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub(super) allow_host: Vec<String>,
    /// Takes any TLS certificate of the target, also one that it has made itself. Every report says so.
    #[arg(long, requires = "target")]
    pub(super) insecure: bool,
}

impl Reach {
    /// The same as it was typed.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if let Some(clock) = self.clock {
            add("--clock", format!("{clock:?}").to_lowercase());
        }
        if let Some(wait) = self.max_wait {
            add("--max-wait", format!("{}ms", wait.as_millis()));
        }
        if let Some(control) = &self.control {
            add("--control", control.clone());
        }
        if let Some(accounts) = &self.accounts {
            add("--accounts", accounts.clone());
        }
        self.allow_host.iter().for_each(|host| add("--allow-host", host.clone()));
        if self.insecure {
            words.push("--insecure".to_owned());
        }
        words
    }
}

#[derive(Debug, Args)]
pub(super) struct Coverage {
    /// Only this flow.
    #[arg(long, value_name = "FLOW")]
    pub(super) flow: Vec<Flow>,
    /// Only clauses without a check.
    #[arg(long)]
    pub(super) missing: bool,
    /// Exits with 1 when a clause has neither a check nor a reason.
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// What to explain.
    #[arg(required_unless_present = "pages")]
    pub(super) id: Option<String>,
    /// Writes the contracts as Markdown pages into a folder.
    #[arg(long, value_name = "DIR", conflicts_with = "id")]
    pub(super) pages: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Writes a page for the program and for each command into this folder.
    #[arg(long, value_name = "DIR")]
    pub(super) write: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Convert {
    /// The JSON report of any command, or the NDJSON stream of a run, also of one that broke off.
    pub(super) file: PathBuf,
    /// Writes it as `FORMAT=PATH`; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH", required = true)]
    pub(super) to: Vec<String>,
    /// Warnings count as findings.
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The profile; `-` is standard output.
    #[arg(default_value = "gatecrash.yaml")]
    pub(super) path: PathBuf,
    /// Scheme, host and port of the server.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// A flow that it offers; may be repeated.
    #[arg(long, value_name = "FLOW")]
    pub(super) flow: Vec<Flow>,
    /// Its description, OpenAPI 3 or Swagger 2 in JSON or YAML: fills in what can be found there.
    #[arg(long, value_name = "FILE")]
    pub(super) from: Option<PathBuf>,
    /// Its clock: `real`, `none`, or `virtual` with --control; `real` without it.
    #[arg(long, value_name = "MODE")]
    pub(super) clock: Option<ClockMode>,
    /// The control plane of a reference server, for its button, accounts and clock.
    #[arg(long, value_name = "URL")]
    pub(super) control: Option<String>,
    /// Replaces a profile that is there.
    #[arg(long)]
    pub(super) force: bool,
    /// Never asks.
    #[arg(long)]
    pub(super) no_input: bool,
}

#[derive(Debug, Args)]
pub(super) struct Lint {
    /// The files.
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// What to list.
    #[arg(value_enum, default_value_t = Listed::Checks)]
    pub(super) what: Listed,
    /// Only this flow.
    #[arg(long, value_name = "FLOW")]
    pub(super) flow: Vec<Flow>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Listed {
    Checks,
    Clauses,
    Faults,
    Gaps,
    Scenarios,
    Variants,
}

#[derive(Debug, Args)]
pub(super) struct Press {
    /// How it is pressed.
    #[arg(long, default_value = "short", value_parser = ["short", "long", "double"])]
    pub(super) kind: String,
    /// The control plane.
    #[arg(long, value_name = "URL", default_value = CONTROL)]
    pub(super) control: String,
}

#[derive(Debug, Args)]
pub(super) struct Advance {
    /// By how much: `120s`, `30d`.
    pub(super) by: String,
    /// The control plane.
    #[arg(long, value_name = "URL", default_value = CONTROL)]
    pub(super) control: String,
}

const CONTROL: &str = "http://127.0.0.1:8081";

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// The kind of file; without it all are written to `--write`.
    #[arg(value_enum, required_unless_present = "write")]
    pub(super) kind: Option<SchemaKind>,
    /// Writes the schemas of all kinds into a folder.
    #[arg(long, value_name = "DIR", conflicts_with = "kind")]
    pub(super) write: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum SchemaKind {
    Contract,
    Flow,
    LoadReport,
    Profile,
    Report,
    Scenario,
    Vectors,
}

#[cfg(feature = "reference-server")]
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The address of the API.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(super) listen: std::net::SocketAddr,
    /// The address of the control plane.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub(super) control: std::net::SocketAddr,
    /// The clock: `real` runs by itself, `virtual` moves with `gatecrash advance`.
    #[arg(long, value_name = "MODE", default_value = "real", value_parser = ["real", "virtual"])]
    pub(super) clock: String,
    /// Ends when standard input does: for a program that starts the server for itself.
    #[arg(long, hide = true)]
    pub(super) until_end_of_input: bool,
    #[command(flatten)]
    pub(super) altered: Altered,
}

#[cfg(feature = "reference-server")]
#[derive(Debug, Args)]
pub(super) struct Selftest {
    /// Only these faults, by name or pattern with `*`; may be repeated. Checks that notice nothing are then not looked for.
    #[arg(long, value_name = "GLOB")]
    pub(super) fault: Vec<String>,
    /// What looks for the faults: `check`, or `fuzz` alone, without scenarios and a minute for each flow.
    #[arg(long, value_name = "JOB", default_value = "check", value_parser = ["check", "fuzz"])]
    pub(super) by: String,
    /// Runs every check against every fault, and not only those whose clauses the fault breaks.
    #[arg(long)]
    pub(super) full: bool,
    /// How many servers without a fault are checked, each with its own seed and its own draw of the variants.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) seeds: u64,
    /// The seed of the runs with a fault, and the first seed of those without.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Writes the kill matrix: `html=PATH`, `json=PATH`, `markdown=PATH`; may be repeated.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub(super) report: Vec<String>,
}
