//! The compact text form of the facts.

use std::fmt::Write;

use anyhow::{Context, Result, bail};

use super::{Facts, FieldFact, MessageFact, ResourceFact};

impl Facts {
    /// The text form, sorted and stable.
    pub fn to_text(&self) -> String {
        let mut out = String::from("# Facts of the Kubernetes v1.36 API; written by `cargo xtask facts`.\n");
        for (name, message) in &self.messages {
            write!(out, "message {name}").ok();
            for (set, word) in [(message.type_meta, "typemeta"), (message.atomic, "atomic")] {
                if set {
                    write!(out, " {word}").ok();
                }
            }
            out.push('\n');
            for field in &message.fields {
                writeln!(out, "  {}", field_text(field)).ok();
            }
        }
        for ((group, version, kind), message) in &self.kinds {
            writeln!(out, "kind {group}/{version}/{kind} {message}").ok();
        }
        for resource in &self.resources {
            let r = resource;
            writeln!(
                out,
                "resource {}/{}/{} {} {} {} verbs={} short={} categories={}",
                r.group,
                r.version,
                r.plural,
                r.kind,
                r.singular,
                if r.namespaced { "namespaced" } else { "cluster" },
                r.verbs.join(","),
                r.short_names.join(","),
                r.categories.join(",")
            )
            .ok();
            for (name, kind, verbs) in &r.subresources {
                writeln!(out, "  {name} {kind} {}", verbs.join(",")).ok();
            }
        }
        out
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Facts> {
        let mut facts = Facts::default();
        let mut message = String::new();
        for (index, line) in text.lines().enumerate() {
            let context = || format!("line {}: {line:?}", index + 1);
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["message", name, flags @ ..] => {
                    message = (*name).to_owned();
                    let fact = MessageFact {
                        type_meta: flags.contains(&"typemeta"),
                        atomic: flags.contains(&"atomic"),
                        fields: Vec::new(),
                    };
                    facts.messages.insert(message.clone(), fact);
                }
                ["kind", path, name] => {
                    let [group, version, kind] = split3(path).with_context(context)?;
                    facts.kinds.insert((group, version, kind), (*name).to_owned());
                }
                ["resource", path, kind, singular, scope, verbs, short, categories] => {
                    message.clear();
                    let [group, version, plural] = split3(path).with_context(context)?;
                    facts.resources.push(ResourceFact {
                        group,
                        version,
                        plural,
                        kind: (*kind).to_owned(),
                        singular: (*singular).to_owned(),
                        namespaced: *scope == "namespaced",
                        verbs: words_of(verbs),
                        short_names: words_of(short),
                        categories: words_of(categories),
                        subresources: Vec::new(),
                    });
                }
                [name, kind, verbs] if message.is_empty() => {
                    let resource = facts.resources.last_mut().with_context(context)?;
                    resource.subresources.push(((*name).to_owned(), (*kind).to_owned(), words_of(verbs)));
                }
                [number, rest @ ..] => {
                    let field = parse_field(number, rest).with_context(context)?;
                    facts.messages.get_mut(&message).with_context(context)?.fields.push(field);
                }
            }
        }
        Ok(facts)
    }
}

fn field_text(field: &FieldFact) -> String {
    let mut out = format!("{} {} {} {}", field.number, field.name, field.label, field.ty);
    for word in &field.words {
        write!(out, " {word}").ok();
    }
    let pairs = [
        ("json", field.json.clone()),
        ("list", field.list.clone()),
        ("keys", Some(field.keys.join(",")).filter(|keys| !keys.is_empty())),
        ("patch", Some(field.patch.join(",")).filter(|patch| !patch.is_empty())),
        ("mergeKey", field.merge_key.clone()),
        ("default", field.default.clone()),
    ];
    for (name, value) in pairs {
        if let Some(value) = value {
            write!(out, " {name}={value}").ok();
        }
    }
    out
}

fn parse_field(number: &str, rest: &[&str]) -> Result<FieldFact> {
    let [name, label, ty, words @ ..] = rest else {
        bail!("a field has a number, a name, a label and a type")
    };
    let mut field = FieldFact {
        name: (*name).to_owned(),
        number: number.parse()?,
        label: (*label).to_owned(),
        ty: (*ty).to_owned(),
        ..FieldFact::default()
    };
    for word in words {
        match word.split_once('=') {
            None => field.words.push((*word).to_owned()),
            Some(("json", value)) => field.json = Some(value.to_owned()),
            Some(("list", value)) => field.list = Some(value.to_owned()),
            Some(("keys", value)) => field.keys = value.split(',').map(str::to_owned).collect(),
            Some(("patch", value)) => field.patch = value.split(',').map(str::to_owned).collect(),
            Some(("mergeKey", value)) => field.merge_key = Some(value.to_owned()),
            Some(("default", value)) => field.default = Some(value.to_owned()),
            Some((name, _)) => bail!("unknown word {name:?}"),
        }
    }
    Ok(field)
}

fn words_of(pair: &str) -> Vec<String> {
    let list = pair.split_once('=').map_or(pair, |(_, list)| list);
    list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn split3(path: &str) -> Result<[String; 3]> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [a, b, c] => Ok([(*a).to_owned(), (*b).to_owned(), (*c).to_owned()]),
        _ => bail!("{path:?} is not group/version/name"),
    }
}
