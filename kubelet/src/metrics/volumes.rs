//! The volumes that pods want and have: counted for Prometheus, and found again when claims are measured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use component_base::metrics::Metrics;
use hashbrown::HashMap;
use parking_lot::Mutex;
use prometheus::IntGaugeVec;

/// Where upstream's volume manager keeps what pods want …
const DESIRED: &str = "desired_state_of_world";
/// … and what they have.
const ACTUAL: &str = "actual_state_of_world";

/// A claim whose volume is mounted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountedClaim {
    pub namespace: String,
    pub name: String,
    pub path: PathBuf,
}

/// The volumes of one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookedVolumes {
    /// The plugin of every volume that is wanted, such as `kubernetes.io/secret`.
    pub desired: Vec<&'static str>,
    /// The plugin of every volume that is there.
    pub actual: Vec<&'static str>,
    /// Those of them whose use can be measured by claim.
    pub claims: Vec<MountedClaim>,
}

/// The volumes of all pods, by uid.
pub struct VolumeBook {
    pods: Mutex<HashMap<String, BookedVolumes>>,
    total: IntGaugeVec,
}

impl VolumeBook {
    /// Registers the metric; no pod has a volume yet.
    pub fn register(metrics: &Metrics) -> VolumeBook {
        let total = metrics.int_gauge(
            "volume_manager_total_volumes",
            "[ALPHA] Number of volumes in Volume Manager",
            &["plugin_name", "state"],
        );
        VolumeBook { pods: Mutex::default(), total }
    }

    /// Takes in what a pod wants, before it is made; what is there stays.
    pub fn want(&self, uid: &str, desired: Vec<&'static str>) {
        self.change(uid, |booked| booked.desired = desired);
    }

    /// Takes in what a pod wants and has.
    pub fn have(&self, uid: &str, volumes: BookedVolumes) {
        self.change(uid, |booked| *booked = volumes);
    }

    /// Nothing is left of the volumes of a pod.
    pub fn forget(&self, uid: &str) {
        self.change(uid, |booked| *booked = BookedVolumes::default());
    }

    /// The claims that are mounted, each once.
    pub fn claims(&self) -> Vec<MountedClaim> {
        let pods = self.pods.lock();
        let by_name: BTreeMap<_, _> = pods
            .values()
            .flat_map(|booked| &booked.claims)
            .map(|claim| ((&claim.namespace, &claim.name), claim))
            .collect();
        by_name.into_values().cloned().collect()
    }

    fn change(&self, uid: &str, change: impl FnOnce(&mut BookedVolumes)) {
        let mut pods = self.pods.lock();
        let mut booked = pods.remove(uid).unwrap_or_default();
        self.add(&booked, -1);
        change(&mut booked);
        self.add(&booked, 1);
        if booked != BookedVolumes::default() {
            pods.insert(uid.to_owned(), booked);
        }
    }

    fn add(&self, booked: &BookedVolumes, sign: i64) {
        for (state, plugins) in [(DESIRED, &booked.desired), (ACTUAL, &booked.actual)] {
            for plugin in plugins {
                self.total.with_label_values(&[*plugin, state]).add(sign);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_counted_while_they_are_there() {
        let metrics = Metrics::new();
        let book = VolumeBook::register(&metrics);
        let count = |state: &str| {
            let start = format!(
                r#"volume_manager_total_volumes{{plugin_name="kubernetes.io/secret",state="{state}"}} "#
            );
            metrics.render().lines().find_map(|line| Some(line.strip_prefix(&start)?.to_owned()))
        };
        let secrets = || vec!["kubernetes.io/secret", "kubernetes.io/secret"];
        book.want("a", secrets());
        assert_eq!((count(DESIRED).as_deref(), count(ACTUAL)), (Some("2"), None));
        let claim =
            MountedClaim { namespace: "d".into(), name: "c".into(), path: PathBuf::from("/somewhere") };
        for uid in ["a", "b"] {
            let volumes =
                BookedVolumes { desired: secrets(), actual: secrets(), claims: vec![claim.clone()] };
            book.have(uid, volumes);
        }
        assert_eq!((count(DESIRED).as_deref(), count(ACTUAL).as_deref()), (Some("4"), Some("4")));
        assert_eq!(book.claims(), [claim]);
        book.forget("a");
        book.forget("b");
        assert_eq!((count(DESIRED).as_deref(), count(ACTUAL).as_deref()), (Some("0"), Some("0")));
        assert_eq!(book.claims(), []);
    }
}
