//! `show-join-command`: the last words of `init`, with the command that brings more nodes.

use anyhow::Context as _;
use component_base::tls::CertificateFacts;

use crate::{
    render::kubeconfig,
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["config", "kubeconfig", "skip-token-print", "skip-certificate-key-print", "dry-run"];
const WITHHELD: &str = "<value withheld>";

pub fn phase() -> Phase<InitData> {
    Phase::step(
        "show-join-command",
        "Show the join command for control-plane and worker node",
        FLAGS,
        |data| Box::pin(async move { run(data) }),
    )
}

fn run(data: &mut InitData) -> anyhow::Result<()> {
    let text = data.files.read_text(&data.kubeconfig_path)?;
    let text = text.with_context(|| format!("the kubeconfig {:?} does not exist", data.kubeconfig_path))?;
    let init = &data.configuration.init;
    let shared = !data.configuration.cluster.control_plane_endpoint.is_empty();
    for token in &init.bootstrap_tokens {
        let token = if data.skip_token_print { WITHHELD } else { &token.token };
        let worker = join_command(&text, token)?;
        let control_plane = shared.then(|| {
            let key = if data.skip_certificate_key_print { WITHHELD } else { &init.certificate_key };
            let with_key =
                if data.upload_certificates { format!("--certificate-key {key}") } else { String::new() };
            (format!("{worker} \\\n\t--control-plane {with_key}"), data.upload_certificates)
        });
        print!("{}", last_words(&data.kubeconfig_path.to_string_lossy(), &worker, control_plane.as_ref()));
    }
    Ok(())
}

/// The command that joins a worker, from a kubeconfig of the cluster and a token.
pub fn join_command(kubeconfig_text: &str, token: &str) -> anyhow::Result<String> {
    let current = kubeconfig::read(kubeconfig_text)?;
    let authorities = CertificateFacts::all_from_pem(current.authority_pem.as_bytes())
        .context("failed to parse CA certificate from kubeconfig")?;
    anyhow::ensure!(!authorities.is_empty(), "no CA certificates found in kubeconfig");
    let hashes: Vec<String> = authorities
        .iter()
        .map(|authority| format!("--discovery-token-ca-cert-hash {}", public_key_hash(&authority.public_key)))
        .collect();
    let server = current.server.trim_start_matches("https://");
    Ok(format!("kubeadm join {server} --token {token} \\\n\t{}", hashes.join(" ")))
}

/// The pin of an authority: the hash of its public key.
pub fn public_key_hash(public_key_der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public_key_der);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn last_words(kubeconfig: &str, worker: &str, control_plane: Option<&(String, bool)>) -> String {
    let mut text = format!(
        "
Your Kubernetes control-plane has initialized successfully!

To start using your cluster, you need to run the following as a regular user:

  mkdir -p $HOME/.kube
  sudo cp -i {kubeconfig} $HOME/.kube/config
  sudo chown $(id -u):$(id -g) $HOME/.kube/config

Alternatively, if you are the root user, you can run:

  export KUBECONFIG=/etc/kubernetes/admin.conf

The pod network add-on node-network is installed where a range of pod addresses was given. To use another
one, skip the phase addon/node-network and run \"kubectl apply -f [podnetwork].yaml\".

"
    );
    match control_plane {
        Some((command, true)) => text.push_str(&format!(
            "You can now join any number of control-plane nodes running the following command on each as root:

  {command}

Please note that the certificate-key gives access to cluster sensitive data, keep it secret!
As a safeguard, uploaded-certs will be deleted in two hours; If necessary, you can use
\"kubeadm init phase upload-certs --upload-certs\" to reload certs afterward.

"
        )),
        Some((command, false)) => text.push_str(&format!(
            "You can now join any number of control-plane nodes by copying certificate authorities
and service account keys on each node and then running the following as root:

  {command}

"
        )),
        None => {}
    }
    text.push_str(&format!(
        "Then you can join any number of worker nodes by running the following on each as root:

{worker}
"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::kubeconfig::{Credential, render};

    #[test]
    fn the_join_command_pins_the_authority() {
        use component_base::tls::{KeyAlgorithm, Profile, authority::Authority};
        let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let authority =
            Authority::create(&Profile::authority("kubernetes", now, now), KeyAlgorithm::EcdsaP256)
                .expect("made");
        let text =
            render("https://192.0.2.1:6443", "k", "u", &authority.certificate_pem(), &Credential::None);
        let command = join_command(&text, "abcdef.0123456789abcdef").expect("a command");
        let hash = public_key_hash(&authority.certificate().public_key);
        assert_eq!(
            command,
            format!(
                "kubeadm join 192.0.2.1:6443 --token abcdef.0123456789abcdef \\\n\t--discovery-token-ca-cert-hash {hash}"
            )
        );
        assert!(hash.starts_with("sha256:") && hash.len() == 71);
    }

    #[test]
    fn the_last_words_fit_the_cluster() {
        let plain = last_words("/etc/kubernetes/admin.conf", "kubeadm join x", None);
        assert!(plain.contains("initialized successfully!") && plain.ends_with("kubeadm join x\n"));
        assert!(!plain.contains("control-plane nodes"));
        let uploaded = last_words("a", "w", Some(&("c --control-plane".to_owned(), true)));
        assert!(uploaded.contains("certificate-key gives access"));
    }
}
