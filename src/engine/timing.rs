//! Two requests in turn, many times, for a comparison of how long their answers take.

use std::collections::BTreeSet;

use super::run::{Runner, Stopped};
use crate::model::{Act, Exchange, Role};
use crate::scenario::{SendStep, Step, Timing};

/// The first rounds warm connections and caches up; they do not count.
const WARM_UP: u32 = 10;

impl Runner<'_> {
    /// Each round sends the first request, the second, and the first once more, in a random order: the
    /// third tells how much two equal requests differ on this machine. Blocks of one kind would be compared
    /// with whatever else the machine did meanwhile.
    pub(super) async fn timing(&mut self, step: &Step, timing: &Timing) -> Stopped {
        let known_before = self.known();
        let mut nanoseconds: [Vec<u64>; 3] = Default::default();
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut statuses = BTreeSet::new();
        let rounds = self.engine.settings.effort.scale(timing.pairs);
        for round in 0..rounds + WARM_UP {
            for kind in self.order() {
                let send = &timing.requests[usize::from(kind == 1)];
                let exchange = self.timed(step, send).await?;
                let took = exchange.timing.done.saturating_sub(exchange.timing.sent);
                if round >= WARM_UP {
                    nanoseconds[kind].push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                }
                // Zero stands for no answer: its time is not to be compared with that of one.
                statuses.insert(exchange.reply.as_ref().map_or(0, |response| response.status));
                // One of each is kept: the others differ in nothing but time.
                if round == 0 {
                    exchanges.push(exchange);
                }
            }
        }
        let [first, second, again] = nanoseconds;
        let act = Act::Timing { first, second, again, statuses, exchanges };
        let entry = self.entry(&step.label, Role::Step, step.expect, known_before, act);
        self.trace.entries.push(entry);
        Ok(())
    }

    async fn timed(
        &mut self,
        step: &Step,
        send: &SendStep,
    ) -> Result<Exchange, crate::model::Stop> {
        let (mut request, environment) = self.request(send, &step.label)?;
        // A connection that stays: making one costs more than what is measured.
        request.connection = Some("timing".to_owned());
        let (reply, timing) = self.engine.wires.send(&request).await;
        if let Err(error) = &reply {
            self.give_up(error, &step.label)?;
        }
        Ok(self.exchange(send, environment, request, reply, timing))
    }

    fn order(&self) -> [usize; 3] {
        const ORDERS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        ORDERS[self.random_below(ORDERS.len())]
    }
}
