//! `KubeSchedulerConfiguration` of `kubescheduler.config.k8s.io/v1`, and the profiles that it describes.

use std::collections::BTreeMap;
use std::path::Path;

use component_base::config::{ConfigError, VersionedConfig};
use scheduler_core::framework::{FitStrategy, Plugin, PluginSettings, Profile};
use scheduler_core::plugins;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Plugins without code of their own: their work is part of the program. They may be named, and all but
/// DefaultPreemption must stay on.
const BUILT_IN: [&str; 3] = ["PrioritySort", "DefaultPreemption", "DefaultBinder"];

/// A configuration that cannot be followed.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// The file is no configuration.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// A field with a value that cannot be followed.
    #[error("{field}: invalid value {value:?}: {rule}")]
    Field {
        /// Path of the field.
        field: String,
        /// Its value.
        value: String,
        /// What would be accepted.
        rule: String,
    },
}

fn refuse(field: impl Into<String>, value: impl Into<String>, rule: impl Into<String>) -> ProfileError {
    ProfileError::Field { field: field.into(), value: value.into(), rule: rule.into() }
}

/// The file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubeSchedulerConfiguration {
    client_connection: ClientConnection,
    leader_election: Option<LeaderElection>,
    percentage_of_nodes_to_score: Option<i64>,
    profiles: Vec<ProfileConfig>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ClientConnection {
    kubeconfig: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct LeaderElection {
    leader_elect: Option<bool>,
    lease_duration: Option<String>,
    renew_deadline: Option<String>,
    retry_period: Option<String>,
    resource_lock: Option<String>,
    resource_name: Option<String>,
    resource_namespace: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ProfileConfig {
    scheduler_name: String,
    percentage_of_nodes_to_score: Option<i64>,
    plugins: BTreeMap<String, PluginSet>,
    plugin_config: Vec<PluginConfig>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PluginSet {
    enabled: Vec<PluginName>,
    disabled: Vec<PluginName>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PluginName {
    name: String,
    weight: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PluginConfig {
    name: String,
    args: serde_json::Value,
}

impl VersionedConfig for KubeSchedulerConfiguration {
    const API_VERSION: &'static str = "kubescheduler.config.k8s.io/v1";
    const KIND: &'static str = "KubeSchedulerConfiguration";
}

/// What the scheduler runs with.
#[derive(Clone, Debug)]
pub struct SchedulerSettings {
    /// Kubeconfig named by the file; empty when it names none.
    pub kubeconfig: String,
    /// Leader election as the file has it.
    pub leader_election: runtime::leader::LeaderElectionOptions,
    /// Profiles by scheduler name.
    pub profiles: Vec<Profile>,
    /// The file in force, for `/configz`.
    pub shown: serde_json::Value,
}

/// Reads the file; an empty path gives the defaults.
pub fn load(
    path: &str,
    flags: &runtime::leader::LeaderElectionOptions,
) -> Result<SchedulerSettings, ProfileError> {
    let file = match path {
        "" => KubeSchedulerConfiguration::default(),
        path => component_base::config::load(Path::new(path))?,
    };
    let mut profiles = Vec::new();
    for (at, config) in file.profiles.iter().enumerate() {
        let mut profile = profile(config, &format!("profiles[{at}]"))?;
        if let Some(percentage) = config.percentage_of_nodes_to_score.or(file.percentage_of_nodes_to_score) {
            if !(0..=100).contains(&percentage) {
                let rule = "must be within the range [0, 100]";
                return Err(refuse("percentageOfNodesToScore", percentage.to_string(), rule));
            }
            profile.percentage_of_nodes_to_score = percentage;
        }
        if profiles.iter().any(|other: &Profile| other.scheduler_name == profile.scheduler_name) {
            let rule = "is used by another profile";
            return Err(refuse(format!("profiles[{at}].schedulerName"), profile.scheduler_name, rule));
        }
        profiles.push(profile);
    }
    if profiles.is_empty() {
        profiles.push(Profile {
            percentage_of_nodes_to_score: file.percentage_of_nodes_to_score.unwrap_or(0),
            ..Profile::default()
        });
    }
    Ok(SchedulerSettings {
        kubeconfig: file.client_connection.kubeconfig.clone(),
        leader_election: leader_election(file.leader_election.as_ref(), flags)?,
        profiles,
        shown: serde_json::to_value(&file).unwrap_or_default(),
    })
}

fn leader_election(
    file: Option<&LeaderElection>,
    flags: &runtime::leader::LeaderElectionOptions,
) -> Result<runtime::leader::LeaderElectionOptions, ProfileError> {
    let mut options = flags.clone();
    let Some(file) = file else { return Ok(options) };
    let duration = |field: &str, text: &Option<String>, default: std::time::Duration| match text {
        None => Ok(default),
        Some(text) => text
            .parse::<machinery::Duration>()
            .map(|duration| duration.to_std())
            .map_err(|error| refuse(format!("leaderElection.{field}"), text, error.to_string())),
    };
    if let Some(lock) = file.resource_lock.as_deref().filter(|lock| *lock != "leases") {
        return Err(refuse("leaderElection.resourceLock", lock, "only \"leases\" is supported"));
    }
    options.leader_elect = file.leader_elect.unwrap_or(options.leader_elect);
    options.leader_elect_lease_duration =
        duration("leaseDuration", &file.lease_duration, options.leader_elect_lease_duration)?;
    options.leader_elect_renew_deadline =
        duration("renewDeadline", &file.renew_deadline, options.leader_elect_renew_deadline)?;
    options.leader_elect_retry_period =
        duration("retryPeriod", &file.retry_period, options.leader_elect_retry_period)?;
    if let Some(name) = &file.resource_name {
        options.leader_elect_resource_name.clone_from(name);
    }
    if let Some(namespace) = &file.resource_namespace {
        options.leader_elect_resource_namespace.clone_from(namespace);
    }
    Ok(options)
}

fn profile(config: &ProfileConfig, path: &str) -> Result<Profile, ProfileError> {
    let mut profile = Profile::default();
    if !config.scheduler_name.is_empty() {
        profile.scheduler_name.clone_from(&config.scheduler_name);
    }
    for (point, set) in &config.plugins {
        let path = format!("{path}.plugins.{point}");
        // Every plugin here has one entry for all its extension points, so that a single point cannot be changed.
        if point != "multiPoint" {
            let rule = "plugins are switched for all their extension points together; use multiPoint";
            return Err(refuse(path, "", rule));
        }
        apply(set, &path, &mut profile)?;
    }
    for (at, config) in config.plugin_config.iter().enumerate() {
        profile.settings = settings(profile.settings, config, &format!("{path}.pluginConfig[{at}]"))?;
    }
    Ok(profile)
}

fn apply(set: &PluginSet, path: &str, profile: &mut Profile) -> Result<(), ProfileError> {
    for (at, disabled) in set.disabled.iter().enumerate() {
        match disabled.name.as_str() {
            "*" => {
                profile.plugins.clear();
                profile.preemption = false;
            }
            "DefaultPreemption" => profile.preemption = false,
            name if BUILT_IN.contains(&name) => {
                return Err(refuse(
                    format!("{path}.disabled[{at}].name"),
                    name,
                    "this plugin cannot be disabled",
                ));
            }
            name => {
                find(name, &format!("{path}.disabled[{at}].name"))?;
                profile.plugins.retain(|(plugin, _)| plugin.name() != name);
            }
        }
    }
    for (at, enabled) in set.enabled.iter().enumerate() {
        let name = enabled.name.as_str();
        if BUILT_IN.contains(&name) {
            profile.preemption |= name == "DefaultPreemption";
            continue;
        }
        let row = find(name, &format!("{path}.enabled[{at}].name"))?;
        let weight = enabled
            .weight
            .filter(|weight| *weight != 0)
            .unwrap_or(row.weight.max(i64::from(row.weight != 0)));
        profile.plugins.retain(|(plugin, _)| plugin.name() != name);
        profile.plugins.push((row.plugin, weight));
    }
    Ok(())
}

fn find(name: &str, path: &str) -> Result<&'static plugins::Row, ProfileError> {
    let known = || {
        let names = plugins::all().iter().map(|row| Plugin::name(row.plugin)).chain(BUILT_IN);
        names.collect::<Vec<_>>().join(", ")
    };
    plugins::all()
        .iter()
        .find(|row| row.plugin.name() == name)
        .ok_or_else(|| refuse(path, name, format!("no such plugin; there are {}", known())))
}

/// Reads `args` of one plugin. Fields that are not read here are refused.
fn settings(
    mut settings: PluginSettings,
    config: &PluginConfig,
    path: &str,
) -> Result<PluginSettings, ProfileError> {
    let members = config.args.as_object().cloned().unwrap_or_default();
    for (name, value) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")) {
        let field = format!("{path}.args.{name}");
        let bad = || refuse(&field, value.to_string(), "cannot be followed by this scheduler");
        match (config.name.as_str(), name.as_str()) {
            ("InterPodAffinity", "hardPodAffinityWeight") => {
                let weight = value.as_i64().filter(|weight| (0..=100).contains(weight));
                settings.hard_pod_affinity_weight =
                    weight.ok_or_else(|| refuse(&field, value.to_string(), "not in valid range [0-100]"))?;
            }
            ("InterPodAffinity", "ignorePreferredTermsOfExistingPods") => {
                settings.ignore_preferred_terms_of_existing_pods = value.as_bool().ok_or_else(bad)?;
            }
            ("PodTopologySpread", "defaultingType") => {
                settings.system_default_spread = match value.as_str() {
                    Some("System") => true,
                    Some("List") => false,
                    _ => return Err(bad()),
                };
            }
            ("PodTopologySpread", "defaultConstraints") if value.as_array().is_some_and(Vec::is_empty) => {}
            ("NodeResourcesFit", "scoringStrategy") => {
                settings.fit_strategy = match value["type"].as_str() {
                    None | Some("LeastAllocated") => FitStrategy::LeastAllocated,
                    Some("MostAllocated") => FitStrategy::MostAllocated,
                    Some("RequestedToCapacityRatio") => FitStrategy::RequestedToCapacityRatio(shape(value)),
                    Some(_) => return Err(bad()),
                };
                if let Some(resources) = value["resources"].as_array() {
                    settings.fit_resources = weights(resources);
                }
            }
            ("NodeResourcesBalancedAllocation", "resources") => {
                let resources = value.as_array().ok_or_else(bad)?;
                settings.balanced_resources = weights(resources).into_iter().map(|(name, _)| name).collect();
            }
            _ => return Err(bad()),
        }
    }
    Ok(settings)
}

fn shape(strategy: &serde_json::Value) -> Vec<(i64, i64)> {
    let points = strategy["requestedToCapacityRatio"]["shape"].as_array();
    let number = |point: &serde_json::Value, name: &str| point[name].as_i64().unwrap_or(0);
    points.into_iter().flatten().map(|point| (number(point, "utilization"), number(point, "score"))).collect()
}

fn weights(resources: &[serde_json::Value]) -> Vec<(String, i64)> {
    let named = resources.iter().filter_map(|r| Some((r["name"].as_str()?.to_owned(), r["weight"].as_i64())));
    named.map(|(name, weight)| (name, weight.unwrap_or(1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(text: &str) -> Result<Vec<Profile>, String> {
        let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
        let name = format!("kube-scheduler-config-{}-{}", std::process::id(), text.len());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, format!("{head}{text}")).unwrap();
        let found = load(file.to_str().unwrap(), &Default::default());
        std::fs::remove_file(&file).unwrap();
        found.map(|settings| settings.profiles).map_err(|error| error.to_string())
    }

    #[test]
    fn profiles_switch_plugins() {
        let text = "profiles:\n- schedulerName: mine\n  plugins:\n    multiPoint:\n      disabled: [{name: ImageLocality}]\n      enabled: [{name: NodeAffinity, weight: 9}]\n";
        let profiles = profiles(text).unwrap();
        let weight = |name: &str| {
            profiles[0].plugins.iter().find(|(p, _)| p.name() == name).map(|(_, weight)| *weight)
        };
        assert_eq!(profiles[0].scheduler_name, "mine");
        assert_eq!(
            (weight("ImageLocality"), weight("NodeAffinity"), weight("TaintToleration")),
            (None, Some(9), Some(3))
        );
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for (text, message) in [
            ("profiles:\n- plugins: {multiPoint: {enabled: [{name: Magic}]}}\n", "no such plugin"),
            ("profiles:\n- plugins: {score: {disabled: [{name: NodeAffinity}]}}\n", "use multiPoint"),
            ("percentageOfNodesToScore: 101\nprofiles:\n- {}\n", "[0, 100]"),
            (
                "profiles:\n- pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]\n",
                "[0-100]",
            ),
            ("extenders: []\n", "unknown field"),
        ] {
            let error = profiles(text).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
