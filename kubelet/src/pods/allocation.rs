//! The resources allocated to a pod and those applied to its containers, remembered over a restart of the kubelet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kubelet_core::actions::ResourceAmounts;
use serde::{Deserialize, Serialize};

use crate::context::Context;

/// What is remembered of one pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Allocation {
    /// JSON of the allocated `resources`, by container.
    pub allocated: BTreeMap<String, serde_json::Value>,
    /// CPU request and limit (millicores), memory request and limit (bytes) applied, by container.
    pub actuated: BTreeMap<String, [i64; 4]>,
}

impl Allocation {
    /// Reads what a kubelet before this one remembered; nothing when there is none.
    pub(super) fn load(context: &Context, uid: &str) -> Allocation {
        let path = file(context, uid);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "ignoring a damaged allocation record");
                Allocation::default()
            }),
            Err(_) => Allocation::default(),
        }
    }

    /// Writes it, by a rename so that a crash leaves the old or the new.
    pub(super) fn store(&self, context: &Context, uid: &str) -> std::io::Result<()> {
        let path = file(context, uid);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(self)?)?;
        std::fs::rename(&new, &path)
    }

    /// The applied amounts in the core's form.
    pub(super) fn actuated_amounts(&self) -> BTreeMap<String, ResourceAmounts> {
        self.actuated
            .iter()
            .map(|(name, [cpu_request, cpu_limit, memory_request, memory_limit])| {
                let amounts = ResourceAmounts {
                    cpu_request_milli: *cpu_request,
                    cpu_limit_milli: *cpu_limit,
                    memory_request_bytes: *memory_request,
                    memory_limit_bytes: *memory_limit,
                };
                (name.clone(), amounts)
            })
            .collect()
    }

    /// Notes what was applied to a container.
    pub(super) fn set_actuated(&mut self, name: &str, amounts: ResourceAmounts) {
        self.actuated.insert(
            name.to_owned(),
            [
                amounts.cpu_request_milli,
                amounts.cpu_limit_milli,
                amounts.memory_request_bytes,
                amounts.memory_limit_bytes,
            ],
        );
    }
}

fn file(context: &Context, uid: &str) -> PathBuf {
    context.pod_directory(uid).join("resources.json")
}
