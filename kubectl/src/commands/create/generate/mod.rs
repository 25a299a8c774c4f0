//! Objects made from flags: `create namespace`, `create deployment` and their kin
//! (`kubectl/pkg/cmd/create`).

mod access;
mod data;
mod workloads;

use serde_json::{Value, json};

use super::{CreateArgs, more};
use crate::error::message;
use crate::{Factory, Result, Streams, values};
use access::{Binding, Rules, Token, binding_of, request_token, role_of};
use data::{Data, Secret, config_map, generic_secret, registry_secret, tls_secret};
use workloads::{Deployment, Job, Service, deployment_of, job_of, service_of};

/// What is to be made.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum What {
    /// Create a namespace with the specified name
    #[command(visible_alias = "ns")]
    Namespace(Plain),
    /// Create a service account with the specified name
    #[command(name = "serviceaccount", visible_alias = "sa")]
    ServiceAccount(Plain),
    /// Create a config map from a local file, directory or literal value
    #[command(name = "configmap", visible_alias = "cm")]
    ConfigMap(Data),
    /// Create a secret using a specified subcommand
    #[command(subcommand)]
    Secret(Secret),
    /// Create a deployment with the specified name
    #[command(visible_alias = "deploy")]
    Deployment(Deployment),
    /// Create a job with the specified name
    Job(Job),
    /// Create a service using a specified subcommand
    #[command(subcommand, visible_alias = "svc")]
    Service(Service),
    /// Create a role with single rule
    Role(Rules),
    /// Create a cluster role
    #[command(name = "clusterrole")]
    ClusterRole(Rules),
    /// Create a role binding for a particular role or cluster role
    #[command(name = "rolebinding")]
    RoleBinding(Binding),
    /// Create a cluster role binding for a particular cluster role
    #[command(name = "clusterrolebinding")]
    ClusterRoleBinding(Binding),
    /// Request a service account token
    Token(Token),
    /// Create a cron job with the specified name
    #[command(name = "cronjob", visible_alias = "cj")]
    CronJob(more::CronJob),
    /// Create an ingress with the specified name
    #[command(visible_alias = "ing")]
    Ingress(more::Ingress),
    /// Create a quota with the specified name
    #[command(visible_alias = "resourcequota")]
    Quota(more::Quota),
    /// Create a pod disruption budget with the specified name
    #[command(name = "poddisruptionbudget", visible_alias = "pdb")]
    Budget(more::Budget),
    /// Create a priority class with the specified name
    #[command(name = "priorityclass", visible_alias = "pc")]
    Priority(more::Priority),
}

/// A name and nothing else.
#[derive(Clone, Debug, clap::Args)]
pub struct Plain {
    /// Name
    pub name: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Makes the object and creates it.
pub async fn run(what: What, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let (object, options) = match what {
        What::Token(token) => return request_token(token, factory, streams).await,
        What::Namespace(plain) => {
            (json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plain.name}, "spec": {}, "status": {}}), plain.options)
        }
        What::ServiceAccount(plain) => {
            (json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": plain.name}}), plain.options)
        }
        What::ConfigMap(data) => (config_map(&data)?, data.options),
        What::Secret(Secret::Generic(data)) => (generic_secret(&data)?, data.options),
        What::Secret(Secret::DockerRegistry(registry)) => (registry_secret(&registry), registry.options),
        What::Secret(Secret::Tls(tls)) => (tls_secret(&tls)?, tls.options),
        What::Deployment(deployment) => (deployment_of(&deployment), deployment.options),
        What::Job(job) => (job_of(&job, factory).await?, job.options),
        What::Service(Service::ClusterIp(ports)) => (service_of(&ports, "ClusterIP")?, ports.options),
        What::Service(Service::NodePort(ports)) => (service_of(&ports, "NodePort")?, ports.options),
        What::Service(Service::LoadBalancer(ports)) => (service_of(&ports, "LoadBalancer")?, ports.options),
        What::Service(Service::ExternalName(ports)) => (service_of(&ports, "ExternalName")?, ports.options),
        What::CronJob(cron) => (cron.object(), cron.options),
        What::Ingress(ingress) => (ingress.object()?, ingress.options),
        What::Quota(quota) => (quota.object()?, quota.options),
        What::Budget(budget) => (budget.object()?, budget.options),
        What::Priority(priority) => (priority.object(), priority.options),
        What::Role(rules) => (role_of(&rules, "Role", factory).await?, rules.options),
        What::ClusterRole(rules) => (role_of(&rules, "ClusterRole", factory).await?, rules.options),
        What::RoleBinding(binding) => (binding_of(&binding, "RoleBinding", factory.subject_users())?, binding.options),
        What::ClusterRoleBinding(binding) => (binding_of(&binding, "ClusterRoleBinding", factory.subject_users())?, binding.options),
    };
    create(object, &options, factory, streams).await
}

/// Creates a generated object in the namespace of the flags and reports it.
pub async fn create(object: Value, options: &CreateArgs, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let kind = values::text(&object, "/kind").to_lowercase();
    let service = values::text(&object, "/spec/type").to_owned();
    let made = super::generated(object, options, factory).await.map_err(|error| match error {
        crate::Error::Client(client::Error::Status(status)) if status.is_already_exists() => {
            let told = &status.status.message;
            match kind.as_str() {
                // Upstream adds nothing of its own to these.
                "namespace" | "role" | "clusterrole" => crate::Error::Client(client::Error::Status(status)),
                "secret" => message(format!("failed to create secret {told}")),
                "resourcequota" => message(format!("failed to create quota: {told}")),
                "poddisruptionbudget" => message(format!("failed to create poddisruptionbudgets: {told}")),
                "service" => message(format!("failed to create {service} service: {told}")),
                _ => message(format!("failed to create {kind}: {told}")),
            }
        }
        other => other,
    })?;
    options.change.report(made, "created", streams)?;
    Ok(0)
}
