//! `--admission-control-config-file`: configuration of plugins, inline or in files of their own.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

const VERSIONS: [&str; 2] = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1alpha1"];
const KIND: &str = "AdmissionConfiguration";

/// The configuration of each plugin that the file names.
#[derive(Debug, Default)]
pub struct Configurations {
    plugins: Vec<(String, Option<Value>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileFormat {
    api_version: String,
    kind: String,
    #[serde(default)]
    plugins: Vec<PluginFormat>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginFormat {
    name: String,
    /// Relative to the folder of the file.
    #[serde(default)]
    path: String,
    configuration: Option<Value>,
}

impl Configurations {
    /// Reads the file and those it refers to.
    pub fn load(path: &Path) -> Result<Configurations, String> {
        let text = read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Configurations::parse(&text, |name| read(&folder.join(name)))
    }

    fn parse(text: &str, read: impl Fn(&str) -> Result<String, String>) -> Result<Configurations, String> {
        let file: FileFormat = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if file.kind != KIND || !VERSIONS.contains(&file.api_version.as_str()) {
            return Err(format!(
                "expected {KIND} of {}, found {} of {}",
                VERSIONS.join(" or "),
                file.kind,
                file.api_version
            ));
        }
        let mut plugins: Vec<(String, Option<Value>)> = Vec::new();
        for (index, plugin) in file.plugins.into_iter().enumerate() {
            let at = format!("plugins[{index}]");
            if plugin.name.is_empty() {
                return Err(format!("{at}.name: Required value: which plugin is configured"));
            }
            if plugins.iter().any(|(name, _)| *name == plugin.name) {
                return Err(format!("{at}.name: Duplicate value: {:?}", plugin.name));
            }
            let configuration = match (plugin.configuration, plugin.path.as_str()) {
                (Some(inline), _) => Some(inline),
                (None, "") => None,
                (None, path) => {
                    let text = read(path).map_err(|error| format!("{at}.path: {error}"))?;
                    let value = serde_yaml::from_str(&text);
                    Some(value.map_err(|error| format!("{at}.path: {path:?}: {error}"))?)
                }
            };
            plugins.push((plugin.name, configuration));
        }
        Ok(Configurations { plugins })
    }

    /// The configuration of a plugin.
    pub fn of(&self, name: &str) -> Option<&Value> {
        self.plugins.iter().find(|(of, _)| of == name)?.1.as_ref()
    }

    /// Names of the plugins that are configured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let configured = self.plugins.iter().filter(|(_, configuration)| configuration.is_some());
        configured.map(|(name, _)| name.as_str())
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path:?} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(plugins: &str) -> Result<Configurations, String> {
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n{plugins}"
        );
        Configurations::parse(&text, |path| match path {
            "other.yaml" => Ok("kind: Other".to_owned()),
            _ => Err(format!("{path:?} cannot be read: no such file")),
        })
    }

    #[test]
    fn configuration_is_inline_or_in_files() {
        let text = "- name: A\n  configuration: {kind: Inline}\n- name: B\n  path: other.yaml\n- name: C\n";
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.of("A"), Some(&json!({"kind": "Inline"})));
        assert_eq!(parsed.of("B"), Some(&json!({"kind": "Other"})));
        assert_eq!(parsed.of("C"), None);
        assert_eq!(parsed.names().collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |plugins: &str| parse(plugins).unwrap_err();
        assert_eq!(error("- path: x\n"), "plugins[0]: missing field `name` at line 4 column 3");
        assert_eq!(error("- name: A\n  path: x\n"), "plugins[0].path: \"x\" cannot be read: no such file");
        assert_eq!(error("- name: A\n- name: A\n"), "plugins[1].name: Duplicate value: \"A\"");
        assert!(error("- name: A\n  config: {}\n").contains("unknown field `config`"));
        let other = Configurations::parse("apiVersion: v1\nkind: Pod\n", |_| Ok(String::new())).unwrap_err();
        assert_eq!(
            other,
            "expected AdmissionConfiguration of apiserver.config.k8s.io/v1 or apiserver.config.k8s.io/v1alpha1, found Pod \
             of v1"
        );
    }
}
