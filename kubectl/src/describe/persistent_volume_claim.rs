//! Persistent volume claims, and templates for them.

use serde_json::Value;

use super::persistent_volume::status;
use super::quotas::storage;
use super::read::{access_modes, go_list, present, scalar, storage_class};
use super::{Around, Page};
use crate::error::message;
use crate::{Result, values};

/// Writes the page of a claim.
pub fn describe(object: &Value, around: &Around, page: &mut Page) -> Result<()> {
    claim(object, true, page);
    let pods = around.pods().map_err(|error| message(super::controllers::said(error)))?;
    let mut users: Vec<String> = pods
        .iter()
        .flat_map(|pod| std::iter::repeat_n(pod, uses(pod, object)))
        .map(|pod| values::name(pod).to_owned())
        .collect();
    users.sort();
    page.column(0, "Used By", &users);
    let conditions = values::list(object, "/status/conditions");
    if conditions.is_empty() {
        return Ok(());
    }
    page.line(0, "Conditions:");
    page.row(1, ["Type", "Status", "LastProbeTime", "LastTransitionTime", "Reason", "Message"]);
    page.row(1, ["----", "------", "-----------------", "------------------", "------", "-------"]);
    for condition in conditions {
        let text = |pointer: &str| values::text(condition, pointer);
        let (probed, changed) =
            (page.time(condition, "/lastProbeTime"), page.time(condition, "/lastTransitionTime"));
        let (kind, state, reason) = (text("/type"), text("/status"), text("/reason"));
        page.line(1, &format!("{kind} \t{state} \t{probed} \t{changed} \t{reason} \t{}", text("/message")));
    }
    Ok(())
}

/// How often a pod names the claim among its volumes; a pod that owns the claim uses it in any case.
fn uses(pod: &Value, claim: &Value) -> usize {
    let volumes = values::list(pod, "/spec/volumes").iter();
    let named = volumes
        .filter(|volume| values::text(volume, "/persistentVolumeClaim/claimName") == values::name(claim));
    let uid = values::text(pod, "/metadata/uid");
    let owns = values::list(claim, "/metadata/ownerReferences")
        .iter()
        .any(|owner| values::text(owner, "/kind") == "Pod" && values::text(owner, "/uid") == uid);
    named.count().max(usize::from(owns))
}

/// Writes a claim, or a template for one, which has no name and state.
pub fn claim(object: &Value, whole: bool, page: &mut Page) {
    if whole {
        page.field(0, "Name", values::name(object));
        page.field(0, "Namespace", values::namespace(object));
    }
    page.field(0, "StorageClass", storage_class(object));
    if whole {
        status(object, page);
    }
    let volume = values::text(object, "/spec/volumeName");
    page.field(0, "Volume", volume);
    page.metadata_maps(object);
    if whole {
        page.field(0, "Finalizers", go_list(object, "/metadata/finalizers"));
    }
    let (capacity, modes) = match volume {
        "" => Default::default(),
        _ => (storage(object, "/status/capacity"), access_modes(object, "/status/accessModes")),
    };
    page.field(0, "Capacity", capacity);
    page.field(0, "Access Modes", modes);
    if let Some(mode) = scalar(object, "/spec/volumeMode") {
        page.field(0, "VolumeMode", mode);
    }
    if present(object, "/spec/dataSource") {
        page.line(0, "DataSource:");
        if let Some(group) = scalar(object, "/spec/dataSource/apiGroup") {
            page.field(1, "APIGroup", group);
        }
        page.field(1, "Kind", values::text(object, "/spec/dataSource/kind"));
        page.field(1, "Name", values::text(object, "/spec/dataSource/name"));
    }
}
