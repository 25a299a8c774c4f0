//! Statuses on their way to an API server that is not always there.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Pod, PodStatus};
use async_trait::async_trait;
use component_base::Shutdown;
use kubelet::statuses::{ApiPods, PodApi, PodApiError, Statuses};
use parking_lot::Mutex;
use serde_json::Value;

use crate::world::pod;

/// An API server that can be away.
#[derive(Default)]
struct Api {
    away: Mutex<bool>,
    tries: Mutex<u32>,
    taken: Mutex<Vec<String>>,
}

#[async_trait]
impl PodApi for Api {
    async fn patch_status(&self, _namespace: &str, name: &str, _patch: &Value) -> Result<Pod, PodApiError> {
        *self.tries.lock() += 1;
        if *self.away.lock() {
            return Err(PodApiError::Other("connection refused".to_owned()));
        }
        self.taken.lock().push(name.to_owned());
        Ok(Pod { status: running(), ..pod(name, WEB) })
    }

    async fn create(&self, _pod: &Pod) -> Result<Pod, PodApiError> {
        Err(PodApiError::AlreadyExists)
    }

    async fn delete(&self, _namespace: &str, _name: &str, _uid: &str) -> Result<(), PodApiError> {
        Err(PodApiError::NotFound)
    }
}

const WEB: &str = r#"{"containers":[{"name":"web","image":"img:1"}]}"#;

fn running() -> PodStatus {
    PodStatus { phase: "Running".to_owned(), ..PodStatus::default() }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_is_asked_seldom_and_told_everything_when_it_is_back() {
    let (api, api_pods) = (Arc::new(Api::default()), Arc::new(ApiPods::default()));
    let statuses = Statuses::new(api_pods.clone());
    *api.away.lock() = true;
    for name in ["a", "b"] {
        let pod = pod(name, WEB);
        api_pods.insert(Arc::new(pod.clone()));
        statuses.set(&pod, running(), true);
    }
    tokio::spawn(statuses.run(api.clone(), Shutdown::new()));
    tokio::time::sleep(Duration::from_secs(600)).await;
    // Two pods, at most every ten seconds but for the first few tries.
    let tries = *api.tries.lock();
    assert!((100..140).contains(&tries), "{tries}");
    *api.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mut taken = api.taken.lock().clone();
    taken.sort();
    taken.dedup();
    assert_eq!(taken, ["a", "b"]);
}
