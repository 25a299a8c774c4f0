//! AES-CBC with PKCS#7 padding and a random initialization vector in front: upstream's `aescbc`.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

use super::{Cipher, KeyedProvider, TransformError, random};

const NAME: &str = "AES-CBC";
const BLOCK: usize = 16;

/// One AES-CBC key.
pub struct AesCbc {
    encrypt: PaddedBlockEncryptingKey,
    decrypt: PaddedBlockDecryptingKey,
}

impl AesCbc {
    /// `key` has 16, 24 or 32 bytes.
    pub fn new(name: &str, key: &[u8]) -> Result<Self, TransformError> {
        let wrong = || TransformError::KeyLength {
            provider: NAME,
            key: name.to_owned(),
            length: key.len(),
            expected: "16, 24 or 32",
        };
        let algorithm = match key.len() {
            16 => &AES_128,
            24 => &AES_192,
            32 => &AES_256,
            _ => return Err(wrong()),
        };
        let unbound = || UnboundCipherKey::new(algorithm, key).map_err(|_| wrong());
        Ok(AesCbc {
            encrypt: PaddedBlockEncryptingKey::cbc_pkcs7(unbound()?).map_err(|_| wrong())?,
            decrypt: PaddedBlockDecryptingKey::cbc_pkcs7(unbound()?).map_err(|_| wrong())?,
        })
    }

    /// The provider with these named keys.
    pub fn provider(keys: &[(String, Vec<u8>)]) -> Result<KeyedProvider, TransformError> {
        let keys = keys
            .iter()
            .map(|(name, key)| Ok((name.clone(), Box::new(AesCbc::new(name, key)?) as Box<dyn Cipher>)))
            .collect::<Result<_, _>>()?;
        Ok(KeyedProvider::new(NAME, "k8s:enc:aescbc:v1:", keys))
    }
}

impl Cipher for AesCbc {
    fn seal(&self, value: &[u8], _context: &[u8]) -> Result<Vec<u8>, TransformError> {
        let mut iv = [0; BLOCK];
        random(&mut iv, NAME)?;
        let mut sealed = value.to_vec();
        self.encrypt
            .less_safe_encrypt(&mut sealed, EncryptionContext::Iv128(FixedLength::from(iv)))
            .map_err(|_| TransformError::Encrypt { provider: NAME })?;
        Ok([iv.as_slice(), &sealed].concat())
    }

    fn open(&self, sealed: &[u8], _context: &[u8]) -> Option<Vec<u8>> {
        let (iv, sealed) = sealed.split_first_chunk::<BLOCK>()?;
        let mut value = sealed.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        let length = self.decrypt.decrypt(&mut value, context).ok()?.len();
        value.truncate(length);
        Some(value)
    }
}
