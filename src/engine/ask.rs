//! One request of a step and its answer: what may be sent, what it cost, and when a target counts as gone.

use super::judge::{Class, Face, classify};
use super::request::{RequestError, build};
use super::run::{Runner, Stopped, stop};
use crate::model::{Act, Exchange, Reply, Request, Stop, StopKind, Timing, WireError};
use crate::scenario::SendStep;
use crate::target::OutcomeKind;

/// More answers than this that miss their deadline, and the target counts as not answering.
const MOST_DEADLINES: u32 = 3;

impl Runner<'_> {
    /// Makes and sends the request of a step.
    pub(super) async fn send(&mut self, send: &SendStep, label: &str) -> Result<Act, Stop> {
        let (request, environment) = self.request(send, label)?;
        let (reply, timing) = self.engine.wires.send(&request).await;
        let exchange = self.exchange(send, environment, request, reply, timing);
        self.note_tokens(&exchange);
        if let Err(error) = &exchange.reply {
            self.give_up(error, label)?;
        }
        Ok(Act::Exchange(Box::new(exchange)))
    }

    /// The request of a step, which is then sent: one that may be a wrong login takes its place in the budget now, so
    /// that many at once do not exceed it.
    pub(super) fn request(
        &self,
        send: &SendStep,
        label: &str,
    ) -> Result<(Request, Option<String>), Stop> {
        let made = self.unsent(send, label)?;
        if let Some(budget) = &self.engine.settings.budget
            && self.may_fail_to_log_in(send)
            && !budget.take()
        {
            let reason = format!(
                "the budget of {} wrong logins is used up (`limits.max_failed_logins`)",
                budget.allowed
            );
            return Err(stop(label, StopKind::Missing, reason));
        }
        Ok(made)
    }

    /// The request of a step, only to see whether it can be made.
    pub(super) fn unsent(
        &self,
        send: &SendStep,
        label: &str,
    ) -> Result<(Request, Option<String>), Stop> {
        build(self.engine.binding, &self.engine.settings.headers, send, &self.scope()).map_err(
            |error| match &error {
                RequestError::Absent(reason) => stop(label, StopKind::Absent, reason.clone()),
                RequestError::Missing(reason) => stop(label, StopKind::Missing, reason.clone()),
                RequestError::Render(render) => self.explain(label, &render.to_string()),
            },
        )
    }

    pub(super) fn exchange(
        &self,
        send: &SendStep,
        environment: Option<String>,
        request: Request,
        reply: Reply,
        timing: Timing,
    ) -> Exchange {
        let operation = send.operation.clone();
        let exchange = Exchange {
            operation,
            environment,
            request,
            reply,
            timing,
            server_now: self.server_now,
        };
        if let Some(budget) = &self.engine.settings.budget
            && self.logs_in(&exchange.operation)
        {
            // Whatever is no success may count against the account at the server: also an answer that nobody knows,
            // and one that did not come.
            let class = classify(self.engine.binding, &Face::new(&exchange));
            let logged_in =
                matches!(class, Class::Known(outcome) if outcome.kind == OutcomeKind::Success);
            match (logged_in, self.may_fail_to_log_in(send)) {
                (true, true) => budget.give_back(),
                (false, false) => budget.count(),
                _ => {}
            }
        }
        exchange
    }

    /// Whether a request is a login that is not as a client of the server would make it.
    fn may_fail_to_log_in(&self, send: &SendStep) -> bool {
        self.logs_in(&send.operation) && !send.is_plain_login()
    }

    /// Whether an operation takes the secret of an account.
    fn logs_in(&self, operation: &str) -> bool {
        let operation = self.engine.binding.operations.get(operation);
        operation.is_some_and(|operation| !operation.identity.is_empty())
    }

    /// Ends the scenario when the target is not there, instead of waiting for it again and again.
    pub(super) fn give_up(&mut self, error: &WireError, label: &str) -> Stopped {
        match error {
            WireError::Connect(_) => Err(stop(label, StopKind::Unreachable, error.to_string())),
            WireError::Deadline(_) => {
                self.deadlines += 1;
                if self.deadlines < MOST_DEADLINES {
                    return Ok(());
                }
                Err(stop(label, StopKind::Unreachable, format!("{error}, {MOST_DEADLINES} times")))
            }
            WireError::Closed(_)
            | WireError::Nonsense(_)
            | WireError::Unreadable(_)
            | WireError::Unsendable(_) => Ok(()),
        }
    }
}
