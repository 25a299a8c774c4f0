//! `ResourceQuotaConfiguration`: what may only be used where a quota allows it.

use api_types::core::v1::ScopedResourceSelectorRequirement;
use serde::Deserialize;
use serde_json::Value;

use crate::configuration::{ConfigurationError, decode};

const ACCEPTED: [(&str, &str); 3] = [
    ("apiserver.config.k8s.io/v1", "ResourceQuotaConfiguration"),
    ("resourcequota.admission.k8s.io/v1beta1", "Configuration"),
    ("resourcequota.admission.k8s.io/v1alpha1", "Configuration"),
];
const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

/// Configuration of the plugin; nothing is limited by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// What needs a quota.
    pub limited_resources: Vec<LimitedResource>,
}

/// Objects of a resource that need a quota.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LimitedResource {
    /// API group; empty for core.
    pub api_group: String,
    /// Plural name.
    pub resource: String,
    /// Parts of the names of what is used.
    pub match_contains: Vec<String>,
    /// Scopes an object is in.
    pub match_scopes: Vec<ScopedResourceSelectorRequirement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default)]
    limited_resources: Option<Vec<WrittenResource>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenResource {
    #[serde(default)]
    api_group: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    match_contains: Vec<String>,
    #[serde(default)]
    match_scopes: Vec<WrittenScope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenScope {
    #[serde(default)]
    scope_name: String,
    #[serde(default)]
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Configuration {
    /// Reads the plugin's part of an admission configuration.
    ///
    /// # Errors
    /// When it is of another kind, has unknown fields or breaks a rule.
    pub fn read(value: Value) -> Result<Configuration, ConfigurationError> {
        let written: Written = decode(value, &ACCEPTED)?;
        let limited = written.limited_resources.unwrap_or_default().into_iter().enumerate();
        let limited_resources =
            limited.map(|(index, resource)| resource.checked(index)).collect::<Result<_, _>>()?;
        Ok(Configuration { limited_resources })
    }
}

impl WrittenResource {
    fn checked(self, index: usize) -> Result<LimitedResource, ConfigurationError> {
        let path = format!("limitedResources[{index}]");
        if self.resource.is_empty() {
            return Err(ConfigurationError::Rules(format!("{path}.resource: Required value")));
        }
        let scopes = self.match_scopes.into_iter().enumerate().map(|(scope_index, scope)| {
            if OPERATORS.contains(&scope.operator.as_str()) {
                let WrittenScope { scope_name, operator, values } = scope;
                return Ok(ScopedResourceSelectorRequirement { scope_name, operator, values });
            }
            Err(ConfigurationError::Rules(format!(
                "{path}.matchScopes[{scope_index}].operator: Unsupported value: {:?}: supported values: {}",
                scope.operator,
                OPERATORS.map(|operator| format!("{operator:?}")).join(", ")
            )))
        });
        Ok(LimitedResource {
            match_scopes: scopes.collect::<Result<_, _>>()?,
            api_group: self.api_group,
            resource: self.resource,
            match_contains: self.match_contains,
        })
    }
}
