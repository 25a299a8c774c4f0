//! Which images to delete when their file system fills up, or when they have been unused for long.

use std::collections::BTreeMap;
use std::time::Duration;

use hashbrown::HashSet;
use jiff::Timestamp;

use crate::backoff::elapsed;
use crate::ports::ImageSummary;

/// When images are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageGcPolicy {
    /// Percent of the file system in use from which images are deleted (`imageGCHighThresholdPercent`).
    pub high_percent: u64,
    /// Percent down to which they are deleted.
    pub low_percent: u64,
    /// Younger unused images are left alone.
    pub minimum_age: Duration,
    /// Older unused images are deleted whatever the use; zero for never.
    pub maximum_age: Duration,
}

/// When each image was first seen and last used, by id.
#[derive(Clone, Debug, Default)]
pub struct ImageRecords {
    records: BTreeMap<String, ImageRecord>,
}

#[derive(Clone, Copy, Debug)]
struct ImageRecord {
    first_seen: Timestamp,
    last_used: Option<Timestamp>,
}

impl ImageRecords {
    /// Takes in what is there and what is used. `used` holds ids and references of images of containers.
    pub fn observe(&mut self, images: &[ImageSummary], used: &HashSet<String>, now: Timestamp) {
        self.records.retain(|id, _| images.iter().any(|image| image.id == *id));
        for image in images {
            let record = self
                .records
                .entry(image.id.clone())
                .or_insert(ImageRecord { first_seen: now, last_used: None });
            if is_used(image, used) {
                record.last_used = Some(now);
            }
        }
    }

    /// Images that may be deleted: unused and not pinned; least recently used first, then oldest.
    fn candidates<'a>(
        &self,
        images: &'a [ImageSummary],
        used: &HashSet<String>,
    ) -> Vec<(&'a ImageSummary, ImageRecord)> {
        let mut list: Vec<_> = images
            .iter()
            .filter(|image| !image.pinned && !is_used(image, used))
            .filter_map(|image| Some((image, *self.records.get(&image.id)?)))
            .collect();
        list.sort_by_key(|(_, record)| (record.last_used, record.first_seen));
        list
    }

    /// Ids of the images to delete to get `bytes_to_free`, with what that frees.
    pub fn to_free(
        &self,
        images: &[ImageSummary],
        used: &HashSet<String>,
        bytes_to_free: u64,
        minimum_age: Duration,
        now: Timestamp,
    ) -> (Vec<String>, u64) {
        let mut freed = 0;
        let mut ids = Vec::new();
        for (image, record) in self.candidates(images, used) {
            if freed >= bytes_to_free {
                break;
            }
            if elapsed(record.first_seen, now) < minimum_age {
                continue;
            }
            freed += image.size_bytes;
            ids.push(image.id.clone());
        }
        (ids, freed)
    }

    /// Ids of the images unused for longer than `maximum_age`.
    pub fn expired(
        &self,
        images: &[ImageSummary],
        used: &HashSet<String>,
        maximum_age: Duration,
        now: Timestamp,
    ) -> Vec<String> {
        if maximum_age.is_zero() {
            return Vec::new();
        }
        self.candidates(images, used)
            .into_iter()
            .filter(|(_, record)| elapsed(record.last_used.unwrap_or(record.first_seen), now) > maximum_age)
            .map(|(image, _)| image.id.clone())
            .collect()
    }
}

fn is_used(image: &ImageSummary, used: &HashSet<String>) -> bool {
    used.contains(&image.id)
        || image.repo_tags.iter().chain(&image.repo_digests).any(|name| used.contains(name))
}

/// The percentage of a file system that is in use.
pub fn used_percent(capacity: u64, available: u64) -> u64 {
    100 - available.min(capacity) * 100 / capacity.max(1)
}

/// What users read when deleting images did not free enough.
pub fn insufficient_space(used_percent: u64, capacity: u64, freed: u64) -> String {
    format!(
        "Insufficient free disk space on the node's image filesystem ({used_percent}% of {} used). Failed to free \
         sufficient space by deleting unused images (freed {freed} bytes). Investigate disk usage, as it could be used \
         by active images, logs, volumes, or other data.",
        readable_size(capacity)
    )
}

/// A size in the largest fitting unit, to a tenth.
fn readable_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["TiB", "GiB", "MiB", "KiB"];
    let unit = UNITS.iter().zip([40_u32, 30, 20, 10]).find(|(_, shift)| bytes >> shift > 0);
    match unit {
        Some((unit, shift)) => {
            let tenths = (u128::from(bytes) * 10 + (1 << (shift - 1))) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// Bytes to free so that use falls to the low mark; `None` when it is below the high one.
pub fn bytes_over(policy: &ImageGcPolicy, capacity: u64, available: u64) -> Option<u64> {
    if capacity == 0 || policy.high_percent >= 100 {
        return None;
    }
    let available = available.min(capacity);
    if used_percent(capacity, available) < policy.high_percent {
        return None;
    }
    let target = capacity * (100 - policy.low_percent.min(100)) / 100;
    Some(target.saturating_sub(available))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ago, now};

    fn image(id: &str, size_bytes: u64) -> ImageSummary {
        ImageSummary { id: id.into(), size_bytes, ..ImageSummary::default() }
    }

    #[test]
    fn deletes_the_least_recently_used_first() {
        let images =
            [image("a", 10), image("b", 10), image("c", 10), ImageSummary { pinned: true, ..image("d", 10) }];
        let used = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>();
        let mut records = ImageRecords::default();
        records.observe(&images, &used(&["a"]), ago(500));
        records.observe(&images, &used(&["b"]), ago(300));
        let none = used(&[]);
        let free = |bytes| records.to_free(&images, &none, bytes, Duration::from_secs(120), now()).0;
        assert_eq!(free(5), ["c"]);
        assert_eq!(free(15), ["c", "a"]);
        assert_eq!(free(100), ["c", "a", "b"]);
        assert_eq!(records.expired(&images, &none, Duration::from_secs(400), now()), ["c", "a"]);
        assert_eq!(
            records.to_free(&images, &none, 5, Duration::from_secs(501), now()).0,
            Vec::<String>::new()
        );
    }

    #[test]
    fn sizes() {
        let check = |bytes, expected: &str| assert_eq!(readable_size(bytes), expected);
        check(512, "512 B");
        check(1536, "1.5 KiB");
        check(5 << 20, "5.0 MiB");
        check((100 << 30) + (1 << 29), "100.5 GiB");
        check(2 << 40, "2.0 TiB");
    }

    #[test]
    fn thresholds() {
        let policy = ImageGcPolicy {
            high_percent: 85,
            low_percent: 80,
            minimum_age: Duration::ZERO,
            maximum_age: Duration::ZERO,
        };
        assert_eq!(bytes_over(&policy, 1000, 200), None);
        assert_eq!(bytes_over(&policy, 1000, 150), Some(50));
        assert_eq!(bytes_over(&policy, 0, 0), None);
    }
}
