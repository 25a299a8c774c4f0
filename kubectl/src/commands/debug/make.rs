//! The containers and pods that `debug` makes.

use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Write as _;

use client::Patch;
use serde_json::{Value, json};

use super::profile::{self, Style};
use super::{Args, Wanted};
use crate::commands::{patch_locally, pods};
use crate::error::message;
use crate::{Result, Streams, values};

/// Letters and digits that make no words.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five letters nobody can foresee.
fn suffix() -> String {
    let mut number = std::hash::RandomState::new().build_hasher().finish();
    let mut text = String::new();
    for _ in 0..5 {
        let at = usize::try_from(number % LETTERS.len() as u64).unwrap_or_default();
        text.extend(LETTERS.get(at).map(|letter| char::from(*letter)));
        number /= LETTERS.len() as u64;
    }
    text
}

/// The name of the new container.
pub fn name(args: &Args, pod: &Value, streams: &mut Streams) -> Result<String> {
    if !args.container.is_empty() {
        return Ok(args.container.clone());
    }
    let known = pods::containers(pod);
    let name = loop {
        let name = format!("debugger-{}", suffix());
        if !known.contains(&name.as_str()) {
            break name;
        }
    };
    if !args.quiet {
        writeln!(streams.out, "Defaulting debug container name to {name}.")?;
    }
    Ok(name)
}

/// A container as the flags describe it.
fn container(args: &Args, wanted: &Wanted, name: &str) -> Value {
    let mut made =
        json!({"name": name, "image": args.image, "resources": {}, "terminationMessagePolicy": "File"});
    describe(args, wanted, &mut made);
    made
}

/// Sets what the flags say of a container, new or not.
fn describe(args: &Args, wanted: &Wanted, container: &mut Value) {
    if !args.command.is_empty() {
        container[if args.arguments_only { "args" } else { "command" }] = json!(args.command);
    }
    if !wanted.env.is_empty() {
        let env = wanted.env.iter().map(|(name, value)| json!({"name": name, "value": value}));
        container["env"] = env.collect();
    }
    if !args.image_pull_policy.is_empty() {
        container["imagePullPolicy"] = args.image_pull_policy.as_str().into();
    }
    if let Some(fields) = container.as_object_mut() {
        for (field, on) in [("stdin", args.stdin), ("tty", args.tty)] {
            if on {
                fields.insert(field.to_owned(), true.into());
            } else {
                fields.shift_remove(field);
            }
        }
    }
}

/// Merges the user's part into the container of that name.
fn customize(wanted: &Wanted, pod: &mut Value, name: &str) -> Result<()> {
    let Some(custom) = &wanted.custom else { return Ok(()) };
    let Some(container) = profile::container_mut(pod, name) else {
        return Err(message(format!("unable to find the {name} container in the pod")));
    };
    // Merge keys are known of pods alone.
    let before = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}});
    let mut part = custom.clone();
    part["name"] = name.into();
    let patch = Patch::Strategic(json!({"spec": {"containers": [part]}}));
    let after = patch_locally(&before, &patch)?;
    *container = after.pointer("/spec/containers/0").cloned().unwrap_or_default();
    Ok(())
}

/// The pod with one more ephemeral container.
pub fn ephemeral(args: &Args, wanted: &Wanted, pod: &Value, name: &str) -> Result<Value> {
    let mut made = container(args, wanted, name);
    if !args.target.is_empty() {
        made["targetContainerName"] = args.target.as_str().into();
    }
    let mut after = pod.clone();
    let mut list = values::list(pod, "/spec/ephemeralContainers").to_vec();
    list.push(made);
    values::map_at(&mut after, &["spec"]).insert("ephemeralContainers".to_owned(), list.into());
    profile::apply(&args.profile, wanted.keep, Style::Ephemeral, &mut after, name);
    customize(wanted, &mut after, name)?;
    Ok(after)
}

/// A copy of the pod with a new or changed container; its name, empty when only images were changed.
pub fn copy(args: &Args, wanted: &Wanted, pod: &Value, streams: &mut Streams) -> Result<(Value, String)> {
    let mut metadata = json!({"name": args.copy_to, "namespace": values::namespace(pod)});
    for field in ["labels", "annotations"] {
        if let Some(map) = pod.pointer(&format!("/metadata/{field}")) {
            metadata[field] = map.clone();
        }
    }
    let spec = pod.get("spec").cloned().unwrap_or_default();
    let mut made = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    let spec = values::map_at(&mut made, &["spec"]);
    spec.shift_remove("ephemeralContainers");
    if let Some(share) = args.share_processes {
        spec.insert("shareProcessNamespace".to_owned(), share.into());
    }
    if !args.same_node {
        spec.shift_remove("nodeName");
    }
    let image = |name: &str| {
        let of = |wanted_name: &str| wanted.images.iter().find(|(known, _)| known == wanted_name);
        of(name).or_else(|| of("*")).map(|(_, image)| image.as_str())
    };
    let containers = spec.entry("containers").or_insert_with(|| json!([]));
    for container in containers.as_array_mut().into_iter().flatten() {
        if let Some(image) = image(values::text(container, "/name")) {
            container["image"] = image.into();
        }
    }
    let known = pods::containers(&made).contains(&args.container.as_str());
    let name = if known {
        if let Some(container) = profile::container_mut(&mut made, &args.container) {
            if !args.command.is_empty() && !args.arguments_only {
                values::map_at(container, &[]).shift_remove("args");
            }
            if !args.image.is_empty() {
                container["image"] = args.image.as_str().into();
            }
            describe(args, wanted, container);
        }
        args.container.clone()
    } else {
        if args.image.is_empty() {
            if !wanted.images.is_empty() {
                return Ok((made, String::new()));
            }
            return Err(message("you must specify image when creating new container"));
        }
        let name = name(args, &made, streams)?;
        let new = container(args, wanted, &name);
        if let Some(list) = made.pointer_mut("/spec/containers").and_then(Value::as_array_mut) {
            list.push(new);
        }
        name
    };
    profile::apply(&args.profile, wanted.keep, Style::Copy, &mut made, &name);
    customize(wanted, &mut made, &name)?;
    Ok((made, name))
}

/// A pod of its own on a node.
pub fn node(args: &Args, wanted: &Wanted, node: &str, streams: &mut Streams) -> Result<(Value, String)> {
    let name = if args.container.is_empty() { "debugger" } else { &args.container };
    let pod_name = format!("node-debugger-{node}-{}", suffix());
    if !args.quiet {
        writeln!(streams.out, "Creating debugging pod {pod_name} with container {name} on node {node}.")?;
    }
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod_name, "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"}},
        "spec": {"containers": [container(args, wanted, name)], "nodeName": node, "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}]}});
    profile::apply(&args.profile, wanted.keep, Style::Node, &mut pod, name);
    customize(wanted, &mut pod, name)?;
    Ok((pod, name.to_owned()))
}

/// Says that what a profile grants may be of no use to a user that is not root.
pub fn warn_of_user(pod: &Value, name: &str, streams: &mut Streams) -> Result<()> {
    let user = |value: &Value| values::number(value, "/securityContext/runAsUser");
    let own = pod.get("spec").and_then(user).unwrap_or_default();
    let mut pod = pod.clone();
    let Some(container) = profile::container_mut(&mut pod, name) else { return Ok(()) };
    let granted = values::flag(container, "/securityContext/privileged")
        || !values::list(container, "/securityContext/capabilities/add").is_empty();
    if own != 0 && user(container) != Some(0) && granted {
        writeln!(streams.err, "Warning: Non-root user is configured for the entire target Pod, and some capabilities granted by debug profile may not work. Please consider using \"--custom\" with a custom profile that specifies \"securityContext.runAsUser: 0\".")?;
    }
    Ok(())
}
