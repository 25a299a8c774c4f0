//! Admission plugins, as the flags want them.

mod configuration;
mod kinds;

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use apiserver_admission::default_toleration_seconds::DefaultTolerationSeconds;
use apiserver_admission::{AdmissionMetrics, Chain, Lookup, Make, Means, Plugin};
use apiserver_auth::authz::Authorizer;
use component_base::metrics::Metrics;
use component_base::tls::server::Identity;

use self::configuration::Configurations;
use self::kinds::ServedKinds;
use crate::connect::webhooks::WebhookCaller;
use crate::endpoints::Resources;
use crate::options::GenericOptions;
use crate::system::admission_objects::AdmissionObjects;
use crate::system::privileged_pods::PrivilegedPods;
use crate::system::typed::Typed;

/// Makes the chain of plugins.
pub fn build(
    options: &GenericOptions,
    resources: Arc<Resources>,
    webhook_identity: Option<Identity>,
    typed: &Typed,
    authorizer: &Arc<dyn Authorizer>,
    metrics: &Metrics,
) -> anyhow::Result<Chain> {
    let (enabled, disabled) = (&options.enable_admission_plugins, &options.disable_admission_plugins);
    let rows = apiserver_admission::select(enabled, disabled).map_err(|errors| anyhow!(errors.join("; ")))?;
    let configurations = match &options.admission_control_config_file {
        Some(path) => Configurations::load(path)
            .map_err(|error| anyhow!("--admission-control-config-file {path:?}: {error}"))?,
        None => Configurations::default(),
    };
    let admission_metrics = AdmissionMetrics::new(metrics);
    let means = Means {
        lookup: Lookup::new(Arc::new(AdmissionObjects { stores: resources.clone() })),
        authorizer: Arc::clone(authorizer),
        default_tolerations: DefaultTolerationSeconds {
            not_ready: options.default_not_ready_toleration_seconds,
            unreachable: options.default_unreachable_toleration_seconds,
        },
        quota_status: Arc::new(typed.clone()),
        metrics: metrics.clone(),
        admission_metrics: admission_metrics.clone(),
        kinds: Arc::new(ServedKinds { resources }),
        webhook_caller: Arc::new(WebhookCaller::new(typed.clone(), webhook_identity)),
    };
    let mut plugins: Vec<Arc<dyn Plugin>> = Vec::new();
    if !options.allow_privileged {
        plugins.push(Arc::new(PrivilegedPods));
    }
    let mut configured: Vec<&str> = configurations.names().collect();
    for row in rows {
        let configuration = configurations.of(row.name).cloned();
        match (&row.make, configuration) {
            (None, Some(_)) => {
                bail!(
                    "--admission-control-config-file configures the plugin {:?}, which is not part of this program; \
                     disable it with --disable-admission-plugins to run without it",
                    row.name
                )
            }
            (None, None) => tracing::debug!(plugin = row.name, "not part of this program"),
            (Some(Make::Plain(make)), None) => plugins.push(make(&means)),
            (Some(Make::Plain(make)), Some(_)) => {
                tracing::warn!(
                    plugin = row.name,
                    "has a configuration, but nothing about it can be configured"
                );
                plugins.push(make(&means));
            }
            (Some(Make::Configured(make)), configuration) => {
                let made = make(&means, configuration);
                let refused = || format!("couldn't init admission plugin {:?}", row.name);
                plugins.push(made.with_context(refused)?);
            }
        }
        configured.retain(|name| *name != row.name);
    }
    for name in configured {
        let reason = if apiserver_admission::find(name).is_some() { "does not run" } else { "is unknown" };
        tracing::warn!(plugin = name, "an admission plugin is configured that {reason}");
    }
    for name in disabled.iter().filter(|name| is_absent(name)) {
        tracing::warn!(
            plugin = name,
            "an admission plugin is disabled that is not part of this program anyway"
        );
    }
    let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
    tracing::info!(plugins = names.join(","), "admission plugins, in order");
    Ok(Chain::new(plugins).measured(admission_metrics))
}

fn is_absent(name: &str) -> bool {
    apiserver_admission::find(name).is_some_and(|row| row.make.is_none())
}
