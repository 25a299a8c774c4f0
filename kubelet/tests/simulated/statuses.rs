//! Statuses on their way to an API server that is not always there.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::PodStatus;
use component_base::Shutdown;
use kubelet::statuses::{ApiPods, Statuses};

use crate::world::api::Api;
use crate::world::pod;

const WEB: &str = r#"{"containers":[{"name":"web","image":"img:1"}]}"#;

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_is_asked_seldom_and_told_everything_when_it_is_back() {
    let pods = ["a", "b"].map(|name| pod(name, WEB));
    let (api, api_pods) = (Api::with(&pods), Arc::new(ApiPods::default()));
    let statuses = Statuses::new(api_pods.clone());
    api.set_away(true);
    for pod in pods {
        api_pods.insert(Arc::new(pod.clone()));
        statuses.set(&pod, PodStatus { phase: "Running".to_owned(), ..PodStatus::default() }, true);
    }
    tokio::spawn(statuses.run(api.clone(), Shutdown::new()));
    tokio::time::sleep(Duration::from_secs(600)).await;
    // Two pods, at most every ten seconds but for the first few tries.
    assert!((100..140).contains(&api.tries()), "{}", api.tries());
    api.set_away(false);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(["a", "b"].map(|name| api.status(name).phase), ["Running", "Running"]);
}
