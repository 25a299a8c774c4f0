//! Flags of the listener.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Where and how the server listens.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Secure serving flags")]
pub struct ServingOptions {
    /// The IP address on which to advertise the apiserver to members of the cluster; by default that of the default interface
    #[arg(long, value_name = "IP")]
    pub advertise_address: Option<IpAddr>,
    /// The IP address on which to listen for the --secure-port port
    #[arg(long, default_value = "0.0.0.0", value_name = "IP")]
    pub bind_address: IpAddr,
    /// The port on which to serve HTTPS with authentication and authorization
    #[arg(long, default_value_t = 6443, value_name = "PORT")]
    pub secure_port: u16,
    /// File containing the default x509 certificate for HTTPS, the CA certificate, if any, after the server certificate
    #[arg(long, value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,
    /// File containing the default x509 private key matching --tls-cert-file
    #[arg(long, value_name = "FILE")]
    pub tls_private_key_file: Option<PathBuf>,
    /// The directory where a self-made certificate is kept when --tls-cert-file and --tls-private-key-file are not given
    #[arg(long, default_value = "/var/run/kubernetes", value_name = "FOLDER")]
    pub cert_dir: PathBuf,
    /// A pair of certificate and key file, optionally suffixed with a list of domain patterns: "foo.crt,foo.key:*.foo.com,foo.com"
    #[arg(long, value_name = "PAIR", action = ArgAction::Append)]
    pub tls_sni_cert_key: Vec<String>,
    /// Minimum TLS version supported: VersionTLS12 or VersionTLS13
    #[arg(long, default_value = "VersionTLS12", value_name = "VERSION", value_parser = ["VersionTLS12", "VersionTLS13"])]
    pub tls_min_version: String,
    /// Comma-separated list of cipher suites for the server
    #[arg(long, value_delimiter = ',', value_name = "SUITES")]
    pub tls_cipher_suites: Vec<String>,
    /// The limit that the server gives to clients for the maximum number of streams in an HTTP/2 connection; 0 for the default of 100
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub http2_max_streams_per_connection: u32,
    /// The hostname to use when generating externalized URLs for this server
    #[arg(long, default_value = "", value_name = "HOST")]
    pub external_hostname: String,
    /// List of directives for HSTS, comma separated
    #[arg(long, value_delimiter = ',', value_name = "DIRECTIVES")]
    pub strict_transport_security_directives: Vec<String>,
}

/// One value of `--tls-sni-cert-key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SniPair {
    /// Certificate file.
    pub certificate: PathBuf,
    /// Key file.
    pub key: PathBuf,
    /// Domain patterns; empty takes the names of the certificate.
    pub names: Vec<String>,
}

impl SniPair {
    /// Reads `certificate,key[:name,...]`.
    pub fn parse(text: &str) -> Result<SniPair, String> {
        let (files, names) = match text.split_once(':') {
            Some((files, names)) if !names.is_empty() => (files, names),
            Some(_) => return Err(format!("{text:?}: expected domain patterns after the colon")),
            None => (text, ""),
        };
        let Some((certificate, key)) =
            files.split_once(',').filter(|(c, k)| !c.is_empty() && !k.is_empty() && !k.contains(','))
        else {
            return Err(format!("{text:?}: expected comma separated certificate and key file paths"));
        };
        Ok(SniPair {
            certificate: certificate.into(),
            key: key.into(),
            names: names.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect(),
        })
    }
}
