//! Encryption at rest: values are transformed between the API server and the store.
//!
//! A value starts with a prefix that names its provider and key, upstream's
//! `k8s:enc:<provider>:v1:<key name>:`; a value without any is as it is. The first provider of the
//! list writes, all of them read, and a value read by another than the first is *stale*: the next write of
//! that object stores it anew, even if nothing in it changes.

mod aes_cbc;
mod aes_gcm;
mod secretbox;
mod transformed;

pub use aes_cbc::AesCbc;
pub use aes_gcm::AesGcm;
pub use secretbox::Secretbox;
pub use transformed::Transformed;

use bytes::Bytes;

/// Why a value could not be transformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// No provider of the list wrote this value; upstream's text.
    #[error("no matching prefix found")]
    NoProvider,
    /// The provider knows no key of that name; upstream's text.
    #[error("no matching key was found for the provided {provider} transformer")]
    NoKey {
        /// The provider, e.g. `AES-CBC`.
        provider: &'static str,
    },
    /// The value is too short, its padding wrong, or it was written under another key or for another path.
    #[error("the stored data was not readable with key {key:?} of {provider}")]
    Unreadable {
        /// The provider.
        provider: &'static str,
        /// The name of the key.
        key: String,
    },
    /// A key in the configuration has the wrong length.
    #[error("{provider} key {key:?} has {length} bytes, expected {expected}")]
    KeyLength {
        /// The provider.
        provider: &'static str,
        /// The name of the key.
        key: String,
        /// What was given.
        length: usize,
        /// What would be accepted.
        expected: &'static str,
    },
    /// The system's random source or the cipher failed.
    #[error("{provider} failed to encrypt")]
    Encrypt {
        /// The provider.
        provider: &'static str,
    },
}

/// Turns values into stored bytes and back. `context` is the full key of the value; authenticated providers
/// bind the ciphertext to it, so that values cannot be swapped in the store.
pub trait Transformer: Send + Sync + 'static {
    /// Stored bytes to value; the flag is true when the value should be written again.
    fn read(&self, stored: &[u8], context: &[u8]) -> Result<(Bytes, bool), TransformError>;

    /// Value to stored bytes.
    fn write(&self, value: &[u8], context: &[u8]) -> Result<Bytes, TransformError>;
}

/// Stores values as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl Transformer for Identity {
    fn read(&self, stored: &[u8], _context: &[u8]) -> Result<(Bytes, bool), TransformError> {
        // Handing ciphertext to the decoder would end in a confusing error.
        if stored.starts_with(b"k8s:enc:") {
            return Err(TransformError::NoProvider);
        }
        Ok((Bytes::copy_from_slice(stored), false))
    }

    fn write(&self, value: &[u8], _context: &[u8]) -> Result<Bytes, TransformError> {
        Ok(Bytes::copy_from_slice(value))
    }
}

/// One cipher under one key; the surrounding prefix is not its business.
pub trait Cipher: Send + Sync + 'static {
    /// Encrypts.
    fn seal(&self, value: &[u8], context: &[u8]) -> Result<Vec<u8>, TransformError>;
    /// Decrypts; `None` when the bytes were not made by this key for this context.
    fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Vec<u8>>;
}

/// The keys of one provider in the order of the configuration; the first one writes.
pub struct KeyedProvider {
    name: &'static str,
    prefix: &'static str,
    keys: Vec<(String, Box<dyn Cipher>)>,
}

impl KeyedProvider {
    /// `prefix` is e.g. `k8s:enc:aescbc:v1:`, `keys` must not be empty.
    pub fn new(name: &'static str, prefix: &'static str, keys: Vec<(String, Box<dyn Cipher>)>) -> Self {
        KeyedProvider { name, prefix, keys }
    }

    fn reads(&self, stored: &[u8]) -> bool {
        stored.starts_with(self.prefix.as_bytes())
    }
}

impl Transformer for KeyedProvider {
    fn read(&self, stored: &[u8], context: &[u8]) -> Result<(Bytes, bool), TransformError> {
        let rest = stored.strip_prefix(self.prefix.as_bytes()).ok_or(TransformError::NoProvider)?;
        let mut found = None;
        for (index, (name, cipher)) in self.keys.iter().enumerate() {
            let Some(sealed) = rest.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b":"))
            else {
                continue;
            };
            found = Some(name);
            if let Some(value) = cipher.open(sealed, context) {
                return Ok((Bytes::from(value), index != 0));
            }
        }
        Err(match found {
            Some(key) => TransformError::Unreadable { provider: self.name, key: key.clone() },
            None => TransformError::NoKey { provider: self.name },
        })
    }

    fn write(&self, value: &[u8], context: &[u8]) -> Result<Bytes, TransformError> {
        let (name, cipher) = self.keys.first().ok_or(TransformError::NoKey { provider: self.name })?;
        let sealed = cipher.seal(value, context)?;
        let mut out = Vec::with_capacity(self.prefix.len() + name.len() + 1 + sealed.len());
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(&sealed);
        Ok(Bytes::from(out))
    }
}

/// A provider of an [`Providers`] list.
pub enum Provider {
    /// No encryption.
    Identity,
    /// Encryption with named keys.
    Keyed(KeyedProvider),
}

/// The providers of one resource in the order of the configuration.
pub struct Providers(
    /// The first one writes.
    pub Vec<Provider>,
);

impl Transformer for Providers {
    fn read(&self, stored: &[u8], context: &[u8]) -> Result<(Bytes, bool), TransformError> {
        for (index, provider) in self.0.iter().enumerate() {
            let result = match provider {
                Provider::Keyed(keyed) if keyed.reads(stored) => keyed.read(stored, context),
                Provider::Identity if !stored.starts_with(b"k8s:enc:") => Identity.read(stored, context),
                _ => continue,
            };
            return result.map(|(value, stale)| (value, stale || index != 0));
        }
        Err(TransformError::NoProvider)
    }

    fn write(&self, value: &[u8], context: &[u8]) -> Result<Bytes, TransformError> {
        match self.0.first() {
            Some(Provider::Identity) => Identity.write(value, context),
            Some(Provider::Keyed(keyed)) => keyed.write(value, context),
            None => Err(TransformError::NoProvider),
        }
    }
}

/// Fills `bytes` from the system's random source.
fn random(bytes: &mut [u8], provider: &'static str) -> Result<(), TransformError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| TransformError::Encrypt { provider })
}

#[cfg(test)]
mod tests;
