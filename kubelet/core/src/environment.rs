//! The environment of a container: its own variables, whole maps, references, and the links to services.

mod env_file;
mod services;

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret, Service};
use machinery::Quantity;

pub use self::env_file::{EnvFileError, value_in as env_file_value};
pub use self::services::{links as service_links, visible_services};
use crate::downward::{self, DownwardError, DownwardFacts};
use crate::expansion::expand;

/// Why a container's environment cannot be built. The text is that of its `CreateContainerConfigError`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EnvironmentError {
    #[error("configmap {0:?} not found")]
    ConfigMapNotFound(String),
    #[error("secret {0:?} not found")]
    SecretNotFound(String),
    #[error("couldn't find key {key} in ConfigMap {namespace}/{name}")]
    ConfigMapKey { namespace: String, name: String, key: String },
    #[error("couldn't find key {key} in Secret {namespace}/{name}")]
    SecretKey { namespace: String, name: String, key: String },
    #[error("value of key {key} in Secret {namespace}/{name} is not valid UTF-8")]
    SecretText { namespace: String, name: String, key: String },
    #[error("cannot find the volume {0:?} referenced by FileKeyRef")]
    FileVolume(String),
    #[error("couldn't parse env file")]
    FileText(#[source] EnvFileError),
    #[error("environment variable key {key:?} not found in file {path:?}")]
    FileKey { key: String, path: String },
    #[error(transparent)]
    Downward(#[from] DownwardError),
}

/// The objects a pod's environment refers to. A name that is absent does not exist in the API.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub config_maps: BTreeMap<String, Arc<ConfigMap>>,
    pub secrets: BTreeMap<String, Arc<Secret>>,
    /// Texts of files in volumes, by volume and path; `None` when the file does not exist.
    pub files: BTreeMap<(String, String), Option<String>>,
}

/// The names of ConfigMaps and Secrets that a container's environment refers to.
pub fn references(container: &Container) -> (Vec<&str>, Vec<&str>) {
    let mut config_maps = Vec::new();
    let mut secrets = Vec::new();
    for from in &container.env_from {
        config_maps
            .extend(from.config_map_ref.as_ref().map(|source| source.local_object_reference.name.as_str()));
        secrets.extend(from.secret_ref.as_ref().map(|source| source.local_object_reference.name.as_str()));
    }
    for variable in &container.env {
        let Some(from) = &variable.value_from else { continue };
        config_maps.extend(
            from.config_map_key_ref.as_ref().map(|source| source.local_object_reference.name.as_str()),
        );
        secrets
            .extend(from.secret_key_ref.as_ref().map(|source| source.local_object_reference.name.as_str()));
    }
    (config_maps, secrets)
}

/// Builds the environment, in the order of declaration, services last.
pub fn build(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    facts: &DownwardFacts,
    services: &[Arc<Service>],
) -> Result<Vec<(String, String)>, EnvironmentError> {
    let links = service_links(visible_services(pod, services));
    let mut own = Variables::default();
    for from in &container.env_from {
        if let Some(reference) = &from.config_map_ref {
            let name = &reference.local_object_reference.name;
            match sources.config_maps.get(name) {
                Some(map) => {
                    for (key, value) in &map.data {
                        own.set(format!("{}{key}", from.prefix), value.clone());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(EnvironmentError::ConfigMapNotFound(name.clone())),
            }
        } else if let Some(reference) = &from.secret_ref {
            let name = &reference.local_object_reference.name;
            match sources.secrets.get(name) {
                Some(secret) => {
                    for (key, value) in &secret.data {
                        let text = secret_text(pod, name, key, value)?;
                        own.set(format!("{}{key}", from.prefix), text);
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(EnvironmentError::SecretNotFound(name.clone())),
            }
        }
    }
    for variable in &container.env {
        let value = if !variable.value.is_empty() {
            expand(&variable.value, |name| {
                own.get(name)
                    .or_else(|| links.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
            })
        } else if let Some(from) = &variable.value_from {
            match resolve(pod, container, from, sources, facts)? {
                Some(value) => value,
                None => continue,
            }
        } else {
            String::new()
        };
        own.set(variable.name.clone(), value);
    }
    for (name, value) in links {
        if own.get(&name).is_none() {
            own.set(name, value);
        }
    }
    Ok(own.list)
}

/// Variables in order of first mention; setting again replaces the value in place.
#[derive(Default)]
struct Variables {
    list: Vec<(String, String)>,
    places: hashbrown::HashMap<String, usize>,
}

impl Variables {
    fn set(&mut self, name: String, value: String) {
        match self.places.get(&name).and_then(|place| self.list.get_mut(*place)) {
            Some(entry) => entry.1 = value,
            None => {
                self.places.insert(name.clone(), self.list.len());
                self.list.push((name, value));
            }
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        self.places.get(name).and_then(|place| self.list.get(*place)).map(|(_, value)| value.clone())
    }
}

/// The value of a reference; `None` when it is optional and what it names does not exist.
fn resolve(
    pod: &Pod,
    container: &Container,
    from: &EnvVarSource,
    sources: &Sources,
    facts: &DownwardFacts,
) -> Result<Option<String>, EnvironmentError> {
    let namespace = || pod.metadata.namespace.clone();
    if let Some(field) = &from.field_ref {
        return Ok(Some(downward::field_value(pod, &field.field_path, facts)?));
    }
    if let Some(resource) = &from.resource_field_ref {
        return Ok(Some(downward::resource_value(pod, Some(container), resource, facts)?));
    }
    if let Some(reference) = &from.config_map_key_ref {
        let (name, key) = (&reference.local_object_reference.name, &reference.key);
        let optional = reference.optional == Some(true);
        return match sources.config_maps.get(name) {
            None if optional => Ok(None),
            None => Err(EnvironmentError::ConfigMapNotFound(name.clone())),
            Some(map) => match map.data.get(key) {
                Some(value) => Ok(Some(value.clone())),
                None if optional => Ok(None),
                None => Err(EnvironmentError::ConfigMapKey {
                    namespace: namespace(),
                    name: name.clone(),
                    key: key.clone(),
                }),
            },
        };
    }
    if let Some(reference) = &from.secret_key_ref {
        let (name, key) = (&reference.local_object_reference.name, &reference.key);
        let optional = reference.optional == Some(true);
        return match sources.secrets.get(name) {
            None if optional => Ok(None),
            None => Err(EnvironmentError::SecretNotFound(name.clone())),
            Some(secret) => match secret.data.get(key) {
                Some(value) => secret_text(pod, name, key, value).map(Some),
                None if optional => Ok(None),
                None => Err(EnvironmentError::SecretKey {
                    namespace: namespace(),
                    name: name.clone(),
                    key: key.clone(),
                }),
            },
        };
    }
    if let Some(reference) = &from.file_key_ref {
        let place = (reference.volume_name.clone(), reference.path.clone());
        let Some(text) = sources.files.get(&place) else {
            return Err(EnvironmentError::FileVolume(reference.volume_name.clone()));
        };
        let value = match text {
            Some(text) => env_file_value(text, &reference.key).map_err(EnvironmentError::FileText)?,
            None => None,
        };
        return match value.filter(|value| !value.is_empty()) {
            Some(value) => Ok(Some(value)),
            None if reference.optional == Some(true) => Ok(None),
            None => {
                Err(EnvironmentError::FileKey { key: reference.key.clone(), path: reference.path.clone() })
            }
        };
    }
    Ok(Some(String::new()))
}

/// The runtime's protocol carries variables as text only.
fn secret_text(pod: &Pod, name: &str, key: &str, value: &[u8]) -> Result<String, EnvironmentError> {
    String::from_utf8(value.to_vec()).map_err(|_| EnvironmentError::SecretText {
        namespace: pod.metadata.namespace.clone(),
        name: name.to_owned(),
        key: key.to_owned(),
    })
}

/// A command and its arguments with references to the container's environment replaced.
pub fn expand_command(command: &[String], environment: &[(String, String)]) -> Vec<String> {
    let lookup = |name: &str| {
        environment.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    command.iter().map(|word| expand(word, lookup)).collect()
}

/// A quantity divided as `resourceFieldRef` asks, rounded up.
pub(crate) fn divided(amount: i64, divisor: i64) -> i64 {
    if divisor == 0 {
        return amount;
    }
    let (whole, rest) = (amount / divisor, amount % divisor);
    if rest > 0 { whole + 1 } else { whole }
}

/// The divisor of a reference: 1 unless given.
pub(crate) fn divisor_of(quantity: &Quantity) -> Quantity {
    if quantity.is_zero() { Quantity("1".to_owned()) } else { quantity.clone() }
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::{
        ConfigMapEnvSource, ConfigMapKeySelector, EnvFromSource, EnvVar, LocalObjectReference,
        SecretKeySelector,
    };

    use super::*;

    fn sources() -> Sources {
        let map =
            ConfigMap { data: [("color".to_owned(), "blue".to_owned())].into(), ..ConfigMap::default() };
        let secret = Secret {
            data: [("pw".to_owned(), b"x".to_vec()), ("bin".to_owned(), vec![0xff])].into(),
            ..Secret::default()
        };
        Sources {
            config_maps: [("cm".to_owned(), Arc::new(map))].into(),
            secrets: [("s".to_owned(), Arc::new(secret))].into(),
            files: BTreeMap::new(),
        }
    }

    fn from_map(name: &str, key: &str, optional: bool) -> Option<Box<EnvVarSource>> {
        Some(Box::new(EnvVarSource {
            config_map_key_ref: Some(Box::new(ConfigMapKeySelector {
                local_object_reference: LocalObjectReference { name: name.into() },
                key: key.into(),
                optional: Some(optional),
            })),
            ..EnvVarSource::default()
        }))
    }

    fn variable(name: &str, value: &str) -> EnvVar {
        EnvVar { name: name.into(), value: value.into(), ..EnvVar::default() }
    }

    fn check(container: &Container, expected: Result<&[(&str, &str)], &str>) {
        let mut pod = Pod::default();
        pod.metadata.namespace = "work".into();
        let built = build(&pod, container, &sources(), &DownwardFacts::default(), &[]);
        let expected = expected
            .map(|list| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>())
            .map_err(str::to_owned);
        assert_eq!(built.map_err(|error| error.to_string()), expected);
    }

    #[test]
    fn order_expansion_and_override() {
        let container = Container {
            env_from: vec![EnvFromSource {
                prefix: "P_".into(),
                config_map_ref: Some(Box::new(ConfigMapEnvSource {
                    local_object_reference: LocalObjectReference { name: "cm".into() },
                    optional: None,
                })),
                ..EnvFromSource::default()
            }],
            env: vec![
                variable("A", "1"),
                variable("B", "$(A)-$(P_color)-$(C)"),
                variable("C", "later"),
                variable("P_color", "red"),
            ],
            ..Container::default()
        };
        check(&container, Ok(&[("P_color", "red"), ("A", "1"), ("B", "1-blue-$(C)"), ("C", "later")]));
    }

    #[test]
    fn missing_references() {
        let with = |value_from| Container {
            env: vec![EnvVar { name: "A".into(), value_from, ..EnvVar::default() }],
            ..Container::default()
        };
        check(&with(from_map("cm", "color", false)), Ok(&[("A", "blue")]));
        check(&with(from_map("cm", "nope", false)), Err("couldn't find key nope in ConfigMap work/cm"));
        check(&with(from_map("nope", "k", false)), Err("configmap \"nope\" not found"));
        check(&with(from_map("nope", "k", true)), Ok(&[]));
        let secret = |key: &str| {
            Some(Box::new(EnvVarSource {
                secret_key_ref: Some(Box::new(SecretKeySelector {
                    local_object_reference: LocalObjectReference { name: "s".into() },
                    key: key.into(),
                    optional: None,
                })),
                ..EnvVarSource::default()
            }))
        };
        check(&with(secret("pw")), Ok(&[("A", "x")]));
        check(&with(secret("bin")), Err("value of key bin in Secret work/s is not valid UTF-8"));
        check(&with(secret("no")), Err("couldn't find key no in Secret work/s"));
    }
}
