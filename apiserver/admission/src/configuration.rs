//! Reads the configuration of a plugin strictly: right kind, no unknown field.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a plugin's configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// `apiVersion` or `kind` is missing or foreign.
    #[error("no kind {kind:?} is registered for version {version:?}; accepted: {accepted}")]
    WrongKind {
        /// `kind` found.
        kind: String,
        /// `apiVersion` found.
        version: String,
        /// What the plugin reads.
        accepted: String,
    },
    /// A field the kind does not have, or a value of the wrong type.
    #[error("{path}: {message}")]
    Invalid {
        /// Path of the field.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// Values that break rules.
    #[error("{0}")]
    Rules(String),
}

/// Decodes an object of one of the `accepted` pairs of `apiVersion` and `kind`.
pub(crate) fn decode<T: DeserializeOwned>(
    mut value: Value,
    accepted: &[(&str, &str)],
) -> Result<T, ConfigurationError> {
    let mut take = |name: &str| match value.as_object_mut().and_then(|fields| fields.remove(name)) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (version, kind) = (take("apiVersion"), take("kind"));
    if !accepted.contains(&(version.as_str(), kind.as_str())) {
        let accepted: Vec<String> =
            accepted.iter().map(|(version, kind)| format!("{kind} of {version}")).collect();
        return Err(ConfigurationError::WrongKind { kind, version, accepted: accepted.join(", ") });
    }
    serde_path_to_error::deserialize(value).map_err(|error| ConfigurationError::Invalid {
        path: error.path().to_string(),
        message: error.inner().to_string(),
    })
}
