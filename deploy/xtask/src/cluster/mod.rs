//! `up` and `down`: a single-node cluster on this machine, and nothing of it afterwards.

mod check;
mod containers;
mod demo;
mod down;
mod install;
mod packages;
mod power;
mod record;
mod services;
mod steps;
mod up;

use std::path::Path;

pub use down::down;
pub use power::cut as cut_power;
pub use up::{UpOptions, up};

/// Where everything that `up` remembers is.
const RECORD_DIR: &str = "/var/lib/kube-up";
/// The administrator's kubeconfig.
pub const ADMIN_KUBECONFIG: &str = "/etc/kubernetes/admin.conf";
/// Where programs go: never where the distribution puts its own.
const PROGRAMS_DIR: &str = "/usr/local/bin";
/// Where `kubeadm init` looks for image archives.
const ARCHIVES_DIR: &str = "/usr/local/share/kubernetes/images";
/// Units and settings of kube-supervisor.
const SUPERVISOR_DIR: &str = "/etc/kube-supervisor";

/// Whether systemd is the first process.
fn uses_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether an earlier `up` left a cluster here.
pub fn is_up() -> bool {
    record::Record::exists() && Path::new(ADMIN_KUBECONFIG).exists()
}

/// How many seconds after the start of `kubeadm init` the cluster of this machine had come how far.
pub fn start_up() -> anyhow::Result<Vec<(String, f64)>> {
    Ok(record::Record::load()?.start_up)
}
