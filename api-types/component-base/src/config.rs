//! Reads a component's versioned configuration file strictly: right kind, no unknown field.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A configuration kind such as `KubeletConfiguration` of `kubelet.config.k8s.io/v1beta1`.
///
/// The type must carry `#[serde(deny_unknown_fields)]` on itself and its parts, and must not declare
/// `apiVersion` and `kind`: the loader checks and removes them.
pub trait VersionedConfig: DeserializeOwned {
    /// `group/version`
    const API_VERSION: &'static str;
    /// Kind.
    const KIND: &'static str;
}

/// Why a configuration file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read configuration file {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// Not YAML or JSON.
    #[error("{origin}: {message}")]
    Syntax {
        /// File or other source of the text.
        origin: String,
        /// Parser's message with line and column.
        message: String,
    },
    /// `apiVersion` or `kind` is missing or foreign.
    #[error(
        "{origin}: no kind {found_kind:?} is registered for version {found_version:?}; expected kind {kind:?} in version {version:?}"
    )]
    WrongKind {
        /// File or other source of the text.
        origin: String,
        /// `kind` found.
        found_kind: String,
        /// `apiVersion` found.
        found_version: String,
        /// Kind expected.
        kind: &'static str,
        /// `apiVersion` expected.
        version: &'static str,
    },
    /// A field the kind does not have.
    #[error("{origin}: strict decoding error: unknown field {field:?} (fields accepted here: {accepted})")]
    UnknownField {
        /// File or other source of the text.
        origin: String,
        /// Full path of the field.
        field: String,
        /// What would be accepted at that place.
        accepted: String,
    },
    /// A value of the wrong type or form.
    #[error("{origin}: {path}: {message}")]
    Invalid {
        /// File or other source of the text.
        origin: String,
        /// Full path of the field.
        path: String,
        /// What is wrong.
        message: String,
    },
}

/// Reads and checks the file at `path`.
pub fn load<T: VersionedConfig>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    decode(&path.display().to_string(), &text)
}

/// Decodes one YAML or JSON document; `origin` names it in errors.
pub fn decode<T: VersionedConfig>(origin: &str, text: &str) -> Result<T, ConfigError> {
    let mut document: serde_yaml::Value = serde_yaml::from_str(text)
        .map_err(|error| ConfigError::Syntax { origin: origin.to_owned(), message: error.to_string() })?;
    let mut take = |name: &str| match document.as_mapping_mut().and_then(|fields| fields.remove(name)) {
        Some(serde_yaml::Value::String(text)) => text,
        _ => String::new(),
    };
    let (found_version, found_kind) = (take("apiVersion"), take("kind"));
    if found_version != T::API_VERSION || found_kind != T::KIND {
        return Err(ConfigError::WrongKind {
            origin: origin.to_owned(),
            found_kind,
            found_version,
            kind: T::KIND,
            version: T::API_VERSION,
        });
    }
    serde_path_to_error::deserialize(document).map_err(|error| explain(origin, &error))
}

/// Turns serde's message about an unknown field into the path form upstream prints.
fn explain(origin: &str, error: &serde_path_to_error::Error<serde_yaml::Error>) -> ConfigError {
    let origin = origin.to_owned();
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let message = error.inner().to_string();
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((name, tail)) = rest.split_once('`')
    {
        let accepted =
            tail.trim_start_matches(", expected one of ").trim_start_matches(", expected ").replace('`', "");
        // serde_path_to_error already ends the path with the unknown name when it saw the key.
        let field = match path.as_str() {
            "" => name.to_owned(),
            path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
            path => format!("{path}.{name}"),
        };
        return ConfigError::UnknownField { origin, field, accepted };
    }
    ConfigError::Invalid { origin, path, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    #[derive(Default)]
    struct Inner {
        depth: u32,
    }

    #[derive(Debug, PartialEq, Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct Sample {
        name: String,
        inner: Inner,
        list: Vec<Inner>,
    }

    impl VersionedConfig for Sample {
        const API_VERSION: &'static str = "sample.config.k8s.io/v1";
        const KIND: &'static str = "SampleConfiguration";
    }

    const HEAD: &str = "apiVersion: sample.config.k8s.io/v1\nkind: SampleConfiguration\n";

    fn check(body: &str, expected: Result<Sample, &str>) {
        let actual = decode::<Sample>("file", &format!("{HEAD}{body}")).map_err(|error| error.to_string());
        assert_eq!(actual, expected.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn strict_decoding() {
        check(
            "name: a\ninner: {depth: 3}\n",
            Ok(Sample { name: "a".into(), inner: Inner { depth: 3 }, list: vec![] }),
        );
        check(
            "nam: a\n",
            Err(
                "file: strict decoding error: unknown field \"nam\" (fields accepted here: name, inner, list)",
            ),
        );
        check(
            "list: [{depth: 1}, {deep: 2}]\n",
            Err("file: strict decoding error: unknown field \"list[1].deep\" (fields accepted here: depth)"),
        );
        check("inner: {depth: x}\n", Err("file: inner.depth: invalid type: string \"x\", expected u32"));
    }

    #[test]
    fn a_foreign_kind_is_refused() {
        let error = decode::<Sample>("file", "kind: Other\napiVersion: v1\n").expect_err("foreign kind");
        assert_eq!(
            error.to_string(),
            "file: no kind \"Other\" is registered for version \"v1\"; expected kind \"SampleConfiguration\" in version \"sample.config.k8s.io/v1\""
        );
    }
}
