//! Memory, CPU time, processes and file systems of the whole machine.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kubelet_core::ports::{FilesystemUsage, MachineError, MemoryUsage, ProcessCount};

use super::NodeMachine;

/// Nanoseconds in a tick of `/proc/stat`; Linux shows 100 ticks a second to every program.
const TICK_NANOS: u64 = 10_000_000;

/// Memory as upstream counts it: the root cgroup's usage, and its working set without inactive file cache.
pub(super) fn memory(machine: &NodeMachine) -> Result<MemoryUsage, MachineError> {
    let meminfo = machine.read("/proc/meminfo")?;
    let capacity = kilobytes(&meminfo, "MemTotal");
    let cgroup = root_cgroup_v1(machine)
        .or_else(|| root_cgroup_v2(machine))
        .unwrap_or_else(|| from_meminfo(&meminfo, capacity));
    let working_set = cgroup.usage.saturating_sub(cgroup.inactive_file);
    Ok(MemoryUsage {
        capacity_bytes: capacity,
        available_bytes: capacity.saturating_sub(working_set),
        working_set_bytes: working_set,
        usage_bytes: cgroup.usage,
        rss_bytes: cgroup.rss,
        page_faults: cgroup.faults,
        major_page_faults: cgroup.major_faults,
        swap_capacity_bytes: kilobytes(&meminfo, "SwapTotal"),
        swap_available_bytes: kilobytes(&meminfo, "SwapFree"),
    })
}

#[derive(Debug, Default)]
struct RootCgroup {
    usage: u64,
    inactive_file: u64,
    rss: u64,
    faults: u64,
    major_faults: u64,
}

fn root_cgroup_v1(machine: &NodeMachine) -> Option<RootCgroup> {
    let usage = machine.read_if_there("/sys/fs/cgroup/memory/memory.usage_in_bytes")?.parse().ok()?;
    let stat = machine.read_if_there("/sys/fs/cgroup/memory/memory.stat")?;
    Some(RootCgroup {
        usage,
        inactive_file: value(&stat, "total_inactive_file"),
        rss: value(&stat, "total_rss"),
        faults: value(&stat, "total_pgfault"),
        major_faults: value(&stat, "total_pgmajfault"),
    })
}

/// The root of v2 has no `memory.current`; upstream adds up what its `memory.stat` has.
fn root_cgroup_v2(machine: &NodeMachine) -> Option<RootCgroup> {
    let stat = machine.read_if_there("/sys/fs/cgroup/memory.stat")?;
    let rss = value(&stat, "anon");
    Some(RootCgroup {
        usage: rss + value(&stat, "file"),
        inactive_file: value(&stat, "inactive_file"),
        rss,
        faults: value(&stat, "pgfault"),
        major_faults: value(&stat, "pgmajfault"),
    })
}

fn from_meminfo(meminfo: &str, capacity: u64) -> RootCgroup {
    RootCgroup {
        usage: capacity.saturating_sub(kilobytes(meminfo, "MemFree")),
        inactive_file: kilobytes(meminfo, "Inactive(file)"),
        rss: kilobytes(meminfo, "AnonPages"),
        ..Default::default()
    }
}

/// CPU time of all CPUs since boot, without idling and waiting for disks.
pub(super) fn cpu_total_nanos(machine: &NodeMachine) -> Result<u64, MachineError> {
    let stat = machine.read("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let ticks: Vec<u64> =
        line.unwrap_or_default().split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is part of user.
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|at| ticks.get(*at)).sum();
    Ok(busy.saturating_mul(TICK_NANOS))
}

/// Threads there are and may be, which is what process ids run out by.
pub(super) fn processes(machine: &NodeMachine) -> Result<ProcessCount, MachineError> {
    let limit = |path: &str| -> Result<u64, MachineError> {
        let text = machine.read(path)?;
        text.trim().parse().map_err(|_| malformed(path, &text))
    };
    let loadavg = machine.read("/proc/loadavg")?;
    let tasks = loadavg.split_whitespace().nth(3).and_then(|field| field.split('/').nth(1));
    Ok(ProcessCount {
        limit: limit("/proc/sys/kernel/pid_max")?.min(limit("/proc/sys/kernel/threads-max")?),
        running: tasks
            .and_then(|tasks| tasks.parse().ok())
            .ok_or_else(|| malformed("/proc/loadavg", &loadavg))?,
    })
}

/// Space and inodes of the file system that holds `path`.
pub(super) fn filesystem(path: &Path) -> io::Result<FilesystemUsage> {
    let device = path.metadata()?.dev();
    let stat = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(FilesystemUsage {
        device,
        capacity_bytes: bytes(stat.f_blocks),
        available_bytes: bytes(stat.f_bavail),
        used_bytes: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
        inodes: stat.f_files,
        inodes_free: stat.f_ffree,
        inodes_used: stat.f_files.saturating_sub(stat.f_ffree),
    })
}

/// Bytes of a line of `/proc/meminfo`; 0 when the kernel has no such line.
pub(super) fn kilobytes(meminfo: &str, key: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or_default().saturating_mul(1024)
}

fn value(table: &str, key: &str) -> u64 {
    let line = table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or_default()
}

fn malformed(path: &str, text: &str) -> MachineError {
    MachineError { what: format!("read {path}"), message: format!("unexpected content {:?}", text.trim()) }
}
