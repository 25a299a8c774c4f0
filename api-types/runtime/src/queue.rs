//! A work queue of keys: each key is handled by one worker at a time, and once for many additions.
//!
//! First in, first out among ready keys; delayed keys join when due. Semantics and metrics are those of
//! `client-go/util/workqueue`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use component_base::metrics::{Metrics, exponential_buckets};
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// First pause of a failing key.
const BASE_DELAY: Duration = Duration::from_millis(5);
/// Longest pause of a failing key.
const MAX_DELAY: Duration = Duration::from_secs(1000);
/// Failing keys of a queue together: 10 a second, 100 at once.
const OVERALL_INTERVAL: Duration = Duration::from_millis(100);
const OVERALL_BURST: u32 = 100;

struct State<K> {
    ready: VecDeque<K>,
    /// Keys waiting for a worker, with the time they were added.
    dirty: HashMap<K, Instant>,
    processing: HashMap<K, Instant>,
    /// Due time and number of the addition; the number keeps equal times in order.
    delayed: BinaryHeap<Reverse<(Instant, u64)>>,
    delayed_keys: HashMap<u64, K>,
    /// The earliest pending time of each delayed key.
    delayed_at: HashMap<K, Instant>,
    sequence: u64,
    failures: HashMap<K, u32>,
    overall_full_at: Option<Instant>,
    closed: bool,
}

struct QueueMetrics {
    depth: prometheus::IntGauge,
    adds: prometheus::IntCounter,
    queue_duration: prometheus::Histogram,
    work_duration: prometheus::Histogram,
    retries: prometheus::IntCounter,
    unfinished: prometheus::Gauge,
    longest: prometheus::Gauge,
}

struct Shared<K> {
    state: Mutex<State<K>>,
    changed: Notify,
    metrics: QueueMetrics,
}

/// The queue; clones share it.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Queue { shared: Arc::clone(&self.shared) }
    }
}

impl<K> std::fmt::Debug for Queue<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.shared.state.lock();
        formatter
            .debug_struct("Queue")
            .field("ready", &state.ready.len())
            .field("delayed", &state.delayed_at.len())
            .finish()
    }
}

impl<K: Clone + Eq + Hash + Send + 'static> Queue<K> {
    /// A queue whose metrics carry the label `name`.
    pub fn new(name: &str, metrics: &Metrics) -> Queue<K> {
        let label = ["name"];
        let seconds = exponential_buckets(10e-9, 10.0, 10);
        let metrics = QueueMetrics {
            depth: metrics.int_gauge("workqueue_depth", "[BETA] Current depth of workqueue", &label).with_label_values(&[name]),
            adds: metrics
                .int_counter("workqueue_adds_total", "[BETA] Total number of adds handled by workqueue", &label)
                .with_label_values(&[name]),
            queue_duration: metrics
                .histogram(
                    "workqueue_queue_duration_seconds",
                    "[BETA] How long in seconds an item stays in workqueue before being requested.",
                    &label,
                    &seconds,
                )
                .with_label_values(&[name]),
            work_duration: metrics
                .histogram(
                    "workqueue_work_duration_seconds",
                    "[BETA] How long in seconds processing an item from workqueue takes.",
                    &label,
                    &seconds,
                )
                .with_label_values(&[name]),
            retries: metrics
                .int_counter("workqueue_retries_total", "[BETA] Total number of retries handled by workqueue", &label)
                .with_label_values(&[name]),
            unfinished: metrics
                .gauge(
                    "workqueue_unfinished_work_seconds",
                    "[BETA] How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
                    &label,
                )
                .with_label_values(&[name]),
            longest: metrics
                .gauge(
                    "workqueue_longest_running_processor_seconds",
                    "[BETA] How many seconds has the longest running processor for workqueue been running.",
                    &label,
                )
                .with_label_values(&[name]),
        };
        let state = State {
            ready: VecDeque::new(),
            dirty: HashMap::new(),
            processing: HashMap::new(),
            delayed: BinaryHeap::new(),
            delayed_keys: HashMap::new(),
            delayed_at: HashMap::new(),
            sequence: 0,
            failures: HashMap::new(),
            overall_full_at: None,
            closed: false,
        };
        Queue { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new(), metrics }) }
    }

    /// Adds a key; nothing happens when it waits already. A key being handled is handled again after.
    pub fn add(&self, key: K) {
        let mut state = self.shared.state.lock();
        if self.add_locked(&mut state, key, Instant::now()) {
            drop(state);
            self.shared.changed.notify_one();
        }
    }

    fn add_locked(&self, state: &mut State<K>, key: K, now: Instant) -> bool {
        if state.closed || state.dirty.contains_key(&key) {
            return false;
        }
        self.shared.metrics.adds.inc();
        state.dirty.insert(key.clone(), now);
        if state.processing.contains_key(&key) {
            return false;
        }
        state.ready.push_back(key);
        self.shared.metrics.depth.set(i64::try_from(state.ready.len()).unwrap_or(i64::MAX));
        true
    }

    /// Adds a key later; of several times for a key the earliest counts.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let due = Instant::now() + delay;
        let mut state = self.shared.state.lock();
        if state.closed || state.delayed_at.get(&key).is_some_and(|at| *at <= due) {
            return;
        }
        state.sequence += 1;
        let sequence = state.sequence;
        state.delayed.push(Reverse((due, sequence)));
        state.delayed_keys.insert(sequence, key.clone());
        state.delayed_at.insert(key, due);
        drop(state);
        // Whoever waits must look at its deadline again.
        self.shared.changed.notify_one();
    }

    /// Adds a key that failed, after a pause that grows with its failures. Returns the pause.
    pub fn add_rate_limited(&self, key: K) -> Duration {
        let delay = {
            let mut state = self.shared.state.lock();
            let failures = state.failures.entry(key.clone()).or_insert(0);
            let exponent = (*failures).min(31);
            *failures += 1;
            let own = BASE_DELAY.saturating_mul(2_u32.saturating_pow(exponent)).min(MAX_DELAY);
            own.max(overall_delay(&mut state.overall_full_at, Instant::now()))
        };
        self.shared.metrics.retries.inc();
        self.add_after(key, delay);
        delay
    }

    /// Forgets the failures of a key.
    pub fn forget(&self, key: &K) {
        self.shared.state.lock().failures.remove(key);
    }

    /// How often the key failed since it was last forgotten.
    pub fn failures(&self, key: &K) -> u32 {
        self.shared.state.lock().failures.get(key).copied().unwrap_or(0)
    }

    /// The next key, `None` when the queue is closed. Safe to drop while waiting. The caller must call
    /// [`Queue::done`] for the key.
    pub async fn get(&self) -> Option<K> {
        loop {
            // Registered before looking: an addition in between is not missed.
            let changed = self.shared.changed.notified();
            let next_due = {
                let mut state = self.shared.state.lock();
                let now = Instant::now();
                self.move_due(&mut state, now);
                if let Some(key) = state.ready.pop_front() {
                    if let Some(added) = state.dirty.remove(&key) {
                        self.shared.metrics.queue_duration.observe((now - added).as_secs_f64());
                    }
                    state.processing.insert(key.clone(), now);
                    self.shared.metrics.depth.set(i64::try_from(state.ready.len()).unwrap_or(i64::MAX));
                    if !state.ready.is_empty() || !state.delayed.is_empty() {
                        self.shared.changed.notify_one();
                    }
                    return Some(key);
                }
                if state.closed {
                    drop(state);
                    self.shared.changed.notify_waiters();
                    self.shared.changed.notify_one();
                    return None;
                }
                state.delayed.peek().map(|Reverse((due, _))| *due)
            };
            match next_due {
                // Both branches only wait; the loop looks again.
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    fn move_due(&self, state: &mut State<K>, now: Instant) {
        while let Some(Reverse((due, sequence))) = state.delayed.peek().copied() {
            if due > now {
                break;
            }
            state.delayed.pop();
            let Some(key) = state.delayed_keys.remove(&sequence) else { continue };
            // A later time of a key that was brought forward meanwhile is void.
            if state.delayed_at.get(&key) == Some(&due) {
                state.delayed_at.remove(&key);
                self.add_locked(state, key, now);
            }
        }
    }

    /// Ends the handling of a key; it becomes ready again if it was added meanwhile.
    pub fn done(&self, key: &K) {
        let mut state = self.shared.state.lock();
        if let Some(started) = state.processing.remove(key) {
            self.shared.metrics.work_duration.observe(started.elapsed().as_secs_f64());
        }
        if state.dirty.contains_key(key) {
            state.ready.push_back(key.clone());
            self.shared.metrics.depth.set(i64::try_from(state.ready.len()).unwrap_or(i64::MAX));
            drop(state);
            self.shared.changed.notify_one();
        }
    }

    /// Ends the queue: keys that are ready are still handed out, delayed ones are not.
    pub fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.delayed.clear();
        drop(state);
        self.shared.changed.notify_waiters();
        self.shared.changed.notify_one();
    }

    /// Number of keys that are ready.
    pub fn len(&self) -> usize {
        self.shared.state.lock().ready.len()
    }

    /// Whether no key is ready.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Brings the gauges about running work up to date; called before metrics are read.
    pub fn update_metrics(&self) {
        let state = self.shared.state.lock();
        let running: Vec<f64> =
            state.processing.values().map(|started| started.elapsed().as_secs_f64()).collect();
        self.shared.metrics.unfinished.set(running.iter().sum());
        self.shared.metrics.longest.set(running.into_iter().fold(0.0, f64::max));
    }
}

/// A token bucket over all failing keys.
fn overall_delay(full_at: &mut Option<Instant>, now: Instant) -> Duration {
    let next = full_at.map_or(now, |at| at.max(now)) + OVERALL_INTERVAL;
    *full_at = Some(next);
    (next - now).saturating_sub(OVERALL_INTERVAL * OVERALL_BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new("test", &Metrics::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_handled_once_and_by_one_worker() {
        let queue = queue();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.get().await, Some("a"));
        queue.add("a");
        assert_eq!(queue.get().await, Some("b"));
        assert!(queue.is_empty(), "a key being handled is not ready");
        queue.done(&"a");
        assert_eq!(queue.get().await, Some("a"));
        queue.done(&"a");
        queue.done(&"b");
        queue.close();
        assert_eq!(queue.get().await, None);
        queue.add("c");
        assert_eq!(queue.get().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn delays_are_kept_and_the_earliest_counts() {
        let queue = queue();
        let start = Instant::now();
        queue.add_after("late", Duration::from_secs(9));
        queue.add_after("a", Duration::from_secs(5));
        queue.add_after("a", Duration::from_secs(2));
        queue.add_after("a", Duration::from_secs(7));
        assert_eq!(queue.get().await, Some("a"));
        assert_eq!(start.elapsed().as_secs(), 2);
        queue.done(&"a");
        assert_eq!(queue.get().await, Some("late"));
        assert_eq!(start.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_worker_hears_of_earlier_work() {
        let queue = queue();
        queue.add_after("late", Duration::from_secs(100));
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.get().await }
        });
        tokio::task::yield_now().await;
        queue.add_after("soon", Duration::from_secs(1));
        assert_eq!(waiting.await.expect("worker"), Some("soon"));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_slow_a_key_down_until_forgotten() {
        let queue = queue();
        let delays: Vec<u128> = (0..4).map(|_| queue.add_rate_limited("a").as_millis()).collect();
        assert_eq!(delays, [5, 10, 20, 40]);
        assert_eq!(queue.failures(&"a"), 4);
        queue.forget(&"a");
        assert_eq!(queue.add_rate_limited("a").as_millis(), 5);
        for _ in 0..40 {
            queue.add_rate_limited("a");
        }
        assert_eq!(queue.add_rate_limited("a"), MAX_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn several_workers_share_the_work() {
        let queue: Queue<u32> = Queue::new("many", &Metrics::new());
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let mut handled = Vec::new();
                    while let Some(key) = queue.get().await {
                        tokio::task::yield_now().await;
                        handled.push(key);
                        queue.done(&key);
                    }
                    handled
                })
            })
            .collect();
        for key in 0..100 {
            queue.add(key);
        }
        queue.close();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.await.expect("worker"));
        }
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
