//! Keeps a volume that is bound from going (`pkg/controller/volume/pvprotection`).

use std::sync::Arc;

use api_types::core::v1::PersistentVolume;
use jiff::Timestamp;
use runtime::controller::enqueue_self;
use runtime::{Action, Controller, ObjectKey, Plan, Store};

use super::{Protection, protection, with_finalizer};
use crate::context::{Context, Task};
use crate::controllers::Entry;

const FINALIZER: &str = "kubernetes.io/pv-protection";

/// The controller: its cache.
struct Volumes {
    volumes: Store<PersistentVolume>,
}

impl Controller for Volumes {
    type Inputs = Arc<PersistentVolume>;

    fn gather(&self, key: &ObjectKey) -> Option<Arc<PersistentVolume>> {
        self.volumes.get(key)
    }

    fn plan(volume: &Arc<PersistentVolume>, _: Timestamp) -> Plan {
        plan(volume)
    }
}

/// Subscribes to volumes.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let volumes = context.informers.store::<PersistentVolume>();
    let queue = context.queue("pvprotection");
    enqueue_self(&volumes, &queue);
    let controller = Volumes { volumes: volumes.clone() };
    let driver = context.driver(entry, controller, queue)?.workers(1).waits_for(&volumes);
    Ok(Some(context.task(driver)))
}

fn plan(volume: &PersistentVolume) -> Plan {
    let hold = match protection(volume, FINALIZER) {
        Protection::Add => true,
        Protection::Waits if volume.status.phase != "Bound" => false,
        _ => return Plan::nothing(),
    };
    Plan::of(vec![Action::replace(with_finalizer(volume, FINALIZER, hold))])
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::json;

    use super::*;

    #[test]
    fn bound_volumes_stay() {
        let check = |going: bool, held: bool, phase: &str, expected: Option<usize>| {
            let mut metadata =
                json!({"name": "v", "finalizers": if held { vec![FINALIZER] } else { vec![] }});
            if going {
                metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            let volume = json!({"metadata": metadata, "status": {"phase": phase}});
            let plan = plan(&PersistentVolume::from_value(&volume).unwrap());
            let written = plan.actions().find_map(|action| action.replaced::<PersistentVolume>());
            assert_eq!(written.map(|(_, volume)| volume.metadata.finalizers.len()), expected);
        };
        check(false, false, "Available", Some(1));
        check(false, true, "Bound", None);
        check(true, true, "Bound", None);
        check(true, true, "Released", Some(0));
        check(true, false, "Released", None);
    }
}
