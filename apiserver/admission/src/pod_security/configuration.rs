//! `PodSecurityConfiguration`: what counts for namespaces without labels, and who is left alone.

use std::collections::BTreeSet;

use machinery::field::{self, ErrorList, Path};
use machinery::names;
use serde::Deserialize;
use serde_json::Value;

use super::levels::{Level, Policy, Standard, Version, parse_level};
use crate::configuration::{ConfigurationError, decode};

const KIND: &str = "PodSecurityConfiguration";
const ACCEPTED: [(&str, &str); 3] = [
    ("pod-security.admission.config.k8s.io/v1", KIND),
    ("pod-security.admission.config.k8s.io/v1beta1", KIND),
    ("pod-security.admission.config.k8s.io/v1alpha1", KIND),
];

/// Configuration of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// What counts where a label is missing.
    pub defaults: Policy,
    /// Users whose pods are not judged.
    pub usernames: Vec<String>,
    /// Namespaces whose pods are not judged.
    pub namespaces: Vec<String>,
    /// Runtime classes whose pods are not judged.
    pub runtime_classes: Vec<String>,
}

impl Default for Configuration {
    fn default() -> Configuration {
        Configuration {
            defaults: Policy::PRIVILEGED,
            usernames: Vec::new(),
            namespaces: Vec::new(),
            runtime_classes: Vec::new(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    defaults: Defaults,
    exemptions: Exemptions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Defaults {
    enforce: String,
    enforce_version: String,
    audit: String,
    audit_version: String,
    warn: String,
    warn_version: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Exemptions {
    usernames: Vec<String>,
    namespaces: Vec<String>,
    runtime_classes: Vec<String>,
}

impl Configuration {
    /// Reads the plugin's part of an admission configuration.
    ///
    /// # Errors
    /// When it is of another kind, has unknown fields or breaks a rule.
    pub fn read(value: Value) -> Result<Configuration, ConfigurationError> {
        let Written { defaults, exemptions } = decode(value, &ACCEPTED)?;
        let mut errors = ErrorList::new();
        let policy = Policy {
            enforce: standard("enforce", &defaults.enforce, &defaults.enforce_version, &mut errors),
            warn: standard("warn", &defaults.warn, &defaults.warn_version, &mut errors),
            audit: standard("audit", &defaults.audit, &defaults.audit_version, &mut errors),
        };
        let Exemptions { usernames, namespaces, runtime_classes } = exemptions;
        check("namespaces", &namespaces, |name| names::is_dns1123_label(name).join(", "), &mut errors);
        let subdomain = |name: &str| names::is_dns1123_subdomain(name).join(", ");
        check("runtimeClasses", &runtime_classes, subdomain, &mut errors);
        let named = |name: &str| {
            if name.is_empty() { "username must not be empty".to_owned() } else { String::new() }
        };
        check("usernames", &usernames, named, &mut errors);
        if errors.is_empty() {
            return Ok(Configuration { defaults: policy, usernames, namespaces, runtime_classes });
        }
        Err(ConfigurationError::Rules(field::aggregate(&errors)))
    }
}

/// A mode of the defaults; what is missing is `privileged` and `latest`.
fn standard(mode: &str, level: &str, version: &str, errors: &mut ErrorList) -> Standard {
    let path = Path::new("defaults");
    let level = if level.is_empty() {
        Ok(Level::Privileged)
    } else {
        parse_level(level).map_err(|rule| (level, rule))
    };
    let version = if version.is_empty() {
        Ok(Version::Latest)
    } else {
        Version::parse(version).map_err(|rule| (version, rule))
    };
    let level = level.unwrap_or_else(|(text, rule)| {
        errors.push(field::Error::invalid(&path.child(mode.to_owned()), text, rule));
        Level::Restricted
    });
    let version = version.unwrap_or_else(|(text, rule)| {
        errors.push(field::Error::invalid(&path.child(format!("{mode}-version")), text, rule));
        Version::Latest
    });
    Standard { level, version }
}

fn check(list: &str, values: &[String], rule: impl Fn(&str) -> String, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, value) in values.iter().enumerate() {
        let path = Path::new("exemptions").child(list.to_owned()).index(index);
        let broken = rule(value);
        if !broken.is_empty() {
            errors.push(field::Error::invalid(&path, value.as_str(), broken));
        } else if !seen.insert(value) {
            errors.push(field::Error::duplicate(&path, value.as_str()));
        }
    }
}
