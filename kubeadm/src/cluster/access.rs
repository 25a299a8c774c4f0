//! Writing objects through the API, patiently: the server may still be starting.

use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use api_types::{core::v1::Node, rbac::v1::ClusterRoleBinding};
use client::{Client, Config, DeleteParams, Patch, PatchParams};
use machinery::Resource;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{ClusterError, rbac};
use crate::{constants, render::yaml};

/// The way to the cluster; in a dry run there is none and objects are only printed.
#[derive(Clone)]
pub struct ClusterAccess {
    client: Option<Client>,
    limit: Duration,
}

/// A client for the current context of a kubeconfig file.
pub fn client_from(path: &Path) -> Result<Client, ClusterError> {
    let failed = |source| ClusterError::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let mut config = Config::from_kubeconfig_file(path).map_err(failed)?;
    config.timeout = Some(Duration::from_secs(30));
    Client::new(config.with_user_agent(component_base::version::user_agent("kubeadm"))).map_err(failed)
}

impl ClusterAccess {
    /// Prints what it would do.
    pub fn dry_run() -> Self {
        Self { client: None, limit: Duration::ZERO }
    }

    /// Uses a kubeconfig file as it is.
    pub fn from_file(path: &Path, limit: Duration) -> Result<Self, ClusterError> {
        Ok(Self { client: Some(client_from(path)?), limit })
    }

    /// Uses `admin.conf`, after giving its group the rights of an administrator if it has not got them yet.
    pub async fn as_admin(limit: Duration) -> Result<Self, ClusterError> {
        let path = |name: &str| constants::kubeconfig_path(name);
        let admin = Self::from_file(&path(constants::ADMIN_KUBECONFIG), limit)?;
        let super_admin = path(constants::SUPER_ADMIN_KUBECONFIG);
        admin.ensure_cluster_admins(super_admin).await?;
        Ok(admin)
    }

    /// The client, none in a dry run.
    pub fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// Creates an object, or makes an existing one like it.
    pub async fn create_or_update<T: Resource>(&self, object: &T) -> Result<(), ClusterError> {
        let Some(client) = &self.client else {
            print_object("CREATE", object);
            return Ok(());
        };
        self.patiently("write", T::KIND, &object.metadata().name, || write(client, object)).await
    }

    /// Creates an object unless there is one of its name already.
    pub async fn create_if_absent<T: Resource>(&self, object: &T) -> Result<(), ClusterError> {
        let Some(client) = &self.client else {
            print_object("CREATE", object);
            return Ok(());
        };
        self.patiently("create", T::KIND, &object.metadata().name, || async {
            match api(client, object).create(object).await {
                Err(error) if error.is_already_exists() => Ok(()),
                other => other.map(drop),
            }
        })
        .await
    }

    /// An object, none when it does not exist.
    pub async fn get<T: Resource>(&self, namespace: &str, name: &str) -> Result<Option<T>, ClusterError> {
        let Some(client) = &self.client else { return Ok(None) };
        self.patiently("get", T::KIND, name, || async {
            let api = if T::NAMESPACED { client.namespaced::<T>(namespace) } else { client.all::<T>() };
            match api.get(name).await {
                Ok(object) => Ok(Some(object)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Removes an object; it is fine when there is none.
    pub async fn delete<T: Resource>(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        let Some(client) = &self.client else {
            println!("[dryrun] Would perform action DELETE on resource {:?} with name {name:?}", T::PLURAL);
            return Ok(());
        };
        self.patiently("delete", T::KIND, name, || async {
            let api = if T::NAMESPACED { client.namespaced::<T>(namespace) } else { client.all::<T>() };
            match api.delete(name, &DeleteParams::default()).await {
                Err(error) if error.is_not_found() => Ok(()),
                other => other.map(drop),
            }
        })
        .await
    }

    /// Changes a node by what `change` computes from it; waits for the node to register.
    pub async fn patch_node(
        &self,
        name: &str,
        change: impl Fn(&Node) -> serde_json::Value,
    ) -> Result<(), ClusterError> {
        let Some(client) = &self.client else {
            let patch = change(&Node::default());
            println!("[dryrun] Would perform action PATCH on resource \"nodes\" with name {name:?}: {patch}");
            return Ok(());
        };
        self.patiently("patch", "Node", name, || async {
            let nodes = client.all::<Node>();
            let node = nodes.get(name).await?;
            let mut patch = change(&node);
            // Lists are replaced as a whole: nobody may have changed them in between.
            patch["metadata"]["resourceVersion"] = json!(node.metadata.resource_version);
            nodes.patch(name, &Patch::Merge(patch), &PatchParams::default()).await.map(drop)
        })
        .await
    }

    async fn ensure_cluster_admins(&self, super_admin: PathBuf) -> Result<(), ClusterError> {
        let binding = rbac::cluster_binding(
            constants::CLUSTER_ADMINS,
            "cluster-admin",
            &[rbac::group(constants::CLUSTER_ADMINS)],
        );
        let Some(client) = &self.client else { return Ok(()) };
        let allowed = self
            .patiently("create", "ClusterRoleBinding", constants::CLUSTER_ADMINS, || async {
                match client.all::<ClusterRoleBinding>().create(&binding).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.is_already_exists() => Ok(true),
                    Err(error) if error.is_forbidden() => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .await?;
        if allowed {
            return Ok(());
        }
        if !super_admin.exists() {
            return Err(ClusterError::NoSuperAdmin {
                group: constants::CLUSTER_ADMINS,
                file: constants::SUPER_ADMIN_KUBECONFIG,
            });
        }
        Self::from_file(&super_admin, self.limit)?.create_if_absent(&binding).await
    }

    /// Repeats a call until it succeeds, or its time is over.
    async fn patiently<T, F>(
        &self,
        action: &'static str,
        kind: &'static str,
        name: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ClusterError>
    where
        F: Future<Output = client::Result<T>>,
    {
        let deadline = Instant::now() + self.limit;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // What is invalid now stays so.
            if error.is_invalid() || Instant::now() >= deadline {
                return Err(ClusterError::Call {
                    action,
                    kind,
                    name: name.to_owned(),
                    source: Box::new(error),
                });
            }
            tracing::debug!("unable to {action} {kind} {name:?}, trying again: {error}");
            sleep(constants::API_CALL_RETRY_INTERVAL).await;
        }
    }
}

fn api<T: Resource>(client: &Client, object: &T) -> client::Api<T> {
    if T::NAMESPACED { client.namespaced(&object.metadata().namespace) } else { client.all() }
}

async fn write<T: Resource>(client: &Client, object: &T) -> client::Result<()> {
    let api = api(client, object);
    match api.create(object).await {
        Err(error) if error.is_already_exists() => {}
        other => return other.map(drop),
    }
    let existing = api.get(&object.metadata().name).await?;
    let mut wanted = object.clone();
    wanted.metadata_mut().resource_version = existing.metadata().resource_version.clone();
    api.replace(&wanted).await.map(drop)
}

fn print_object<T: Resource>(action: &str, object: &T) {
    let metadata = object.metadata();
    println!(
        "[dryrun] Would perform action {action} on resource {:?} in API group \"{}/{}\"",
        T::PLURAL,
        T::GROUP,
        T::VERSION
    );
    if !metadata.namespace.is_empty() {
        println!("[dryrun] Resource namespace {:?}", metadata.namespace);
    }
    let mut value = object.to_object_value();
    if T::KIND == "Secret"
        && let Some(fields) = value.as_object_mut()
        && fields.contains_key("data")
    {
        fields.insert("data".to_owned(), json!("<withheld>"));
    }
    println!("[dryrun] Attached object:");
    for line in yaml::document(&value).lines() {
        println!("\t{line}");
    }
}
