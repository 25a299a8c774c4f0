//! `up`: from the sources to a cluster that answers; what is there already is kept.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    ADMIN_KUBECONFIG, PROGRAMS_DIR, RECORD_DIR, check::Machine, containers, demo, install, packages,
    record::Record, services, steps::Steps,
};
use crate::{
    build::{self, Binaries, Profile},
    images::{self, BuiltImage},
    process::{command, show},
};

/// How `up` is run.
#[derive(Clone, Copy, Debug)]
pub struct UpOptions {
    pub profile: Profile,
    /// Use the programs of an earlier build as they are.
    pub skip_build: bool,
    /// Leave the demo out.
    pub skip_demo: bool,
}

const POD_NETWORK: &str = "10.244.0.0/16";
const READY_LIMIT: Duration = Duration::from_secs(180);
const DEMO_LIMIT: Duration = Duration::from_secs(120);

/// Brings the cluster up.
pub fn up(root: &Path, options: UpOptions) -> Result<()> {
    let mut record = Record::load()?;
    let mut steps = Steps::new(if options.skip_demo { 9 } else { 10 });
    steps.run("checking this machine", || check(root, &record))?;
    steps.run("installing packages", || packages::install(&mut record))?;
    let binaries = steps.run("building the programs", || {
        if options.skip_build {
            Binaries::locate(root, options.profile)
        } else {
            build::build(root, options.profile)
        }
    })?;
    let built = steps.run("building the images", || images::build(root, options.profile, &binaries))?;
    let changed = steps.run("installing programs and kernel settings", || {
        install::kernel_settings(&mut record)?;
        install::archives(&built, &mut record)?;
        install::programs(&binaries, &mut record)
    })?;
    steps.run("starting services", || services::start(root, &mut record))?;
    let imported = steps.run("importing images", || {
        let new_cluster = !Path::new(ADMIN_KUBECONFIG).exists();
        containers::import(&mut record, &built, new_cluster)
    })?;
    let is_new = !Path::new(ADMIN_KUBECONFIG).exists();
    let begun = Instant::now();
    let mut reached: Vec<(String, f64)> = Vec::new();
    let mut milestone = |what: &str| reached.push((what.to_owned(), begun.elapsed().as_secs_f64()));
    steps.run("starting the cluster", || start_cluster(&mut record, &built, &changed, &imported))?;
    milestone("kubeadm init is done");
    let outcome =
        steps.run("waiting for the node and the cluster's own pods", wait_for_cluster).and_then(|()| {
            milestone("the node and all pods of the cluster are ready");
            if options.skip_demo {
                Ok(None)
            } else {
                let url = steps.run("starting the demo", || start_demo(root))?;
                milestone("the demo answers");
                Ok(Some(url))
            }
        });
    match outcome {
        Ok(url) => {
            if is_new {
                record.note(|record| record.start_up = reached)?;
            }
            tell(url.as_deref(), steps.elapsed())
        }
        Err(error) => {
            demo::diagnose();
            Err(error)
        }
    }
}

fn check(root: &Path, record: &Record) -> Result<()> {
    let problems = Machine::look(root, record).problems();
    if problems.is_empty() {
        return Ok(());
    }
    let list: String = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
    anyhow::bail!("this machine lacks something; nothing was changed:{list}")
}

fn start_cluster(
    record: &mut Record,
    built: &[BuiltImage],
    changed: &[&str],
    imported: &[String],
) -> Result<()> {
    if !Path::new(ADMIN_KUBECONFIG).exists() {
        return init(record, built);
    }
    println!("    there is a cluster already");
    services::start_kubelet()?;
    if changed.contains(&"kubelet") {
        println!("    the kubelet changed: restarting it");
        services::restart_kubelet()?;
    }
    if !imported.is_empty() {
        println!("    images changed: restarting their containers");
        containers::restart_containers_of(imported)?;
    }
    Ok(())
}

fn init(record: &mut Record, built: &[BuiltImage]) -> Result<()> {
    // What the cluster itself will write belongs to `down` as well.
    record.note(|record| {
        for folder in
            ["/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd", "/var/log/pods", "/var/log/containers"]
        {
            record.folders.insert(folder.into());
        }
    })?;
    let config = Path::new(RECORD_DIR).join("kubeadm.yaml");
    std::fs::write(&config, kubeadm_config(built)?)
        .with_context(|| format!("failed to write {}", config.display()))?;
    let program = Path::new(PROGRAMS_DIR).join("kubeadm");
    let path = format!("{PROGRAMS_DIR}:/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap_or_default());
    show(
        command(&program.to_string_lossy(), ["init", "--skip-token-print", "--config"])
            .arg(&config)
            .env("PATH", path),
    )
    .context("kubeadm init failed; 'make down' takes back what it has done so far")
}

/// A single node that also takes pods, with the etcd that is in the image.
fn kubeadm_config(built: &[BuiltImage]) -> Result<String> {
    let etcd = built
        .iter()
        .find_map(|image| image.name.split_once("/etcd:"))
        .map(|(_, tag)| tag)
        .context("there is no etcd image")?;
    let version_1 = !Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let fail_v1 = if version_1 { "failCgroupV1: false\n" } else { "" };
    Ok(format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration:
  criSocket: unix://{socket}
  imagePullPolicy: IfNotPresent
  # The only node takes all pods.
  taints: []
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking:
  podSubnet: {POD_NETWORK}
etcd:
  local:
    imageTag: {etcd}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
{fail_v1}failSwapOn: false
# Images cannot be fetched again without a registry, so that none is collected to make room.
imageGCHighThresholdPercent: 100
# In numbers rather than in shares: a large disk that is mostly full still has room for a small cluster.
evictionHard:
  memory.available: 100Mi
  nodefs.available: 1Gi
  nodefs.inodesFree: \"5%\"
  imagefs.available: 1Gi
",
        socket = containers::SOCKET,
    ))
}

fn wait_for_cluster() -> Result<()> {
    demo::wait_for("the node being ready", READY_LIMIT, demo::node_ready)?;
    demo::wait_for("cluster DNS being available", READY_LIMIT, || {
        demo::deployment_available("kube-system", "coredns")
    })?;
    demo::wait_for("the cluster's own pods being ready", READY_LIMIT, demo::own_pods_ready)
}

fn start_demo(root: &Path) -> Result<String> {
    demo::wait_for("the demo being accepted", DEMO_LIMIT, || demo::apply(root))?;
    demo::wait_for("the demo being available", DEMO_LIMIT, || demo::deployment_available("work", "redis"))?;
    let mut url = String::new();
    demo::wait_for("the demo answering", DEMO_LIMIT, || {
        url = demo::ping()?;
        Ok(())
    })?;
    Ok(url)
}

fn tell(url: Option<&str>, seconds: f64) -> Result<()> {
    println!("\n{}", demo::kubectl(&["get", "nodes", "-o", "wide"])?);
    println!("{}", demo::kubectl(&["get", "pods", "-A", "-o", "wide"])?);
    if let Some(url) = url {
        println!("The demo answers PING at {url}");
    }
    println!("The cluster is up after {seconds:.0} s. To use it: export KUBECONFIG={ADMIN_KUBECONFIG}");
    Ok(())
}
