//! Persistent volumes.

use serde_json::Value;

use super::classes::requirement;
use super::quotas::storage;
use super::read::{access_modes, go_list, present, scalar, storage_class};
use super::{Around, Page, volume_sources};
use crate::{Result, values};

/// Writes the page of a persistent volume.
pub fn describe(volume: &Value, _: &Around, page: &mut Page) -> Result<()> {
    let text = |pointer: &str| values::text(volume, pointer);
    page.field(0, "Name", values::name(volume));
    page.metadata_maps(volume);
    page.field(0, "Finalizers", go_list(volume, "/metadata/finalizers"));
    page.field(0, "StorageClass", storage_class(volume));
    status(volume, page);
    let claim = match present(volume, "/spec/claimRef") {
        true => format!("{}/{}", text("/spec/claimRef/namespace"), text("/spec/claimRef/name")),
        false => String::new(),
    };
    page.field(0, "Claim", claim);
    page.field(0, "Reclaim Policy", text("/spec/persistentVolumeReclaimPolicy"));
    page.field(0, "Access Modes", access_modes(volume, "/spec/accessModes"));
    if let Some(mode) = scalar(volume, "/spec/volumeMode") {
        page.field(0, "VolumeMode", mode);
    }
    page.field(0, "Capacity", storage(volume, "/spec/capacity"));
    affinity(volume, page);
    page.field(0, "Message", text("/status/message"));
    page.line(0, "Source:");
    volume_sources::describe(volume.get("spec").unwrap_or(&Value::Null), volume_sources::OF_VOLUMES, page);
    Ok(())
}

/// Writes the phase, or how long the object has been going away.
pub fn status(object: &Value, page: &mut Page) {
    if present(object, "/metadata/deletionTimestamp") {
        let age = page.age(object, "/metadata/deletionTimestamp");
        page.field(0, "Status", format!("Terminating (lasts {age})"));
    } else {
        page.field(0, "Status", values::text(object, "/status/phase"));
    }
}

fn affinity(volume: &Value, page: &mut Page) {
    if !present(volume, "/spec/nodeAffinity/required") {
        page.field(0, "Node Affinity", "<none>");
        return;
    }
    page.line(0, "Node Affinity:\t");
    let terms = values::list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
    if terms.is_empty() {
        page.field(1, "Required Terms", "<none>");
        return;
    }
    page.line(1, "Required Terms:\t");
    for (at, term) in terms.iter().enumerate() {
        let lines: Vec<String> = values::list(term, "/matchExpressions")
            .iter()
            .map(|expression| requirement(expression, &values::text(expression, "/operator").to_lowercase()))
            .collect();
        page.column(2, &format!("Term {at}"), &lines);
    }
}
