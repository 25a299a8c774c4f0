//! Whole documents: everything in v2, one per group and version in v3.

use machinery::Message;
use machinery::meta::v1::{DeleteOptions, Status};
use serde_json::{Map, Value, json};

use super::definitions::Source;
use super::definitions::{Definitions, Dialect};
use super::paths::{self, Subject};
use crate::discovery::catalog::{Catalog, ServedVersion};

fn info() -> Value {
    json!({"title": "Kubernetes", "version": component_base::version::git_version()})
}

/// The v2 document.
pub fn v2(catalog: &Catalog) -> Value {
    let mut definitions = start(Dialect::V2);
    let mut all = Map::new();
    for group in &catalog.groups {
        for version in &group.versions {
            add_version(&mut all, &group.name, version, &mut definitions, Dialect::V2);
        }
    }
    let mut schemas = definitions.finish();
    schemas.insert(PATCH.into(), patch_schema());
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": all,
        "definitions": schemas,
        "securityDefinitions": {"BearerToken": {
            "description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header",
        }},
        "security": [{"BearerToken": []}],
    })
}

/// What v3 documents there are: `api/v1`, `apis/apps/v1` …
pub fn v3_paths(catalog: &Catalog) -> Vec<String> {
    let mut paths = Vec::new();
    for group in &catalog.groups {
        for version in &group.versions {
            paths.push(match group.name.as_str() {
                "" => format!("api/{}", version.version),
                name => format!("apis/{name}/{}", version.version),
            });
        }
    }
    paths
}

/// Group and version of the v3 document at `path`.
pub fn group_version(path: &str) -> Option<(&str, &str)> {
    match path.strip_prefix("api/") {
        Some(version) => Some(("", version)),
        None => path.strip_prefix("apis/")?.split_once('/'),
    }
}

/// The index of v3 documents with their hashes.
pub fn v3_index(entries: impl Iterator<Item = (String, String)>) -> Value {
    let paths: Map<String, Value> = entries
        .map(|(path, hash)| {
            let url = format!("/openapi/v3/{path}?hash={hash}");
            (path, json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

/// The v3 document at `api/v1`, `apis/apps/v1` …
pub fn v3(catalog: &Catalog, path: &str) -> Option<Value> {
    let (group, version) = group_version(path)?;
    let version = catalog.version(group, version)?;
    let mut definitions = start(Dialect::V3);
    let mut all = Map::new();
    add_version(&mut all, group, version, &mut definitions, Dialect::V3);
    let mut schemas = definitions.finish();
    schemas.insert(PATCH.into(), patch_schema());
    Some(json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": all,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"BearerToken": {
                "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
            }},
        },
    }))
}

const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

fn patch_schema() -> Value {
    json!({
        "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.",
        "type": "object",
    })
}

fn start(dialect: Dialect) -> Definitions {
    let mut definitions = Definitions::new(dialect);
    definitions.add_kind(Status::SCHEMA, "", "v1", "Status");
    definitions.add_kind(DeleteOptions::SCHEMA, "", "v1", "DeleteOptions");
    definitions
}

fn add_version(
    all: &mut Map<String, Value>,
    group: &str,
    version: &ServedVersion,
    definitions: &mut Definitions,
    dialect: Dialect,
) {
    for resource in &version.resources {
        let facts = api_types::facts::kind(group, &version.version, &resource.kind);
        let schema = match (&resource.published, facts) {
            (Some(published), _) => Source::Custom(published),
            (None, Some(facts)) => Source::Table(facts.schema),
            (None, None) => continue,
        };
        // `DeleteOptions` are accepted by every group.
        definitions.add_kind(DeleteOptions::SCHEMA, group, &version.version, "DeleteOptions");
        let subject = Subject { group, version: &version.version, resource, schema };
        paths::add(all, &subject, definitions, dialect);
    }
}
