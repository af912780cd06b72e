//! Workloads other than validation: users that log in, refresh or revoke, each with tokens of its own.
//!
//! A user whose request was lost does not know whether its token was used up. It gets a new one beside what is measured,
//! so that the generator causes no refusal itself.

use std::sync::Arc;

use super::court::Expected;
use super::form::{Form, Tokens};
use super::pool::{Case, Pool};
use super::prepare::{ASK, Asked, Ground, PrepareError, Prepared};
use super::talk::Talk;
use crate::model::{Exchange, Flow, Header, Reply, Response};

/// What users do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Workload {
    /// They present tokens, which are shared.
    #[default]
    Validate,
    /// They ask for tokens.
    Issue,
    /// Each exchanges its refresh token for the next one, again and again.
    Refresh,
    /// Each asks for a token, uses it, revokes it, and tries it once more.
    Revoke,
    /// They open sockets with the token in the header, and hear the first message.
    Socket,
    /// They open sockets, and name the token in their first message.
    SocketMessage,
}

/// Users with their turns, tokens that must not be shown, and the answer to the first request.
type Turns = (Pool, Vec<String>, Reply);

/// What a case of a turn is made of.
struct Part<'a> {
    name: &'a str,
    expected: &'a str,
    /// The request, and the token in it that is the user's own; empty when it is the same for all users.
    request: (Exchange, &'a str),
    /// The field of its answer that becomes the user's own token.
    keeps: Option<&'a str>,
}

impl Ground<'_> {
    /// Whether machines that each obtain tokens leave one another's alone.
    pub(super) fn can_be_divided(&self, asked: &Asked) -> Result<(), PrepareError> {
        if asked.among_others && asked.given.is_empty() && self.minting("").is_none() {
            let why = format!(
                "a new token of {} replaces the one before it, so shards would end one another's tokens; obtain tokens of several accounts once, and give them to every shard with --tokens-from",
                self.flow
            );
            return Err(PrepareError::Unsupported(why));
        }
        Ok(())
    }

    /// Makes the cases of a workload whose users go through them in turn.
    pub(super) async fn turns(
        &self,
        asked: &Asked,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Prepared, PrepareError> {
        let (pool, secrets, sample) = match asked.workload {
            Workload::Socket => return self.sockets(asked, Talk::Header, progress).await,
            Workload::SocketMessage => return self.sockets(asked, Talk::Message, progress).await,
            Workload::Validate | Workload::Issue => self.issue(asked).await?,
            Workload::Refresh => self.refresh(asked, progress).await?,
            Workload::Revoke => self.revoke(asked).await?,
        };
        let (court, pool) = (Arc::new(self.court(secrets)?), Arc::new(pool));
        let sample = sample.unwrap_or_default();
        let (notes, skew) = (Vec::new(), None);
        Ok(Prepared { court, pool, notes, flow: self.flow, sample, renewal: None, skew })
    }

    /// A request that hands out a token, the field that it is in, and the token that the request itself needs.
    async fn issuing(&self) -> Result<(Exchange, &'static str, Option<String>), PrepareError> {
        let (operation, field) = match self.flow {
            Flow::GatewayButton => {
                let steps = "- run: {procedure: obtain_token}\n- send: {operation: generate_with_token, token: \"${token}\"}\n";
                let (mother, exchange) = self.last(self.flow, steps, "token").await?;
                return Ok((exchange, "token", Some(mother)));
            }
            Flow::JwtLogin => ("login", "access_token"),
            Flow::VisitorLogin => ("login", "token"),
            _ => ("generate", "token"),
        };
        let steps = format!(
            "- run: {{procedure: obtain_token}}\n- send: {{operation: {operation}, identity: first}}\n"
        );
        let (_, exchange) = self.last(self.flow, &steps, "token").await?;
        Ok((exchange, field, None))
    }

    async fn issue(&self, asked: &Asked) -> Result<Turns, PrepareError> {
        let (exchange, _, mother) = self.issuing().await?;
        let sample = exchange.reply.clone();
        let part = Part { name: "issue", expected: "issued", request: (exchange, ""), keeps: None };
        let cases = vec![self.case(part, asked)?];
        let pool = Pool::in_turn(cases, 1, Tokens::default());
        Ok((pool, mother.into_iter().collect(), sample))
    }

    async fn refresh(
        &self,
        asked: &Asked,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Turns, PrepareError> {
        let has = |name: &str| Ok::<_, PrepareError>(self.binding()?.operations.contains_key(name));
        let lacks = self.binding()?.capabilities.get("refresh") == Some(&false);
        if !has("refresh")? || lacks {
            let why = format!("{} of {} has no refresh tokens", self.flow, self.profile.name);
            return Err(PrepareError::Unsupported(why));
        }
        let steps = "- run: {procedure: obtain_token}\n- send: {operation: refresh, with: {refresh_token: \"${refresh_token}\"}}\n";
        let (token, exchange) = self.last(self.flow, steps, "refresh_token").await?;
        let sample = exchange.reply.clone();
        let (login, ..) = self.issuing().await?;
        let mut first = Tokens::default();
        let send = ("{operation: login, identity: first}", "refresh_token");
        self.mint(&mut first, asked.users, send, progress).await?;
        let keeps = Some("refresh_token");
        let part = |name, request| Part { name, expected: "issued", request, keeps };
        let cases = vec![
            self.case(part("refresh", (exchange, &token)), asked)?,
            self.case(part("login, after a lost answer", (login, "")), asked)?,
        ];
        Ok((Pool::in_turn(cases, 1, first), Vec::new(), sample))
    }

    async fn revoke(&self, asked: &Asked) -> Result<Turns, PrepareError> {
        let (revoke, revoked) = match self.flow {
            Flow::GatewayButton => ("revoke", "revoked"),
            Flow::JwtLogin => {
                self.logout_revokes()?;
                ("logout", "logged_out")
            }
            _ => {
                let why = format!("{} has no request that revokes a token", self.flow);
                return Err(PrepareError::Unsupported(why));
            }
        };
        let (issue, field, mother) = self.issuing().await?;
        let sample = issue.reply.clone();
        let obtain = "- run: {procedure: obtain_token}\n";
        let (used, validate) = self.last(self.flow, &format!("{obtain}{ASK}"), "token").await?;
        let steps = format!("{obtain}- send: {{operation: {revoke}, token: \"${{token}}\"}}\n");
        let (ended, revoke) = self.last(self.flow, &steps, "token").await?;
        let part = |name, expected, request| Part { name, expected, request, keeps: None };
        let issue = Part { keeps: Some(field), ..part("issue", "issued", (issue, "")) };
        let cases = vec![
            self.case(issue, asked)?,
            self.case(part("use", "accepted", (validate.clone(), &used)), asked)?,
            self.case(part("revoke", revoked, (revoke, &ended)), asked)?,
            self.case(part("use after revoke", "denied", (validate, &used)), asked)?,
        ];
        let pool = Pool::in_turn(cases, 4, Tokens::default());
        Ok((pool, mother.into_iter().collect(), sample))
    }

    /// Users that open a socket for each request, with tokens that are shared.
    async fn sockets(
        &self,
        asked: &Asked,
        talk: Talk,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Prepared, PrepareError> {
        let binding = self.binding()?;
        let lacks = binding.capabilities.get("socket") == Some(&false);
        let Some(operation) = binding.operations.get("socket").filter(|_| !lacks) else {
            let why = format!("{} of {} has no WebSocket", self.flow, self.profile.name);
            return Err(PrepareError::Unsupported(why));
        };
        let mut notes = Vec::new();
        let (first, exchange) = self
            .last(self.flow, &format!("- run: {{procedure: obtain_token}}\n{ASK}"), "token")
            .await?;
        let tokens = self.valid(&first, asked.tokens, progress, &mut notes).await?;
        let mut request = exchange.request;
        if talk == Talk::Message {
            request.headers.retain(|header| !header.value.text().contains(&first));
        }
        request.method.clone_from(&operation.method);
        request.target.clone_from(&operation.path);
        // Any key will do: the answer to it is the same each time (RFC 6455 section 1.3).
        for (name, value) in [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.headers.push(Header::new(name, value));
        }
        let form = match talk {
            Talk::Header => Form::new(request, &first),
            Talk::Message => Form::fixed(request),
        };
        let case = Case {
            name: "valid".to_owned(),
            weight: 1.0,
            expected: Expected::Outcome("upgraded".to_owned()),
            operation: "socket".to_owned(),
            environment: None,
            form: form.map_err(PrepareError::Unsupported)?,
            tokens,
            keeps: None,
            talk: Some(talk),
            varies: false,
        };
        Ok(Prepared {
            court: Arc::new(self.court(Vec::new())?),
            pool: Arc::new(Pool::new(vec![case], asked.popularity)),
            notes,
            flow: self.flow,
            sample: Response::default(),
            skew: None,
            renewal: None,
        })
    }

    fn case(&self, part: Part<'_>, asked: &Asked) -> Result<Case, PrepareError> {
        let (exchange, own) = part.request;
        let (operation, environment) = (exchange.operation.clone(), exchange.environment.clone());
        let fields = self.binding()?.operations.get(&operation).map(|found| &found.answer);
        let keeps = part.keeps.and_then(|name| fields?.get(name).cloned());
        Ok(Case {
            name: part.name.to_owned(),
            weight: 1.0,
            expected: Expected::Outcome(part.expected.to_owned()),
            operation,
            environment,
            form: self.form(exchange, own, asked.keep_alive)?,
            tokens: Tokens::default(),
            keeps,
            talk: None,
            varies: part.expected == "issued",
        })
    }
}
