//! The table of all flags of all workflows, and how their values are read.

use clap::{Arg, ArgAction, ArgMatches, Command, builder::BoolishValueParser};

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Text,
    /// Comma separated, may be given several times.
    List,
    /// `--flag` or `--flag=true|false`.
    Switch,
}

/// A flag.
#[derive(Debug)]
pub struct Flag {
    pub name: &'static str,
    pub short: Option<char>,
    pub kind: Kind,
    pub help: &'static str,
}

const fn text(name: &'static str, help: &'static str) -> Flag {
    Flag { name, short: None, kind: Kind::Text, help }
}

const fn list(name: &'static str, help: &'static str) -> Flag {
    Flag { name, short: None, kind: Kind::List, help }
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag { name, short: None, kind: Kind::Switch, help }
}

/// All flags, in the order of the alphabet.
const ALL: &[Flag] = &[
    text(
        "apiserver-advertise-address",
        "The IP address the API Server will advertise it's listening on. If not set the default network interface will be used.",
    ),
    text("apiserver-bind-port", "Port for the API Server to bind to. (default 6443)"),
    list(
        "apiserver-cert-extra-sans",
        "Optional extra Subject Alternative Names (SANs) to use for the API Server serving certificate. Can be both IP addresses and DNS names.",
    ),
    list(
        "apiserver-extra-args",
        "A set of extra flags to pass to the API Server or override default ones in form of <flagname>=<value>",
    ),
    text("cert-dir", "The path where to save and store the certificates. (default \"/etc/kubernetes/pki\")"),
    text(
        "certificate-key",
        "Key used to encrypt the control-plane certificates in the kubeadm-certs Secret. The certificate key is a hex encoded string that is an AES key of size 32 bytes.",
    ),
    switch("cleanup-tmp-dir", "Cleanup the \"/etc/kubernetes/tmp\" directory"),
    text("config", "Path to a kubeadm configuration file."),
    switch("control-plane", "Create a new control plane instance on this node"),
    text("control-plane-endpoint", "Specify a stable IP address or DNS name for the control plane."),
    list(
        "controller-manager-extra-args",
        "A set of extra flags to pass to the Controller Manager or override default ones in form of <flagname>=<value>",
    ),
    text(
        "cri-socket",
        "Path to the CRI socket to connect. If empty kubeadm will try to auto-detect this value; use this option only if you have more than one CRI installed or if you have non-standard CRI socket.",
    ),
    text("description", "A human friendly description of how this token is used."),
    text("discovery-file", "For file-based discovery, a file or URL from which to load cluster information."),
    text(
        "discovery-token",
        "For token-based discovery, the token used to validate cluster information fetched from the API server.",
    ),
    list(
        "discovery-token-ca-cert-hash",
        "For token-based discovery, validate that the root CA public key matches this hash (format: \"<type>:<value>\").",
    ),
    switch(
        "discovery-token-unsafe-skip-ca-verification",
        "For token-based discovery, allow joining without --discovery-token-ca-cert-hash pinning.",
    ),
    switch("dry-run", "Don't apply any changes; just output what would be done."),
    text("feature-gates", "A set of key=value pairs that describe feature gates for various features."),
    Flag {
        name: "force",
        short: Some('f'),
        kind: Kind::Switch,
        help: "Reset the node without prompting for confirmation.",
    },
    list(
        "groups",
        "Extra groups that this token will authenticate as when used for authentication. Must match \"\\\\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\\\\z\"",
    ),
    list(
        "ignore-preflight-errors",
        "A list of checks whose errors will be shown as warnings. Example: 'IsPrivilegedUser,Swap'. Value 'all' ignores errors from all checks.",
    ),
    text(
        "image-repository",
        "Choose a container registry to pull control plane images from (default \"registry.k8s.io\")",
    ),
    text(
        "kubeconfig",
        "The kubeconfig file to use when talking to the cluster. (default \"/etc/kubernetes/admin.conf\")",
    ),
    text("kubeconfig-dir", "The path where to save the kubeconfig file. (default \"/etc/kubernetes\")"),
    text(
        "kubernetes-version",
        "Choose a specific Kubernetes version for the control plane. (default \"stable-1\")",
    ),
    text("node-name", "Specify the node name."),
    Flag {
        name: "output",
        short: Some('o'),
        kind: Kind::Text,
        help: "Output format. One of: text|json|yaml.",
    },
    text(
        "patches",
        "Path to a directory that contains files named \"target[suffix][+patchtype].extension\". \"target\" can be one of \"kube-apiserver\", \"kube-controller-manager\", \"kube-scheduler\", \"etcd\", \"kubeletconfiguration\", \"corednsdeployment\". \"patchtype\" can be one of \"strategic\", \"merge\" or \"json\"; the default is \"strategic\". \"extension\" must be either \"json\" or \"yaml\".",
    ),
    text(
        "pod-network-cidr",
        "Specify range of IP addresses for the pod network. If set, the control plane will automatically allocate CIDRs for every node.",
    ),
    switch(
        "print-join-command",
        "Instead of printing only the token, print the full 'kubeadm join' flag needed to join the cluster using the token.",
    ),
    switch("print-manifest", "Print the addon manifests to STDOUT instead of installing them"),
    list(
        "scheduler-extra-args",
        "A set of extra flags to pass to the Scheduler or override default ones in form of <flagname>=<value>",
    ),
    text("service-cidr", "Use alternative range of IP address for service VIPs. (default \"10.96.0.0/12\")"),
    text(
        "service-dns-domain",
        "Use alternative domain for services, e.g. \"myorg.internal\". (default \"cluster.local\")",
    ),
    switch(
        "skip-certificate-key-print",
        "Don't print the key used to encrypt the control-plane certificates.",
    ),
    list("skip-phases", "List of phases to be skipped"),
    switch("skip-token-print", "Skip printing of the default bootstrap token generated by 'kubeadm init'."),
    text(
        "tls-bootstrap-token",
        "Specify the token used to temporarily authenticate with the Kubernetes Control Plane while joining the node.",
    ),
    text(
        "token",
        "The token to use for establishing bidirectional trust between nodes and control-plane nodes. The format is [a-z0-9]{6}\\.[a-z0-9]{16} - e.g. abcdef.0123456789abcdef",
    ),
    text(
        "token-ttl",
        "The duration before the token is automatically deleted (e.g. 1s, 2m, 3h). If set to '0', the token will never expire (default 24h0m0s)",
    ),
    text(
        "ttl",
        "The duration before the token is automatically deleted (e.g. 1s, 2m, 3h). If set to '0', the token will never expire (default 24h0m0s)",
    ),
    switch("upload-certs", "Upload control-plane certificates to the kubeadm-certs Secret."),
    list(
        "usages",
        "Describes the ways in which this token can be used. You can pass --usages multiple times or provide a comma separated list of options. Valid options: [signing,authentication]",
    ),
];

/// Flags that may stand beside `--config`; what others say belongs into the file.
const WITH_CONFIG: [&str; 10] = [
    "config",
    "ignore-preflight-errors",
    "dry-run",
    "kubeconfig",
    "node-name",
    "kubeconfig-dir",
    "upload-certs",
    "print-manifest",
    "print-join-command",
    "output",
];

/// Flags beside a configuration file that say what the file should.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("can not mix '--config' with arguments [{}]", flags.join(" "))]
pub struct Mixed {
    flags: Vec<String>,
}

/// Adds flags of the table to a command.
pub fn add(mut command: Command, names: &[&'static str]) -> Command {
    for name in names {
        if let Some(flag) = ALL.iter().find(|flag| flag.name == *name) {
            command = command.arg(argument(flag));
        }
    }
    command
}

fn argument(flag: &'static Flag) -> Arg {
    let argument = Arg::new(flag.name).long(flag.name).help(flag.help);
    let argument = match flag.short {
        Some(short) => argument.short(short),
        None => argument,
    };
    match flag.kind {
        Kind::Text => argument.value_name("string").allow_hyphen_values(true),
        Kind::List => argument.value_name("strings").action(ArgAction::Append).value_delimiter(','),
        Kind::Switch => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .hide_possible_values(true)
            .value_parser(BoolishValueParser::new()),
    }
}

/// The value of a text flag; none when it is not given or not a flag of the command.
pub fn text_value(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.try_get_one::<String>(name).ok().flatten().cloned()
}

/// The values of a list flag.
pub fn list_value(matches: &ArgMatches, name: &str) -> Vec<String> {
    let values = matches.try_get_many::<String>(name).ok().flatten();
    values.map(|values| values.filter(|value| !value.is_empty()).cloned().collect()).unwrap_or_default()
}

/// Whether a switch is on.
pub fn switch_value(matches: &ArgMatches, name: &str) -> bool {
    matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false)
}

/// Whether a flag is given.
pub fn is_given(matches: &ArgMatches, name: &str) -> bool {
    let source = matches.try_contains_id(name).is_ok_and(|known| known).then(|| matches.value_source(name));
    source.flatten() == Some(clap::parser::ValueSource::CommandLine)
}

/// Refuses flags beside `--config` that say what the file should.
pub fn check_mixed(matches: &ArgMatches) -> Result<(), Mixed> {
    if !is_given(matches, "config") {
        return Ok(());
    }
    let flags: Vec<String> = ALL
        .iter()
        .map(|flag| flag.name)
        .filter(|name| !WITH_CONFIG.contains(name) && !name.starts_with("skip-") && is_given(matches, name))
        .map(str::to_owned)
        .collect();
    if flags.is_empty() { Ok(()) } else { Err(Mixed { flags }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(line: &[&str]) -> ArgMatches {
        let command = add(
            Command::new("x"),
            &["config", "dry-run", "pod-network-cidr", "ignore-preflight-errors", "skip-phases", "force"],
        );
        command.try_get_matches_from(std::iter::once(&"x").chain(line)).expect("a valid line")
    }

    #[test]
    fn values_are_read_by_kind() {
        let given = matches(&[
            "--pod-network-cidr=10.0.0.0/8",
            "--skip-phases",
            "a,b",
            "--skip-phases=c",
            "-f",
            "--dry-run=false",
        ]);
        assert_eq!(text_value(&given, "pod-network-cidr").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(list_value(&given, "skip-phases"), ["a", "b", "c"]);
        assert!(switch_value(&given, "force") && !switch_value(&given, "dry-run"));
        assert_eq!(text_value(&given, "token"), None, "not a flag of this command");
        assert!(is_given(&given, "dry-run") && !is_given(&given, "config"));
    }

    #[test]
    fn a_file_and_flags_that_say_the_same_do_not_mix() {
        assert_eq!(check_mixed(&matches(&["--pod-network-cidr=x"])), Ok(()));
        assert_eq!(check_mixed(&matches(&["--config=f", "--dry-run", "--skip-phases=a"])), Ok(()));
        let error = check_mixed(&matches(&["--config=f", "--pod-network-cidr=x"])).expect_err("they mix");
        assert_eq!(error.to_string(), "can not mix '--config' with arguments [pod-network-cidr]");
    }

    #[test]
    fn the_table_is_in_order_and_without_repetition() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(WITH_CONFIG.iter().all(|name| ALL.iter().any(|flag| flag.name == *name)));
    }
}
