//! The files of volumes made from API objects: configMap, secret, downwardAPI and projected.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, ProjectedVolumeSource, Secret, Volume,
};

use crate::downward::{self, DownwardError, DownwardFacts};

/// Files by relative path.
pub type Files = BTreeMap<String, ProjectedFile>;

/// Mode of files whose volume names none.
pub const DEFAULT_MODE: i32 = 0o644;

/// One file of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectedFile {
    pub content: Vec<u8>,
    pub mode: i32,
    /// Owner, when it must be the container's user (service account tokens).
    pub owner: Option<i64>,
}

/// Why a volume's files cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectionError {
    #[error("configmap {0:?} not found")]
    ConfigMapNotFound(String),
    #[error("secret {0:?} not found")]
    SecretNotFound(String),
    #[error("configmap references non-existent config key: {0}")]
    ConfigMapKey(String),
    #[error("references non-existent secret key: {0}")]
    SecretKey(String),
    #[error("the token of path {0:?} has not been issued yet")]
    TokenMissing(String),
    #[error("{0} projections are not supported by this kubelet")]
    Unsupported(&'static str),
    #[error(transparent)]
    Downward(#[from] DownwardError),
}

/// The API objects that volumes are made from. A name that is absent does not exist in the API.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub config_maps: BTreeMap<String, Arc<ConfigMap>>,
    pub secrets: BTreeMap<String, Arc<Secret>>,
    /// Issued tokens, by path in the volume.
    pub tokens: BTreeMap<String, Vec<u8>>,
}

/// A service account token that a volume needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenNeed {
    pub path: String,
    /// Empty for the API server's own audience.
    pub audience: String,
    pub expiration_seconds: i64,
}

/// The names of ConfigMaps and Secrets that a volume refers to.
pub fn references(volume: &Volume) -> (Vec<&str>, Vec<&str>) {
    let source = &volume.volume_source;
    let mut config_maps: Vec<&str> = Vec::new();
    let mut secrets: Vec<&str> = Vec::new();
    config_maps.extend(source.config_map.as_ref().map(|source| source.local_object_reference.name.as_str()));
    secrets.extend(source.secret.as_ref().map(|source| source.secret_name.as_str()));
    for projection in source.projected.iter().flat_map(|projected| &projected.sources) {
        config_maps
            .extend(projection.config_map.as_ref().map(|source| source.local_object_reference.name.as_str()));
        secrets.extend(projection.secret.as_ref().map(|source| source.local_object_reference.name.as_str()));
    }
    (config_maps, secrets)
}

/// The tokens that a volume needs.
pub fn tokens(volume: &Volume) -> Vec<TokenNeed> {
    volume
        .volume_source
        .projected
        .iter()
        .flat_map(|projected| &projected.sources)
        .filter_map(|projection| projection.service_account_token.as_ref())
        .map(|token| TokenNeed {
            path: token.path.clone(),
            audience: token.audience.clone(),
            expiration_seconds: token.expiration_seconds.unwrap_or(3600),
        })
        .collect()
}

/// Whether a volume's files come from API objects.
pub fn is_projection(volume: &Volume) -> bool {
    let source = &volume.volume_source;
    source.config_map.is_some()
        || source.secret.is_some()
        || source.downward_api.is_some()
        || source.projected.is_some()
}

/// The files of a volume.
pub fn files(
    pod: &Pod,
    volume: &Volume,
    objects: &Objects,
    facts: &DownwardFacts,
) -> Result<Files, ProjectionError> {
    let source = &volume.volume_source;
    if let Some(source) = &source.config_map {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        let optional = source.optional == Some(true);
        let name = &source.local_object_reference.name;
        return config_map_files(objects, name, &source.items, mode, optional);
    }
    if let Some(source) = &source.secret {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        return secret_files(
            objects,
            &source.secret_name,
            &source.items,
            mode,
            source.optional == Some(true),
        );
    }
    if let Some(source) = &source.downward_api {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        return downward_files(pod, &source.items, mode, facts);
    }
    match &source.projected {
        Some(source) => projected_files(pod, source, objects, facts),
        None => Ok(Files::new()),
    }
}

fn config_map_files(
    objects: &Objects,
    name: &str,
    items: &[KeyToPath],
    mode: i32,
    optional: bool,
) -> Result<Files, ProjectionError> {
    let map = match objects.config_maps.get(name) {
        Some(map) => map,
        None if optional => return Ok(Files::new()),
        None => return Err(ProjectionError::ConfigMapNotFound(name.to_owned())),
    };
    let text = map.data.iter().map(|(key, value)| (key, value.as_bytes()));
    let binary = map.binary_data.iter().map(|(key, value)| (key, value.as_slice()));
    select(text.chain(binary).collect(), items, mode, optional, ProjectionError::ConfigMapKey)
}

fn secret_files(
    objects: &Objects,
    name: &str,
    items: &[KeyToPath],
    mode: i32,
    optional: bool,
) -> Result<Files, ProjectionError> {
    let secret = match objects.secrets.get(name) {
        Some(secret) => secret,
        None if optional => return Ok(Files::new()),
        None => return Err(ProjectionError::SecretNotFound(name.to_owned())),
    };
    let data = secret.data.iter().map(|(key, value)| (key, value.as_slice())).collect();
    select(data, items, mode, optional, ProjectionError::SecretKey)
}

/// All keys under their own names, or those of `items` at their paths.
fn select(
    data: BTreeMap<&String, &[u8]>,
    items: &[KeyToPath],
    mode: i32,
    optional: bool,
    missing: fn(String) -> ProjectionError,
) -> Result<Files, ProjectionError> {
    let file = |content: &[u8], mode| ProjectedFile { content: content.to_vec(), mode, owner: None };
    if items.is_empty() {
        return Ok(data.into_iter().map(|(key, content)| (key.clone(), file(content, mode))).collect());
    }
    let mut files = Files::new();
    for item in items {
        match data.get(&item.key) {
            Some(content) => {
                files.insert(item.path.clone(), file(content, item.mode.unwrap_or(mode)));
            }
            None if optional => {}
            None => return Err(missing(item.key.clone())),
        }
    }
    Ok(files)
}

fn downward_files(
    pod: &Pod,
    items: &[DownwardAPIVolumeFile],
    mode: i32,
    facts: &DownwardFacts,
) -> Result<Files, ProjectionError> {
    let mut files = Files::new();
    for item in items {
        let content = if let Some(field) = &item.field_ref {
            downward::field_value(pod, &field.field_path, facts)?
        } else if let Some(resource) = &item.resource_field_ref {
            downward::resource_value(pod, None, resource, facts)?
        } else {
            String::new()
        };
        let mode = item.mode.unwrap_or(mode);
        files.insert(item.path.clone(), ProjectedFile { content: content.into_bytes(), mode, owner: None });
    }
    Ok(files)
}

fn projected_files(
    pod: &Pod,
    source: &ProjectedVolumeSource,
    objects: &Objects,
    facts: &DownwardFacts,
) -> Result<Files, ProjectionError> {
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let mut files = Files::new();
    for projection in &source.sources {
        if let Some(source) = &projection.secret {
            let name = &source.local_object_reference.name;
            files.extend(secret_files(objects, name, &source.items, mode, source.optional == Some(true))?);
        } else if let Some(source) = &projection.config_map {
            let name = &source.local_object_reference.name;
            files.extend(config_map_files(
                objects,
                name,
                &source.items,
                mode,
                source.optional == Some(true),
            )?);
        } else if let Some(source) = &projection.downward_api {
            files.extend(downward_files(pod, &source.items, mode, facts)?);
        } else if let Some(source) = &projection.service_account_token {
            let content = objects
                .tokens
                .get(&source.path)
                .cloned()
                .ok_or_else(|| ProjectionError::TokenMissing(source.path.clone()))?;
            let (mode, owner) = token_access(pod, mode);
            files.insert(source.path.clone(), ProjectedFile { content, mode, owner });
        } else if projection.cluster_trust_bundle.is_some() {
            return Err(ProjectionError::Unsupported("clusterTrustBundle"));
        } else if projection.pod_certificate.is_some() {
            return Err(ProjectionError::Unsupported("podCertificate"));
        }
    }
    Ok(files)
}

/// A token is for its pod's user alone: when all containers run as one user it owns the file; with `fsGroup` the group's
/// right to read is added when the volume is given to the group.
fn token_access(pod: &Pod, mode: i32) -> (i32, Option<i64>) {
    let of_pod = pod.spec.security_context.as_ref();
    let default_user = of_pod.and_then(|context| context.run_as_user);
    let mut users = crate::pod::containers(pod).map(|(_, _, container)| {
        container.security_context.as_ref().and_then(|own| own.run_as_user).or(default_user)
    });
    let first = users.next().flatten();
    let common = first.filter(|first| users.all(|user| user == Some(*first)));
    let fs_group = of_pod.and_then(|context| context.fs_group);
    if common.is_some() || fs_group.is_some() { (0o600, common) } else { (mode, None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    fn objects() -> Objects {
        let map = ConfigMap {
            data: [("a".to_owned(), "1".to_owned())].into(),
            binary_data: [("b".to_owned(), vec![2])].into(),
            ..ConfigMap::default()
        };
        let secret = Secret { data: [("key".to_owned(), b"x".to_vec())].into(), ..Secret::default() };
        Objects {
            config_maps: [("cm".to_owned(), Arc::new(map))].into(),
            secrets: [("s".to_owned(), Arc::new(secret))].into(),
            tokens: [("token".to_owned(), b"jwt".to_vec())].into(),
        }
    }

    fn check(security: &str, volume: &str, expected: Result<&[(&str, &str, i32)], &str>) {
        let pod = pod(&format!(
            r#"{{"securityContext":{security},"containers":[{{"name":"c"}}],"volumes":[{volume}]}}"#
        ));
        let volume = pod.spec.volumes.first().expect("one");
        let found = files(&pod, volume, &objects(), &DownwardFacts::default())
            .map(|files| {
                files
                    .into_iter()
                    .map(|(path, file)| {
                        (path, String::from_utf8_lossy(&file.content).into_owned(), file.mode)
                    })
                    .collect::<Vec<_>>()
            })
            .map_err(|error| error.to_string());
        let expected = expected
            .map(|list| list.iter().map(|(a, b, mode)| ((*a).to_owned(), (*b).to_owned(), *mode)).collect())
            .map_err(str::to_owned);
        assert_eq!(found, expected, "{volume:?}");
    }

    #[test]
    fn config_maps_and_secrets() {
        check(
            "{}",
            r#"{"name":"v","configMap":{"name":"cm"}}"#,
            Ok(&[("a", "1", 0o644), ("b", "\u{2}", 0o644)]),
        );
        check(
            "{}",
            r#"{"name":"v","configMap":{"name":"cm","defaultMode":256,"items":[{"key":"a","path":"x/y"},
                {"key":"b","path":"z","mode":511}]}}"#,
            Ok(&[("x/y", "1", 256), ("z", "\u{2}", 511)]),
        );
        check(
            "{}",
            r#"{"name":"v","configMap":{"name":"cm","items":[{"key":"no","path":"x"}]}}"#,
            Err("configmap references non-existent config key: no"),
        );
        check("{}", r#"{"name":"v","configMap":{"name":"no"}}"#, Err("configmap \"no\" not found"));
        check("{}", r#"{"name":"v","configMap":{"name":"no","optional":true}}"#, Ok(&[]));
        check("{}", r#"{"name":"v","secret":{"secretName":"s"}}"#, Ok(&[("key", "x", 0o644)]));
        check("{}", r#"{"name":"v","secret":{"secretName":"no"}}"#, Err("secret \"no\" not found"));
    }

    #[test]
    fn projected_sources_join() {
        let volume = r#"{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},
            {"configMap":{"name":"cm","items":[{"key":"a","path":"ca.crt"}]}},
            {"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"fieldPath":"metadata.namespace"}}]}}]}}"#;
        check(
            "{}",
            volume,
            Ok(&[("ca.crt", "1", 0o644), ("namespace", "work", 0o644), ("token", "jwt", 0o644)]),
        );
        check(
            r#"{"fsGroup":5}"#,
            volume,
            Ok(&[("ca.crt", "1", 0o644), ("namespace", "work", 0o644), ("token", "jwt", 0o600)]),
        );
        check(
            "{}",
            r#"{"name":"v","projected":{"sources":[{"clusterTrustBundle":{"path":"x"}}]}}"#,
            Err("clusterTrustBundle projections are not supported by this kubelet"),
        );
    }
}
