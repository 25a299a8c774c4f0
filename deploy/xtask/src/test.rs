//! Running the tests: rules, generated files, the workspace, and a cluster on this machine.

use std::{path::Path, process::Command};

use anyhow::Result;

use crate::{
    build::{Profile, cargo_program, host_triple, static_flags},
    cluster::{self, UpOptions},
    codegen,
    process::show,
    tidy,
};

/// The package of the tests that need a running cluster.
const CLUSTER_TESTS: &str = "e2e";
/// Where `up` puts ours.
const OUR_KUBECTL: &str = "/usr/local/bin/kubectl";

/// Rules and generated files, then all tests.
pub fn ci(root: &Path) -> Result<()> {
    announce("formatting");
    show(cargo(root, &["fmt", "--all", "--check"]).env_remove("RUSTFLAGS"))?;
    announce("generated files");
    codegen::run(root, true)?;
    all(root, false)
}

/// All tests; those with a cluster at the end, on a cluster of their own.
pub fn all(root: &Path, skip_cluster: bool) -> Result<()> {
    announce("rules of the house");
    tidy::check(root)?;
    announce("tests of the workspace");
    // Static as the programs in the images, so that one compilation serves both.
    let triple = host_triple()?;
    let target = ["--target", triple.as_str()];
    show(
        cargo(root, &["test", "--workspace", "--no-fail-fast"])
            .args(target)
            .args(["--exclude", CLUSTER_TESTS]),
    )?;
    if skip_cluster {
        return Ok(());
    }
    if cluster::is_up() {
        announce("the cluster that runs on this machine is used, and stays");
        return end_to_end(root, &triple, &["user"]);
    }
    announce("a cluster on this machine");
    let options = UpOptions { profile: Profile::Dev, skip_build: false, skip_demo: false };
    let outcome = cluster::up(root, options).and_then(|()| {
        end_to_end(root, &triple, &["user", "faults"])?;
        announce("the power is cut, and comes back");
        cluster::cut_power()?;
        cluster::up(root, UpOptions { skip_build: true, skip_demo: true, ..options })?;
        end_to_end(root, &triple, &["comeback"])
    });
    announce("taking the cluster down");
    let down = cluster::down(true);
    outcome.and(down)
}

/// Runs suites of the end-to-end tests on the cluster of this machine, what users type with upstream's kubectl and
/// with ours.
fn end_to_end(root: &Path, triple: &str, suites: &[&str]) -> Result<()> {
    for suite in suites {
        let judges: &[Option<&str>] = if *suite == "user" { &[None, Some(OUR_KUBECTL)] } else { &[None] };
        for kubectl in judges {
            announce(&format!(
                "end-to-end tests: {suite}, {}",
                kubectl.unwrap_or("upstream's kubectl where there is one")
            ));
            let mut tests = cargo(root, &["test", "-p", CLUSTER_TESTS, "--target", triple, "--test", suite]);
            tests
                .args(["--", "--test-threads=1", "--nocapture"])
                .env("KUBECONFIG", cluster::ADMIN_KUBECONFIG);
            if let Some(kubectl) = kubectl {
                tests.env("UPSTREAM_KUBECTL", kubectl);
            }
            show(&mut tests)?;
        }
    }
    Ok(())
}

/// Measures the cluster of this machine, compiled as the programs in the images are.
pub fn bench(root: &Path, arguments: &[String]) -> Result<()> {
    println!("seconds since the start of kubeadm init");
    for (what, seconds) in cluster::start_up()? {
        println!("{what:<48} {seconds:>6.1}");
    }
    println!();
    let triple = host_triple()?;
    let words = ["run", "--release", "--quiet", "-p", "bench", "--target", triple.as_str(), "--"];
    show(cargo(root, &words).args(arguments).env("KUBECONFIG", cluster::ADMIN_KUBECONFIG))
}

fn cargo(root: &Path, words: &[&str]) -> Command {
    let mut cargo = Command::new(cargo_program());
    cargo.args(words).current_dir(root).env("RUSTFLAGS", static_flags());
    cargo
}

fn announce(what: &str) {
    println!("=== {what}");
}
