//! `certs`: one sub-phase for each certificate of the table, and `sa` for the key of service accounts.

use std::{net::IpAddr, path::Path};

use crate::{
    pki::{
        specs::{self, Spec},
        store::{self, Outcome},
    },
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["cert-dir", "config", "kubernetes-version", "dry-run"];
const API_SERVER_FLAGS: &[&str] = &[
    "cert-dir",
    "config",
    "kubernetes-version",
    "dry-run",
    "apiserver-advertise-address",
    "control-plane-endpoint",
    "apiserver-cert-extra-sans",
    "service-cidr",
    "service-dns-domain",
    "node-name",
];

pub fn phase() -> Phase<InitData> {
    let mut phases: Vec<Phase<InitData>> = specs::ALL.iter().map(certificate_phase).collect();
    phases.push(Phase::step(
        "sa",
        "Generate a private key for signing service account tokens along with its public key",
        FLAGS,
        |data| Box::pin(async move { service_account_key(data) }),
    ));
    Phase::group("certs", "Certificate generation", phases)
}

fn certificate_phase(spec: &'static Spec) -> Phase<InitData> {
    let flags = if spec.name == "apiserver" { API_SERVER_FLAGS } else { FLAGS };
    Phase::step(spec.name, format!("Generate the {}", spec.description), flags, move |data| {
        Box::pin(async move { certificate(data, spec) })
    })
}

fn certificate(data: &mut InitData, spec: &'static Spec) -> anyhow::Result<()> {
    if !spec.is_needed(&data.configuration) {
        let what = if spec.authority.is_none() {
            "certificate authority generation"
        } else {
            "certificate generation"
        };
        println!("[certs] External etcd mode: Skipping {} {what}", spec.base_name);
        return Ok(());
    }
    let folder = Path::new(&data.configuration.cluster.certificates_dir);
    if spec.optional
        && data.external_authority
        && !data.files.exists(&store::certificate_file(folder, spec.base_name))
    {
        println!("[certs] External CA mode: Skipping {} certificate generation", spec.base_name);
        return Ok(());
    }
    if spec.name == "ca" {
        println!("[certs] Using certificateDir folder {:?}", data.configuration.cluster.certificates_dir);
    }
    let outcome = store::ensure(&mut data.files, &data.configuration, spec, data.now)?;
    let name = spec.base_name;
    match outcome {
        Outcome::Kept if spec.authority.is_none() => {
            println!("[certs] Using existing {name} certificate authority");
        }
        Outcome::KeptWithoutKey => println!("[certs] Using existing {name} keyless certificate authority"),
        Outcome::Kept => println!("[certs] Using existing {name} certificate and key on disk"),
        Outcome::Made { alternative_names } => {
            println!("[certs] Generating {name:?} certificate and key");
            if !alternative_names.is_empty() {
                let (addresses, names): (Vec<&str>, Vec<&str>) = alternative_names
                    .iter()
                    .map(String::as_str)
                    .partition(|name| name.parse::<IpAddr>().is_ok());
                println!(
                    "[certs] {name} serving cert is signed for DNS names [{}] and IPs [{}]",
                    names.join(" "),
                    addresses.join(" ")
                );
            }
        }
    }
    Ok(())
}

fn service_account_key(data: &mut InitData) -> anyhow::Result<()> {
    // Those who bring their own authority bring their own key as well.
    match store::ensure_service_account_key(&mut data.files, &data.configuration)? {
        Outcome::Made { .. } => println!("[certs] Generating \"sa\" key and public key"),
        _ => println!("[certs] Using the existing \"sa\" key"),
    }
    Ok(())
}
