//! What is counted about objects and watches, under upstream's names.

use std::sync::Arc;

use component_base::metrics::{Metrics, exponential_buckets};
use machinery::GroupVersionResource;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts};

use super::Resources;

const LABELS: [&str; 3] = ["group", "version", "resource"];

/// The counters of all watches.
pub struct WatchMetrics {
    events: IntCounterVec,
    sizes: HistogramVec,
}

/// The counters of the watches of one resource.
pub struct WatchCounters {
    /// Events sent.
    pub events: IntCounter,
    /// Their sizes in bytes.
    pub sizes: Histogram,
}

impl WatchMetrics {
    /// Registers the counters.
    pub fn new(metrics: &Metrics) -> WatchMetrics {
        WatchMetrics {
            events: metrics.int_counter(
                "apiserver_watch_events_total",
                "Number of events sent in watch clients",
                &LABELS,
            ),
            sizes: metrics.histogram(
                "apiserver_watch_events_sizes",
                "Watch event size distribution in bytes",
                &LABELS,
                &exponential_buckets(1024.0, 2.0, 8),
            ),
        }
    }

    /// The counters of a resource.
    pub fn of(&self, resource: &GroupVersionResource) -> WatchCounters {
        let labels: [&str; 3] = [&resource.group, &resource.version, &resource.resource];
        WatchCounters {
            events: self.events.with_label_values(&labels),
            sizes: self.sizes.with_label_values(&labels),
        }
    }
}

/// Counts the stored objects of each resource whenever the metrics are read.
pub struct ObjectCounts {
    resources: Arc<Resources>,
    /// By one name, `deployments.apps`; deprecated upstream and still read by many.
    by_name: IntGaugeVec,
    by_group: IntGaugeVec,
}

impl ObjectCounts {
    /// Registers the gauges.
    pub fn register(metrics: &Metrics, resources: Arc<Resources>) -> prometheus::Result<()> {
        let by_name = Opts::new(
            "apiserver_storage_objects",
            "[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.",
        );
        let by_group = Opts::new(
            "apiserver_resource_objects",
            "Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.",
        );
        metrics.register(Box::new(ObjectCounts {
            resources,
            by_name: IntGaugeVec::new(by_name, &["resource"])?,
            by_group: IntGaugeVec::new(by_group, &["group", "resource"])?,
        }));
        Ok(())
    }
}

impl Collector for ObjectCounts {
    fn desc(&self) -> Vec<&Desc> {
        self.by_name.desc().into_iter().chain(self.by_group.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // What is not served any more has no series.
        self.by_name.reset();
        self.by_group.reset();
        for resource in self.resources.all() {
            let Some(store) = resource.store.as_ref().filter(|_| resource.version_index == 0) else {
                continue;
            };
            let cacher = store.cacher();
            let count = if cacher.is_ready() { i64::try_from(cacher.len()).unwrap_or(i64::MAX) } else { -1 };
            let name = store.resource();
            self.by_name.with_label_values(&[name.to_string()]).set(count);
            self.by_group.with_label_values(&[&name.group, &name.resource]).set(count);
        }
        [self.by_name.collect(), self.by_group.collect()].concat()
    }
}
