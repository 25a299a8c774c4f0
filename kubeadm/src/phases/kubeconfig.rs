//! `kubeconfig`: the files by which the administrator and the components reach the API server.

use anyhow::Context as _;

use crate::{
    pki::{specs, store},
    render::{
        addresses::{configured_endpoint, local_endpoint},
        kubeconfig::{self, Credential, Spec},
    },
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &[
    "apiserver-advertise-address",
    "control-plane-endpoint",
    "apiserver-bind-port",
    "cert-dir",
    "config",
    "kubeconfig-dir",
    "kubernetes-version",
    "dry-run",
    "node-name",
];
const MODE: u32 = 0o600;

pub fn phase() -> Phase<InitData> {
    let phases = kubeconfig::ALL
        .iter()
        .map(|spec| {
            Phase::step(spec.phase, spec.description, FLAGS, move |data| {
                Box::pin(async move { write(data, spec) })
            })
        })
        .collect();
    Phase::group(
        "kubeconfig",
        "Generate all kubeconfig files necessary to establish the control plane and the admin kubeconfig file",
        phases,
    )
}

fn write(data: &mut InitData, spec: &'static Spec) -> anyhow::Result<()> {
    if spec.phase == "admin" {
        println!("[kubeconfig] Using kubeconfig folder {:?}", data.kubeconfig_dir);
    }
    ensure(data, spec)
}

/// Keeps an existing file that trusts the cluster's authority, or makes one.
pub fn ensure(data: &mut InitData, spec: &Spec) -> anyhow::Result<()> {
    let configuration = &data.configuration;
    let path = data.kubeconfig_dir.join(spec.file_name);
    let server = if spec.local_endpoint {
        local_endpoint(&configuration.init.local_api_endpoint)
    } else {
        configured_endpoint(configuration)
    };
    if let Some(text) = data.files.read_text(&path)? {
        let (authority, _) = store::load_authority(&data.files, configuration, &specs::ALL[0])
            .context("couldn't check a kubeconfig; the CA files couldn't be loaded")?;
        let same_server = kubeconfig::fits(&text, &server, &authority.der)
            .with_context(|| format!("a kubeconfig file {path:?} exists already but cannot be used"))?;
        if !same_server {
            tracing::warn!(
                "a kubeconfig file {path:?} exists already but has an unexpected API Server URL: expected: {server}"
            );
        }
        println!("[kubeconfig] Using existing kubeconfig file: {path:?}");
        return Ok(());
    }
    println!("[kubeconfig] Writing {:?} kubeconfig file", spec.file_name);
    write_new(data, spec, &server)
}

/// Makes an existing file anew, with a new key and certificate.
pub fn renew(data: &mut InitData, spec: &Spec) -> anyhow::Result<()> {
    let path = data.kubeconfig_dir.join(spec.file_name);
    let text = data.files.read_text(&path)?.with_context(|| format!("{path:?} does not exist"))?;
    let server = kubeconfig::read(&text)?.server;
    write_new(data, spec, &server)
}

fn write_new(data: &mut InitData, spec: &Spec, server: &str) -> anyhow::Result<()> {
    let configuration = &data.configuration;
    let user = (spec.user)(configuration);
    let identity = store::client_identity(&data.files, configuration, &user, spec.organization, data.now)
        .with_context(|| format!("failure while creating {user} client certificate"))?;
    let credential = Credential::Embedded { certificate: identity.certificate, key: identity.key };
    let text = kubeconfig::render(
        server,
        &configuration.cluster.cluster_name,
        &user,
        &identity.authority,
        &credential,
    );
    data.files.write(&data.kubeconfig_dir.join(spec.file_name), text.as_bytes(), MODE)?;
    Ok(())
}
