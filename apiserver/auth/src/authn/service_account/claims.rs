//! What a service-account token says: the registered claims and the `kubernetes.io` object.

use serde::{Deserialize, Serialize};

/// Name and uid of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// `metadata.name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `metadata.uid`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The claim `kubernetes.io`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kubernetes {
    /// Namespace of the service account and of the bound object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The node the token, or the pod it is bound to, belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// The pod the token dies with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// The secret the token dies with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The service account the token stands for.
    pub serviceaccount: Reference,
    /// Seconds since the epoch after which use is noted: the client should have fetched a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<NumericDate>,
}

/// All claims of a bound token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// Audiences the token is for.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// End, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<NumericDate>,
    /// Time of issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<NumericDate>,
    /// Issuer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub iss: String,
    /// The token's own id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// The claim `kubernetes.io`; absent in legacy tokens.
    #[serde(rename = "kubernetes.io", skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// Beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
    /// `system:serviceaccount:<namespace>:<name>`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub: String,
}

/// Claims of tokens kept in secrets of type `kubernetes.io/service-account-token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegacyClaims {
    /// Issuer, always `kubernetes/serviceaccount`.
    pub iss: String,
    /// Namespace.
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    pub namespace: String,
    /// Name of the secret that holds the token.
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    pub secret_name: String,
    /// Name of the service account.
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    pub service_account_name: String,
    /// Uid of the service account.
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    pub service_account_uid: String,
    /// `system:serviceaccount:<namespace>:<name>`.
    pub sub: String,
}

/// `aud` may be one string or a list of them.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::One(audience) => vec![audience],
        Form::Many(audiences) => audiences,
    })
}

/// Seconds since the epoch; fractions are accepted and cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NumericDate(pub i64);

impl Serialize for NumericDate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let whole = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64));
        whole.map(NumericDate).ok_or_else(|| serde::de::Error::custom("date is out of range"))
    }
}
