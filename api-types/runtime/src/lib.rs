//! What controllers are made of: caches that follow the API server, work queues, the driver that turns
//! decisions into requests, leader election and events.

mod backoff;
pub mod client_metrics;
pub mod controller;
pub mod delegation;
pub mod events;
pub mod executor;
pub mod informer;
pub mod key;
pub mod leader;
pub mod plan;
pub mod queue;
pub mod reflector;
pub mod serving;
pub mod store;
pub mod worker;

pub use controller::{Controller, Driver};
pub use executor::Executor;
pub use informer::{Informer, Informers};
pub use key::ObjectKey;
pub use plan::{Action, Note, Plan};
pub use queue::Queue;
pub use store::{Event, Store};
