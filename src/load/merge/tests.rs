//! Parts that fit together, and parts that do not.

use proptest::prelude::*;

use super::*;
use crate::load::tests::report;
use crate::model::Flow;

/// A shard that measured these response times in these seconds, in nanoseconds.
fn shard(number: u32, of: u32, times: &[(u64, u64)]) -> LoadReport {
    let mut seconds: BTreeMap<u64, Histogram> = BTreeMap::new();
    let mut all = Histogram::default();
    for (second, time) in times {
        seconds.entry(*second).or_default().record(*time);
        all.record(*time);
    }
    let timeline = seconds.iter().map(|(second, times)| SecondReport {
        second: *second,
        sent: times.count(),
        answers: times.count(),
        response: quantiles(times),
        ..SecondReport::default()
    });
    LoadReport {
        answers: all.count(),
        sent: all.count(),
        timeline: timeline.collect(),
        shard: Some(ShardReport { number, of }),
        start: Some(StartReport { at: 1_000.0, asked: Some(1_000.0), skew: None }),
        histograms: HistogramsReport {
            response: all.encode(),
            service: all.encode(),
            lateness: String::new(),
            seconds: seconds.values().map(Histogram::encode).collect(),
        },
        ..report()
    }
}

fn named(parts: impl IntoIterator<Item = LoadReport>) -> Vec<(String, LoadReport)> {
    (1..).map(|at| format!("{at}.json")).zip(parts).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn merged_reports_have_the_percentiles_of_one_recorder_that_heard_everything(
        streams in prop::collection::vec(
            prop::collection::vec((0..4u64, 1..10_000_000_000u64), 0..60), 1..5),
    ) {
        let of = streams.len() as u32;
        let parts = streams.iter().zip(1..).map(|(times, number)| shard(number, of, times));
        let merged = merge(&named(parts)).unwrap();
        let one = shard(1, 1, &streams.concat());
        let whole = merge(&named([one.clone()])).unwrap();
        prop_assert_eq!(merged.response, quantiles(&Histogram::decode(&one.histograms.response).unwrap()));
        prop_assert_eq!(&merged.histograms, &one.histograms);
        prop_assert_eq!(&merged.timeline, &one.timeline);
        prop_assert_eq!((merged.answers, merged.service), (whole.answers, whole.service));
    }
}

#[test]
fn what_parts_counted_is_added_up_and_what_they_share_is_kept() {
    let counted = |number, accepted, wrong| {
        let mut part = shard(number, 2, &[(0, 1_000)]);
        let outcomes = BTreeMap::from([("accepted".to_owned(), accepted)]);
        part.cases = vec![CaseReport {
            name: "valid".to_owned(),
            expected: "accepted".to_owned(),
            tokens: 5,
            outcomes,
        }];
        part.failures =
            vec![FailureReport { kind: "closed".to_owned(), count: 2, reason: String::new() }];
        part.complaints = vec![ComplaintReport {
            what: "breaks X".to_owned(),
            count: 3,
            wrong: true,
            ..ComplaintReport::default()
        }];
        part.generator.calibrated = Some(100.0);
        (part.wrong, part.asked, part.elapsed) =
            (wrong, Some(10), Duration::from_secs(u64::from(number)));
        part
    };
    let merged = merge(&named([counted(1, 7, 1), counted(2, 8, 2)])).unwrap();
    assert_eq!((merged.wrong, merged.asked, merged.connections), (3, Some(20), 2));
    assert_eq!((merged.cases[0].tokens, merged.cases[0].outcomes["accepted"]), (10, 15));
    assert_eq!((merged.failed(), merged.complaints[0].count), (4, 6));
    assert_eq!((merged.elapsed, merged.rate), (Duration::from_secs(2), 1.0));
    assert_eq!((merged.generator.workers, merged.generator.calibrated), (2, Some(200.0)));
    assert_eq!(merged.shard, None);
}

type Change = fn(&mut LoadReport);

#[test]
fn reports_that_do_not_fit_together_are_refused_with_the_difference() {
    let changes: [(Change, &str); 11] = [
        (
            |r| r.target = "another".to_owned(),
            "the target is `a server` in the first and `another` in the second",
        ),
        (|r| r.flow = Flow::VisitorLogin, "the flow is `jwt-login`"),
        (|r| r.model = "open, constant".to_owned(), "the model is `closed`"),
        (|r| r.seed = 2, "the seed is `1` in the first and `2`"),
        (|r| r.shard = None, "the number of shards is `2 shards` in the first and `no shards`"),
        (|r| r.shard = Some(ShardReport { number: 2, of: 3 }), "`3 shards`"),
        (|r| r.shard = Some(ShardReport { number: 1, of: 2 }), "both shard 1/2"),
        (|r| r.setup.mix = "valid=50,unknown=50".to_owned(), "the mix is not said in the first"),
        (|r| r.setup.profile = "0123".to_owned(), "the profile is not said"),
        (|r| r.answers = 9, "2.json: it has 9 answers and the times of 1"),
        (|r| r.histograms.response = "x".to_owned(), "2.json: it is no base64"),
    ];
    for (change, wanted) in changes {
        let mut other = shard(2, 2, &[(0, 1)]);
        change(&mut other);
        let error = merge(&named([shard(1, 2, &[(0, 1)]), other])).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert!(merge(&[]).is_err());
    let one = LoadReport { shard: None, ..shard(1, 1, &[(0, 1)]) };
    let error = merge(&named([one.clone(), one])).unwrap_err().to_string();
    assert!(error.contains("the same report"), "{error}");
}

#[test]
fn a_missing_shard_and_a_late_one_are_said_and_make_the_result_invalid() {
    let merged = merge(&named([shard(1, 4, &[(0, 1)]), shard(3, 4, &[(0, 1)])])).unwrap();
    assert!(
        merged.invalid.iter().any(|why| why.contains("shards 2, 4 of 4")),
        "{:?}",
        merged.invalid
    );
    let mut late = shard(2, 2, &[(0, 1)]);
    late.start = Some(StartReport { at: 1_003.2, asked: Some(1_003.2), skew: None });
    let merged = merge(&named([shard(1, 2, &[(0, 1)]), late])).unwrap();
    assert!(
        merged.invalid.iter().any(|why| why.contains("up to 3.2 s apart")),
        "{:?}",
        merged.invalid
    );
    assert_eq!(merged.timeline.last().map(|second| second.second), Some(3));
}

#[test]
fn thresholds_are_held_against_the_whole() {
    let with = |number, time| {
        let mut part = shard(number, 2, &[(0, time)]);
        let threshold: Threshold = "max<5ms".parse().unwrap();
        part.thresholds = vec![threshold.hold(&part)];
        part
    };
    let merged = merge(&named([with(1, 1_000), with(2, 9_000_000)])).unwrap();
    assert_eq!(merged.thresholds.len(), 1);
    assert_eq!(merged.thresholds[0].threshold, "max<5ms");
}
