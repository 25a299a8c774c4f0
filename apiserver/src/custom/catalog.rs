//! Custom resources as discovery shows them.

use std::sync::Arc;

use apiserver_registry::custom::{CustomKind, CustomVersion};

use super::verbs;
use crate::discovery::catalog::{
    Catalog, Published, ServedResource, ServedSubresource, storage_version_hash,
};

/// Adds the served versions of a definition. Call [`Catalog::sort`] after the last.
pub fn add(catalog: &mut Catalog, kind: &Arc<CustomKind>, terminating: bool) {
    for version in kind.versions.iter().filter(|version| version.served) {
        let names = &kind.names;
        let resource = ServedResource {
            plural: names.plural.clone(),
            singular: names.singular.clone(),
            kind: names.kind.clone(),
            namespaced: kind.namespaced,
            verbs: verbs(terminating),
            short_names: names.short_names.clone(),
            categories: names.categories.clone(),
            storage_version_hash: storage_version_hash(&kind.group, &kind.storage.name, &names.kind),
            subresources: subresources(kind, version),
            published: Some(Published::new(names.list_kind.clone(), version.source.clone())),
        };
        catalog.add(&kind.group, &version.name, resource);
    }
}

fn subresources(kind: &CustomKind, version: &CustomVersion) -> Vec<ServedSubresource> {
    let of = |name: &str, group: &str, version: &str, kind: &str| ServedSubresource {
        name: name.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        verbs: ["get", "patch", "update"].map(str::to_owned).to_vec(),
    };
    let scale = version.scale.as_ref().map(|_| of("scale", "autoscaling", "v1", "Scale"));
    let status = version.has_status.then(|| of("status", &kind.group, &version.name, &version.kind.kind));
    scale.into_iter().chain(status).collect()
}
