//! Waits for a turn: the tasks around the state machine of levels.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api_types::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use apiserver_auth::authz::Attributes;
use arc_swap::ArcSwap;
use component_base::metrics::Metrics;
use hashbrown::HashMap;
use http::{HeaderMap, HeaderValue};
use machinery::status::StatusError;
use parking_lot::Mutex;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use tokio::sync::oneshot;

use super::fair_queues::{Arrival, LevelConfig, Levels, Limits, Queuing, RequestId};
use super::{defaults, schemas, too_many_requests};

/// The part of a request's time it may wait for its turn.
const WAIT_PART: u32 = 4;
/// The longest wait of a request without a deadline.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The level for what no schema covers, and for levels that do not exist.
const CATCH_ALL: &str = "catch-all";

/// Upper bounds in seconds, upstream's.
const DURATION_BUCKETS: [f64; 13] = [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];

struct Counters {
    dispatched: IntCounterVec,
    rejected: IntCounterVec,
    executing: IntGaugeVec,
    /// Every request takes one seat here; the two gauges differ upstream, where some take more.
    executing_seats: IntGaugeVec,
    nominal_seats: IntGaugeVec,
    execution: HistogramVec,
    waiting: IntGaugeVec,
    waits: HistogramVec,
    in_flight: IntGaugeVec,
}

/// The schemas in force, and the uids that answers name.
struct Schemas {
    in_order: Vec<FlowSchema>,
    level_uids: HashMap<String, String>,
}

#[derive(Default)]
struct Turns {
    /// Who is told when its turn comes.
    waiting: HashMap<RequestId, oneshot::Sender<()>>,
}

struct Shared {
    levels: Mutex<(Levels, Turns)>,
    counters: Counters,
}

/// Priority and fairness.
pub struct Dispatcher {
    schemas: ArcSwap<Schemas>,
    shared: Arc<Shared>,
}

/// Leave to be served; the seat is free again when this is dropped.
pub struct Seat {
    shared: Arc<Shared>,
    id: RequestId,
    began: Instant,
    level: String,
    schema: String,
    kind: &'static str,
    level_uid: String,
    schema_uid: String,
}

fn level_config(object: &PriorityLevelConfiguration) -> LevelConfig {
    let positive = |number: i32| u32::try_from(number).unwrap_or(0);
    let limits =
        object.spec.limited.as_ref().filter(|_| object.spec.type_ != "Exempt").map(|limited| Limits {
            shares: limited.nominal_concurrency_shares.map_or(30, positive),
            lendable_percent: limited.lendable_percent.map_or(0, positive).min(100),
            borrowing_percent: limited.borrowing_limit_percent.map(positive),
            queuing: limited.limit_response.queuing.as_ref().map(|queuing| Queuing {
                queues: positive(queuing.queues) as usize,
                hand_size: positive(queuing.hand_size) as usize,
                length_limit: positive(queuing.queue_length_limit) as usize,
            }),
        });
    LevelConfig { name: object.metadata.name.clone(), limits }
}

impl Dispatcher {
    /// A dispatcher of `seats` in all, with the default configuration.
    pub fn new(seats: usize, in_flight: IntGaugeVec, metrics: &Metrics) -> Dispatcher {
        let labels = ["priority_level", "flow_schema"];
        let counters = Counters {
            dispatched: metrics.int_counter(
                "apiserver_flowcontrol_dispatched_requests_total",
                "Number of requests executed by API Priority and Fairness subsystem",
                &labels,
            ),
            rejected: metrics.int_counter(
                "apiserver_flowcontrol_rejected_requests_total",
                "Number of requests rejected by API Priority and Fairness subsystem",
                &["priority_level", "flow_schema", "reason"],
            ),
            executing: metrics.int_gauge(
                "apiserver_flowcontrol_current_executing_requests",
                "Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem",
                &labels,
            ),
            executing_seats: metrics.int_gauge(
                "apiserver_flowcontrol_current_executing_seats",
                "Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem",
                &labels,
            ),
            nominal_seats: metrics.int_gauge(
                "apiserver_flowcontrol_nominal_limit_seats",
                "Nominal number of execution seats configured for each priority level",
                &["priority_level"],
            ),
            execution: metrics.histogram(
                "apiserver_flowcontrol_request_execution_seconds",
                "Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem",
                &["priority_level", "flow_schema", "type"],
                &DURATION_BUCKETS,
            ),
            waiting: metrics.int_gauge(
                "apiserver_flowcontrol_current_inqueue_requests",
                "Number of requests currently pending in queues of the API Priority and Fairness subsystem",
                &labels,
            ),
            waits: metrics.histogram(
                "apiserver_flowcontrol_request_wait_duration_seconds",
                "Length of time a request spent waiting in its queue",
                &["priority_level", "flow_schema", "execute"],
                &DURATION_BUCKETS,
            ),
            in_flight,
        };
        let levels = Levels::new(seats, defaults::priority_levels().iter().map(level_config).collect());
        counters.show_limits(&levels);
        let in_order = schemas::in_order(defaults::flow_schemas());
        Dispatcher {
            schemas: ArcSwap::from_pointee(Schemas { in_order, level_uids: HashMap::new() }),
            shared: Arc::new(Shared { levels: Mutex::new((levels, Turns::default())), counters }),
        }
    }

    /// Puts another configuration in force.
    pub fn configure(&self, schemas: Vec<FlowSchema>, levels: &[PriorityLevelConfiguration]) {
        let uids = levels.iter().map(|level| (level.metadata.name.clone(), level.metadata.uid.clone()));
        let schemas = Schemas { in_order: schemas::in_order(schemas), level_uids: uids.collect() };
        {
            let (all, _) = &mut *self.shared.levels.lock();
            all.configure(levels.iter().map(level_config).collect());
            self.shared.counters.show_limits(all);
        }
        self.schemas.store(Arc::new(schemas));
    }

    /// Waits for a seat.
    pub async fn enter(
        &self,
        request: &Attributes<'_>,
        read_only: bool,
        deadline: Option<Instant>,
    ) -> Result<Seat, StatusError> {
        let arrived = Instant::now();
        let schemas = self.schemas.load_full();
        let schema = schemas::find(&schemas.in_order, request);
        let (schema_name, schema_uid, level_name, flow) = match schema {
            Some(schema) => (
                schema.metadata.name.clone(),
                schema.metadata.uid.clone(),
                schema.spec.priority_level_configuration.name.as_str(),
                schemas::flow(schema, request),
            ),
            None => (CATCH_ALL.to_string(), String::new(), CATCH_ALL, 0),
        };
        let mut turn = None;
        let (arrival, level) = {
            let mut locked = self.shared.levels.lock();
            let (levels, turns) = &mut *locked;
            let named = levels.level(level_name).map(|at| (at, level_name));
            let found = named.or_else(|| Some((levels.level(CATCH_ALL)?, CATCH_ALL)));
            let Some((at, name)) = found else { return Err(too_many_requests()) };
            let arrival = levels.arrive(at, flow);
            if let Arrival::Wait(id) = arrival {
                let (sender, receiver) = oneshot::channel();
                turns.waiting.insert(id, sender);
                turn = Some(receiver);
            }
            (arrival, name.to_string())
        };
        let labels = [level.as_str(), schema_name.as_str()];
        let counters = &self.shared.counters;
        let refuse = |reason: &str| {
            counters.rejected.with_label_values(&[labels[0], labels[1], reason]).inc();
            too_many_requests()
        };
        let id = match (arrival, turn) {
            (Arrival::Serve(id), _) => id,
            (Arrival::Wait(id), Some(turn)) => {
                let gauge = counters.waiting.with_label_values(&labels);
                gauge.inc();
                let waiting = Waiting { shared: &self.shared, id, done: false };
                let longest =
                    deadline.map_or(LONGEST_WAIT, |at| at.saturating_duration_since(arrived) / WAIT_PART);
                let outcome = tokio::time::timeout(longest, turn).await;
                gauge.dec();
                let seconds = arrived.elapsed().as_secs_f64();
                let served = matches!(outcome, Ok(Ok(())));
                let execute = if served { "true" } else { "false" };
                counters.waits.with_label_values(&[labels[0], labels[1], execute]).observe(seconds);
                if !served {
                    drop(waiting);
                    return Err(refuse("time-out"));
                }
                waiting.served();
                id
            }
            _ => return Err(refuse("queue-full")),
        };
        counters.dispatched.with_label_values(&labels).inc();
        counters.executing.with_label_values(&labels).inc();
        counters.executing_seats.with_label_values(&labels).inc();
        let kind = if read_only { "readOnly" } else { "mutating" };
        counters.in_flight.with_label_values(&[kind]).inc();
        let level_uid = schemas.level_uids.get(&level).cloned().unwrap_or_default();
        Ok(Seat {
            shared: self.shared.clone(),
            id,
            began: Instant::now(),
            level,
            schema: schema_name,
            kind,
            level_uid,
            schema_uid,
        })
    }
}

impl Counters {
    fn show_limits(&self, levels: &Levels) {
        for (level, seats) in levels.nominal_seats() {
            let seats = i64::try_from(seats).unwrap_or(i64::MAX);
            self.nominal_seats.with_label_values(&[level]).set(seats);
        }
    }
}

impl Shared {
    /// Ends a request and tells those whose turn it is. One that is not there any more passes it on.
    fn finish(&self, id: RequestId, seconds: f64) {
        let mut locked = self.levels.lock();
        let (levels, turns) = &mut *locked;
        let mut next = levels.finish(id, seconds);
        while let Some(id) = next.pop() {
            let told = turns.waiting.remove(&id).is_some_and(|turn| turn.send(()).is_ok());
            if !told {
                next.extend(levels.finish(id, 0.0));
            }
        }
    }
}

/// A request in a queue. Dropped before its turn, it leaves the queue; dropped when its turn has just come,
/// it gives the seat back.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    id: RequestId,
    done: bool,
}

impl Waiting<'_> {
    fn served(mut self) {
        self.done = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let still_waited = {
            let mut locked = self.shared.levels.lock();
            let (levels, turns) = &mut *locked;
            let still_waited = turns.waiting.remove(&self.id).is_some();
            if still_waited {
                levels.abandon(self.id);
            }
            still_waited
        };
        if !still_waited {
            self.shared.finish(self.id, 0.0);
        }
    }
}

impl Seat {
    /// Names the configuration that decided, by uid, as upstream does.
    pub fn describe(&self, headers: &mut HeaderMap) {
        let uids = [
            ("x-kubernetes-pf-flowschema-uid", &self.schema_uid),
            ("x-kubernetes-pf-prioritylevel-uid", &self.level_uid),
        ];
        for (name, uid) in uids {
            if let Some(value) = HeaderValue::from_str(uid).ok().filter(|_| !uid.is_empty()) {
                headers.insert(name, value);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let seconds = self.began.elapsed().as_secs_f64();
        self.shared.finish(self.id, seconds);
        let counters = &self.shared.counters;
        let labels: [&str; 2] = [&self.level, &self.schema];
        counters.executing.with_label_values(&labels).dec();
        counters.executing_seats.with_label_values(&labels).dec();
        counters.execution.with_label_values(&[labels[0], labels[1], "regular"]).observe(seconds);
        counters.in_flight.with_label_values(&[self.kind]).dec();
    }
}

#[cfg(test)]
mod tests {
    use apiserver_auth::UserInfo;

    use super::*;

    fn dispatcher(seats: usize) -> Dispatcher {
        let metrics = Metrics::new();
        let gauge = metrics.int_gauge("in_flight", "h", &["request_kind"]);
        Dispatcher::new(seats, gauge, &metrics)
    }

    #[tokio::test]
    async fn seats_are_counted_and_given_back() {
        let metrics = Metrics::new();
        let gauge = metrics.int_gauge("in_flight", "h", &["request_kind"]);
        let dispatcher = Dispatcher::new(600, gauge, &metrics);
        let user = UserInfo::new("jane", ["system:authenticated"]);
        let seat = enter(&dispatcher, &user, Duration::from_secs(1)).await.unwrap();
        let labels = r#"{flow_schema="global-default",priority_level="global-default"}"#;
        let executing = format!("apiserver_flowcontrol_current_executing_seats{labels}");
        let text = metrics.render();
        for line in [
            r#"apiserver_flowcontrol_nominal_limit_seats{priority_level="global-default"} 49"#,
            &format!("{executing} 1"),
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
        drop(seat);
        let text = metrics.render();
        assert!(text.contains(&format!("{executing} 0")), "{text}");
        let count = r#"request_execution_seconds_count{flow_schema="global-default",priority_level="global-default",type="regular"} 1"#;
        assert!(text.contains(count), "{text}");
    }

    async fn enter(dispatcher: &Dispatcher, user: &UserInfo, within: Duration) -> Result<Seat, StatusError> {
        let request = Attributes::resource(user, "list", "", "pods");
        dispatcher.enter(&request, true, Some(Instant::now() + within * WAIT_PART)).await
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_and_time_out() {
        // Of 245 shares global-default has 20: with 12 seats it has one of its own, and may borrow.
        let dispatcher = Arc::new(dispatcher(12));
        let user = UserInfo::new("jane", ["system:authenticated"]);
        let mut seats = Vec::new();
        while let Ok(seat) = enter(&dispatcher, &user, Duration::ZERO).await {
            seats.push(seat);
        }
        assert!(!seats.is_empty() && seats.len() < 12, "{}", seats.len());
        let refused = enter(&dispatcher, &user, Duration::from_secs(1)).await.err().unwrap();
        assert_eq!((refused.code(), refused.suggested_delay()), (429, Some(1)));

        let waiting = tokio::spawn({
            let (dispatcher, user) = (dispatcher.clone(), user.clone());
            async move { enter(&dispatcher, &user, Duration::from_secs(60)).await.is_ok() }
        });
        let abandoned = tokio::spawn({
            let (dispatcher, user) = (dispatcher.clone(), user.clone());
            async move { enter(&dispatcher, &user, Duration::from_secs(60)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        abandoned.abort();
        let _ = abandoned.await;
        drop(seats.pop());
        assert!(waiting.await.unwrap());
        let admin = UserInfo::new("admin", ["system:masters"]);
        assert!(enter(&dispatcher, &admin, Duration::ZERO).await.is_ok(), "administrators always get in");
        drop(seats);
        let level = dispatcher.shared.levels.lock().0.level("global-default").unwrap();
        assert_eq!(dispatcher.shared.levels.lock().0.counts(level), (0, 0), "nothing is left behind");
    }
}
