//! `kubeadm config`: default documents, checking documents, and the images a configuration needs.

use std::path::Path;

use clap::{ArgMatches, Command};
use serde_json::{Value, json};

use super::flags::{self, check_mixed, text_value};
use crate::{
    config::{
        self, Written, defaults, host_facts,
        v1beta4::{
            self, BootstrapTokenDiscovery, ClusterConfiguration, InitConfiguration, JoinConfiguration,
            ResetConfiguration,
        },
    },
    constants,
    preflight::{self, images::Wanted},
    render::{images, yaml},
};

pub fn command() -> Command {
    let print = Command::new("print")
        .about("Print configuration")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("init-defaults")
                .about("Print default init configuration, that can be used for 'kubeadm init'"),
            Command::new("join-defaults")
                .about("Print default join configuration, that can be used for 'kubeadm join'"),
            Command::new("reset-defaults")
                .about("Print default reset configuration, that can be used for 'kubeadm reset'"),
        ]);
    let flags = &["config", "feature-gates", "image-repository", "kubernetes-version"];
    let list = flags::add(Command::new("list").about("Print a list of images kubeadm will use"), flags);
    let list = flags::add(list, &["output"]);
    let pull = flags::add(Command::new("pull").about("Pull images used by kubeadm"), flags);
    let pull = flags::add(pull, &["cri-socket"]);
    let images = Command::new("images")
        .about("Interact with container images used by kubeadm")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([list, pull]);
    let validate = flags::add(
        Command::new("validate")
            .about("Read a file containing the kubeadm configuration API and report any validation errors"),
        &["config"],
    );
    Command::new("config")
        .about("Manage configuration for a kubeadm cluster persisted in a ConfigMap in the cluster")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([print, images, validate])
}

pub async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("print", inner)) => print_defaults(inner.subcommand_name().unwrap_or_default()),
        Some(("images", inner)) => match inner.subcommand() {
            Some(("pull", inner)) => pull(inner).await,
            Some((_, inner)) => list(inner),
            None => Ok(()),
        },
        Some(("validate", inner)) => validate(inner),
        _ => Ok(()),
    }
}

/// Columns of equal width with three spaces between them, as kubectl prints tables.
pub fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}   "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn print_defaults(name: &str) -> anyhow::Result<()> {
    let documents = match name {
        "init-defaults" => init_defaults()?,
        "join-defaults" => vec![document("JoinConfiguration", &join_defaults())?],
        _ => {
            let mut reset = ResetConfiguration {
                cri_socket: host_facts::KNOWN_SOCKETS[0].to_owned(),
                ..Default::default()
            };
            defaults::reset(&mut reset);
            vec![document("ResetConfiguration", &reset)?]
        }
    };
    print!("{}", yaml::documents(&documents));
    Ok(())
}

fn document(kind: &str, contents: &impl serde::Serialize) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(contents)?;
    value["apiVersion"] = v1beta4::API_VERSION.into();
    value["kind"] = kind.into();
    Ok(value)
}

fn init_defaults() -> anyhow::Result<Vec<Value>> {
    let mut init = InitConfiguration::default();
    defaults::init(&mut init);
    init.local_api_endpoint.advertise_address = "1.2.3.4".to_owned();
    init.node_registration.name = "node".to_owned();
    init.node_registration.cri_socket = host_facts::KNOWN_SOCKETS[0].to_owned();
    for token in &mut init.bootstrap_tokens {
        token.token = "abcdef.0123456789abcdef".to_owned();
    }
    let mut cluster = ClusterConfiguration {
        kubernetes_version: constants::KUBERNETES_VERSION.trim_start_matches('v').to_owned(),
        ..ClusterConfiguration::default()
    };
    defaults::cluster(&mut cluster);
    Ok(vec![document("ClusterConfiguration", &cluster)?, document("InitConfiguration", &init)?])
}

fn join_defaults() -> JoinConfiguration {
    let mut join = JoinConfiguration::default();
    join.discovery.bootstrap_token = Some(BootstrapTokenDiscovery {
        token: "abcdef.0123456789abcdef".to_owned(),
        api_server_endpoint: "kube-apiserver:6443".to_owned(),
        unsafe_skip_ca_verification: true,
        ..Default::default()
    });
    defaults::join(&mut join);
    join.node_registration.name = "node".to_owned();
    join.node_registration.cri_socket = host_facts::KNOWN_SOCKETS[0].to_owned();
    join
}

/// The cluster configuration that a command about images goes by.
fn cluster_of(matches: &ArgMatches) -> anyhow::Result<ClusterConfiguration> {
    check_mixed(matches)?;
    let mut cluster = match text_value(matches, "config") {
        Some(path) => config::read_file(Path::new(&path))?.cluster.unwrap_or_default(),
        None => ClusterConfiguration {
            image_repository: text_value(matches, "image-repository").unwrap_or_default(),
            kubernetes_version: text_value(matches, "kubernetes-version").unwrap_or_default(),
            ..ClusterConfiguration::default()
        },
    };
    defaults::cluster(&mut cluster);
    config::version::normalize(&mut cluster)?;
    Ok(cluster)
}

fn list(matches: &ArgMatches) -> anyhow::Result<()> {
    let list = images::all(&cluster_of(matches)?);
    let value = json!({"apiVersion": "output.kubeadm.k8s.io/v1alpha3", "kind": "Images", "images": list});
    match text_value(matches, "output").as_deref() {
        None | Some("text") => list.iter().for_each(|image| println!("{image}")),
        Some("json") => println!("{}", serde_json::to_string_pretty(&value)?),
        Some("yaml") => print!("{}", yaml::document(&value)),
        Some(other) => anyhow::bail!("invalid output format {other:?}: expected one of text, json, yaml"),
    }
    Ok(())
}

async fn pull(matches: &ArgMatches) -> anyhow::Result<()> {
    let list = images::all(&cluster_of(matches)?);
    let given = text_value(matches, "cri-socket").unwrap_or_default();
    let socket = host_facts::complete_socket(&given, true)?;
    for image in &list {
        let one = std::slice::from_ref(image);
        let wanted = Wanted { socket: &socket, images: one, policy: "IfNotPresent", serial: true };
        preflight::print(&preflight::images::ensure(&wanted).await, &[])?;
        println!("[config/images] Pulled {image}");
    }
    Ok(())
}

fn validate(matches: &ArgMatches) -> anyhow::Result<()> {
    let Some(path) = text_value(matches, "config") else {
        anyhow::bail!("the --config flag is mandatory");
    };
    let Written { init, cluster, join, reset, kubelet, kube_proxy } = config::read_file(Path::new(&path))?;
    if let Some(join) = join {
        config::complete_join(join)?;
    }
    if let Some(reset) = reset {
        config::complete_reset(reset);
    }
    if init.is_some() || cluster.is_some() {
        let written = Written { init, cluster, kubelet, kube_proxy, ..Written::default() };
        config::complete_init(written, false)?;
    }
    println!("ok");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::documents;

    #[test]
    fn printed_defaults_read_back() {
        let text = yaml::documents(&init_defaults().expect("rendered"));
        let written = documents::decode(&text).expect("strictly valid");
        assert_eq!(written.cluster.expect("given").kubernetes_version, "1.36.0");
        assert_eq!(written.init.expect("given").local_api_endpoint.bind_port, 6443);
        let join = yaml::document(&document("JoinConfiguration", &join_defaults()).expect("rendered"));
        assert!(documents::decode(&join).expect("strictly valid").join.is_some());
    }

    #[test]
    fn columns_line_up() {
        let rows = [["A", "B"], ["long", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(align(&rows), "A      B\nlong   x\n");
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }
}
