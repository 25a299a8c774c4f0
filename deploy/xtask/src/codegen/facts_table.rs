//! The tables of all kinds and all served resources.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::message::table_path;
use super::names::{self, Place};
use crate::facts::Facts;

/// Code of `KINDS` and `RESOURCES`.
pub fn write(facts: &Facts) -> Result<String> {
    let here = Place { krate: "api_types", module: "facts_table".into(), typed: false };
    let mut out = format!("//! All kinds and all served resources.\n{}\n", super::HEADER);
    out.push_str("use crate::facts::{KindFacts, ResourceFacts, SubresourceFacts};\n\n");
    out.push_str("/// Every kind of the API, served or not, ordered by group, version and kind.\npub static KINDS: &[KindFacts] = &[\n");
    for ((group, version, kind), name) in &facts.kinds {
        if names::place(names::split(name).0).is_none() {
            continue;
        }
        writeln!(
            out,
            "KindFacts {{ group: {group:?}, version: {version:?}, kind: {kind:?}, schema: &{} }},",
            table_path(name, &here)
        )
        .ok();
    }
    out.push_str("];\n\n/// Every resource that upstream serves, ordered by group, version and name.\npub static RESOURCES: &[ResourceFacts] = &[\n");
    for r in &facts.resources {
        let name =
            facts.kinds.get(&(r.group.clone(), r.version.clone(), r.kind.clone())).with_context(|| {
                format!("resource {}/{} has kind {}, which is no kind", r.group, r.plural, r.kind)
            })?;
        let mut subresources = String::new();
        for (sub, kind, verbs) in &r.subresources {
            let parts: Vec<&str> = kind.split('/').collect();
            let [group, version, kind] = parts[..] else { continue };
            write!(subresources, "SubresourceFacts {{ name: {sub:?}, group: {group:?}, version: {version:?}, kind: {kind:?}, verbs: &{verbs:?} }},").ok();
        }
        writeln!(
            out,
            "ResourceFacts {{ group: {:?}, version: {:?}, kind: {:?}, plural: {:?}, singular: {:?}, namespaced: {}, verbs: &{:?}, short_names: &{:?}, categories: &{:?}, subresources: &[{subresources}], schema: &{} }},",
            r.group, r.version, r.kind, r.plural, r.singular, r.namespaced, r.verbs, r.short_names, r.categories, table_path(name, &here)
        )
        .ok();
    }
    out.push_str("];\n");
    Ok(out)
}
