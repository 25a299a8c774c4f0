//! AES-GCM with a random nonce in front, bound to the value's path: upstream's `aesgcm`.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{Cipher, KeyedProvider, TransformError, random};

const NAME: &str = "AES-GCM";
const NONCE: usize = 12;

/// One AES-GCM key.
pub struct AesGcm {
    key: LessSafeKey,
}

impl AesGcm {
    /// `key` has 16, 24 or 32 bytes.
    pub fn new(name: &str, key: &[u8]) -> Result<Self, TransformError> {
        let wrong = || TransformError::KeyLength {
            provider: NAME,
            key: name.to_owned(),
            length: key.len(),
            expected: "16, 24 or 32",
        };
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            32 => &AES_256_GCM,
            _ => return Err(wrong()),
        };
        Ok(AesGcm { key: LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| wrong())?) })
    }

    /// The provider with these named keys.
    pub fn provider(keys: &[(String, Vec<u8>)]) -> Result<KeyedProvider, TransformError> {
        let keys = keys
            .iter()
            .map(|(name, key)| Ok((name.clone(), Box::new(AesGcm::new(name, key)?) as Box<dyn Cipher>)))
            .collect::<Result<_, _>>()?;
        Ok(KeyedProvider::new(NAME, "k8s:enc:aesgcm:v1:", keys))
    }
}

impl Cipher for AesGcm {
    fn seal(&self, value: &[u8], context: &[u8]) -> Result<Vec<u8>, TransformError> {
        let mut nonce = [0; NONCE];
        random(&mut nonce, NAME)?;
        let mut sealed = value.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(|_| TransformError::Encrypt { provider: NAME })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let mut value = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key.open_in_place(nonce, Aad::from(context), &mut value).ok()?.len();
        value.truncate(length);
        Some(value)
    }
}
