//! What the ways to `set` share: which objects, the change, the patch, the report.

use std::io::Write as _;

use client::Patch;
use machinery::patch::{merge, strategic};
use serde_json::Value;

use crate::commands::send_patch;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::{ChangeArgs, DryRun};
use crate::resources::{Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams, values};

/// Flags of every way to `set`.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Select all resources in the namespace of the specified resource types
    #[arg(long)]
    pub all: bool,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// If true, the change will NOT contact api-server but run locally
    #[arg(long)]
    pub local: bool,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-set")]
    pub field_manager: String,
}

/// What a change made of an object.
#[derive(Debug)]
pub enum Outcome {
    /// It is to be written.
    Changed,
    /// Nothing is to be said.
    Nothing,
    /// Failures beside which the rest is still written.
    ChangedBut(Vec<Error>),
}

impl Common {
    /// Refuses flags that exclude each other.
    pub fn check(&self) -> Result<()> {
        if self.local && self.change.mode()? == DryRun::Server {
            return Err(message(
                "cannot specify --local and --dry-run=server - did you mean --dry-run=client?",
            ));
        }
        if self.all && !self.selector.is_empty() {
            return Err(message("cannot set --all and --selector at the same time"));
        }
        Ok(())
    }

    /// The objects as the server has them, or as the files do with `--local`.
    pub async fn objects(
        &self,
        arguments: &[String],
        factory: &Factory,
        streams: &mut Streams,
    ) -> Result<Vec<Target>> {
        if self.local && !arguments.is_empty() {
            return Err(message(
                "you must specify resources by --filename when --local is set.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'",
            ));
        }
        let choice = Choice {
            arguments,
            files: Some(&self.files),
            label_selector: &self.selector,
            all: self.all,
            verb: "set",
            ..Choice::default()
        };
        if self.local {
            return match choice.resolve(factory, streams).await? {
                Chosen::Named(targets) => Ok(targets),
                Chosen::Types(_) => Ok(Vec::new()),
            };
        }
        let (targets, errors) = choice.fetch(factory, streams).await?;
        Error::from_list(errors).map_or(Ok(targets), Err)
    }

    /// Changes every object, writes what became different and says `done`; failures say `failed` before.
    pub async fn write(
        &self,
        targets: Vec<Target>,
        words: Words,
        factory: &Factory,
        streams: &mut Streams,
        mut change: impl FnMut(&mut Value) -> Result<Outcome>,
    ) -> Result<i32> {
        let (mut reported, mut errors) = (0, Vec::new());
        for target in targets {
            let before = target.object().clone();
            let mut after = before.clone();
            match change(&mut after) {
                Ok(Outcome::Changed) => {}
                Ok(Outcome::Nothing) => continue,
                Ok(Outcome::ChangedBut(more)) => errors.extend(more),
                Err(error) => {
                    let resource = &target.found.resource;
                    let kind = if self.local { resource.kind.to_lowercase() } else { resource.plural.clone() };
                    let name = format!("{kind}/{}", target.name);
                    errors.push(if words.failed.is_empty() { error } else { message(format!("{name} {error}")) });
                    continue;
                }
            }
            let patch = difference(&before, &after)?;
            let empty = patch.value().as_object().is_some_and(serde_json::Map::is_empty);
            if empty && !words.even_unchanged {
                continue;
            }
            let made = if self.local || self.change.mode()? == DryRun::Client {
                after
            } else {
                let sent =
                    send_patch(&target, &before, &patch, "", &self.field_manager, &self.change, factory);
                match sent.await {
                    Ok(made) => made,
                    Err(error) => {
                        errors.push(prefixed(words.failed, error));
                        continue;
                    }
                }
            };
            if reported > 0 && self.change.output == "yaml" {
                writeln!(streams.out, "---")?;
            }
            reported += 1;
            self.change.report(made, words.done, streams)?;
        }
        Error::from_list(errors).map_or(Ok(0), Err)
    }
}

/// How a change is spoken of.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Such as `image updated`.
    pub done: &'static str,
    /// Before a failure of the server; empty for nothing.
    pub failed: &'static str,
    /// Objects that stay as they are get a request and a line, too.
    pub even_unchanged: bool,
}

fn prefixed(prefix: &str, error: Error) -> Error {
    if prefix.is_empty() {
        return error;
    }
    let text = match error.status() {
        Some(status) => status.status.message.clone(),
        None => error.to_string(),
    };
    message(format!("{prefix} {text}"))
}

/// The patch from one state of an object to another, of the kind the server takes for it.
pub fn difference(before: &Value, after: &Value) -> Result<Patch> {
    let (group, version) = values::group_version(before);
    match api_types::facts::kind(group, version, values::text(before, "/kind")) {
        Some(facts) => strategic::create_two_way(before, after, facts.schema)
            .map(Patch::Strategic)
            .map_err(|error| message(error.to_string())),
        None => Ok(Patch::Merge(merge::create(before, after))),
    }
}

/// The specification of the pods an object makes, or that of the pod it is.
pub fn pod_spec(object: &mut Value) -> Result<&mut Value> {
    let (group, _) = values::group_version(object);
    let pointer = match (group, values::text(object, "/kind")) {
        ("", "Pod") => "/spec",
        ("", "ReplicationController")
        | ("apps", "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet")
        | ("batch", "Job") => "/spec/template/spec",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
        (_, kind) => {
            return Err(message(format!(
                "the object is not a pod or does not have a pod template: *{}.{kind}",
                values::group_version(object).1
            )));
        }
    };
    object
        .pointer_mut(pointer)
        .filter(|spec| spec.is_object())
        .ok_or_else(|| message(format!("the object has no pod specification at {pointer}")))
}

/// Containers whose names fit a pattern, init containers after the others.
pub fn containers<'v>(spec: &'v mut Value, pattern: &str) -> Vec<&'v mut Value> {
    let Some(spec) = spec.as_object_mut() else { return Vec::new() };
    let (mut regular, mut init) = (Vec::new(), Vec::new());
    for (field, value) in spec.iter_mut() {
        let list = match field.as_str() {
            "containers" => &mut regular,
            "initContainers" => &mut init,
            _ => continue,
        };
        let all = value.as_array_mut().into_iter().flatten();
        list.extend(all.filter(|container| fits(values::text(container, "/name"), pattern)));
    }
    regular.append(&mut init);
    regular
}

/// Whether a name fits a pattern with `*` for anything.
pub fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_containers() {
        let check = |name: &str, pattern: &str, expected: bool| {
            assert_eq!(fits(name, pattern), expected, "{name} {pattern}");
        };
        check("web", "*", true);
        check("web", "web", true);
        check("web", "we", false);
        check("web-1", "web*", true);
        check("web-1", "*1", true);
        check("web-1", "w*b*1", true);
        check("web-1", "w*x*1", false);
        check("ab", "ab*b", false);
    }
}
