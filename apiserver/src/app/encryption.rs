//! `--encryption-provider-config`: which resources are encrypted at rest, and with which keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use apiserver_registry::Entry;
use apiserver_storage::Storage;
use apiserver_storage::transform::{
    AesCbc, AesGcm, Provider, Providers, Secretbox, TransformError, Transformed, Transformer,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use component_base::Shutdown;
use component_base::tls::{Reloaded, TlsError};
use serde::Deserialize;

use crate::options::EtcdOptions;

const API_VERSION: &str = "apiserver.config.k8s.io/v1";
const KIND: &str = "EncryptionConfiguration";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileFormat {
    api_version: String,
    kind: String,
    #[serde(default)]
    resources: Vec<RuleFormat>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFormat {
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    providers: Vec<ProviderFormat>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderFormat {
    identity: Option<Empty>,
    aescbc: Option<KeysFormat>,
    aesgcm: Option<KeysFormat>,
    secretbox: Option<KeysFormat>,
    kms: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFormat {
    keys: Vec<KeyFormat>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFormat {
    name: String,
    secret: String,
}

impl std::fmt::Debug for KeyFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the secret.
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The providers by resource; the first rule that names a resource counts.
#[derive(Default)]
struct Rules(Vec<(Vec<String>, Providers)>);

impl Rules {
    fn load(path: &Path) -> Result<Rules, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Rules::parse(&text)
    }

    fn parse(text: &str) -> Result<Rules, String> {
        let file: FileFormat = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if file.api_version != API_VERSION || file.kind != KIND {
            return Err(format!(
                "expected {KIND} of {API_VERSION}, found {} of {}",
                file.kind, file.api_version
            ));
        }
        if file.resources.is_empty() {
            return Err("resources: Required value: at least one resource configuration is required".into());
        }
        let mut rules = Vec::new();
        for (index, rule) in file.resources.into_iter().enumerate() {
            let at = format!("resources[{index}]");
            if rule.resources.is_empty() {
                return Err(format!("{at}.resources: Required value: at least one resource is required"));
            }
            if rule.providers.is_empty() {
                return Err(format!("{at}.providers: Required value: at least one provider is required"));
            }
            let mut providers = Vec::new();
            for (position, provider) in rule.providers.into_iter().enumerate() {
                let made =
                    make(provider).map_err(|reason| format!("{at}.providers[{position}]: {reason}"))?;
                providers.push(made);
            }
            rules.push((rule.resources, Providers(providers)));
        }
        Ok(Rules(rules))
    }

    fn of(&self, group: &str, plural: &str) -> Option<&Providers> {
        self.0
            .iter()
            .find(|(resources, _)| resources.iter().any(|pattern| matches(pattern, group, plural)))
            .map(|(_, providers)| providers)
    }
}

/// `secrets`, `deployments.apps`, `*.` (core group), `*.apps` and `*.*`.
fn matches(pattern: &str, group: &str, plural: &str) -> bool {
    let (resource, wanted) = pattern.split_once('.').unwrap_or((pattern, ""));
    (resource == "*" || resource == plural) && (wanted == "*" || wanted == group)
}

fn make(provider: ProviderFormat) -> Result<Provider, String> {
    let ProviderFormat { identity, aescbc, aesgcm, secretbox, kms } = provider;
    if kms.is_some() {
        return Err("kms is not supported by this server; use secretbox, aesgcm or aescbc".into());
    }
    let count = [identity.is_some(), aescbc.is_some(), aesgcm.is_some(), secretbox.is_some()];
    match count.iter().filter(|given| **given).count() {
        1 => {}
        0 => return Err("provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity".into()),
        _ => return Err("more than one provider specified in a single element, should split into different list elements".into()),
    }
    let keys = |format: KeysFormat| -> Result<Vec<(String, Vec<u8>)>, String> {
        if format.keys.is_empty() {
            return Err("keys: Required value: at least one key is required".into());
        }
        format
            .keys
            .into_iter()
            .map(|key| {
                let secret = STANDARD
                    .decode(&key.secret)
                    .map_err(|_| format!("keys: secret of {:?} must be base64 encoded", key.name))?;
                if key.name.is_empty() || key.name.contains(':') {
                    return Err(format!("keys: name {:?} must not be empty or contain ':'", key.name));
                }
                Ok((key.name, secret))
            })
            .collect()
    };
    let keyed =
        |outcome: Result<_, TransformError>| outcome.map(Provider::Keyed).map_err(|error| error.to_string());
    if let Some(format) = aescbc {
        return keyed(AesCbc::provider(&keys(format)?));
    }
    if let Some(format) = aesgcm {
        return keyed(AesGcm::provider(&keys(format)?));
    }
    if let Some(format) = secretbox {
        return keyed(Secretbox::provider(&keys(format)?));
    }
    Ok(Provider::Identity)
}

/// Encryption at rest, as configured.
#[derive(Clone)]
pub struct Encryption(Option<Reloaded<Rules>>);

impl Encryption {
    /// Reads the configuration; with automatic reload it is read again when it changes.
    pub fn load(options: &EtcdOptions, loops: &Shutdown) -> anyhow::Result<Encryption> {
        let Some(path) = options.encryption_provider_config.clone() else { return Ok(Encryption(None)) };
        let context = || format!("--encryption-provider-config {}", path.display());
        let rules = if options.encryption_provider_config_automatic_reload {
            let file: PathBuf = path.clone();
            let load = move || Rules::load(&file).map_err(TlsError::Config);
            let rules = Reloaded::new(vec![path.clone()], load).with_context(context)?;
            rules.keep_fresh(loops);
            rules
        } else {
            Reloaded::fixed(
                Rules::load(&path).map_err(|reason| anyhow::anyhow!(reason)).with_context(context)?,
            )
        };
        Ok(Encryption(Some(rules)))
    }

    /// The storage of a row.
    pub fn around(&self, storage: &Arc<dyn Storage>, entry: &'static Entry) -> Arc<dyn Storage> {
        self.around_named(storage, entry.facts.group, entry.facts.plural)
    }

    /// The storage of a resource.
    pub fn around_named(&self, storage: &Arc<dyn Storage>, group: &str, plural: &str) -> Arc<dyn Storage> {
        match &self.0 {
            None => storage.clone(),
            Some(rules) => {
                let row = OfRow { rules: rules.clone(), group: group.to_owned(), plural: plural.to_owned() };
                Arc::new(Transformed::new(storage.clone(), Arc::new(row)))
            }
        }
    }
}

/// The newest providers of one resource; none stands for plain values.
struct OfRow {
    rules: Reloaded<Rules>,
    group: String,
    plural: String,
}

impl Transformer for OfRow {
    fn read(&self, stored: &[u8], context: &[u8]) -> Result<(Bytes, bool), TransformError> {
        match self.rules.current().of(&self.group, &self.plural) {
            Some(providers) => providers.read(stored, context),
            None => apiserver_storage::transform::Identity.read(stored, context),
        }
    }

    fn write(&self, value: &[u8], context: &[u8]) -> Result<Bytes, TransformError> {
        match self.rules.current().of(&self.group, &self.plural) {
            Some(providers) => providers.write(value, context),
            None => apiserver_storage::transform::Identity.write(value, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rule: &str) -> String {
        format!("apiVersion: {API_VERSION}\nkind: {KIND}\nresources:\n- {rule}\n")
    }

    #[test]
    fn values_are_encrypted_for_named_resources() {
        let key = STANDARD.encode([7; 32]);
        let text = config(&format!(
            "{{resources: [secrets, '*.apps'], providers: [{{secretbox: {{keys: [{{name: k1, secret: {key}}}]}}}}, {{identity: {{}}}}]}}"
        ));
        let rules = Rules::parse(&text).unwrap();
        let secrets = rules.of("", "secrets").unwrap();
        let sealed = secrets.write(b"value", b"/registry/secrets/a").unwrap();
        assert!(sealed.starts_with(b"k8s:enc:secretbox:v1:k1:"));
        let opened = secrets.read(&sealed, b"/registry/secrets/a").unwrap();
        assert_eq!(opened, (Bytes::from_static(b"value"), false));
        assert!(secrets.read(b"value", b"").unwrap().1, "plain values are written again");
        assert!(rules.of("apps", "deployments").is_some());
        assert!(rules.of("", "pods").is_none());
    }

    #[track_caller]
    fn check_refused(rule: &str, expected: &str) {
        let error = Rules::parse(&config(rule)).err().expect("refused");
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn broken_configurations_are_named() {
        check_refused("{resources: [secrets], providers: []}", "resources[0].providers: Required value");
        check_refused("{resources: [secrets], providers: [{}]}", "does not contain any");
        check_refused("{resources: [secrets], providers: [{kms: {name: x}}]}", "kms is not supported");
        let short = "{resources: [secrets], providers: [{aescbc: {keys: [{name: k, secret: YQ==}]}}]}";
        check_refused(short, "has 1 bytes");
        let plain = "{resources: [secrets], providers: [{aescbc: {keys: [{name: k, secret: '!'}]}}]}";
        check_refused(plain, "must be base64 encoded");
    }
}
