//! `kubeadm certs`: when certificates end, making them anew, and keys to encrypt them with.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};
use component_base::tls::CertificateFacts;
use jiff::Timestamp;

use super::{
    configs::align,
    flags::{self, text_value},
    init_data::InitData,
};
use crate::{
    constants,
    host::files::Files,
    phases::{kubeconfig as kubeconfig_phase, upload_certs::generate_key},
    pki::{
        specs::{self, Spec},
        store,
    },
    render::kubeconfig,
};

const FLAGS: &[&str] = &["cert-dir", "config"];

pub fn command() -> Command {
    let check = flags::add(
        Command::new("check-expiration").about("Check certificates expiration for a Kubernetes cluster"),
        FLAGS,
    );
    let mut renew = Command::new("renew")
        .about("Renew certificates for a Kubernetes cluster")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(flags::add(Command::new("all").about("Renew all available certificates"), FLAGS));
    for spec in specs::ALL.iter().filter(|spec| spec.authority.is_some()) {
        let about = format!("Renew the {}", spec.description);
        renew = renew.subcommand(flags::add(Command::new(spec.name).about(about), FLAGS));
    }
    for spec in renewable_kubeconfigs() {
        let about = format!("Renew the certificate embedded in the kubeconfig file {}", spec.file_name);
        renew = renew.subcommand(flags::add(Command::new(spec.file_name).about(about), FLAGS));
    }
    Command::new("certs")
        .about("Commands related to handling Kubernetes certificates")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([check, renew, Command::new("certificate-key").about("Generate certificate keys")])
}

/// The kubelet renews its own.
fn renewable_kubeconfigs() -> impl Iterator<Item = &'static kubeconfig::Spec> {
    kubeconfig::ALL.iter().filter(|spec| spec.phase != "kubelet")
}

pub async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("certificate-key", _)) => {
            println!("{}", generate_key()?);
            Ok(())
        }
        Some(("check-expiration", inner)) => check(inner),
        Some(("renew", inner)) => match inner.subcommand() {
            Some((name, flags)) => renew(name, flags).await,
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn certificates_dir(matches: &ArgMatches) -> PathBuf {
    text_value(matches, "cert-dir")
        .map_or_else(|| PathBuf::from(constants::DEFAULT_CERTIFICATES_DIR), PathBuf::from)
}

fn check(matches: &ArgMatches) -> anyhow::Result<()> {
    let folder = certificates_dir(matches);
    let files = Files::on_disk();
    print!("{}", report(&files, &folder, Path::new(constants::KUBERNETES_DIR), Timestamp::now())?);
    Ok(())
}

/// The two tables of `check-expiration`.
fn report(files: &Files, folder: &Path, kubeconfig_dir: &Path, now: Timestamp) -> anyhow::Result<String> {
    let mut leaves = vec![
        ["CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"]
            .map(str::to_owned),
    ];
    for spec in renewable_kubeconfigs() {
        let found = match files.read_text(&kubeconfig_dir.join(spec.file_name))? {
            Some(text) => kubeconfig::read(&text)?
                .client_certificate_pem
                .map(|pem| CertificateFacts::first_from_pem(pem.as_bytes()))
                .transpose()?,
            None => None,
        };
        let external = !files.exists(&store::key_file(folder, "ca"));
        leaves.push(row(spec.file_name, "ca", found.as_ref(), external, now));
    }
    for spec in specs::ALL.iter().filter(|spec| spec.authority.is_some()) {
        let found = store::load_certificate(files, folder, spec.base_name)?;
        let authority = spec.authority.unwrap_or_default();
        let key = specs::find(authority).map_or(authority, |authority| authority.base_name);
        leaves.push(row(
            spec.name,
            authority,
            found.as_ref(),
            !files.exists(&store::key_file(folder, key)),
            now,
        ));
    }
    let mut authorities =
        vec![["CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "EXTERNALLY MANAGED"].map(str::to_owned)];
    for spec in specs::ALL.iter().filter(|spec| spec.authority.is_none()) {
        let found = store::load_certificate(files, folder, spec.base_name)?;
        let external = !files.exists(&store::key_file(folder, spec.base_name));
        let [name, expires, rest, _, managed] = row(spec.name, "", found.as_ref(), external, now);
        authorities.push([name, expires, rest, managed]);
    }
    Ok(format!("{}\n{}", align(&leaves), align(&authorities)))
}

fn row(
    name: &str,
    authority: &str,
    found: Option<&CertificateFacts>,
    external: bool,
    now: Timestamp,
) -> [String; 5] {
    let Some(certificate) = found else {
        return [format!("!MISSING! {name}"), String::new(), String::new(), String::new(), String::new()];
    };
    [
        name.to_owned(),
        certificate.not_after.strftime("%b %d, %Y %H:%M UTC").to_string(),
        residual(certificate.not_after.as_second() - now.as_second()),
        authority.to_owned(),
        if external { "yes" } else { "no" }.to_owned(),
    ]
}

/// A length of time in its largest unit.
fn residual(seconds: i64) -> String {
    match seconds {
        ..0 => "<invalid>".to_owned(),
        0..120 => format!("{seconds}s"),
        120..10_800 => format!("{}m", seconds / 60),
        10_800..172_800 => format!("{}h", seconds / 3600),
        172_800..63_072_000 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

async fn renew(name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    let mut data = InitData::from_flags(matches).await?;
    let wanted = |other: &str| name == "all" || name == other;
    for spec in specs::ALL.iter().filter(|spec| spec.authority.is_some() && wanted(spec.name)) {
        renew_certificate(&mut data, spec)?;
    }
    for spec in renewable_kubeconfigs().filter(|spec| wanted(spec.file_name)) {
        renew_kubeconfig(&mut data, spec)?;
    }
    if name == "all" {
        println!(
            "Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates."
        );
    }
    Ok(())
}

fn renew_certificate(data: &mut InitData, spec: &Spec) -> anyhow::Result<()> {
    let folder = PathBuf::from(&data.configuration.cluster.certificates_dir);
    let Some(existing) = store::load_certificate(&data.files, &folder, spec.base_name)? else {
        println!("MISSING! {}", spec.description);
        return Ok(());
    };
    let Some(authority_spec) = spec.authority.and_then(specs::find) else { return Ok(()) };
    let (_, authority) = store::load_authority(&data.files, &data.configuration, authority_spec)?;
    let Some(authority) = authority else {
        println!("Detected external {}, {} can't be renewed", authority_spec.name, spec.description);
        return Ok(());
    };
    store::renew(&mut data.files, &data.configuration, spec, &existing, &authority, data.now)?;
    println!("{} renewed", spec.description);
    Ok(())
}

fn renew_kubeconfig(data: &mut InitData, spec: &kubeconfig::Spec) -> anyhow::Result<()> {
    let path = data.kubeconfig_dir.join(spec.file_name);
    if !data.files.exists(&path) {
        println!("MISSING! certificate embedded in the kubeconfig file {}", spec.file_name);
        return Ok(());
    }
    kubeconfig_phase::renew(data, spec)?;
    println!("certificate embedded in the kubeconfig file {} renewed", spec.file_name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::control_plane::tests::configuration;

    #[test]
    fn the_tables_show_what_is_there_and_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut configuration = configuration();
        configuration.cluster.certificates_dir = folder.path().to_string_lossy().into_owned();
        configuration.cluster.encryption_algorithm = "ECDSA-P256".to_owned();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let mut files = Files::on_disk();
        for spec in specs::ALL.iter().filter(|spec| spec.name != "front-proxy-client") {
            store::ensure(&mut files, &configuration, spec, now).expect(spec.name);
        }
        let text = report(&files, folder.path(), folder.path(), now).expect("a report");
        assert!(text.contains("apiserver                           Jan 01, 2027 00:00 UTC   365d"), "{text}");
        assert!(text.contains("!MISSING! front-proxy-client"), "{text}");
        assert!(text.contains("!MISSING! admin.conf"), "{text}");
        assert!(text.contains("etcd-ca                 Dec 30, 2035 00:00 UTC   10y"), "{text}");
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }
}
