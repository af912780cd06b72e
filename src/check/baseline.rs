//! Findings that are known and accepted for a while.
//!
//! An entry excuses the breaches that it means, and no others: a check of which one item is known to break still
//! fails when another one does.

use crate::model::{Breach, Finding, Verdict};
use crate::target::Baseline;

/// Holds findings against the baseline: what is listed and fails is known; what is listed and passes, or whose day
/// has come, is stale.
pub(super) fn apply_baseline(findings: &mut [Finding], baseline: &[Baseline], today: i64) {
    for finding in findings {
        let meant = |entry: &&Baseline| {
            finding.check.as_str() == entry.check || finding.check.base() == entry.check
        };
        let entries: Vec<&Baseline> = baseline.iter().filter(meant).collect();
        match finding.verdict {
            _ if entries.is_empty() => {}
            Verdict::Fail | Verdict::Warn | Verdict::Unstable => excuse(finding, &entries, today),
            Verdict::Pass => {
                if let Some(entry) = entries.iter().find(|entry| !entry.sometimes) {
                    let because = &entry.because;
                    stale(finding, format!("the baseline lists it, and it passes: {because}"));
                }
            }
            _ => {}
        }
    }
}

fn excuse(finding: &mut Finding, entries: &[&Baseline], today: i64) {
    let evidence = &mut finding.evidence;
    let covering = |breach: &Breach| entries.iter().position(|entry| covers(entry, breach));
    let found: Vec<Option<usize>> = evidence.breaches.iter().map(covering).collect();
    let whole = entries.iter().position(|entry| is_whole(entry));
    let unlisted = evidence.breaches.is_empty() || evidence.further > 0;
    if unlisted && whole.is_none() {
        return;
    }
    if let Some(open) = found.iter().position(Option::is_none) {
        let known = found.iter().flatten().count();
        if known > 0 {
            let all = found.len();
            evidence.reason =
                Some(format!("the baseline has {known} of its {all} breaches, and not this one"));
        }
        evidence.show(open);
        return;
    }
    let used = |index: &usize| found.contains(&Some(*index)) || Some(*index) == whole;
    let (used, unused): (Vec<usize>, Vec<usize>) = (0..entries.len()).partition(used);
    let because = |indices: &[usize]| {
        let reasons: Vec<&str> = indices.iter().map(|i| entries[*i].because.as_str()).collect();
        reasons.join("; ")
    };
    if let Some(expired) = used.iter().find(|index| today >= entries[**index].until) {
        let reason = because(&[*expired]);
        stale(finding, format!("the baseline entry has expired: {reason}"));
    } else if let Some(idle) = unused.iter().find(|index| !entries[**index].sometimes) {
        let reason = because(&[*idle]);
        stale(finding, format!("the baseline lists a breach that is no longer there: {reason}"));
    } else {
        finding.verdict = Verdict::Known;
        evidence.reason = Some(because(&used));
    }
}

fn stale(finding: &mut Finding, reason: String) {
    finding.verdict = Verdict::Stale;
    finding.evidence.reason = Some(reason);
}

/// Whether an entry means every breach of its check.
fn is_whole(entry: &Baseline) -> bool {
    entry.item.is_empty() && entry.got.is_none()
}

fn covers(entry: &Baseline, breach: &Breach) -> bool {
    let item =
        entry.item.is_empty() || breach.item.as_ref().is_some_and(|item| entry.item.contains(item));
    item && entry.got.as_ref().is_none_or(|got| got.is_match(&breach.violation.got))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::merge::tests::finding as a_finding;
    use crate::model::{Evidence, Violation};

    /// A finding that broke on these items, each with what was got.
    fn finding(verdict: Verdict, broken: &[(&str, &str)]) -> Finding {
        let breach = |(item, got): &(&str, &str)| Breach {
            item: Some((*item).to_owned()),
            violation: Violation::new("denied", *got),
            ..Breach::default()
        };
        let breaches = broken.iter().map(breach).collect();
        Finding {
            evidence: Evidence { breaches, ..Evidence::default() },
            ..a_finding("A", verdict)
        }
    }

    fn entry(item: &[&str], got: Option<&str>, sometimes: bool) -> Baseline {
        Baseline {
            check: "A".to_owned(),
            because: "ticket".to_owned(),
            until: 100,
            item: item.iter().map(|item| (*item).to_owned()).collect(),
            got: got.map(|got| crate::source::pattern(got).unwrap()),
            sometimes,
        }
    }

    #[test]
    fn a_baseline_entry_excuses_for_a_while_and_goes_stale() {
        for (sometimes, verdict, today, wanted) in [
            (false, Verdict::Fail, 99, Verdict::Known),
            (false, Verdict::Fail, 100, Verdict::Stale),
            (false, Verdict::Pass, 99, Verdict::Stale),
            (false, Verdict::Blocked, 99, Verdict::Blocked),
            (true, Verdict::Warn, 99, Verdict::Known),
            (true, Verdict::Warn, 100, Verdict::Stale),
            (true, Verdict::Pass, 99, Verdict::Pass),
        ] {
            let mut findings = [finding(verdict, &[])];
            apply_baseline(&mut findings, &[entry(&[], None, sometimes)], today);
            assert_eq!(findings[0].verdict, wanted, "{verdict} on {today}");
        }
    }

    #[test]
    fn an_entry_for_one_item_excuses_no_other_one() {
        let (one, two) = (("one", "accepted: status 200"), ("two", "issued: status 201"));
        for (entries, broken, wanted) in [
            (vec![entry(&["one"], None, false)], vec![one], Verdict::Known),
            (vec![entry(&["one"], None, false)], vec![one, two], Verdict::Fail),
            (vec![entry(&["one"], None, false)], vec![two], Verdict::Fail),
            (vec![entry(&["one", "two"], None, false)], vec![one, two], Verdict::Known),
            (vec![entry(&[], Some("^accepted"), false)], vec![one], Verdict::Known),
            (vec![entry(&[], Some("^accepted"), false)], vec![one, two], Verdict::Fail),
            (vec![entry(&["one"], Some("201"), false)], vec![one], Verdict::Fail),
            (
                vec![entry(&["one"], None, false), entry(&[], Some("201"), false)],
                vec![one, two],
                Verdict::Known,
            ),
            (
                vec![entry(&["one"], None, false), entry(&["two"], None, false)],
                vec![one],
                Verdict::Stale,
            ),
            (
                vec![entry(&["one"], None, false), entry(&["two"], None, true)],
                vec![one],
                Verdict::Known,
            ),
        ] {
            let mut findings = [finding(Verdict::Fail, &broken)];
            apply_baseline(&mut findings, &entries, 99);
            assert_eq!(findings[0].verdict, wanted, "{entries:?} on {broken:?}");
        }
    }

    #[test]
    fn a_breach_that_the_baseline_does_not_have_is_the_one_that_is_shown() {
        let mut findings = [finding(Verdict::Fail, &[("one", "a"), ("two", "b")])];
        apply_baseline(&mut findings, &[entry(&["one"], None, false)], 99);
        let evidence = &findings[0].evidence;
        assert_eq!(evidence.violation.as_ref().unwrap().got, "b");
        assert_eq!(
            evidence.reason.as_deref(),
            Some("the baseline has 1 of its 2 breaches, and not this one")
        );
    }

    #[test]
    fn breaches_that_are_only_counted_are_excused_only_with_the_whole_check() {
        for (entries, wanted) in [
            (vec![entry(&["one"], None, false)], Verdict::Fail),
            (vec![entry(&[], None, false)], Verdict::Known),
        ] {
            let mut findings = [finding(Verdict::Fail, &[("one", "a")])];
            findings[0].evidence.further = 3;
            apply_baseline(&mut findings, &entries, 99);
            assert_eq!(findings[0].verdict, wanted);
        }
    }
}
