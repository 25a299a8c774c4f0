//! Flags every command has (`cli-runtime/pkg/genericclioptions/config_flags.go`).

use std::path::PathBuf;

/// Which server, as whom, in which namespace.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// Path to the kubeconfig file to use for CLI requests
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The name of the kubeconfig context to use
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// The name of the kubeconfig cluster to use
    #[arg(long, global = true)]
    pub cluster: Option<String>,
    /// The name of the kubeconfig user to use
    #[arg(long, global = true)]
    pub user: Option<String>,
    /// If present, the namespace scope for this CLI request
    #[arg(long, short = 'n', global = true)]
    pub namespace: Option<String>,
    /// The address and port of the Kubernetes API server
    #[arg(long, short = 's', global = true)]
    pub server: Option<String>,
    /// Bearer token for authentication to the API server
    #[arg(long, global = true)]
    pub token: Option<String>,
    /// Path to a cert file for the certificate authority
    #[arg(long, global = true)]
    pub certificate_authority: Option<PathBuf>,
    /// Path to a client certificate file for TLS
    #[arg(long, global = true)]
    pub client_certificate: Option<PathBuf>,
    /// Path to a client key file for TLS
    #[arg(long, global = true)]
    pub client_key: Option<PathBuf>,
    /// Server name to use for server certificate validation
    #[arg(long, global = true)]
    pub tls_server_name: Option<String>,
    /// If true, the server's certificate will not be checked for validity
    #[arg(long, global = true)]
    pub insecure_skip_tls_verify: bool,
    /// Username for basic authentication to the API server
    #[arg(long, global = true)]
    pub username: Option<String>,
    /// Password for basic authentication to the API server
    #[arg(long, global = true)]
    pub password: Option<String>,
    /// Username to impersonate for the operation
    #[arg(long = "as", global = true)]
    pub impersonate: Option<String>,
    /// Group to impersonate for the operation, can be repeated
    #[arg(long, global = true, action = clap::ArgAction::Append)]
    pub as_group: Vec<String>,
    /// UID to impersonate for the operation
    #[arg(long, global = true)]
    pub as_uid: Option<String>,
    /// Time to wait before giving up on a single server request; 0 means no limit
    #[arg(long, global = true, default_value = "0")]
    pub request_timeout: String,
    /// Treat warnings received from the server as errors and exit with a non-zero exit code
    #[arg(long, global = true)]
    pub warnings_as_errors: bool,
    /// What `--user` means to commands that bind roles.
    #[arg(skip)]
    pub subject_users: Vec<String>,
    /// Number for the log level verbosity
    #[arg(long = "v", short = 'v', global = true, default_value_t = 0)]
    pub verbosity: u32,
}

impl GlobalOptions {
    /// Lets `--user` name subjects instead of credentials, for the commands whose own flag it is.
    pub fn for_command(mut self, matches: &clap::ArgMatches) -> GlobalOptions {
        let nested =
            matches.subcommand().and_then(|(verb, matches)| Some((verb, matches.subcommand_name()?)));
        if let Some(("create", "rolebinding" | "clusterrolebinding") | ("set", "subject")) = nested {
            let users = self.user.take().unwrap_or_default();
            self.subject_users =
                users.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        }
        self
    }

    /// `--request-timeout`: a duration, or a whole number of seconds.
    pub fn timeout(&self) -> Result<Option<std::time::Duration>, String> {
        let duration = match self.request_timeout.parse::<u64>() {
            Ok(seconds) => std::time::Duration::from_secs(seconds),
            Err(_) => component_base::flags::parse_duration(&self.request_timeout).map_err(|_| {
                "invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)".to_owned()
            })?,
        };
        Ok((!duration.is_zero()).then_some(duration))
    }
}
