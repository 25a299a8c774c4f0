//! Rules of definitions (`apiextensions-apiserver/pkg/apis/apiextensions/validation`).
//!
//! Conversion by webhook, which upstream accepts, is refused with a word on why: this server does not call them.

use api_types::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceConversion, CustomResourceDefinition,
    CustomResourceDefinitionNames, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion,
    CustomResourceSubresources,
};
use machinery::Message;
use machinery::field::{Error, ErrorList, Path};
use machinery::names::{is_dns1035_label, is_dns1123_subdomain, name_is_dns_subdomain};
use serde_json::Value;

use super::conditions::{ESTABLISHED, is_true};
use super::{schemas, structural};
use crate::custom::json_path::JsonPath;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MOST_SELECTABLE_FIELDS: usize = 8;

/// Every rule that a new definition breaks.
pub fn validate(definition: &CustomResourceDefinition) -> ErrorList {
    let mut errors = name(definition);
    errors.extend(spec(&definition.spec, true));
    errors.extend(validate_status(definition));
    errors.extend(stored_versions(definition));
    errors.extend(approval(definition, None));
    errors
}

/// Every rule that a changed definition breaks.
pub fn validate_update(new: &CustomResourceDefinition, old: &CustomResourceDefinition) -> ErrorList {
    let path = Path::new("spec");
    let has_schemas = |version: &CustomResourceDefinitionVersion| schema_of(version).is_some();
    let mut errors = spec(&new.spec, old.spec.versions.iter().all(has_schemas));
    let mut immutable = |path: Path, new: &str, old: &str| {
        if new != old {
            errors.push(Error::invalid(&path, new, "field is immutable"));
        }
    };
    let (names, before) = (&new.spec.names, &old.spec.names);
    if is_true(old, ESTABLISHED) {
        immutable(path.child("scope"), &new.spec.scope, &old.spec.scope);
        immutable(path.child("names").child("kind"), &names.kind, &before.kind);
    }
    immutable(path.child("group"), &new.spec.group, &old.spec.group);
    immutable(path.child("names").child("plural"), &names.plural, &before.plural);
    errors.extend(validate_status(new));
    errors.extend(stored_versions(new));
    errors.extend(approval(new, Some(old)));
    errors
}

/// Every rule that a status breaks.
pub fn validate_status(definition: &CustomResourceDefinition) -> ErrorList {
    names(&definition.status.accepted_names, &Path::new("status").child("acceptedNames"))
}

fn name(definition: &CustomResourceDefinition) -> ErrorList {
    let wanted = format!("{}.{}", definition.spec.names.plural, definition.spec.group);
    let name = definition.metadata.name.as_str();
    let path = Path::new("metadata").child("name");
    let mut errors: ErrorList = name_is_dns_subdomain(name, false)
        .into_iter()
        .filter(|_| !name.is_empty())
        .map(|text| Error::invalid(&path, name, text))
        .collect();
    if name != wanted && !name.is_empty() {
        errors.push(Error::invalid(&path, name, "must be spec.names.plural+\".\"+spec.group"));
    }
    errors
}

fn spec(spec: &CustomResourceDefinitionSpec, requires_schemas: bool) -> ErrorList {
    let path = Path::new("spec");
    let mut errors = ErrorList::new();
    let group = path.child("group");
    let broken = is_dns1123_subdomain(&spec.group);
    if spec.group.is_empty() {
        errors.push(Error::required(&group, ""));
    } else if !broken.is_empty() {
        errors.push(Error::invalid(&group, spec.group.as_str(), broken.join(",")));
    } else if !spec.group.contains('.') {
        errors.push(Error::invalid(&group, spec.group.as_str(), "should be a domain with at least one dot"));
    }
    errors.extend(one_of(&path.child("scope"), &spec.scope, &["Cluster", "Namespaced"]));
    let versions = path.child("versions");
    for (index, version) in spec.versions.iter().enumerate() {
        let schema = versions.index(index).child("schema").child("openAPIV3Schema");
        if schema_of(version).is_some() {
            continue;
        }
        if requires_schemas {
            errors.push(Error::required(&schema, ""));
        } else if version.served && !spec.preserve_unknown_fields {
            errors.push(Error::required(&schema, "because otherwise all fields are pruned"));
        }
    }
    if spec.preserve_unknown_fields {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                      spec.versions[*].schema instead";
        errors.push(Error::invalid(&path.child("preserveUnknownFields"), true, detail));
    }
    let (mut seen, mut unique) = (Vec::new(), true);
    for (index, this) in spec.versions.iter().enumerate() {
        unique &= !seen.contains(&&this.name);
        seen.push(&this.name);
        let at = versions.index(index);
        let broken = is_dns1035_label(&this.name);
        if !broken.is_empty() {
            errors.push(Error::invalid(&at.child("name"), this.name.as_str(), broken.join(",")));
        }
        errors.extend(version(this, &at));
    }
    let shown = || Value::Array(spec.versions.iter().map(Message::to_value).collect());
    if !unique {
        errors.push(Error::invalid(&versions, shown(), "must contain unique version names"));
    }
    if spec.versions.iter().filter(|version| version.storage).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(Error::invalid(&versions, shown(), detail));
    }
    let names_path = path.child("names");
    for (field, value) in [
        ("plural", &spec.names.plural),
        ("singular", &spec.names.singular),
        ("kind", &spec.names.kind),
        ("listKind", &spec.names.list_kind),
    ] {
        if value.is_empty() {
            errors.push(Error::required(&names_path.child(field), ""));
        }
    }
    errors.extend(names(&spec.names, &names_path));
    if let Some(conversion) = &spec.conversion {
        errors.extend(self::conversion(conversion, &path.child("conversion")));
    }
    errors
}

fn one_of(path: &Path, value: &str, accepted: &[&str]) -> ErrorList {
    match value {
        "" => vec![Error::required(path, "")],
        value if accepted.contains(&value) => ErrorList::new(),
        value => vec![Error::not_supported(path, value, accepted)],
    }
}

fn schema_of(version: &CustomResourceDefinitionVersion) -> Option<Value> {
    let schema = version.schema.as_ref()?.open_apiv3_schema.as_ref()?;
    Some(schema.to_value())
}

fn version(version: &CustomResourceDefinitionVersion, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let warning = path.child("deprecationWarning");
    if let Some(text) = &version.deprecation_warning {
        let mut refuse = |detail: &str| errors.push(Error::invalid(&warning, text.as_str(), detail));
        if !version.deprecated {
            refuse("can only be set for deprecated versions");
        } else {
            if text.len() > 256 {
                refuse("must be <= 256 characters long");
            }
            if text.is_empty() {
                refuse("must not be an empty string");
            }
            if let Some((index, _)) = text.char_indices().find(|(_, character)| character.is_control()) {
                refuse(&format!(
                    "must only contain printable UTF-8 characters; non-printable character found at index {index}"
                ));
            }
        }
    }
    let schema = schema_of(version);
    let subresources = version.subresources.as_deref();
    if let Some(schema) = &schema {
        let has_status = subresources.is_some_and(|subresources| subresources.status.is_some());
        let at = path.child("schema").child("openAPIV3Schema");
        errors.extend(schemas::validate_root(schema, has_status, &at));
        let structure = structural::validate(schema, &at);
        if structure.is_empty() {
            errors.extend(schemas::validate_defaults(schema, &at));
        }
        errors.extend(structure);
        errors.extend(schemas::validate(schema, &at));
    }
    if let Some(subresources) = subresources {
        errors.extend(self::subresources(subresources, &path.child("subresources")));
    }
    let columns = path.child("additionalPrinterColumns");
    for (index, this) in version.additional_printer_columns.iter().enumerate() {
        errors.extend(column(this, &columns.index(index)));
    }
    errors.extend(selectable_fields(version, schema.as_ref(), &path.child("selectableFields")));
    errors
}

fn selectable_fields(
    version: &CustomResourceDefinitionVersion,
    schema: Option<&Value>,
    path: &Path,
) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut seen: Vec<&str> = Vec::new();
    if version.selectable_fields.is_empty() {
        return errors;
    }
    let Some(schema) = schema else {
        let detail = "may only be set when `version.schema.openAPIV3Schema` is not included";
        return vec![Error::invalid(path, "", detail)];
    };
    for (index, selectable) in version.selectable_fields.iter().enumerate() {
        let at = path.index(index).child("jsonPath");
        let text = selectable.json_path.as_str();
        if text.is_empty() {
            errors.push(Error::required(&at, ""));
            continue;
        }
        let mut refuse = |detail: &str| errors.push(Error::invalid(&at, text, detail));
        let parsed = JsonPath::parse(text).ok().filter(|_| text.starts_with('.'));
        let Some(fields) = parsed.as_ref().and_then(JsonPath::fields) else {
            refuse("is an invalid path: only the names of fields, each after a dot, are accepted");
            continue;
        };
        let found = fields.iter().try_fold(schema, |schema, name| {
            schema.get("properties").and_then(|properties| properties.get(name))
        });
        if fields.first() == Some(&"metadata") {
            refuse("must not point to fields in metadata");
            continue;
        }
        let Some(found) = found else {
            refuse("is an invalid path: does not refer to a valid field");
            continue;
        };
        if !matches!(found.get("type").and_then(Value::as_str), Some("string" | "boolean" | "integer")) {
            refuse(
                "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                 formats are allowed.",
            );
        }
        if seen.contains(&text) {
            errors.push(Error::duplicate(&at, text));
        } else {
            seen.push(text);
        }
    }
    if seen.len() > MOST_SELECTABLE_FIELDS {
        errors.push(Error::too_many(path, Some(seen.len()), MOST_SELECTABLE_FIELDS));
    }
    errors
}

fn simple_path(text: &str, path: &Path, below: &[&str], detail: &str) -> Option<Error> {
    if text.is_empty() {
        return Some(Error::required(path, ""));
    }
    if !text.starts_with('.') {
        return Some(Error::invalid(path, text, "must be a simple json path starting with ."));
    }
    let fits = below.is_empty() || below.iter().any(|prefix| text.starts_with(prefix));
    (!fits).then(|| Error::invalid(path, text, detail))
}

fn subresources(subresources: &CustomResourceSubresources, path: &Path) -> ErrorList {
    let Some(scale) = &subresources.scale else { return ErrorList::new() };
    let selector = scale.label_selector_path.as_deref().filter(|text| !text.is_empty());
    let spec = path.child("scale.specReplicasPath");
    let status = path.child("scale.statusReplicasPath");
    [
        simple_path(&scale.spec_replicas_path, &spec, &[".spec."], "should be a json path under .spec"),
        simple_path(
            &scale.status_replicas_path,
            &status,
            &[".status."],
            "should be a json path under .status",
        ),
        selector.and_then(|text| {
            let detail = "should be a json path under either .spec or .status";
            simple_path(text, &path.child("scale.labelSelectorPath"), &[".spec.", ".status."], detail)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn column(column: &CustomResourceColumnDefinition, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if column.name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    let types = format!("must be one of {}", COLUMN_TYPES.join(","));
    if column.type_.is_empty() {
        errors.push(Error::required(&path.child("type"), types));
    } else if !COLUMN_TYPES.contains(&column.type_.as_str()) {
        errors.push(Error::invalid(&path.child("type"), column.type_.as_str(), types));
    }
    if !column.format.is_empty() && !COLUMN_FORMATS.contains(&column.format.as_str()) {
        let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
        errors.push(Error::invalid(&path.child("format"), column.format.as_str(), detail));
    }
    let at = path.child("JSONPath");
    match simple_path(&column.json_path, &at, &[], "") {
        Some(error) => errors.push(error),
        None => {
            if let Err(reason) = JsonPath::parse(&column.json_path) {
                errors.push(Error::invalid(&at, column.json_path.as_str(), reason));
            }
        }
    }
    errors
}

fn names(names: &CustomResourceDefinitionNames, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut label = |path: Path, value: &str, checked: &str, prefix: &str| {
        let broken = is_dns1035_label(checked);
        if !value.is_empty() && !broken.is_empty() {
            errors.push(Error::invalid(&path, value, format!("{prefix}{}", broken.join(","))));
        }
    };
    label(path.child("plural"), &names.plural, &names.plural, "");
    label(path.child("singular"), &names.singular, &names.singular, "");
    let mixed = "may have mixed case, but should otherwise match: ";
    label(path.child("kind"), &names.kind, &names.kind.to_lowercase(), mixed);
    label(path.child("listKind"), &names.list_kind, &names.list_kind.to_lowercase(), mixed);
    for (index, name) in names.short_names.iter().enumerate() {
        label(path.child("shortNames").index(index), name, name, "");
    }
    for (index, category) in names.categories.iter().enumerate() {
        label(path.child("categories").index(index), category, category, "");
    }
    if !names.kind.is_empty() && names.kind == names.list_kind {
        let detail = "kind and listKind may not be the same";
        errors.push(Error::invalid(&path.child("listKind"), names.list_kind.as_str(), detail));
    }
    errors
}

fn conversion(conversion: &CustomResourceConversion, path: &Path) -> ErrorList {
    let strategy = path.child("strategy");
    let mut errors = one_of(&strategy, &conversion.strategy, &["None", "Webhook"]);
    if conversion.strategy == "Webhook" {
        let detail =
            "conversion webhooks are not called by this server; use None, which changes the apiVersion alone";
        errors.push(Error::invalid(&strategy, "Webhook", detail));
    } else if let Some(webhook) = &conversion.webhook {
        let detail = "should not be set when strategy is not set to Webhook";
        if webhook.client_config.is_some() {
            errors.push(Error::forbidden(&path.child("webhookClientConfig"), detail));
        }
        if !webhook.conversion_review_versions.is_empty() {
            errors.push(Error::forbidden(&path.child("conversionReviewVersions"), detail));
        }
    }
    errors
}

fn stored_versions(definition: &CustomResourceDefinition) -> ErrorList {
    let path = Path::new("status").child("storedVersions");
    let (stored, versions) = (&definition.status.stored_versions, &definition.spec.versions);
    let shown = || Value::from(stored.clone());
    if stored.is_empty() {
        return vec![Error::invalid(&path, shown(), "must have at least one stored version")];
    }
    let missing = versions.iter().filter(|version| version.storage && !stored.contains(&version.name));
    let mut errors: ErrorList = missing
        .map(|version| {
            Error::invalid(&path, shown(), format!("must have the storage version {}", version.name))
        })
        .collect();
    for (index, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| version.name == *name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {name} and removes \
                 {name} from status.storedVersions"
            );
            errors.push(Error::invalid(&path.index(index), name.as_str(), detail));
        }
    }
    errors
}

const APPROVAL: &str = "api-approved.kubernetes.io";

/// What the annotation says about groups that belong to the Kubernetes community; the error when it is no approval.
fn approval_state(definition: &CustomResourceDefinition) -> (&'static str, String) {
    let url = definition.metadata.annotations.get(APPROVAL).map(String::as_str).unwrap_or_default();
    if url.is_empty() {
        let text = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see \
                    https://github.com/kubernetes/enhancements/pull/1111";
        return ("missing", text.to_owned());
    }
    if url.starts_with("unapproved") {
        return ("bypassed", String::new());
    }
    let host = url.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    if host.is_some_and(|host| !host.is_empty()) {
        return ("approved", String::new());
    }
    let text = "protected groups must have approval annotation \"api-approved.kubernetes.io\" with either a URL or a \
                reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111";
    ("invalid", text.to_owned())
}

fn approval(new: &CustomResourceDefinition, old: Option<&CustomResourceDefinition>) -> ErrorList {
    let group = new.spec.group.as_str();
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
    let (state, text) = approval_state(new);
    if !protected || old.is_some_and(|old| approval_state(old).0 == state) {
        return ErrorList::new();
    }
    let path = Path::new("metadata").child("annotations").key(APPROVAL);
    match state {
        "missing" => vec![Error::required(&path, text)],
        "invalid" => {
            let given = new.metadata.annotations.get(APPROVAL).cloned().unwrap_or_default();
            vec![Error::invalid(&path, given, text)]
        }
        _ => ErrorList::new(),
    }
}
