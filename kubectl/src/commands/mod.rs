//! The table of commands, each in a file of its own.

#[cfg(test)]
pub mod testing;

mod changes;
mod overrides;
mod pairs;
mod pods;
mod scratch;
mod terminal;
mod wire;

use std::future::Future;
use std::pin::Pin;

use clap::{ArgMatches, Command};

use crate::{Factory, Result, Streams};
pub use changes::{parse_validation, patch_locally, send_patch};
pub use wire::{byte_stream, escape, go_duration, json_stream, names_and_ages, query};

/// What a running command is.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<i32>> + 'a>>;

/// A command: its name, its flags, and what it does.
pub struct Verb {
    /// As typed.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// One line for the help.
    pub about: &'static str,
    /// Adds the arguments to a clap command.
    pub augment: fn(Command) -> Command,
    /// Runs it.
    pub run: for<'a> fn(&'a ArgMatches, &'a Factory, &'a mut Streams) -> Running<'a>,
}

macro_rules! verbs {
    ($($module:ident $name:literal $aliases:tt $about:literal;)*) => {
        $(pub mod $module;)*

        /// Every command, in the order of the help.
        pub fn all() -> &'static [Verb] {
            static ALL: &[Verb] = &[$(Verb {
                name: $name,
                aliases: &$aliases,
                about: $about,
                augment: <$module::Args as clap::Args>::augment_args,
                run: |matches, factory, streams| Box::pin(async move {
                    let args = <$module::Args as clap::FromArgMatches>::from_arg_matches(matches)?;
                    $module::run(args, factory, streams).await
                }),
            },)*];
            ALL
        }
    };
}

verbs! {
    set "set" [] "Set specific features on objects";
    run "run" [] "Run a particular image on the cluster";
    expose "expose" [] "Take a replication controller, service, deployment or pod and expose it as a new Kubernetes service";
    proxy "proxy" [] "Run a proxy to the Kubernetes API server";
    plugin "plugin" [] "Provides utilities for interacting with plugins";
    options "options" [] "Print the list of flags inherited by all commands";
    kustomize "kustomize" [] "Build a kustomization target from a directory or URL (not part of this kubectl)";
    debug "debug" [] "Create debugging sessions for troubleshooting workloads and nodes";
    cp "cp" [] "Copy files and directories to and from containers";
    edit "edit" [] "Edit a resource on the server";
    diff "diff" [] "Diff the live version against a would-be applied version";
    certificate "certificate" [] "Modify certificate resources";
    events "events" [] "List events";
    replace "replace" [] "Replace a resource by file name or stdin";
    taint "taint" [] "Update the taints on one or more nodes";
    drain "drain" [] "Drain node in preparation for maintenance";
    autoscale "autoscale" [] "Auto-scale a deployment, replica set, stateful set, or replication controller";
    get "get" [] "Display one or many resources";
    create "create" [] "Create a resource from a file or from stdin";
    logs "logs" ["log"] "Print the logs for a container in a pod";
    exec "exec" [] "Execute a command in a container";
    attach "attach" [] "Attach to a running container";
    port_forward "port-forward" [] "Forward one or more local ports to a pod";
    apply "apply" [] "Apply a configuration to a resource by file name or stdin";
    delete "delete" [] "Delete resources by file names, stdin, resources and names, or by resources and label selector";
    rollout "rollout" [] "Manage the rollout of a resource";
    wait "wait" [] "Wait for a specific condition on one or many resources";
    config "config" [] "Modify kubeconfig files";
    describe "describe" [] "Show details of a specific resource or group of resources";
    explain "explain" [] "Get documentation for a resource";
    top "top" [] "Display resource (CPU/memory) usage";
    completion "completion" [] "Output shell completion code for the specified shell (bash, zsh or fish)";
    complete "__complete" [] "";
    auth "auth" [] "Inspect authorization";
    cordon "cordon" [] "Mark node as unschedulable";
    uncordon "uncordon" [] "Mark node as schedulable";
    scale "scale" [] "Set a new size for a deployment, replica set, or replication controller";
    patch "patch" [] "Update fields of a resource";
    label "label" [] "Update the labels on a resource";
    annotate "annotate" [] "Update the annotations on a resource";
    cluster_info "cluster-info" [] "Display cluster information";
    api_resources "api-resources" [] "Print the supported API resources on the server";
    api_versions "api-versions" [] "Print the supported API versions on the server, in the form of \"group/version\"";
    version "version" [] "Print the client and server version information";
}
