//! Probes around a moment.

use std::sync::Arc;
use std::time::Duration;

use super::run::{Mark, Runner, Stopped, stop};
use crate::model::{ExpectationSet, Millis, Role, Skipped, StopKind};
use crate::scenario::{Boundary, Moment, Step, uses_hooks};

/// How far from the moment a probe is, on a clock that is exact.
const BESIDE: Millis = 1;

/// Which side of the moment is probed.
#[derive(Clone, Copy)]
enum Side {
    Before,
    At,
    After,
}

impl Runner<'_> {
    pub(super) async fn boundary(&mut self, step: &Step, boundary: &Boundary) -> Stopped {
        let sides = [
            (Side::Before, boundary.just_before, "just before"),
            (Side::At, boundary.exactly_at, "at"),
            (Side::After, boundary.just_after, "just after"),
        ];
        let mut sides: Vec<_> =
            sides.into_iter().filter_map(|(side, set, name)| Some((side, set?, name))).collect();
        let real = self.engine.clock.mode() == "real";
        if real {
            self.leave_out_the_moment(&mut sides);
        }
        let alone = !self.is_connected() && !uses_hooks(&boundary.prepare);
        if real && alone && self.engine.binding.keeps_earlier_tokens() {
            let parts = sides
                .into_iter()
                .map(|(side, set, name)| (name.to_owned(), (name.to_owned(), side, set)));
            let probe =
                async |fork: &mut Self, (name, side, set): (String, Side, ExpectationSet)| {
                    let label = format!("{} ({name})", step.label);
                    fork.probe(step, boundary, side, set, &label).await
                };
            return self.abreast(parts, probe).await;
        }
        for (side, set, name) in sides {
            let bindings = Arc::clone(&self.bindings);
            let label = format!("{} ({name})", step.label);
            let result = self.probe(step, boundary, side, set, &label).await;
            self.bindings = bindings;
            result?;
        }
        Ok(())
    }

    /// Real time does not stop at a moment: on which side of it a request arrives is not known.
    fn leave_out_the_moment(&mut self, sides: &mut Vec<(Side, ExpectationSet, &str)>) {
        sides.retain(|(side, set, _)| {
            let keeps = !matches!(side, Side::At);
            let reason = "a clock that runs cannot be asked at the moment itself".to_owned();
            let skipped = Skipped { sets: vec![*set], reason };
            if !keeps && !self.trace.skipped.contains(&skipped) {
                self.trace.skipped.push(skipped);
            }
            keeps
        });
    }

    async fn probe(
        &mut self,
        step: &Step,
        boundary: &Boundary,
        side: Side,
        set: ExpectationSet,
        label: &str,
    ) -> Stopped {
        self.steps(&boundary.prepare).await?;
        let due = self.due(step, boundary, side).await?;
        let now = self.moment().await.unwrap_or_default();
        let Ok(wait) = u64::try_from(due - now) else {
            let reason = format!("the steps before took {} ms too long", now - due);
            return Err(stop(label, StopKind::Missing, reason));
        };
        if wait > 0 {
            self.wait(Duration::from_millis(wait), label).await?;
        }
        let known_before = self.known();
        let act = self.send(&boundary.probe, label).await?;
        let entry = self.entry(label, Role::Step, Some(set), known_before, act);
        self.trace.entries.push(entry);
        self.prerequisites(set, label)
    }

    async fn due(
        &mut self,
        step: &Step,
        boundary: &Boundary,
        side: Side,
    ) -> Result<Millis, crate::model::Stop> {
        let tolerance =
            Millis::try_from(self.engine.clock.tolerance().as_millis()).unwrap_or(Millis::MAX);
        let beside = tolerance.max(BESIDE);
        let offset = match side {
            Side::Before => -beside,
            Side::At => 0,
            Side::After => beside,
        };
        match &boundary.at {
            Moment::After { duration, from } => {
                let now = self.moment().await.unwrap_or_default();
                let here = Mark { asked: now, acknowledged: now };
                let mark =
                    from.as_ref().and_then(|name| self.marks.get(name)).copied().unwrap_or(here);
                // The act lies somewhere between its asking and its acknowledgement.
                let start =
                    if matches!(side, Side::Before) { mark.asked } else { mark.acknowledged };
                Ok(start
                    + Millis::try_from(self.span(duration).as_millis()).unwrap_or(Millis::MAX / 4)
                    + offset)
            }
            Moment::Until(template) => {
                let text = template
                    .text(&self.scope())
                    .map_err(|error| self.stopped(step, &error.to_string()))?;
                let seconds: f64 = text.trim().parse().map_err(|_| {
                    let reason = format!("`{text}` is not a number of seconds since 1970");
                    stop(&step.label, StopKind::Prerequisite, reason)
                })?;
                Ok((seconds * 1e3) as Millis + offset)
            }
        }
    }
}
