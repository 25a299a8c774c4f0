//! The serving certificate of the first node's kubelet, which runs before there is anybody to ask for one.
//!
//! The other nodes ask the cluster (`serverTLSBootstrap`), and so does this one when the certificate nears its end.
//! The files are those the kubelet's own store writes: a dated one, and a link to the one in use.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{
    config::{Configuration, validation::argument},
    constants,
    pki::store,
    workflows::init_data::InitData,
};

const NAME: &str = "kubelet-server";

/// Writes the certificate unless the kubelet's configuration names another or makes its own.
pub fn write(data: &mut InitData) -> anyhow::Result<()> {
    let kubelet = &data.configuration.kubelet;
    let wanted = kubelet.fields.get("serverTLSBootstrap").is_some_and(|value| value == true);
    if !wanted || kubelet.text("tlsCertFile").is_some() {
        return Ok(());
    }
    if data.external_authority {
        println!(
            "[kubelet-start] External CA mode: approve and sign the kubelet's serving certificate (kubectl get csr) to read logs and run commands in Pods"
        );
        return Ok(());
    }
    if !data.files.exists(&data.configuration.certificate_path("ca.crt")) {
        // The phase alone, on a host without certificates: the kubelet asks the cluster.
        return Ok(());
    }
    let addresses = node_addresses(&data.configuration);
    let identity = store::kubelet_serving_identity(&data.files, &data.configuration, &addresses, data.now)?;
    let folder = argument(&data.configuration.init.node_registration.kubelet_extra_args, "cert-dir")
        .map_or_else(|| Path::new(constants::KUBELET_DIR).join("pki"), PathBuf::from);
    let path = folder.join(format!("{NAME}-{}.pem", data.now.strftime("%Y-%m-%d-%H-%M-%S")));
    println!("[kubelet-start] Writing the kubelet's serving certificate to file {path:?}");
    data.files.write(&path, format!("{}{}", identity.certificate, identity.key).as_bytes(), 0o600)?;
    data.files.link(&folder.join(format!("{NAME}-current.pem")), &path)?;
    Ok(())
}

/// The addresses the kubelet will find for its node: those it is told, or the one of the API server.
fn node_addresses(configuration: &Configuration) -> Vec<IpAddr> {
    let told = argument(&configuration.init.node_registration.kubelet_extra_args, "node-ip");
    let told: Vec<IpAddr> = told
        .into_iter()
        .flat_map(|list| list.split(','))
        .filter_map(|address| address.trim().parse().ok())
        .filter(|address: &IpAddr| !address.is_unspecified())
        .collect();
    if told.is_empty() {
        return configuration.init.local_api_endpoint.advertise_address.parse().into_iter().collect();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{arguments::arg, control_plane::tests::configuration};

    #[track_caller]
    fn check(node_ip: Option<&str>, expected: &[&str]) {
        let mut configuration = configuration();
        configuration.init.node_registration.kubelet_extra_args =
            node_ip.into_iter().map(|value| arg("node-ip", value)).collect();
        let found: Vec<String> = node_addresses(&configuration).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_certificate_is_for_the_nodes_addresses() {
        check(None, &["192.0.2.1"]);
        check(Some("192.0.2.7,fd00::7"), &["192.0.2.7", "fd00::7"]);
        check(Some("0.0.0.0"), &["192.0.2.1"]);
    }
}
