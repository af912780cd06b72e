//! Tokens that must be refused: those that were good once, those that are good elsewhere, and those that nobody issued.

use super::{ASK, Ground, PrepareError, VALID};
use crate::load::form::Tokens;
use crate::load::mix::{Kind, Mix};
use crate::model::Flow;
use crate::source::Random;

/// How many different unknown tokens are enough.
const UNKNOWN: usize = 1_000;
/// How long behind its lifetime a token is surely expired, in seconds: servers may allow for clocks that differ.
const LEEWAY: u64 = 600;

impl Ground<'_> {
    /// The tokens of a mix that were good once, or are good elsewhere.
    pub(super) async fn ended(&self, mix: &Mix) -> Result<Vec<(Kind, f64, Tokens)>, PrepareError> {
        let mut ended: Vec<(Kind, f64, Tokens)> = Vec::new();
        for (kind, weight) in &mix.0 {
            let steps = match kind {
                Kind::Valid | Kind::Unknown | Kind::Malformed => continue,
                Kind::Expired => self.expired()?,
                Kind::Revoked => self.revoked()?,
                Kind::OtherEnvironment => self.other_environment()?,
                Kind::OtherFlow => {
                    ended.push((*kind, *weight, self.other_flow().await?));
                    continue;
                }
            };
            let (token, _) = self.one(self.flow, &steps).await?;
            ended.push((*kind, *weight, [token.as_str()].into_iter().collect()));
        }
        Ok(ended)
    }

    /// Tokens like a valid one, some of whose characters are others.
    pub(super) fn unknown(&self, valid: &str) -> Tokens {
        let mut random = Random::derive(self.seed, "unknown tokens");
        let mut tokens = Tokens::default();
        // Not the last character: of base64 it may hold no bits that count.
        let end = valid.len().saturating_sub(2);
        let places: Vec<usize> = (end.saturating_sub(12)..end).collect();
        for _ in 0..UNKNOWN {
            let mut bytes = valid.as_bytes().to_vec();
            for at in &places {
                let class: &[u8] = match bytes[*at] {
                    b'0'..=b'9' => b"0123456789",
                    b'a'..=b'f' => b"abcdef",
                    b'g'..=b'z' => b"ghijklmnopqrstuvwxyz",
                    b'A'..=b'F' => b"ABCDEF",
                    b'G'..=b'Z' => b"GHIJKLMNOPQRSTUVWXYZ",
                    _ => continue,
                };
                let step = 1 + random.below(class.len() - 1);
                let old = class.iter().position(|one| *one == bytes[*at]).unwrap_or(0);
                bytes[*at] = class[(old + step) % class.len()];
            }
            tokens.push(&String::from_utf8_lossy(&bytes));
        }
        tokens
    }

    fn expired(&self) -> Result<String, PrepareError> {
        let lifetime = self.lifetime().ok_or_else(|| {
            PrepareError::Unsupported(format!("tokens of {} do not expire", self.flow))
        })?;
        let seconds = lifetime.as_secs() + LEEWAY;
        Ok(format!("- run: {{procedure: obtain_token}}\n- wait: {seconds}s\n{ASK}"))
    }

    /// That a logout of the login with JWTs revokes the token.
    pub(in crate::load) fn logout_revokes(&self) -> Result<(), PrepareError> {
        let choice = self.binding()?.choices.get("logout");
        match choice.is_some_and(|choice| choice == "revoking") {
            true => Ok(()),
            false => Err(PrepareError::Unsupported(
                "a logout of jwt-login does not revoke the token, as the profile says".to_owned(),
            )),
        }
    }

    fn revoked(&self) -> Result<String, PrepareError> {
        let act = match self.flow {
            Flow::GatewayButton => "send: {operation: revoke, token: \"${token}\"}",
            Flow::JwtLogin => {
                self.logout_revokes()?;
                "send: {operation: logout, token: \"${token}\"}"
            }
            _ if self.hooks.offers("revoke") => {
                "hook: {name: revoke, say: Revoke the token., with: {token: \"${token}\"}}"
            }
            _ => {
                let why = format!(
                    "nothing revokes a token of {}: the profile has no hook `revoke`",
                    self.flow
                );
                return Err(PrepareError::Unsupported(why));
            }
        };
        Ok(format!("- run: {{procedure: obtain_token}}\n- {act}\n{ASK}"))
    }

    fn other_environment(&self) -> Result<String, PrepareError> {
        let binding = self.binding()?;
        let [_, other, ..] = binding.environments.as_slice() else {
            return Err(PrepareError::Unsupported(format!("{} has one environment", self.flow)));
        };
        Ok(format!(
            "- run: {{procedure: obtain_token, with: {{target_environment: {other}}}}}\n{ASK}"
        ))
    }

    /// A token of the first other flow that hands one out.
    async fn other_flow(&self) -> Result<Tokens, PrepareError> {
        for flow in self.profile.flows.keys().filter(|flow| **flow != self.flow) {
            if let Ok((token, _)) = self.one(*flow, VALID).await {
                return Ok([token.as_str()].into_iter().collect());
            }
        }
        let why = format!("no other flow of {} hands out a token", self.profile.name);
        Err(PrepareError::Unsupported(why))
    }
}
