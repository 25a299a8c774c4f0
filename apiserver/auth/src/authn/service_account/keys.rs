//! RSA and ECDSA keys of service-account tokens: reading PEM, signing, verifying, key ids, JWKs.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use serde_json::json;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Why a key cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The PEM text is damaged.
    #[error("reading PEM: {0}")]
    Pem(#[from] pem::Error),
    /// The file has no key in it.
    #[error("data does not contain any valid RSA or ECDSA {wanted} keys")]
    NoKey {
        /// `public` or `private`.
        wanted: &'static str,
    },
    /// The key is damaged or of a kind that cannot sign tokens.
    #[error("key is neither RSA nor ECDSA on P-256, P-384 or P-521: {0}")]
    Unsupported(String),
    /// Signing failed.
    #[error("signing failed")]
    Sign,
}

/// A JWS algorithm a Kubernetes API server issues and accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

struct Curve {
    algorithm: Algorithm,
    oid: &'static str,
    jwk_name: &'static str,
    coordinate_bytes: usize,
    sign: &'static signature::EcdsaSigningAlgorithm,
    verify: &'static signature::EcdsaVerificationAlgorithm,
}

static CURVES: [Curve; 3] = [
    Curve {
        algorithm: Algorithm::Es256,
        oid: "1.2.840.10045.3.1.7",
        jwk_name: "P-256",
        coordinate_bytes: 32,
        sign: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        verify: &signature::ECDSA_P256_SHA256_FIXED,
    },
    Curve {
        algorithm: Algorithm::Es384,
        oid: "1.3.132.0.34",
        jwk_name: "P-384",
        coordinate_bytes: 48,
        sign: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        verify: &signature::ECDSA_P384_SHA384_FIXED,
    },
    Curve {
        algorithm: Algorithm::Es512,
        oid: "1.3.132.0.35",
        jwk_name: "P-521",
        coordinate_bytes: 66,
        sign: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        verify: &signature::ECDSA_P521_SHA512_FIXED,
    },
];

impl Algorithm {
    /// The name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
        }
    }
}

/// A key that verifies tokens.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// SHA-256 of the DER form, base64url: the `kid` of tokens signed with it.
    pub key_id: String,
    /// The only algorithm it verifies.
    pub algorithm: Algorithm,
    /// The subject public key info.
    der: Vec<u8>,
    /// What the verifier wants: PKCS #1 for RSA, the point for ECDSA.
    raw: Vec<u8>,
}

impl PublicKey {
    /// Reads a subject public key info.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let unsupported = |reason: &str| KeyError::Unsupported(reason.to_string());
        let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(|e| unsupported(&e.to_string()))?;
        let algorithm = match info.parsed().map_err(|e| unsupported(&e.to_string()))? {
            ParsedKey::RSA(_) => Algorithm::Rs256,
            ParsedKey::EC(_) => {
                let oid = info
                    .algorithm
                    .parameters
                    .as_ref()
                    .and_then(|parameters| parameters.as_oid().ok())
                    .map(|oid| oid.to_id_string())
                    .unwrap_or_default();
                let curve = CURVES.iter().find(|curve| curve.oid == oid);
                curve.ok_or_else(|| unsupported(&format!("curve {oid}")))?.algorithm
            }
            _ => return Err(unsupported("another kind of key")),
        };
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        Ok(PublicKey {
            key_id: URL_SAFE_NO_PAD.encode(digest.as_ref()),
            algorithm,
            der: der.to_vec(),
            raw: info.subject_public_key.data.to_vec(),
        })
    }

    /// Whether `signature` over `message` was made with the private half.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn signature::VerificationAlgorithm = match curve_of(self.algorithm) {
            Some(curve) => curve.verify,
            None => &signature::RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &self.raw).verify(message, signature).is_ok()
    }

    /// The JSON web key, as served at `/openid/v1/jwks`.
    pub fn to_jwk(&self) -> Result<serde_json::Value, KeyError> {
        let unsupported = |reason: &str| KeyError::Unsupported(reason.to_string());
        let (_, info) = SubjectPublicKeyInfo::from_der(&self.der).map_err(|e| unsupported(&e.to_string()))?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let alg = self.algorithm.name();
        match info.parsed().map_err(|e| unsupported(&e.to_string()))? {
            ParsedKey::RSA(rsa) => Ok(json!({
                "use": "sig", "kty": "RSA", "kid": self.key_id, "alg": alg,
                "n": encode(without_leading_zeros(rsa.modulus)),
                "e": encode(without_leading_zeros(rsa.exponent)),
            })),
            ParsedKey::EC(point) => {
                let curve = curve_of(self.algorithm).ok_or_else(|| unsupported("no curve"))?;
                // Uncompressed point: 0x04, x, y.
                let coordinates = point.data().strip_prefix(&[4]).ok_or_else(|| unsupported("compressed"))?;
                if coordinates.len() != 2 * curve.coordinate_bytes {
                    return Err(unsupported("point of another length"));
                }
                let (x, y) = coordinates.split_at(curve.coordinate_bytes);
                Ok(json!({
                    "use": "sig", "kty": "EC", "kid": self.key_id, "crv": curve.jwk_name, "alg": alg,
                    "x": encode(x), "y": encode(y),
                }))
            }
            _ => Err(unsupported("another kind of key")),
        }
    }
}

fn curve_of(algorithm: Algorithm) -> Option<&'static Curve> {
    CURVES.iter().find(|curve| curve.algorithm == algorithm)
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

/// A key that signs tokens.
pub struct SigningKey {
    pair: Pair,
    /// The half that verifies.
    pub public: PublicKey,
}

impl SigningKey {
    /// Reads the first private key of a PEM file: PKCS #8, PKCS #1 or SEC 1.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            let (kind, der) = section?;
            if let Some(key) = SigningKey::from_section(kind, &der) {
                return key;
            }
        }
        Err(KeyError::NoKey { wanted: "private" })
    }

    fn from_section(kind: SectionKind, der: &[u8]) -> Option<Result<Self, KeyError>> {
        let pair = match kind {
            SectionKind::PrivateKey => match RsaKeyPair::from_pkcs8(der) {
                Ok(pair) => Some(Pair::Rsa(pair)),
                Err(_) => first_curve(|curve| EcdsaKeyPair::from_pkcs8(curve.sign, der).ok()),
            },
            SectionKind::RsaPrivateKey => RsaKeyPair::from_der(der).ok().map(Pair::Rsa),
            SectionKind::EcPrivateKey => {
                first_curve(|curve| EcdsaKeyPair::from_private_key_der(curve.sign, der).ok())
            }
            _ => return None,
        };
        Some(match pair {
            Some(pair) => SigningKey::new(pair),
            None => Err(KeyError::Unsupported(format!("PEM section {kind:?}"))),
        })
    }

    fn new(pair: Pair) -> Result<Self, KeyError> {
        let der: Result<PublicKeyX509Der<'_>, _> = match &pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ecdsa(pair) => pair.public_key().as_der(),
        };
        let der = der.map_err(|_| KeyError::Unsupported("public half".into()))?;
        let public = PublicKey::from_der(der.as_ref())?;
        Ok(SigningKey { pair, public })
    }

    /// Signs `message` as JWS wants it.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => {
                Ok(pair.sign(&random, message).map_err(|_| KeyError::Sign)?.as_ref().to_vec())
            }
        }
    }
}

fn first_curve(read: impl Fn(&Curve) -> Option<EcdsaKeyPair>) -> Option<Pair> {
    CURVES.iter().find_map(read).map(Pair::Ecdsa)
}

/// Reads all keys of a PEM file that can verify tokens; private keys give their public half.
pub fn public_keys_from_pem(text: &[u8]) -> Result<Vec<PublicKey>, KeyError> {
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        let (kind, der) = section?;
        match kind {
            SectionKind::PublicKey => keys.push(PublicKey::from_der(&der)?),
            SectionKind::Certificate => {
                let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(&der)
                    .map_err(|e| KeyError::Unsupported(e.to_string()))?;
                keys.push(PublicKey::from_der(certificate.public_key().raw)?);
            }
            kind => match SigningKey::from_section(kind, &der) {
                Some(key) => keys.push(key?.public),
                // Parameters of a curve and the like stand beside keys in files that openssl writes.
                None => continue,
            },
        }
    }
    if keys.is_empty() {
        return Err(KeyError::NoKey { wanted: "public" });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        (key.serialize_pem(), key.public_key_pem())
    }

    #[track_caller]
    fn check_round(algorithm: &'static rcgen::SignatureAlgorithm, name: &str, kty: &str) {
        let (private, public) = pem(algorithm);
        let signing = SigningKey::from_pem(private.as_bytes()).unwrap();
        assert_eq!(signing.public.algorithm.name(), name);
        let [verifying] = &public_keys_from_pem(public.as_bytes()).unwrap()[..] else { panic!("one key") };
        assert_eq!(signing.public.key_id, verifying.key_id);
        let signature = signing.sign(b"message").unwrap();
        assert!(verifying.verify(b"message", &signature));
        assert!(!verifying.verify(b"massage", &signature));
        let jwk = verifying.to_jwk().unwrap();
        assert_eq!((jwk["kty"].as_str(), jwk["alg"].as_str()), (Some(kty), Some(name)));
        let halves = public_keys_from_pem(private.as_bytes()).unwrap();
        assert_eq!(halves[0].key_id, verifying.key_id);
    }

    #[test]
    fn keys_sign_and_verify() {
        check_round(&rcgen::PKCS_RSA_SHA256, "RS256", "RSA");
        check_round(&rcgen::PKCS_ECDSA_P256_SHA256, "ES256", "EC");
        check_round(&rcgen::PKCS_ECDSA_P384_SHA384, "ES384", "EC");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(matches!(SigningKey::from_pem(b"nothing"), Err(KeyError::NoKey { wanted: "private" })));
        assert!(matches!(public_keys_from_pem(b""), Err(KeyError::NoKey { wanted: "public" })));
        let (private, _) = pem(&rcgen::PKCS_ED25519);
        assert!(matches!(SigningKey::from_pem(private.as_bytes()), Err(KeyError::Unsupported(_))));
    }
}
