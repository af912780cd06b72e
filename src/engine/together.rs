//! Requests that arrive together, and requests that come many times.

use futures_util::stream::{StreamExt, iter};

use super::capture::capture;
use super::run::{Runner, Stopped};
use crate::model::{Act, Exchange, Role, Stop, Trial, WireError};
use crate::scenario::{Race, Sample, Step};

impl Runner<'_> {
    pub(super) async fn race(&mut self, step: &Step, race: &Race) -> Stopped {
        let known_before = self.known();
        let mut trials = Vec::new();
        for _ in 0..self.engine.settings.effort.scale(race.repeats) {
            self.steps(&race.prepare).await?;
            let (first, first_environment) = self.request(&race.requests[0], &step.label)?;
            let (second, second_environment) = self.request(&race.requests[1], &step.label)?;
            let [(reply, timing), (other_reply, other_timing)] =
                self.engine.wires.send_together([&first, &second]).await;
            for error in [&reply, &other_reply].into_iter().filter_map(|reply| reply.as_ref().err())
            {
                self.give_up(&error.clone(), &step.label)?;
            }
            let exchanges = vec![
                self.exchange(&race.requests[0], first_environment, first, reply, timing),
                self.exchange(
                    &race.requests[1],
                    second_environment,
                    second,
                    other_reply,
                    other_timing,
                ),
            ];
            exchanges.iter().for_each(|exchange| self.note_tokens(exchange));
            let after = self.after_pair(step, race, &exchanges).await?;
            trials.push(Trial { exchanges, after });
        }
        let entry =
            self.entry(&step.label, Role::Step, step.expect, known_before, Act::Race { trials });
        self.trace.entries.push(entry);
        match step.expect {
            Some(set) => self.prerequisites(set, &step.label),
            None => Ok(()),
        }
    }

    /// What the pair left behind: asked one after the other. A request that needs something of an answer that
    /// has it not, as the loser's of a pair, is left out.
    async fn after_pair(
        &mut self,
        step: &Step,
        race: &Race,
        pair: &[Exchange],
    ) -> Result<Vec<Exchange>, Stop> {
        for (captures, exchange) in race.keep.iter().zip(pair) {
            let act = Act::Exchange(Box::new(exchange.clone()));
            self.keep_all(captures, &act, Some(&exchange.operation), &step.label);
        }
        let mut answers = Vec::new();
        for send in &race.after {
            if self.unsent(send, &step.label).is_err() {
                continue;
            }
            if let Act::Exchange(exchange) = self.send(send, &step.label).await? {
                answers.push(*exchange);
            }
        }
        Ok(answers)
    }

    pub(super) async fn sample(&mut self, step: &Step, sample: &Sample) -> Stopped {
        let known_before = self.known();
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut values: Vec<Option<String>> = Vec::new();
        if sample.concurrency <= 1 {
            for _ in 0..self.count_of(sample) {
                self.steps(&sample.prepare).await?;
                if let Act::Exchange(exchange) = self.send(&sample.send, &step.label).await? {
                    // A template may name what the steps before this request captured.
                    values.push(self.collected(sample, &exchange));
                    exchanges.push(*exchange);
                }
            }
        } else {
            exchanges = self.at_once(step, sample).await?;
            exchanges.iter().for_each(|exchange| self.note_tokens(exchange));
            values = exchanges.iter().map(|exchange| self.collected(sample, exchange)).collect();
        }
        self.watch(&values, &step.label);
        let entry = self.entry(
            &step.label,
            Role::Step,
            step.expect,
            known_before,
            Act::Sample { exchanges, values },
        );
        self.trace.entries.push(entry);
        match step.expect {
            Some(set) => self.prerequisites(set, &step.label),
            None => Ok(()),
        }
    }

    async fn at_once(&mut self, step: &Step, sample: &Sample) -> Result<Vec<Exchange>, Stop> {
        let mut requests = Vec::new();
        for _ in 0..self.count_of(sample) {
            requests.push(self.request(&sample.send, &step.label)?);
        }
        let wires = &self.engine.wires;
        let sent = iter(requests).map(|(request, environment)| async move {
            let (reply, timing) = wires.send(&request).await;
            (request, environment, reply, timing)
        });
        let answered: Vec<_> = sent.buffered(sample.concurrency as usize).collect().await;
        let mut exchanges = Vec::new();
        for (request, environment, reply, timing) in answered {
            if let Err(error @ WireError::Connect(_)) = &reply {
                self.give_up(error, &step.label)?;
            }
            exchanges.push(self.exchange(&sample.send, environment, request, reply, timing));
        }
        Ok(exchanges)
    }

    fn count_of(&self, sample: &Sample) -> u32 {
        if sample.scaled { self.engine.settings.effort.sample(sample.count) } else { sample.count }
    }

    fn collected(&self, sample: &Sample, exchange: &Exchange) -> Option<String> {
        let collect = sample.collect.as_ref()?;
        let field = self.field(&collect.source, Some(&exchange.operation));
        let act = Act::Exchange(Box::new(exchange.clone()));
        capture(&collect.source, &act, field, &self.scope()).ok()
    }

    /// Collected values are secrets of the run: reports must not show them.
    fn watch(&mut self, values: &[Option<String>], label: &str) {
        for (index, value) in values.iter().enumerate() {
            if let Some(value) = value {
                self.note_secret(&format!("sample.{}", index + 1), value, label);
            }
        }
        if let Some(value) = values.iter().flatten().last() {
            self.bind("sample", value.clone());
        }
    }
}
