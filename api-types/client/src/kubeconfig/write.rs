//! Writes kubeconfig files: whole or not at all, readable by their owner only.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Kubeconfig;
use crate::error::Error;

impl Kubeconfig {
    /// YAML text with the keys in upstream's (alphabetical) order.
    pub fn to_yaml(&self) -> Result<String, Error> {
        serde_yaml::to_string(self).map_err(|error| Error::Config(error.to_string()))
    }

    /// Writes the file with mode 0600 through a rename, under upstream's lock file (`<path>.lock`).
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = self.to_yaml()?;
        let failed = |source| Error::File { action: "failed to write", path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let _lock = Lock::take(path).map_err(failed)?;
        let temporary = with_suffix(path, &format!(".{}.new", std::process::id()));
        let attempt = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        };
        attempt().map_err(|source| {
            // Nothing of a failed write stays behind; its own failure would hide the first cause.
            let _ = std::fs::remove_file(&temporary);
            failed(source)
        })
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

/// The lock other programs take before they write the same file.
struct Lock {
    path: PathBuf,
}

impl Lock {
    fn take(path: &Path) -> std::io::Result<Lock> {
        let path = with_suffix(path, ".lock");
        match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => Ok(Lock { path }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(std::io::Error::new(
                error.kind(),
                format!(
                    "{} exists: another program is writing, or died and left it; remove it then",
                    path.display()
                ),
            )),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "kubeconfig lock not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::{Cluster, User};
    use super::*;

    fn sample() -> Kubeconfig {
        let cluster = Cluster { server: "https://10.0.0.1:6443".into(), ..Cluster::default() };
        let user = User { token: Some("secret".into()), ..User::default() };
        Kubeconfig::single("kubernetes", cluster, "admin", user)
    }

    #[test]
    fn text_is_upstreams() {
        let expected = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.1:6443\n  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: admin\n  name: admin@kubernetes\ncurrent-context: admin@kubernetes\nkind: Config\nusers:\n- name: admin\n  user:\n    token: secret\n";
        assert_eq!(sample().to_yaml().expect("text"), expected);
        assert_eq!(Kubeconfig::from_yaml(expected).expect("read back"), sample());
    }

    #[test]
    fn files_are_private_and_locked() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("deep/admin.conf");
        sample().write(&path).expect("written");
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(path.with_file_name("admin.conf.lock"), "").expect("lock");
        assert!(matches!(sample().write(&path), Err(Error::File { .. })));
    }
}
