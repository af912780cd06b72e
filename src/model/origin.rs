//! How a run was started, and the command line that does it again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Finding, shell_word};

/// How a run was started: what it takes to do it again.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Origin {
    /// The command: `check`, `fuzz` or `replay`.
    pub command: String,
    /// The profile or the address that was given; none for the embedded reference server.
    pub target: Option<String>,
    /// Faults of the embedded reference server that were switched on.
    pub faults: Vec<String>,
    /// Gaps of the embedded reference server that were decided, `FLOW.GAP=ANSWER`.
    pub variants: Vec<String>,
    /// How long things lived at the embedded reference server, `FLOW.NAME=TIME`.
    pub lifetimes: Vec<String>,
    /// How often races and statistics were repeated: `quick`, `default` or `thorough`.
    pub level: String,
    /// The arguments that say how the target is reached, as they were given: `--control http://127.0.0.1:8081`.
    pub reach: Vec<String>,
    /// Folders and files of found scenarios that were run too, or into which `fuzz` wrote.
    pub corpus: Vec<String>,
    /// The folder of scenarios, where it was not the binary's own copy.
    pub scenarios: Option<String>,
}

impl Origin {
    /// The command line that runs again what a finding is about, on the same server, as one writes it for a shell; none for
    /// what `fuzz` found and wrote nowhere.
    pub fn again(&self, finding: &Finding, seed: u64) -> Option<String> {
        let words = self.words_again(finding, seed)?;
        Some(words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "))
    }

    /// The same as a list of words, the name of the program first.
    pub fn words_again(&self, finding: &Finding, seed: u64) -> Option<Vec<String>> {
        let mut words = vec!["gatecrash".to_owned()];
        words.extend(named("--scenarios", self.scenarios.as_slice()));
        if self.command == "check" {
            words.push("check".to_owned());
            words.extend(self.target.clone());
            words.extend(["--only".to_owned(), finding.check.base().to_owned()]);
            if finding.check.is_shared() {
                words.extend(["--flow".to_owned(), finding.flow.to_string()]);
            }
            words.extend(named("--corpus", &self.corpus));
            if !["", "default"].contains(&self.level.as_str()) {
                words.extend(["--level".to_owned(), self.level.clone()]);
            }
        } else if self.corpus.is_empty() {
            return None;
        } else {
            words.push("replay".to_owned());
            words.extend(self.corpus.clone());
            words.extend(named("--target", self.target.as_slice()));
        }
        words.extend(named("--fault", &self.faults));
        words.extend(named("--variant", &self.variants));
        words.extend(named("--lifetime", &self.lifetimes));
        words.extend(self.reach.clone());
        words.extend(["--seed".to_owned(), seed.to_string()]);
        Some(words)
    }
}

fn named<'a>(name: &'a str, values: &'a [String]) -> impl Iterator<Item = String> + 'a {
    values.iter().flat_map(move |value| [name.to_owned(), value.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckId, Evidence, Flow, Level, Verdict};

    fn finding() -> Finding {
        Finding {
            check: CheckId::new("X-ORIGIN-01@gateway-button"),
            title: String::new(),
            flow: Flow::GatewayButton,
            scenario: "gateway-button/window-end".to_owned(),
            covers: Vec::new(),
            level: Level::Must,
            verdict: Verdict::Fail,
            deviation: None,
            assertions: 1,
            evidence: Evidence::default(),
        }
    }

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_line_that_does_it_again_names_the_same_server_in_the_same_state() {
        let origin = |command: &str| Origin { command: command.to_owned(), ..Origin::default() };
        for (origin, wanted) in [
            (
                origin("check"),
                Some("gatecrash check --only X-ORIGIN-01 --flow gateway-button --seed 7"),
            ),
            (
                Origin {
                    faults: words(&["window-too-long"]),
                    variants: words(&["jwt-login.logout=absent"]),
                    lifetimes: words(&["jwt-login.access_token=4s"]),
                    level: "quick".to_owned(),
                    scenarios: Some("my scenarios".to_owned()),
                    ..origin("check")
                },
                Some(
                    "gatecrash --scenarios 'my scenarios' check --only X-ORIGIN-01 --flow gateway-button --level quick --fault window-too-long --variant jwt-login.logout=absent --lifetime jwt-login.access_token=4s --seed 7",
                ),
            ),
            (
                Origin {
                    target: Some("my-server.yaml".to_owned()),
                    level: "default".to_owned(),
                    corpus: words(&["found"]),
                    reach: words(&["--control", "http://127.0.0.1:8081"]),
                    ..origin("check")
                },
                Some(
                    "gatecrash check my-server.yaml --only X-ORIGIN-01 --flow gateway-button --corpus found --control http://127.0.0.1:8081 --seed 7",
                ),
            ),
            (origin("fuzz"), None),
            (
                Origin {
                    target: Some("my-server.yaml".to_owned()),
                    corpus: words(&["found"]),
                    ..origin("fuzz")
                },
                Some("gatecrash replay found --target my-server.yaml --seed 7"),
            ),
        ] {
            assert_eq!(origin.again(&finding(), 7).as_deref(), wanted);
        }
    }
}
