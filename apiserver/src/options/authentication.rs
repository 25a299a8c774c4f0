//! Flags of authentication.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use component_base::flags::{parse_bool, parse_duration};

/// How senders of requests are recognised.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Authentication flags")]
pub struct AuthenticationOptions {
    /// Enables anonymous requests to the secure port
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set)]
    pub anonymous_auth: bool,
    /// Any request presenting a client certificate signed by one of the authorities in this file is authenticated with its common name
    #[arg(long, value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// The file that will be used to secure the secure port of the API server via token authentication
    #[arg(long, value_name = "FILE")]
    pub token_auth_file: Option<PathBuf>,
    /// Enable to allow secrets of type 'bootstrap.kubernetes.io/token' in the 'kube-system' namespace to be used for TLS bootstrapping authentication
    #[arg(long, value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set)]
    pub enable_bootstrap_token_auth: bool,
    /// Identifiers of the API; defaults to the service account issuer
    #[arg(long, value_delimiter = ',', value_name = "AUDIENCES", action = ArgAction::Append)]
    pub api_audiences: Vec<String>,
    #[command(flatten)]
    pub request_header: RequestHeaderOptions,
    #[command(flatten)]
    pub service_account: ServiceAccountOptions,
}

/// How a front proxy names users.
#[derive(Clone, Debug, Args)]
pub struct RequestHeaderOptions {
    /// Root certificate bundle to use to verify client certificates before trusting usernames in headers
    #[arg(long = "requestheader-client-ca-file", value_name = "FILE")]
    pub proxy_ca_file: Option<PathBuf>,
    /// Client certificate common names to allow to provide usernames in headers; if empty, any validated certificate is allowed
    #[arg(long = "requestheader-allowed-names", value_delimiter = ',', value_name = "NAMES", action = ArgAction::Append)]
    pub allowed_names: Vec<String>,
    /// Request headers to inspect for usernames, X-Remote-User is common
    #[arg(long = "requestheader-username-headers", value_delimiter = ',', value_name = "HEADERS", action = ArgAction::Append)]
    pub username_headers: Vec<String>,
    /// Request headers to inspect for UIDs, X-Remote-Uid is suggested
    #[arg(long = "requestheader-uid-headers", value_delimiter = ',', value_name = "HEADERS", action = ArgAction::Append)]
    pub uid_headers: Vec<String>,
    /// Request headers to inspect for groups, X-Remote-Group is suggested
    #[arg(long = "requestheader-group-headers", value_delimiter = ',', value_name = "HEADERS", action = ArgAction::Append)]
    pub group_headers: Vec<String>,
    /// Request header prefixes to inspect, X-Remote-Extra- is suggested
    #[arg(long = "requestheader-extra-headers-prefix", value_delimiter = ',', value_name = "PREFIXES", action = ArgAction::Append)]
    pub extra_headers_prefix: Vec<String>,
}

/// Tokens of service accounts.
#[derive(Clone, Debug, Args)]
pub struct ServiceAccountOptions {
    /// Identifier of the service account token issuer; the first is used to generate tokens, all determine which issuers are accepted
    #[arg(long = "service-account-issuer", value_name = "ISSUER", action = ArgAction::Append)]
    pub issuers: Vec<String>,
    /// File containing PEM-encoded x509 RSA or ECDSA private or public keys, used to verify ServiceAccount tokens; may be given several times
    #[arg(long = "service-account-key-file", value_name = "FILE", action = ArgAction::Append)]
    pub key_files: Vec<PathBuf>,
    /// Path to the file that contains the current private key of the service account token issuer
    #[arg(long = "service-account-signing-key-file", value_name = "FILE")]
    pub signing_key_file: Option<PathBuf>,
    /// If true, validate ServiceAccount tokens exist in etcd as part of authentication
    #[arg(long = "service-account-lookup", value_parser = parse_lookup, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set)]
    pub lookup: bool,
    /// Turns on projected service account expiration extension during token generation
    #[arg(long = "service-account-extend-token-expiration", value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set)]
    pub extend_token_expiration: bool,
    /// The maximum validity duration of a token created by the service account token issuer; 0 for no limit
    #[arg(long = "service-account-max-token-expiration", value_parser = parse_duration, default_value = "0s", value_name = "DURATION")]
    pub max_token_expiration: Duration,
    /// Overrides the URI for the JSON Web Key Set in the discovery doc served at /.well-known/openid-configuration
    #[arg(long = "service-account-jwks-uri", default_value = "", value_name = "URI")]
    pub jwks_uri: String,
}

/// A token whose secret is gone must not be accepted: only `true` is implemented.
fn parse_lookup(text: &str) -> Result<bool, String> {
    match parse_bool(text)? {
        true => Ok(true),
        false => Err("tokens are always looked up; false is not supported".to_string()),
    }
}
