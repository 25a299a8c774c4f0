//! From the global flags to a client, a namespace and the resources the server has.

use std::sync::{Arc, OnceLock};

use client::discovery::{Discovered, Discovery};
use client::kubeconfig::{Kubeconfig, LoadingRules};
use client::{Client, Config};

use crate::error::message;
use crate::options::GlobalOptions;
use crate::warnings::Warnings;
use crate::{Error, Result};

/// Makes what commands need, once and only when needed.
pub struct Factory {
    options: GlobalOptions,
    client: OnceLock<Client>,
    warnings: Option<Warnings>,
    discovery: tokio::sync::OnceCell<Discovery>,
}

impl Factory {
    /// A factory for these flags.
    pub fn new(options: GlobalOptions) -> Factory {
        Factory { options, client: OnceLock::new(), warnings: None, discovery: tokio::sync::OnceCell::new() }
    }

    /// A factory whose client and resources are already known, for tests.
    pub fn with_client(options: GlobalOptions, client: Client, discovery: Discovery) -> Factory {
        Factory {
            options,
            client: OnceLock::from(client),
            warnings: None,
            discovery: tokio::sync::OnceCell::new_with(Some(discovery)),
        }
    }

    /// Shows the warnings of the server; otherwise they go to the log.
    pub fn showing(mut self, warnings: &Warnings) -> Factory {
        if let Some(client) = self.client.get() {
            client.on_warning(Arc::new(warnings.clone()));
        }
        self.warnings = Some(warnings.clone());
        self
    }

    /// The global flags.
    pub fn options(&self) -> &GlobalOptions {
        &self.options
    }

    /// Users a role is bound to: `--user` of `create rolebinding` and `create clusterrolebinding`.
    pub fn subject_users(&self) -> &[String] {
        &self.options.subject_users
    }

    /// Which kubeconfig files are meant.
    pub fn loading_rules(&self) -> LoadingRules {
        LoadingRules::from_environment(self.options.kubeconfig.as_deref())
    }

    /// The merged kubeconfig.
    pub fn kubeconfig(&self) -> Result<Kubeconfig> {
        Ok(self.loading_rules().load()?)
    }

    /// How the server is reached, after kubeconfig, flags, and the service account of a pod.
    pub fn config(&self) -> Result<Config> {
        let options = &self.options;
        let mut kubeconfig = self.kubeconfig()?;
        let context_name = options.context.clone().unwrap_or_else(|| kubeconfig.current_context.clone());
        if options.context.is_some() && kubeconfig.context(&context_name).is_none() {
            return Err(message(format!("context {context_name:?} does not exist")));
        }
        let mut context = kubeconfig.context(&context_name).cloned().unwrap_or_default();
        let named = |what: &str, name: &str| message(format!("{what} {name:?} does not exist"));
        if let Some(name) = &options.cluster {
            context.cluster.clone_from(name);
        }
        if let Some(name) = &options.user {
            context.user.clone_from(name);
        }
        let mut cluster = match kubeconfig.cluster(&context.cluster) {
            Some(cluster) => cluster.clone(),
            None if context.cluster.is_empty() => Default::default(),
            None => return Err(named("cluster", &context.cluster)),
        };
        let mut user = match kubeconfig.user(&context.user) {
            Some(user) => user.clone(),
            None if context.user.is_empty() => Default::default(),
            None => return Err(named("auth info", &context.user)),
        };
        if let Some(server) = &options.server {
            cluster.server.clone_from(server);
        }
        if let Some(path) = &options.certificate_authority {
            cluster.certificate_authority = Some(path.clone());
            cluster.certificate_authority_data = None;
        }
        if options.insecure_skip_tls_verify {
            cluster.insecure_skip_tls_verify = true;
            cluster.certificate_authority = None;
            cluster.certificate_authority_data = None;
        }
        if options.tls_server_name.is_some() {
            cluster.tls_server_name.clone_from(&options.tls_server_name);
        }
        if let Some(path) = &options.client_certificate {
            user.client_certificate = Some(path.clone());
            user.client_certificate_data = None;
        }
        if let Some(path) = &options.client_key {
            user.client_key = Some(path.clone());
            user.client_key_data = None;
        }
        if options.token.is_some() {
            user.token.clone_from(&options.token);
            user.token_file = None;
        }
        if options.username.is_some() {
            user.username.clone_from(&options.username);
        }
        if options.password.is_some() {
            user.password.clone_from(&options.password);
        }
        if options.impersonate.is_some() {
            user.impersonate.clone_from(&options.impersonate);
        }
        if !options.as_group.is_empty() {
            user.impersonate_groups.clone_from(&options.as_group);
        }
        if options.as_uid.is_some() {
            user.impersonate_uid.clone_from(&options.as_uid);
        }
        if user.impersonate.is_none() && (!options.as_group.is_empty() || options.as_uid.is_some()) {
            return Err(message(
                "requesting uid, groups or user-extra for test-user without impersonating a user: --as is required",
            ));
        }
        let mut config = if cluster.server.is_empty() {
            match Config::in_cluster() {
                Ok(config) => config,
                Err(_) => {
                    cluster.server = "http://localhost:8080".to_owned();
                    Config::from_cluster_and_user(&cluster, &user).map_err(message)?
                }
            }
        } else {
            Config::from_cluster_and_user(&cluster, &user).map_err(message)?
        };
        if options.insecure_skip_tls_verify {
            config = config.allow_unverified_server();
        }
        if let Some(namespace) = context.namespace.take().filter(|namespace| !namespace.is_empty()) {
            config.default_namespace = namespace;
        }
        kubeconfig.current_context.clear();
        config.timeout = options.timeout().map_err(message)?;
        config.connect_attempts = 1;
        config.rate_limit = None;
        Ok(config.with_user_agent(component_base::version::user_agent("kubectl")))
    }

    /// The client.
    pub fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::new(self.config()?)?;
        if let Some(warnings) = &self.warnings {
            client.on_warning(Arc::new(warnings.clone()));
        }
        Ok(self.client.get_or_init(|| client))
    }

    /// `--namespace`, else that of the context, else `default`.
    pub fn namespace(&self) -> Result<String> {
        match &self.options.namespace {
            Some(namespace) if !namespace.is_empty() => Ok(namespace.clone()),
            _ => Ok(self.client()?.default_namespace().to_owned()),
        }
    }

    /// The namespace given by flag, when one is.
    pub fn explicit_namespace(&self) -> Option<&str> {
        self.options.namespace.as_deref().filter(|namespace| !namespace.is_empty())
    }

    /// What the server serves.
    pub async fn discovery(&self) -> Result<&Discovery> {
        let client = self.client()?;
        let fetch = async || {
            let mut discovery = Discovery::fetch_permitted(client).await?;
            crate::builtin::fill(&mut discovery);
            Ok::<_, client::Error>(discovery)
        };
        Ok(self.discovery.get_or_try_init(fetch).await?)
    }

    /// The resource an argument like `pods`, `po`, `deployments.apps` or `deployments.v1.apps` names.
    pub async fn resource(&self, argument: &str) -> Result<Discovered> {
        let discovery = self.discovery().await?;
        find(discovery, argument)
            .cloned()
            .ok_or_else(|| Error::Message(format!("the server doesn't have a resource type {argument:?}")))
    }

    /// The resource of a kind as written in a manifest.
    pub async fn by_kind(&self, api_version: &str, kind: &str) -> Result<Option<Discovered>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Ok(self.discovery().await?.by_kind(group, version, kind).cloned())
    }
}

/// The best match of `argument`: preferred versions and the server's order of groups come first.
fn find<'d>(discovery: &'d Discovery, argument: &str) -> Option<&'d Discovered> {
    let lower = argument.to_lowercase();
    let mut parts = lower.splitn(3, '.');
    let name = parts.next().unwrap_or_default();
    let (second, third) = (parts.next(), parts.next());
    let named = |found: &&Discovered| {
        found.resource.plural == name || found.singular == name || found.resource.kind.to_lowercase() == name
    };
    if let (Some(version), Some(group)) = (second, third) {
        let exact = |found: &&Discovered| {
            (named(found) || found.short_names.iter().any(|short| short == name))
                && found.resource.version == version
                && found.resource.group == group
        };
        if let Some(found) = discovery.resources.iter().find(exact) {
            return Some(found);
        }
    }
    let group = lower.split_once('.').map(|(_, group)| group);
    let in_group = |found: &&Discovered| match group {
        None => true,
        Some(group) => found.resource.group == group,
    };
    let in_group_prefix =
        |found: &&Discovered| group.is_some_and(|group| found.resource.group.starts_with(group));
    let short = |found: &&Discovered| found.short_names.iter().any(|short| short == name);
    let preferred = discovery.preferred(&[]);
    let pick = |test: &dyn Fn(&&Discovered) -> bool| preferred.iter().copied().find(|found| test(found));
    pick(&|found| in_group(found) && named(found))
        .or_else(|| pick(&|found| in_group(found) && short(found)))
        .or_else(|| pick(&|found| in_group_prefix(found) && (named(found) || short(found))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::discovery;

    #[test]
    fn arguments_name_resources() {
        let discovery = discovery();
        let check = |argument: &str, expected: Option<&str>| {
            let found = find(&discovery, argument);
            let shown =
                found.map(|found| format!("{}/{}", found.resource.api_version(), found.resource.plural));
            assert_eq!(shown.as_deref(), expected, "{argument}");
        };
        check("pods", Some("v1/pods"));
        check("po", Some("v1/pods"));
        check("Pod", Some("v1/pods"));
        check("deploy", Some("apps/v1/deployments"));
        check("deployment.apps", Some("apps/v1/deployments"));
        check("deployments.v1.apps", Some("apps/v1/deployments"));
        check("deploy.v1.apps", Some("apps/v1/deployments"));
        check("deployments.app", Some("apps/v1/deployments"));
        check("deployments.batch", None);
        check("nonsense", None);
    }
}
