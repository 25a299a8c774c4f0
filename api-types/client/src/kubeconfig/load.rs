//! Finds, reads and merges kubeconfig files as `clientcmd.ClientConfigLoadingRules` does.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Kubeconfig;
use crate::error::Error;

/// `$HOME/.kube/config`.
pub fn default_path() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(Path::new(&home).join(".kube/config"))
}

/// Which files make up the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadingRules {
    /// `--kubeconfig`: this file alone, and it must exist.
    pub explicit: Option<PathBuf>,
    /// Files merged in this order, the first to say something wins; missing ones are stepped over.
    pub precedence: Vec<PathBuf>,
}

impl LoadingRules {
    /// `--kubeconfig` if given, else the list in `KUBECONFIG`, else [`default_path`].
    pub fn from_environment(explicit: Option<&Path>) -> LoadingRules {
        let precedence = match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
            Some(list) => split_list(&list),
            None => default_path().into_iter().collect(),
        };
        LoadingRules { explicit: explicit.map(Path::to_owned), precedence }
    }

    /// Reads and merges. Relative paths inside become relative to the file they are in.
    pub fn load(&self) -> Result<Kubeconfig, Error> {
        if let Some(path) = &self.explicit {
            let mut config = Kubeconfig::from_file(path)?;
            config.resolve_paths(path);
            return Ok(config);
        }
        let mut merged = Kubeconfig::new();
        for path in &self.precedence {
            match Kubeconfig::from_file(path) {
                Ok(mut next) => {
                    next.resolve_paths(path);
                    merged.merge(next);
                }
                Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(merged)
    }

    /// The file that changes go to when an entry has no file of its own yet.
    pub fn default_file(&self) -> Option<PathBuf> {
        if let Some(path) = &self.explicit {
            return Some(path.clone());
        }
        let existing = self.precedence.iter().find(|path| path.exists());
        // Upstream: the last of KUBECONFIG when none of its files exists.
        existing.or(self.precedence.last()).cloned()
    }
}

fn split_list(list: &OsStr) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

impl Kubeconfig {
    /// Reads one file as it stands.
    pub fn from_file(path: &Path) -> Result<Kubeconfig, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            action: "failed to read",
            path: path.to_owned(),
            source,
        })?;
        let mut config = Kubeconfig::from_yaml(&text).map_err(|error| {
            Error::Config(format!("error loading config file \"{}\": {error}", path.display()))
        })?;
        let origin = || Some(path.to_owned());
        config.clusters.iter_mut().for_each(|named| named.origin = origin());
        config.users.iter_mut().for_each(|named| named.origin = origin());
        config.contexts.iter_mut().for_each(|named| named.origin = origin());
        Ok(config)
    }

    /// Reads YAML or JSON text.
    pub fn from_yaml(text: &str) -> Result<Kubeconfig, String> {
        if text.trim().is_empty() {
            return Ok(Kubeconfig::new());
        }
        let mut config: Kubeconfig = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        for (field, found, wanted) in
            [("apiVersion", &mut config.api_version, "v1"), ("kind", &mut config.kind, "Config")]
        {
            if found.is_empty() {
                *found = wanted.to_owned();
            } else if found != wanted {
                return Err(format!("{field} is {found:?}, expected {wanted:?}"));
            }
        }
        // Upstream reads a list into a map: the last entry of a name stays.
        keep_last(&mut config.clusters, |named| &named.name);
        keep_last(&mut config.users, |named| &named.name);
        keep_last(&mut config.contexts, |named| &named.name);
        Ok(config)
    }

    /// Adds what `other` has and this one has not.
    pub fn merge(&mut self, other: Kubeconfig) {
        if self.current_context.is_empty() {
            self.current_context = other.current_context;
        }
        if self.preferences.is_none() {
            self.preferences = other.preferences;
        }
        for named in other.clusters {
            if self.cluster(&named.name).is_none() {
                self.clusters.push(named);
            }
        }
        for named in other.users {
            if self.user(&named.name).is_none() {
                self.users.push(named);
            }
        }
        for named in other.contexts {
            if self.context(&named.name).is_none() {
                self.contexts.push(named);
            }
        }
        self.extensions.extend(other.extensions);
    }

    /// Makes paths in the configuration relative to the folder of the file they stand in.
    pub fn resolve_paths(&mut self, file: &Path) {
        let Some(folder) = file.parent() else { return };
        let resolve = |path: &mut Option<PathBuf>| {
            if let Some(path) = path
                && path.is_relative()
                && !path.as_os_str().is_empty()
            {
                *path = folder.join(&*path);
            }
        };
        for named in &mut self.clusters {
            resolve(&mut named.cluster.certificate_authority);
        }
        for named in &mut self.users {
            resolve(&mut named.user.client_certificate);
            resolve(&mut named.user.client_key);
            resolve(&mut named.user.token_file);
            // A command with a separator but not absolute is relative to the file as well.
            if let Some(exec) = &mut named.user.exec
                && exec.command.contains('/')
                && Path::new(&exec.command).is_relative()
            {
                exec.command = folder.join(&exec.command).display().to_string();
            }
        }
    }
}

fn keep_last<T>(entries: &mut Vec<T>, name: impl Fn(&T) -> &String) {
    let mut index = entries.len();
    while index > 0 {
        index -= 1;
        let shadowed = entries
            .iter()
            .skip(index + 1)
            .any(|later| entries.get(index).is_some_and(|this| name(this) == name(later)));
        if shadowed {
            entries.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
apiVersion: v1
kind: Config
current-context: a
clusters:
- name: one
  cluster: {server: "https://1", certificate-authority: pki/ca.crt}
- name: one
  cluster: {server: "https://2"}
users: null
contexts:
- name: a
  context: {cluster: one, user: u, namespace: work}
"#;

    #[test]
    fn the_last_entry_of_a_name_stays() {
        let config = Kubeconfig::from_yaml(SAMPLE).expect("valid");
        assert_eq!(config.clusters.len(), 1);
        assert_eq!(config.cluster("one").map(|cluster| cluster.server.as_str()), Some("https://2"));
        assert_eq!(config.context("a").and_then(|context| context.namespace.as_deref()), Some("work"));
    }

    #[test]
    fn files_merge_and_the_first_wins() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        let first = "current-context: x\nclusters: [{name: c, cluster: {server: 'https://first', certificate-authority: ca}}]\n";
        let second = "current-context: y\nclusters: [{name: c, cluster: {server: 'https://second'}}]\nusers: [{name: u, user: {tokenFile: /abs/token}}]\n";
        std::fs::write(path("first"), first).expect("written");
        std::fs::write(path("second"), second).expect("written");
        let rules =
            LoadingRules { explicit: None, precedence: vec![path("none"), path("first"), path("second")] };
        let config = rules.load().expect("loaded");
        assert_eq!(config.current_context, "x");
        let cluster = config.cluster("c").expect("cluster");
        assert_eq!(cluster.server, "https://first");
        assert_eq!(cluster.certificate_authority, Some(path("ca")));
        assert_eq!(config.user("u").and_then(|user| user.token_file.clone()), Some("/abs/token".into()));
        assert_eq!(config.users[0].origin, Some(path("second")));
        let missing = LoadingRules { explicit: Some(path("none")), precedence: vec![] };
        assert!(matches!(missing.load(), Err(Error::File { .. })));
    }

    #[test]
    fn foreign_documents_are_refused() {
        assert_eq!(
            Kubeconfig::from_yaml("apiVersion: v1\nkind: Pod\n").err().as_deref(),
            Some("kind is \"Pod\", expected \"Config\"")
        );
    }
}
