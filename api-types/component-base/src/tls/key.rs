//! Private keys: generate, read any PEM form, write, sign.

use rcgen::{PublicKeyData as _, SigningKey as _};

use super::{TlsError, der};

/// The kinds kubeadm's `encryptionAlgorithm` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// `RSA-2048`, kubeadm's default.
    #[default]
    Rsa2048,
    /// `RSA-3072`
    Rsa3072,
    /// `RSA-4096`
    Rsa4096,
    /// `ECDSA-P256`, the kubelet's and the quickest.
    EcdsaP256,
    /// `ECDSA-P384`
    EcdsaP384,
}

impl KeyAlgorithm {
    /// Every kind with kubeadm's name.
    pub const ALL: [(&'static str, KeyAlgorithm); 5] = [
        ("RSA-2048", KeyAlgorithm::Rsa2048),
        ("RSA-3072", KeyAlgorithm::Rsa3072),
        ("RSA-4096", KeyAlgorithm::Rsa4096),
        ("ECDSA-P256", KeyAlgorithm::EcdsaP256),
        ("ECDSA-P384", KeyAlgorithm::EcdsaP384),
    ];

    /// Looks up kubeadm's name.
    pub fn from_name(name: &str) -> Option<KeyAlgorithm> {
        KeyAlgorithm::ALL.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

/// A key that can sign certificates and requests.
pub struct PrivateKey {
    pair: rcgen::KeyPair,
}

impl std::fmt::Debug for PrivateKey {
    /// The key itself stays secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

fn key_error(error: impl std::fmt::Display) -> TlsError {
    TlsError::Key(error.to_string())
}

impl PrivateKey {
    /// A new key. RSA takes a tenth of a second and more.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<PrivateKey, TlsError> {
        let rsa = |size| rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        let pair = match algorithm {
            KeyAlgorithm::Rsa2048 => rsa(rcgen::RsaKeySize::_2048),
            KeyAlgorithm::Rsa3072 => rsa(rcgen::RsaKeySize::_3072),
            KeyAlgorithm::Rsa4096 => rsa(rcgen::RsaKeySize::_4096),
            KeyAlgorithm::EcdsaP256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyAlgorithm::EcdsaP384 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        }
        .map_err(key_error)?;
        Ok(PrivateKey { pair })
    }

    /// Reads the first private key of a PEM text: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
    pub fn from_pem(pem: &[u8]) -> Result<PrivateKey, TlsError> {
        let key = super::files::parse_key(pem)?;
        let pair = rcgen::KeyPair::try_from(&key).map_err(key_error)?;
        Ok(PrivateKey { pair })
    }

    /// PKCS#8 PEM (`PRIVATE KEY`), which every reader of upstream takes.
    pub fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// PKCS#8 DER.
    pub fn to_der(&self) -> Vec<u8> {
        self.pair.serialize_der()
    }

    /// The public half as PEM (`PUBLIC KEY`), the form of `sa.pub`.
    pub fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    /// The public half as DER SubjectPublicKeyInfo.
    pub fn public_der(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsError> {
        self.pair.sign(message).map_err(key_error)
    }

    /// The AlgorithmIdentifier of this key's signatures.
    pub(crate) fn signature_algorithm(&self) -> Result<Vec<u8>, TlsError> {
        let algorithm = self.pair.algorithm();
        let ecdsa = |last| der::sequence(&[&der::oid(&[1, 2, 840, 10045, 4, 3, last])]);
        let rsa =
            |last| der::sequence(&[&der::oid(&[1, 2, 840, 113549, 1, 1, last]), &der::element(0x05, &[])]);
        let known = [
            (&rcgen::PKCS_RSA_SHA256, rsa(11)),
            (&rcgen::PKCS_RSA_SHA384, rsa(12)),
            (&rcgen::PKCS_RSA_SHA512, rsa(13)),
            (&rcgen::PKCS_ECDSA_P256_SHA256, ecdsa(2)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, ecdsa(3)),
            (&rcgen::PKCS_ECDSA_P521_SHA512, ecdsa(4)),
            (&rcgen::PKCS_ED25519, der::sequence(&[&der::oid(&[1, 3, 101, 112])])),
        ];
        known
            .into_iter()
            .find(|(candidate, _)| *candidate == algorithm)
            .map(|(_, encoded)| encoded)
            .ok_or_else(|| TlsError::Key(format!("cannot sign certificates with {algorithm:?}")))
    }
}
