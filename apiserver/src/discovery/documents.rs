//! Discovery documents made from the catalog, in both of upstream's forms.

use api_types::apidiscovery::v2::{
    APIGroupDiscovery, APIGroupDiscoveryList, APIResourceDiscovery, APISubresourceDiscovery,
    APIVersionDiscovery,
};
use machinery::meta::v1::{
    APIGroup, APIGroupList, APIResource, APIResourceList, APIVersions, GroupVersionForDiscovery,
    GroupVersionKind, ObjectMeta, ServerAddressByClientCIDR,
};

use super::catalog::{Catalog, ServedGroup, ServedVersion};

/// `GET /api`: the versions of the core group.
pub fn api_versions(catalog: &Catalog, server_address: &str) -> APIVersions {
    let versions = catalog.group("").map(|group| group.versions.as_slice()).unwrap_or_default();
    APIVersions {
        versions: versions.iter().map(|version| version.version.clone()).collect(),
        server_address_by_client_cidrs: vec![ServerAddressByClientCIDR {
            client_cidr: "0.0.0.0/0".into(),
            server_address: server_address.into(),
        }],
    }
}

/// `GET /apis`: all groups but the core group.
pub fn api_group_list(catalog: &Catalog) -> APIGroupList {
    let groups = catalog.groups.iter().filter(|group| !group.name.is_empty());
    APIGroupList { groups: groups.map(api_group).collect() }
}

/// `GET /apis/<group>`.
pub fn api_group(group: &ServedGroup) -> APIGroup {
    let versions: Vec<GroupVersionForDiscovery> = group
        .versions
        .iter()
        .map(|version| GroupVersionForDiscovery {
            group_version: format!("{}/{}", group.name, version.version),
            version: version.version.clone(),
        })
        .collect();
    APIGroup {
        name: group.name.clone(),
        preferred_version: versions.first().cloned().unwrap_or_default(),
        versions,
        ..APIGroup::default()
    }
}

/// `GET /api/v1` and `GET /apis/<group>/<version>`.
pub fn api_resource_list(group: &str, version: &ServedVersion) -> APIResourceList {
    let mut resources = Vec::new();
    for resource in &version.resources {
        resources.push(APIResource {
            name: resource.plural.clone(),
            singular_name: resource.singular.clone(),
            namespaced: resource.namespaced,
            kind: resource.kind.clone(),
            verbs: resource.verbs.clone(),
            short_names: resource.short_names.clone(),
            categories: resource.categories.clone(),
            storage_version_hash: resource.storage_version_hash.clone(),
            ..APIResource::default()
        });
        for subresource in &resource.subresources {
            let foreign =
                (subresource.group.as_str(), subresource.version.as_str()) != (group, &version.version);
            resources.push(APIResource {
                name: format!("{}/{}", resource.plural, subresource.name),
                namespaced: resource.namespaced,
                group: if foreign { subresource.group.clone() } else { String::new() },
                version: if foreign { subresource.version.clone() } else { String::new() },
                kind: subresource.kind.clone(),
                verbs: subresource.verbs.clone(),
                ..APIResource::default()
            });
        }
    }
    let group_version = machinery::group::api_version(group, &version.version);
    APIResourceList { group_version, resources }
}

/// The aggregated form of `GET /api` (`core`) or `GET /apis`.
pub fn aggregated(catalog: &Catalog, core: bool) -> APIGroupDiscoveryList {
    let groups = catalog.groups.iter().filter(|group| group.name.is_empty() == core);
    APIGroupDiscoveryList {
        items: groups.map(aggregated_group).collect(),
        ..APIGroupDiscoveryList::default()
    }
}

fn aggregated_group(group: &ServedGroup) -> APIGroupDiscovery {
    let versions = group.versions.iter().map(|version| APIVersionDiscovery {
        version: version.version.clone(),
        resources: aggregated_resources(&group.name, version),
        freshness: "Current".into(),
    });
    APIGroupDiscovery {
        metadata: ObjectMeta { name: group.name.clone(), ..ObjectMeta::default() },
        versions: versions.collect(),
    }
}

fn aggregated_resources(group: &str, version: &ServedVersion) -> Vec<APIResourceDiscovery> {
    let kind = |group: &str, version: &str, kind: &str| {
        Some(Box::new(GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() }))
    };
    version
        .resources
        .iter()
        .map(|resource| APIResourceDiscovery {
            resource: resource.plural.clone(),
            response_kind: kind(group, &version.version, &resource.kind),
            scope: if resource.namespaced { "Namespaced" } else { "Cluster" }.into(),
            singular_resource: resource.singular.clone(),
            verbs: resource.verbs.clone(),
            short_names: resource.short_names.clone(),
            categories: resource.categories.clone(),
            subresources: resource
                .subresources
                .iter()
                .map(|subresource| APISubresourceDiscovery {
                    subresource: subresource.name.clone(),
                    response_kind: kind(&subresource.group, &subresource.version, &subresource.kind),
                    accepted_types: Vec::new(),
                    verbs: subresource.verbs.clone(),
                })
                .collect(),
        })
        .collect()
}
