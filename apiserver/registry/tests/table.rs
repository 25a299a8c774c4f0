//! What every row of the table must be.
//!
//! `samples.txt` holds a small valid object of each kind, with the path and the version that upstream stores it at.

use apiserver_registry::{Context, Entry, SubresourceKind, all, find};
use machinery::{Time, object::Object};
use std::{collections::BTreeSet, sync::Arc};

/// Samples whose storage needs more than their row: allocation fills them in before they are valid.
const ALLOCATED: &[&str] = &["services"];

struct Sample {
    entry: &'static Entry,
    path: String,
    stored: String,
    body: serde_json::Value,
}

fn samples() -> Vec<Sample> {
    let text = include_str!("samples.txt");
    let lines = text.lines().map(|line| {
        let parts: Vec<&str> = line.splitn(6, ' ').collect();
        let [group, version, plural, path, stored, body] = parts[..] else { panic!("{line}") };
        let entry = find(group.trim_start_matches('-'), version, plural)?;
        let body = serde_json::from_str(body).expect("a JSON object");
        Some(Sample { entry, path: path.to_owned(), stored: stored.replace("-/", "/"), body })
    });
    lines.flatten().collect()
}

fn context(entry: &Entry) -> Context {
    let mut context = Context::system("2026-01-02T03:04:05Z".parse().expect("a time"));
    if entry.facts.namespaced {
        context.namespace = "ns".to_owned();
    }
    context.user = Arc::new(api_types::authentication::v1::UserInfo {
        username: "alice".to_owned(),
        ..Default::default()
    });
    context
}

/// A new object as the store makes it, up to validation.
fn created(sample: &Sample) -> Box<dyn Object> {
    let (entry, context) = (sample.entry, context(sample.entry));
    let mut body = sample.body.clone();
    body["apiVersion"] = machinery::group::api_version(entry.facts.group, entry.facts.version).into();
    body["kind"] = entry.facts.kind.into();
    let bytes = body.to_string();
    let decoded = machinery::codec::json::decode(
        entry.facts.schema,
        bytes.as_bytes(),
        machinery::codec::json::Strictness::Ignore,
    );
    let decoded = decoded.unwrap_or_else(|error| panic!("{}: {error}", entry.facts.plural));
    let mut object = entry.decode(&decoded.protobuf).expect("an object");
    entry.default(object.as_mut());
    let mut object = entry.to_stored(object).expect("the stored kind");
    let meta = object.meta_mut();
    meta.uid = "0b4e8a5c-8a52-4ea0-9bd8-2d5c8d6a4a3c".to_owned();
    meta.creation_timestamp = Time::from(context.now);
    meta.namespace.clone_from(&context.namespace);
    entry.strategy.prepare_for_create(&context, object.as_mut());
    object
}

#[test]
fn small_objects_are_valid() {
    let mut seen = 0;
    for sample in samples() {
        let (entry, context) = (sample.entry, context(sample.entry));
        let object = created(&sample);
        let errors = entry.strategy.validate(&context, object.as_ref());
        if !ALLOCATED.contains(&entry.facts.plural) {
            assert_eq!(errors, [], "{}", entry.facts.plural);
        }
        seen += 1;
    }
    assert!(seen >= 50, "{seen}");
}

#[test]
fn objects_are_stored_where_upstream_stores_them() {
    for sample in samples() {
        let name = sample.body["metadata"]["name"].as_str().expect("a name");
        let stored = sample.entry.stored.expect("a stored resource");
        assert_eq!(sample.entry.key("ns", name).as_deref(), Some(sample.path.as_str()));
        assert_eq!(
            format!("{}/{}", stored.group, stored.version),
            sample.stored,
            "{}",
            sample.entry.facts.plural
        );
    }
}

#[test]
fn defaults_are_there_once() {
    for sample in samples() {
        let mut once = created(&sample);
        // As on every read.
        sample.entry.strategy.default(once.as_mut());
        let mut twice = once.clone();
        sample.entry.strategy.default(twice.as_mut());
        assert_eq!(once.encode(), twice.encode(), "{}", sample.entry.facts.plural);
    }
}

#[test]
fn unchanged_objects_can_be_written_again() {
    for sample in samples() {
        let (entry, context) = (sample.entry, context(sample.entry));
        let mut old = created(&sample);
        old.meta_mut().resource_version = "5".to_owned();
        let mut new = old.clone();
        entry.strategy.prepare_for_update(&context, new.as_mut(), old.as_ref());
        let errors = entry.strategy.validate_update(&context, new.as_ref(), old.as_ref());
        if !ALLOCATED.contains(&entry.facts.plural) {
            assert_eq!(errors, [], "{}", entry.facts.plural);
        }
        assert_eq!(new.meta().generation, old.meta().generation, "{}", entry.facts.plural);
        for subresource in &entry.subresources {
            let SubresourceKind::View(view) = &subresource.kind else { continue };
            if matches!(subresource.name, "resize" | "ephemeralcontainers") {
                continue;
            }
            let mut new = old.clone();
            view.prepare_for_update(&context, new.as_mut(), old.as_ref());
            let errors = view.validate_update(&context, new.as_ref(), old.as_ref());
            assert_eq!(errors, [], "{}/{}", entry.facts.plural, subresource.name);
        }
    }
}

#[test]
fn rows_have_a_cell_for_each_column() {
    let now = "2026-01-02T03:04:05Z".parse().expect("a time");
    for entry in all().iter().filter(|entry| entry.stored.is_some()) {
        let row = entry.strategy.row(entry.empty_stored().as_ref(), now);
        let columns = entry.strategy.columns().len();
        // Upstream gives IP addresses an age that no column announces.
        let extra = usize::from(entry.facts.plural == "ipaddresses");
        assert_eq!(row.cells.len(), columns + extra, "{}", entry.facts.plural);
    }
}

#[test]
fn subresources_are_those_of_discovery() {
    for entry in all() {
        let ours: BTreeSet<&str> = entry.subresources.iter().map(|subresource| subresource.name).collect();
        let theirs: BTreeSet<&str> =
            entry.facts.subresources.iter().map(|subresource| subresource.name).collect();
        assert_eq!(ours, theirs, "{}", entry.facts.plural);
    }
}

#[test]
fn selectable_fields_do_not_depend_on_the_object() {
    for sample in samples() {
        let entry = sample.entry;
        let names = |object: &dyn Object| {
            entry.strategy.selectable_fields(object).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(
            names(created(&sample).as_ref()),
            names(entry.empty_stored().as_ref()),
            "{}",
            entry.facts.plural
        );
    }
}

/// Kinds in general use that are not served yet.
const ABSENT: &[&str] = &[
    "componentstatuses",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "apiservices.apiregistration.k8s.io",
    "deviceclasses.resource.k8s.io",
    "resourceclaims.resource.k8s.io",
    "resourceclaimtemplates.resource.k8s.io",
    "resourceslices.resource.k8s.io",
];

#[test]
fn kinds_in_general_use_have_rows() {
    let general = api_types::facts::all().iter().filter(|facts| matches!(facts.version, "v1" | "v2"));
    let missing: Vec<String> = general
        .filter(|facts| find(facts.group, facts.version, facts.plural).is_none())
        .map(|facts| machinery::GroupResource::new(facts.group, facts.plural).to_string())
        .collect();
    assert_eq!(missing, ABSENT);
}
