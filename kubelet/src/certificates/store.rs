//! Certificates on disk: one file per certificate with its key, and a link to the one in use.
//!
//! ```text
//!   kubelet-client-2026-11-21-03-36-37.pem   certificate chain, then key; 0600
//!   kubelet-client-current.pem ─▶ the newest; swapped by one rename
//! ```

use std::path::{Path, PathBuf};

use component_base::tls::server::{Identity, certified_key};
use component_base::tls::{CertificateFacts, Reloaded, TlsError, files};
use jiff::Timestamp;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{operation} {}", path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The certificates of one purpose.
#[derive(Clone, Debug)]
pub struct CertificateStore {
    directory: PathBuf,
    /// `kubelet-client` or `kubelet-server`.
    pair: &'static str,
    /// Certificate and key that serve until the first one is stored.
    initial: Option<(PathBuf, PathBuf)>,
}

impl CertificateStore {
    /// The certificates named `<pair>-….pem` in a directory.
    pub fn new(directory: &Path, pair: &'static str) -> CertificateStore {
        CertificateStore { directory: directory.to_owned(), pair, initial: None }
    }

    /// With a certificate and key that serve until the first one is stored.
    pub fn with_initial(mut self, certificate: &Path, key: &Path) -> CertificateStore {
        self.initial = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// `<directory>/<pair>-current.pem`.
    pub fn current_path(&self) -> PathBuf {
        self.directory.join(format!("{}-current.pem", self.pair))
    }

    /// The certificate in use, when there is one that can be read.
    pub fn current(&self) -> Option<CertificateFacts> {
        let (certificate, _) = self.in_use();
        CertificateFacts::from_file(&certificate).ok()
    }

    /// The files of the certificate in use and of its key.
    fn in_use(&self) -> (PathBuf, PathBuf) {
        let current = self.current_path();
        match &self.initial {
            Some(initial) if !current.exists() => initial.clone(),
            _ => (current.clone(), current),
        }
    }

    /// What a server shows: always the certificate in use.
    pub fn identity(&self) -> Result<Identity, TlsError> {
        let mut paths = vec![self.current_path()];
        if let Some((certificate, key)) = &self.initial {
            paths.extend([certificate.clone(), key.clone()]);
        }
        let store = self.clone();
        Reloaded::new(paths, move || {
            let (certificate, key) = store.in_use();
            certified_key(&files::read(&certificate)?, &files::read(&key)?)
        })
    }

    /// Writes a certificate with its key, and makes it the one in use.
    pub fn update(&self, certificate_pem: &[u8], key_pem: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let io = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { operation, path, source }
        };
        std::fs::create_dir_all(&self.directory).map_err(io("create", &self.directory))?;
        let stamp = now.strftime("%Y-%m-%d-%H-%M-%S").to_string();
        let name = format!("{}-{stamp}.pem", self.pair);
        let path = self.directory.join(&name);
        let mut content = certificate_pem.to_vec();
        if !content.ends_with(b"\n") {
            content.push(b'\n');
        }
        content.extend_from_slice(key_pem);
        files::write_private(&path, &content)?;
        let link = self.current_path();
        let new_link = self.directory.join(format!("{}-updated.pem", self.pair));
        match std::fs::remove_file(&new_link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("remove", &new_link)(error));
            }
            _ => {}
        }
        // The link holds the full path, as upstream writes it.
        std::os::unix::fs::symlink(&path, &new_link).map_err(io("link", &new_link))?;
        std::fs::rename(&new_link, &link).map_err(io("rename", &link))
    }
}
