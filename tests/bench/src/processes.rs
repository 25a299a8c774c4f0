//! CPU and memory of the programs of a cluster, from `/proc`.

use std::time::Duration;

use procfs::process::{Process, all_processes};

/// The components whose memory is told.
const COMPONENTS: [&str; 4] = ["kube-scheduler", "kube-controller-manager", "kubelet", "kube-proxy"];

fn named(program: &str) -> Vec<Process> {
    let all = all_processes().into_iter().flatten().flatten();
    // `comm` is cut after 15 characters.
    let matches = |process: &Process| {
        let executable = process.cmdline().ok().and_then(|words| words.first().cloned()).unwrap_or_default();
        executable.rsplit('/').next() == Some(program)
    };
    // Machines inside this one have clusters of their own, and networks: the components all use their host's.
    let own_network = network_of("self");
    all.filter(matches).filter(|process| network_of(&process.pid().to_string()) == own_network).collect()
}

fn network_of(process: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{process}/ns/net")).ok()
}

/// CPU time of all processes of a program so far.
pub fn cpu(program: &str) -> Duration {
    let ticks: u64 =
        named(program).iter().filter_map(|p| p.stat().ok()).map(|stat| stat.utime + stat.stime).sum();
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}

/// Resident memory of a program, in bytes.
fn memory(program: &str) -> u64 {
    let pages: u64 = named(program).iter().filter_map(|p| p.stat().ok()).map(|stat| stat.rss).sum();
    pages * procfs::page_size()
}

/// Prints the resident memory of each component, and of all together.
pub fn print_memory(apiserver: &str) {
    let mut total = 0;
    for program in [apiserver].into_iter().chain(COMPONENTS) {
        let bytes = memory(program);
        total += bytes;
        println!("{program:<28} {:>9.1} MiB", bytes as f64 / f64::from(1 << 20));
    }
    println!("{:<28} {:>9.1} MiB", "together", total as f64 / f64::from(1 << 20));
}
