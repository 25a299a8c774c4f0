//! PEM blocks and the files they live in.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// Reads a file whole.
pub fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// Names the file an error comes from.
pub fn in_file(path: &Path, source: TlsError) -> TlsError {
    TlsError::File { path: path.to_owned(), source: Box::new(source) }
}

/// All certificates of a PEM text; at least one.
pub fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem { what: "certificate", message: error.to_string() })?;
    if certificates.is_empty() {
        return Err(TlsError::Pem { what: "certificate", message: "no CERTIFICATE block found".to_owned() });
    }
    Ok(certificates)
}

/// The first private key of a PEM text.
pub fn parse_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| TlsError::Pem { what: "private key", message: error.to_string() })
}

/// The certificates of a file.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    parse_certificates(&read(path)?).map_err(|error| in_file(path, error))
}

/// The private key of a file.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    parse_key(&read(path)?).map_err(|error| in_file(path, error))
}

/// The content of the first PEM block with one of `labels`.
pub fn first_block(pem: &[u8], labels: &[&str]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    for label in labels {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let Some((_, tail)) = text.split_once(&begin) else { continue };
        let Some((body, _)) = tail.split_once(&end) else { continue };
        let compact: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if let Ok(decoded) = STANDARD.decode(compact) {
            return Some(decoded);
        }
    }
    None
}

/// A PEM block with lines of 64 characters.
pub fn pem(label: &str, content: &[u8]) -> String {
    let encoded = STANDARD.encode(content);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).unwrap_or_default());
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// A certificate as PEM.
pub fn certificate_pem(der: &[u8]) -> String {
    pem("CERTIFICATE", der)
}

/// Writes a file that only its owner may read, whole or not at all: a new file is renamed over the old.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    write_with_mode(path, content, 0o600)
}

/// Writes a file everyone may read, whole or not at all.
pub fn write_public(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    write_with_mode(path, content, 0o644)
}

fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), TlsError> {
    let error = |source| TlsError::Write { path: path.to_owned(), source };
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let attempt = || -> std::io::Result<()> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    attempt().map_err(|source| {
        // Nothing of a failed write stays behind; its own failure would hide the first cause.
        let _ = std::fs::remove_file(&temporary);
        error(source)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn blocks_round_trip() {
        let content: Vec<u8> = (0..100).collect();
        let text = pem("THING", &content);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(first_block(format!("noise\n{text}").as_bytes(), &["OTHER", "THING"]), Some(content));
        assert_eq!(first_block(text.as_bytes(), &["OTHER"]), None);
    }

    #[test]
    fn private_files_are_private_and_replaced_whole() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("pki/a.key");
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("replaced");
        assert_eq!(read(&path).expect("read"), b"two");
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().expect("parent")).expect("listing").count(), 1);
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.crt");
        std::fs::write(&path, "no pem").expect("written");
        let error = read_certificates(&path).expect_err("no certificate");
        assert_eq!(
            crate::run::error_chain(&error),
            format!("{}: certificate: no CERTIFICATE block found", path.display())
        );
    }
}
