//! Boundaries, races, samples and streams.

use super::Context;
use super::step::NO_TIME;
use crate::model::ExpectationSet;
use crate::scenario::action::{
    Action, Boundary, Capture, Moment, Race, Sample, SendStep, StreamAct, StreamStep, Timing,
};
use crate::scenario::expectation::{Expectation, Kind};
use crate::scenario::raw::{
    RawBoundary, RawRace, RawSample, RawSampleExpectation, RawStream, RawTiming,
};
use crate::scenario::vocabulary::Need;
use crate::source::YamlPath;

impl Context<'_> {
    pub(super) fn boundary(&mut self, raw: &RawBoundary, path: &YamlPath) -> Action {
        self.needed.insert(Need::Clock);
        let outer = self.names.clone();
        let prepare = self.steps(&raw.prepare, &path.key("prepare"));
        let at = match (&raw.after, &raw.until) {
            (Some(after), None) => {
                let duration = self.span(after, &path.key("after")).unwrap_or(NO_TIME);
                Moment::After { duration, from: self.mark(raw.from.as_deref(), &path.key("from")) }
            }
            (None, Some(until)) => Moment::Until(self.template(until, &path.key("until"))),
            _ => {
                self.out.value(
                    "scenario::boundary",
                    path,
                    "a boundary has exactly one of `after` and `until`",
                );
                Moment::After { duration: NO_TIME, from: None }
            }
        };
        let probe = self.send(&raw.probe, &path.key("probe"));
        let just_before = self.some_set(&raw.just_before, &path.key("just_before"));
        let exactly_at = self.some_set(&raw.exactly_at, &path.key("exactly_at"));
        let just_after = self.some_set(&raw.just_after, &path.key("just_after"));
        if just_before.is_none() && just_after.is_none() && exactly_at.is_none() {
            self.out.value(
                "scenario::boundary",
                path,
                "a boundary expects something on at least one side",
            );
        }
        self.names = outer;
        Action::Boundary(Box::new(Boundary {
            at,
            prepare,
            probe,
            just_before,
            exactly_at,
            just_after,
        }))
    }

    pub(super) fn mark(&mut self, name: Option<&str>, path: &YamlPath) -> Option<String> {
        let name = name?;
        if !self.marks.contains(name) {
            self.out.value(
                "scenario::mark",
                path,
                format!("no earlier step has the mark `{name}`"),
            );
            let known: Vec<String> = self.marks.iter().cloned().collect();
            self.out.did_you_mean(name, known.iter().map(String::as_str));
        }
        Some(name.to_owned())
    }

    pub(super) fn race(&mut self, raw: &RawRace, path: &YamlPath) -> (Action, ExpectationSet) {
        let outer = self.names.clone();
        let prepare = self.steps(&raw.prepare, &path.key("prepare"));
        let requests = path.key("requests");
        let sends: Vec<SendStep> = raw
            .requests
            .iter()
            .enumerate()
            .map(|(i, send)| self.send(send, &requests.index(i)))
            .collect();
        let requests = match sends.as_slice() {
            [one] => [one.clone(), one.clone()],
            [one, two] => [one.clone(), two.clone()],
            _ => {
                self.out.value(
                    "scenario::race",
                    &requests,
                    "a race has one request, sent twice, or two",
                );
                [SendStep::default(), SendStep::default()]
            }
        };
        let keep = self.kept_of_pair(raw, &requests, &path.key("keep"));
        let after_path = path.key("after");
        let after: Vec<SendStep> = raw
            .after
            .iter()
            .enumerate()
            .map(|(i, send)| self.send(send, &after_path.index(i)))
            .collect();
        if after.is_empty() && raw.expect.iter().any(|expect| expect.after) {
            let message =
                "`after: true` counts answers to the requests in `after`, and there are none";
            self.out.value("scenario::race", path, message);
        }
        let set = self.race_expectations(&raw.expect, &path.key("expect"));
        self.names = outer;
        let repeats = raw.repeats.unwrap_or(20).clamp(1, 1_000);
        (Action::Race(Box::new(Race { repeats, prepare, requests, keep, after })), set)
    }

    fn kept_of_pair(
        &mut self,
        raw: &RawRace,
        requests: &[SendStep; 2],
        path: &YamlPath,
    ) -> [Vec<Capture>; 2] {
        if raw.keep.len() > 2 {
            self.out.value("scenario::race", path, "a race has two answers to keep something of");
        }
        let mut kept = [Vec::new(), Vec::new()];
        for (index, captures) in raw.keep.iter().take(2).enumerate() {
            let operation = Some(requests[index].operation.as_str());
            kept[index] = self.captures(captures, operation, &path.index(index));
        }
        kept
    }

    pub(super) fn timing(&mut self, raw: &RawTiming, path: &YamlPath) -> (Action, ExpectationSet) {
        let requests = path.key("requests");
        let sends: Vec<SendStep> = raw
            .requests
            .iter()
            .enumerate()
            .map(|(i, send)| self.send(send, &requests.index(i)))
            .collect();
        let requests = <[SendStep; 2]>::try_from(sends).unwrap_or_else(|_| {
            self.out.value("scenario::timing", &requests, "a timing compares two requests");
            [SendStep::default(), SendStep::default()]
        });
        if raw.alike.is_empty() {
            self.out.value("scenario::timing", path, "`alike` names at least one check");
        }
        let alike = path.key("alike");
        let expectations = raw.alike.iter().enumerate().map(|(index, check)| {
            let check = self.named_check(Some(check), &alike.index(index));
            Expectation { check, when: None, filter: None, kind: Kind::Alike }
        });
        let expectations = expectations.collect();
        let pairs = raw.pairs.unwrap_or(400).clamp(50, 100_000);
        (Action::Timing(Box::new(Timing { pairs, requests })), self.keep(expectations))
    }

    pub(super) fn sample(&mut self, raw: &RawSample, path: &YamlPath) -> (Action, ExpectationSet) {
        let outer = self.names.clone();
        let concurrency = raw.concurrency.unwrap_or(1);
        if concurrency > 1 && !raw.prepare.is_empty() {
            let message = "steps before each request need a concurrency of 1";
            self.out.key("scenario::sample", &path.key("prepare"), message);
        }
        if raw.count == 0 || raw.count > 100_000 || concurrency == 0 || concurrency > 1_000 {
            let message = "a sample has 1 to 100000 requests, 1 to 1000 at once";
            self.out.value("scenario::sample", path, message);
        }
        let prepare = self.steps(&raw.prepare, &path.key("prepare"));
        let send = self.send(&raw.send, &path.key("send"));
        let collect = raw.collect.as_ref().and_then(|collect| {
            self.capture("sample", collect, Some(&send.operation), &path.key("collect"))
        });
        let mut expectations = self.expectations(&raw.each, &path.key("each"));
        expectations.extend(self.collections(&raw.all, &path.key("all")));
        if collect.is_none() && raw.all.iter().any(RawSampleExpectation::is_of_values) {
            let message = "`distinct`, `patternless` and `random_bits` need `collect`";
            self.out.value("scenario::sample", path, message);
        }
        let set = self.keep(expectations);
        self.names = outer;
        (
            Action::Sample(Box::new(Sample {
                count: raw.count,
                scaled: raw.all.iter().any(RawSampleExpectation::is_statistic),
                concurrency,
                prepare,
                send,
                collect,
            })),
            set,
        )
    }

    pub(super) fn stream(&mut self, raw: &RawStream, path: &YamlPath) -> Action {
        let mut acts: Vec<StreamAct> = Vec::new();
        if let Some(open) = &raw.open {
            let copies = raw.copies.unwrap_or(1).clamp(1, 10_000);
            acts.push(StreamAct::Open(Box::new(self.send(open, &path.key("open"))), copies));
            self.connections.insert(raw.connection.clone());
        }
        if !self.connections.contains(&raw.connection) {
            let message = format!("no earlier step opens the connection `{}`", raw.connection);
            self.out.value("scenario::stream", &path.key("connection"), message);
        }
        if let Some(message) = &raw.transmit {
            acts.push(StreamAct::Transmit(self.message(message, &path.key("transmit"))));
        }
        acts.extend(raw.ping.clone().map(StreamAct::Ping));
        if let Some(text) = &raw.receive {
            acts.extend(self.duration(text, &path.key("receive")).map(StreamAct::Receive));
        }
        acts.extend(raw.close.map(StreamAct::Close));
        if acts.len() != 1 {
            let message =
                "a stream step has exactly one of `open`, `transmit`, `ping`, `receive`, `close`";
            self.out.value("scenario::stream", path, message);
        }
        let act = acts.into_iter().next().unwrap_or(StreamAct::Close(1000));
        Action::Stream(Box::new(StreamStep { connection: raw.connection.clone(), act }))
    }
}
