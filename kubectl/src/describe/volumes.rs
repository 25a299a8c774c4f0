//! The volumes of a pod.

use serde_json::Value;

use super::Page;
use super::persistent_volume_claim;
use super::read::{number, present};
use super::volume_sources;
use crate::values;

/// Writes the volumes of a pod's spec. Templates are indented by `space`.
pub fn describe(spec: &Value, space: &str, page: &mut Page) {
    let volumes = values::list(spec, "/volumes");
    if volumes.is_empty() {
        page.line(0, &format!("{space}Volumes:\t<none>"));
        return;
    }
    page.line(0, &format!("{space}Volumes:"));
    for volume in volumes {
        let indent = if space.is_empty() { "" } else { " " };
        page.line(1, &format!("{indent}{}:", values::text(volume, "/name")));
        source(volume, page);
    }
}

fn source(volume: &Value, page: &mut Page) {
    if let Some(projected) = volume.get("projected").filter(|value| !value.is_null()) {
        projections(projected, page);
    } else if let Some(downward) = volume.get("downwardAPI").filter(|value| !value.is_null()) {
        page.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
        page.line(2, "Items:");
        for item in values::list(downward, "/items") {
            for pointer in ["/fieldRef/fieldPath", "/resourceFieldRef/resource"] {
                if present(item, pointer) {
                    let (what, path) = (values::text(item, pointer), values::text(item, "/path"));
                    page.line(3, &format!("{what} -> {path}"));
                }
            }
        }
    } else if let Some(ephemeral) = volume.get("ephemeral").filter(|value| !value.is_null()) {
        let what = "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)";
        page.field(2, "Type", what);
        if let Some(template) = ephemeral.get("volumeClaimTemplate").filter(|value| !value.is_null()) {
            page.nested(2, |page| persistent_volume_claim::claim(template, false, page));
        }
    } else {
        volume_sources::describe(volume, volume_sources::OF_PODS, page);
    }
}

fn projections(projected: &Value, page: &mut Page) {
    page.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
    for source in values::list(projected, "/sources") {
        if let Some(secret) = source.get("secret").filter(|value| !value.is_null()) {
            page.field(2, "SecretName", values::text(secret, "/name"));
            page.field(2, "Optional", values::flag(secret, "/optional"));
        } else if present(source, "/downwardAPI") {
            page.field(2, "DownwardAPI", "true");
        } else if let Some(map) = source.get("configMap").filter(|value| !value.is_null()) {
            page.field(2, "ConfigMapName", values::text(map, "/name"));
            page.field(2, "Optional", values::flag(map, "/optional"));
        } else if let Some(token) = source.get("serviceAccountToken").filter(|value| !value.is_null()) {
            page.field(2, "TokenExpirationSeconds", number(token, "/expirationSeconds"));
        }
    }
}
