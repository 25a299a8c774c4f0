//! Sets of completion indexes as the status writes them: `1,3-5,7`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use api_types::core::v1::Pod;

/// Annotation and label of pods with their index.
pub(super) const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Annotation with the number of failures of an index that count.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// Annotation with the number of failures of an index that a policy ignored.
pub(super) const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// The index of a pod.
pub(super) fn index_of(pod: &Pod) -> Option<i32> {
    let index: i32 = pod.metadata.annotations.get(COMPLETION_INDEX)?.parse().ok()?;
    Some(index).filter(|index| *index >= 0)
}

fn number(annotations: &BTreeMap<String, String>, key: &str) -> i32 {
    annotations.get(key).and_then(|text| text.parse().ok()).filter(|count| *count >= 0).unwrap_or(0)
}

/// Failures of the pod's index before it: those that count, and those ignored.
pub(super) fn failures_before(pod: &Pod) -> (i32, i32) {
    let annotations = &pod.metadata.annotations;
    (number(annotations, FAILURES), number(annotations, IGNORED_FAILURES))
}

/// Indexes in order, as first and last of each run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// Reads what a status or a rule says; what is no number is passed over, as is what is too large.
    pub(super) fn parse(text: &str, completions: i32) -> Indexes {
        let mut read = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) else { continue };
            if first >= completions {
                break;
            }
            read.push((first, last.min(completions - 1)));
        }
        Indexes::from_runs(read)
    }

    fn from_runs(mut runs: Vec<(i32, i32)>) -> Indexes {
        runs.retain(|(first, last)| first <= last);
        runs.sort_unstable();
        let mut merged: Vec<(i32, i32)> = Vec::new();
        for (first, last) in runs {
            match merged.last_mut() {
                Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Indexes(merged)
    }

    /// These and those.
    pub(super) fn and(&self, other: &Indexes) -> Indexes {
        Indexes::from_runs(self.0.iter().chain(&other.0).copied().collect())
    }

    /// How many there are.
    pub(super) fn total(&self) -> i32 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether `index` is one of them.
    pub(super) fn has(&self, index: i32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= index);
        after.checked_sub(1).and_then(|run| self.0.get(run)).is_some_and(|(_, last)| index <= *last)
    }

    /// How many of these are also in `other`.
    pub(super) fn shared_with(&self, other: &Indexes) -> i32 {
        let overlap = |(first, last): &(i32, i32), (from, to): &(i32, i32)| {
            (*last.min(to) - *first.max(from) + 1).max(0)
        };
        self.0.iter().map(|run| other.0.iter().map(|of| overlap(run, of)).sum::<i32>()).sum()
    }

    /// The first `count` below `completions` that are missing.
    pub(super) fn missing(&self, count: usize, completions: i32) -> Vec<i32> {
        let (mut found, mut candidate) = (Vec::new(), 0);
        for (first, last) in self.0.iter().copied().chain([(completions, completions)]) {
            while candidate < first.min(completions) && found.len() < count {
                found.push(candidate);
                candidate += 1;
            }
            candidate = candidate.max(last.saturating_add(1));
        }
        found
    }
}

impl FromIterator<i32> for Indexes {
    fn from_iter<I: IntoIterator<Item = i32>>(indexes: I) -> Indexes {
        let unique: BTreeSet<i32> = indexes.into_iter().collect();
        Indexes::from_runs(unique.into_iter().map(|index| (index, index)).collect())
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (first, last)) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(formatter, "{comma}{first}")?;
            match last - first {
                0 => {}
                1 => write!(formatter, ",{last}")?,
                _ => write!(formatter, "-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, completions: i32, total: i32, shown: &str) {
        let indexes = Indexes::parse(text, completions);
        assert_eq!((indexes.total(), indexes.to_string().as_str()), (total, shown), "{text}");
    }

    #[test]
    fn indexes_are_read_and_written() {
        check("", 10, 0, "");
        check("1,3-5,7", 10, 5, "1,3-5,7");
        check("1,2,3,5,6", 10, 5, "1-3,5,6");
        check("1,x,3-12", 8, 6, "1,3-7");
        check("3,9", 8, 1, "3");
    }

    #[test]
    fn what_is_missing_comes_in_order() {
        let indexes = Indexes::parse("1,3-5", 10);
        assert_eq!(indexes.missing(4, 10), [0, 2, 6, 7]);
        assert_eq!(indexes.missing(9, 7), [0, 2, 6]);
        assert_eq!(indexes.missing(0, 7), [0; 0]);
        assert!(indexes.has(4) && !indexes.has(2) && !indexes.has(6) && !indexes.has(-1));
        assert_eq!(indexes.shared_with(&Indexes::parse("0-3", 10)), 2);
        assert_eq!(indexes.and(&[2, 9].into_iter().collect()).to_string(), "1-5,9");
    }
}
