//! Cgroups in fake trees of both versions, and in the machine's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

fn write(root: &Path, file: &str, content: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().expect("has a parent")).expect("directory");
    fs::write(path, content).expect("file");
}

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap_or_default()
}

fn v1(root: &Path) -> Hierarchy {
    let names = ["cpu", "cpuacct", "cpuset", "memory", "pids"];
    Hierarchy::V1(names.map(|name| (name.to_owned(), root.join(name))).into())
}

fn pod() -> CgroupName {
    CgroupName::root().child("kubepods").child("podx")
}

#[tokio::test]
async fn limits_go_to_the_controllers_own_trees() {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path();
    for (file, content) in [
        ("cpu/kubepods/podx/cpu.shares", "1024"),
        ("cpu/kubepods/podx/cpu.cfs_period_us", "100000"),
        ("cpu/kubepods/podx/cpu.cfs_quota_us", "-1"),
        ("memory/kubepods/podx/memory.limit_in_bytes", "0"),
        ("cpuset/cpuset.cpus", "0-3\n"),
        ("cpuset/cpuset.mems", "0\n"),
    ] {
        write(root, file, content);
    }
    let cgroups = NodeCgroups::new(v1(root), Driver::Cgroupfs);
    assert!(!cgroups.exists(&pod()).await.expect("lookup"));
    let limits = CgroupLimits {
        cpu_shares: Some(512),
        cpu_quota: Some(20_000),
        cpu_period: Some(100_000),
        memory_limit_bytes: Some(4096),
        hugepage_limits: BTreeMap::from([("2MB".to_owned(), 0)]),
        ..Default::default()
    };
    cgroups.ensure(&pod(), &limits).await.expect("made");
    assert!(cgroups.exists(&pod()).await.expect("lookup"));
    assert_eq!(read(root, "cpu/kubepods/podx/cpu.shares"), "512");
    assert_eq!(read(root, "cpu/kubepods/podx/cpu.cfs_quota_us"), "20000");
    assert_eq!(read(root, "memory/kubepods/podx/memory.limit_in_bytes"), "4096");
    assert_eq!(read(root, "cpuset/kubepods/cpuset.cpus"), "0-3");
    assert_eq!(read(root, "cpuset/kubepods/podx/cpuset.mems"), "0");
    assert_eq!(cgroups.children(&CgroupName::root().child("kubepods")).await.expect("list"), ["podx"]);

    let pids = CgroupLimits { pids_limit: Some(5), ..Default::default() };
    let error = cgroups.ensure(&pod(), &pids).await.expect_err("no such file");
    assert_eq!(error.to_string(), "create cgroup /kubepods/podx: pids.max cannot be set to 5: no such file");
}

#[tokio::test]
async fn controllers_are_handed_down_the_one_tree() {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path();
    write(root, "cgroup.controllers", "cpu memory\n");
    write(root, "cgroup.subtree_control", "cpu\n");
    write(root, "kubepods/podx/cpu.weight", "");
    let cgroups = NodeCgroups::new(Hierarchy::V2(root.to_owned()), Driver::Cgroupfs);
    let limits = CgroupLimits { cpu_shares: Some(262_144), ..Default::default() };
    cgroups.ensure(&pod(), &limits).await.expect("made");
    assert_eq!(read(root, "cgroup.subtree_control"), "+memory");
    assert_eq!(read(root, "kubepods/podx/cpu.weight"), "10000");
    assert_eq!(cgroups.version(), CgroupVersion::V2);
}

#[tokio::test]
async fn usage_of_both_versions() {
    let directory = tempfile::tempdir().expect("directory");
    let root = directory.path();
    for (file, content) in [
        ("cpuacct/kubepods/podx/cpuacct.usage", "5000\n"),
        ("memory/kubepods/podx/memory.usage_in_bytes", "1000\n"),
        (
            "memory/kubepods/podx/memory.stat",
            "inactive_file 1\ntotal_inactive_file 300\ntotal_rss 200\ntotal_pgfault 7\ntotal_pgmajfault 2\n",
        ),
        ("pids/kubepods/podx/pids.current", "3\n"),
        ("kubepods/podx/cpu.stat", "usage_usec 5\nuser_usec 3\n"),
        ("kubepods/podx/memory.current", "1000\n"),
        ("kubepods/podx/memory.stat", "anon 200\ninactive_file 300\npgfault 7\npgmajfault 2\n"),
        ("kubepods/podx/pids.current", "3\n"),
    ] {
        write(root, file, content);
    }
    let expected = CgroupUsage {
        cpu_total_nanos: Some(5000),
        memory_usage_bytes: Some(1000),
        memory_working_set_bytes: Some(700),
        memory_rss_bytes: Some(200),
        memory_page_faults: Some(7),
        memory_major_page_faults: Some(2),
        process_count: Some(3),
        ..CgroupUsage::default()
    };
    for hierarchy in [v1(root), Hierarchy::V2(root.to_owned())] {
        let cgroups = NodeCgroups::new(hierarchy, Driver::Cgroupfs);
        let usage = cgroups.usage(&pod()).await.expect("usage");
        assert_eq!(CgroupUsage { details: Default::default(), ..usage }, expected);
    }
    let missing = NodeCgroups::new(v1(root), Driver::Cgroupfs);
    let none = missing.usage(&CgroupName::root().child("none")).await.expect("usage");
    assert_eq!(none, CgroupUsage::default());
}

#[tokio::test]
async fn the_root_is_never_removed() {
    let directory = tempfile::tempdir().expect("directory");
    let cgroups = NodeCgroups::new(Hierarchy::V2(directory.path().to_owned()), Driver::Cgroupfs);
    cgroups.destroy(&CgroupName::root()).await.expect_err("refused");
}

/// The machine's own cgroups, with a process in them.
#[tokio::test]
async fn a_cgroup_with_a_process_is_removed() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let hierarchy = Hierarchy::detect().expect("cgroups");
    let cgroups = NodeCgroups::new(hierarchy.clone(), Driver::Cgroupfs);
    let top = CgroupName::root().child(format!("cgrouptest{}", std::process::id()));
    let name = top.child("inner");
    let limits =
        CgroupLimits { cpu_shares: Some(100), memory_limit_bytes: Some(64 << 20), ..Default::default() };
    cgroups.ensure(&name, &limits).await.expect("made");
    cgroups.ensure(&name, &limits).await.expect("made again");

    let mut sleeper = Command::new("sleep").arg("1000").spawn().expect("sleep starts");
    let pid = sleeper.id().cast_signed();
    for directory in hierarchy.directories(&Driver::Cgroupfs.path(&name)) {
        fs::write(directory.join("cgroup.procs"), pid.to_string()).expect("enter");
    }
    assert_eq!(cgroups.processes(&top).await.expect("list"), [pid]);
    // The process is our child: somebody must wait for it while it is being killed.
    let waiter = tokio::task::spawn_blocking(move || sleeper.wait());
    cgroups.destroy(&top).await.expect("removed");
    assert!(!waiter.await.expect("joined").expect("waited").success());
    assert!(!cgroups.exists(&top).await.expect("lookup"));
    cgroups.destroy(&top).await.expect("removing twice is fine");
}
