//! A definition, compiled: names, versions and what each version says.

use std::sync::Arc;

use api_types::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, CustomResourceSubresourceScale,
};
use machinery::patch::shape::{Node, custom_resource};
use machinery::{GroupKind, GroupResource, GroupVersionKind, Message};
use serde_json::Value;

use super::columns::CustomColumn;
use super::json_path::JsonPath;
use super::schema::Schema;

/// The paths of the scale subresource, as names of fields.
#[derive(Clone, Debug)]
pub struct ScalePaths {
    /// Of the desired count.
    pub spec_replicas: Vec<String>,
    /// Of the count there is.
    pub status_replicas: Vec<String>,
    /// Of the selector of the pods, as text.
    pub selector: Option<Vec<String>>,
}

/// One version of a definition.
#[derive(Debug)]
pub struct CustomVersion {
    /// `v1`, `v1beta1` …
    pub name: String,
    /// Group, version and kind.
    pub kind: GroupVersionKind,
    /// `group/version`.
    pub api_version: String,
    /// Whether clients may use it.
    pub served: bool,
    /// The schema as it was written.
    pub source: Value,
    /// The schema, compiled.
    pub schema: Schema,
    /// How objects merge under server-side apply.
    pub shape: Node,
    /// Whether `status` is written apart from the rest.
    pub has_status: bool,
    /// The scale subresource.
    pub scale: Option<ScalePaths>,
    /// Columns of tables after the name.
    pub columns: Vec<CustomColumn>,
    /// Fields that selectors may name, without the leading dot.
    pub selectable: Vec<(String, JsonPath)>,
    /// What users of this version are told.
    pub deprecation: Option<String>,
}

/// A definition.
#[derive(Debug)]
pub struct CustomKind {
    /// Name of the definition.
    pub name: String,
    /// API group.
    pub group: String,
    /// Accepted names.
    pub names: api_types::apiextensions::v1::CustomResourceDefinitionNames,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// All versions.
    pub versions: Vec<Arc<CustomVersion>>,
    /// The one that is stored.
    pub storage: Arc<CustomVersion>,
    /// Selectable fields of all versions, without repetition.
    pub selectable: Vec<(String, JsonPath)>,
}

impl CustomKind {
    /// Compiles a definition whose names are accepted. The error says what a stored definition has that this server
    /// cannot serve.
    pub fn compile(definition: &CustomResourceDefinition) -> Result<CustomKind, String> {
        let spec = &definition.spec;
        let names = definition.status.accepted_names.clone();
        let mut versions = Vec::new();
        let mut storage = None;
        for version in &spec.versions {
            let compiled = Arc::new(compile_version(&spec.group, &names.kind, version)?);
            if version.storage {
                storage = Some(compiled.clone());
            }
            versions.push(compiled);
        }
        let mut selectable: Vec<(String, JsonPath)> = Vec::new();
        for (name, path) in versions.iter().flat_map(|version| &version.selectable) {
            if !selectable.iter().any(|(known, _)| known == name) {
                selectable.push((name.clone(), path.clone()));
            }
        }
        Ok(CustomKind {
            name: definition.metadata.name.clone(),
            group: spec.group.clone(),
            names,
            namespaced: spec.scope == "Namespaced",
            versions,
            storage: storage.ok_or("no version is marked as the storage version")?,
            selectable,
        })
    }

    /// The version of that `apiVersion`.
    pub fn version(&self, api_version: &str) -> Option<&Arc<CustomVersion>> {
        self.versions.iter().find(|version| version.api_version == api_version)
    }

    /// Group and plural name.
    pub fn resource(&self) -> GroupResource {
        GroupResource::new(self.group.clone(), self.names.plural.clone())
    }

    /// Group and kind.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(self.group.clone(), self.names.kind.clone())
    }
}

fn compile_version(
    group: &str,
    kind: &str,
    version: &CustomResourceDefinitionVersion,
) -> Result<CustomVersion, String> {
    let source = version.schema.as_ref().and_then(|schema| schema.open_apiv3_schema.as_ref());
    let source = source.map_or(Value::Null, |schema| schema.to_value());
    let subresources = version.subresources.as_deref();
    let api_version = machinery::group::api_version(group, &version.name);
    let default_warning = format!("{api_version} {kind} is deprecated");
    let selectable = version.selectable_fields.iter().map(|field| {
        let path = JsonPath::parse(&field.json_path)?;
        Ok((field.json_path.trim_start_matches('.').to_owned(), path))
    });
    Ok(CustomVersion {
        name: version.name.clone(),
        kind: GroupVersionKind::new(group.to_owned(), version.name.clone(), kind.to_owned()),
        api_version,
        served: version.served,
        schema: Schema::compile(&source)?,
        shape: custom_resource(Some(&source).filter(|source| !source.is_null())),
        source,
        has_status: subresources.is_some_and(|subresources| subresources.status.is_some()),
        scale: subresources.and_then(|subresources| subresources.scale.as_deref()).map(scale_paths),
        columns: CustomColumn::compile(&version.additional_printer_columns)?,
        selectable: selectable.collect::<Result<_, String>>()?,
        deprecation: version
            .deprecated
            .then(|| version.deprecation_warning.clone().unwrap_or(default_warning)),
    })
}

fn scale_paths(scale: &CustomResourceSubresourceScale) -> ScalePaths {
    let names = |path: &str| path.trim_start_matches('.').split('.').map(str::to_owned).collect();
    ScalePaths {
        spec_replicas: names(&scale.spec_replicas_path),
        status_replicas: names(&scale.status_replicas_path),
        selector: scale.label_selector_path.as_deref().filter(|path| !path.is_empty()).map(names),
    }
}
