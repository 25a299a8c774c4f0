//! What dashboards ask of a cgroup beside its plain use: throttling, limits, caches, devices.

use std::collections::BTreeMap;
use std::fs;

use kubelet_core::ports::{CgroupDetails, DeviceUse};

use super::hierarchy::Hierarchy;
use super::usage::{number, value};

/// From here on a limit of v1 means none: the kernel rounds the largest number down to a page.
const UNLIMITED: u64 = 1 << 62;

/// Reads what there is; a missing file leaves `None`.
pub(super) fn read(hierarchy: &Hierarchy, path: &str) -> CgroupDetails {
    let file = |controller: &str, file: &str| {
        let directory = hierarchy.controller(controller, path)?;
        fs::read_to_string(directory.join(file)).ok()
    };
    match hierarchy {
        Hierarchy::V1(_) => v1(&file),
        Hierarchy::V2(_) => v2(&|name| file("", name)),
    }
}

fn v1(file: &dyn Fn(&str, &str) -> Option<String>) -> CgroupDetails {
    let plain = |controller: &str, name: &str| file(controller, name).as_deref().and_then(number);
    let cpu = file("cpu", "cpu.stat").unwrap_or_default();
    let memory = file("memory", "memory.stat").unwrap_or_default();
    let mut devices = BTreeMap::new();
    for line in file("blkio", "blkio.throttle.io_service_bytes").unwrap_or_default().lines() {
        v1_device(&mut devices, line, |entry| (&mut entry.read_bytes, &mut entry.written_bytes));
    }
    for line in file("blkio", "blkio.throttle.io_serviced").unwrap_or_default().lines() {
        v1_device(&mut devices, line, |entry| (&mut entry.reads, &mut entry.writes));
    }
    CgroupDetails {
        cpu_user_nanos: plain("cpuacct", "cpuacct.usage_user"),
        cpu_system_nanos: plain("cpuacct", "cpuacct.usage_sys"),
        cpu_periods: value(&cpu, "nr_periods"),
        cpu_throttled_periods: value(&cpu, "nr_throttled"),
        cpu_throttled_nanos: value(&cpu, "throttled_time"),
        cpu_shares: plain("cpu", "cpu.shares"),
        // -1 is no number of this kind.
        cpu_quota: plain("cpu", "cpu.cfs_quota_us"),
        cpu_period: plain("cpu", "cpu.cfs_period_us"),
        memory_limit_bytes: plain("memory", "memory.limit_in_bytes").filter(|limit| *limit < UNLIMITED),
        memory_cache_bytes: value(&memory, "total_cache"),
        memory_mapped_bytes: value(&memory, "total_mapped_file"),
        memory_swap_bytes: value(&memory, "total_swap"),
        memory_peak_bytes: plain("memory", "memory.max_usage_in_bytes"),
        oom_kills: file("memory", "memory.oom_control").and_then(|table| value(&table, "oom_kill")),
        devices,
    }
}

/// `254:0 Read 4096`.
fn v1_device(
    devices: &mut BTreeMap<String, DeviceUse>,
    line: &str,
    pick: impl Fn(&mut DeviceUse) -> (&mut u64, &mut u64),
) {
    let [device, operation, count] = line.split(' ').collect::<Vec<_>>()[..] else { return };
    let Ok(count) = count.parse::<u64>() else { return };
    let entry = devices.entry(device_name(device)).or_default();
    let (reads, writes) = pick(entry);
    match operation {
        "Read" => *reads += count,
        "Write" => *writes += count,
        _ => {}
    }
}

fn v2(file: &dyn Fn(&str) -> Option<String>) -> CgroupDetails {
    let plain = |name: &str| file(name).as_deref().and_then(number);
    let cpu = file("cpu.stat").unwrap_or_default();
    let nanos = |key: &str| value(&cpu, key).map(|microseconds| microseconds.saturating_mul(1000));
    let memory = file("memory.stat").unwrap_or_default();
    let most = file("cpu.max").unwrap_or_default();
    let mut most = most.split_whitespace();
    CgroupDetails {
        cpu_user_nanos: nanos("user_usec"),
        cpu_system_nanos: nanos("system_usec"),
        cpu_periods: value(&cpu, "nr_periods"),
        cpu_throttled_periods: value(&cpu, "nr_throttled"),
        cpu_throttled_nanos: nanos("throttled_usec"),
        // The inverse of how shares become a weight.
        cpu_shares: plain("cpu.weight").map(|weight| 2 + weight.saturating_sub(1) * 262_142 / 9_999),
        cpu_quota: most.next().and_then(number),
        cpu_period: most.next().and_then(number),
        memory_limit_bytes: plain("memory.max"),
        memory_cache_bytes: value(&memory, "file"),
        memory_mapped_bytes: value(&memory, "file_mapped"),
        memory_swap_bytes: plain("memory.swap.current"),
        memory_peak_bytes: plain("memory.peak"),
        oom_kills: file("memory.events").and_then(|table| value(&table, "oom_kill")),
        devices: file("io.stat").unwrap_or_default().lines().filter_map(v2_device).collect(),
    }
}

/// `254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`.
fn v2_device(line: &str) -> Option<(String, DeviceUse)> {
    let (device, fields) = line.split_once(' ')?;
    let mut found = DeviceUse::default();
    for (key, count) in fields.split(' ').filter_map(|field| field.split_once('=')) {
        let count = count.parse().unwrap_or(0);
        match key {
            "rbytes" => found.read_bytes = count,
            "wbytes" => found.written_bytes = count,
            "rios" => found.reads = count,
            "wios" => found.writes = count,
            _ => {}
        }
    }
    Some((device_name(device), found))
}

/// `/dev/vda` of `254:0`; the numbers themselves when the kernel has no name for them.
fn device_name(numbers: &str) -> String {
    let event = fs::read_to_string(format!("/sys/dev/block/{numbers}/uevent")).unwrap_or_default();
    let name = event.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    name.map_or_else(|| numbers.to_owned(), |name| format!("/dev/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files<'a>(known: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| known.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned())
    }

    const DISK: DeviceUse = DeviceUse { read_bytes: 4096, written_bytes: 8, reads: 2, writes: 1 };

    #[test]
    fn separate_trees() {
        let known = [
            ("cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 5000\n"),
            ("cpu.shares", "512\n"),
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("memory.stat", "cache 1\ntotal_cache 7\ntotal_mapped_file 2\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
            (
                "blkio.throttle.io_service_bytes",
                "999:0 Read 4096\n999:0 Write 8\n999:0 Total 4104\nTotal 4104\n",
            ),
            ("blkio.throttle.io_serviced", "999:0 Read 2\n999:0 Write 1\n"),
        ];
        let files = files(&known);
        let found = v1(&|_, name| files(name));
        let expected = CgroupDetails {
            cpu_periods: Some(10),
            cpu_throttled_periods: Some(3),
            cpu_throttled_nanos: Some(5000),
            cpu_shares: Some(512),
            cpu_period: Some(100_000),
            memory_cache_bytes: Some(7),
            memory_mapped_bytes: Some(2),
            oom_kills: Some(4),
            devices: [("999:0".to_owned(), DISK)].into(),
            ..CgroupDetails::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn one_tree() {
        let known = [
            (
                "cpu.stat",
                "usage_usec 9\nuser_usec 6\nsystem_usec 3\nnr_periods 10\nnr_throttled 3\nthrottled_usec 5\n",
            ),
            ("cpu.weight", "39\n"),
            ("cpu.max", "20000 100000\n"),
            ("memory.stat", "anon 1\nfile 7\nfile_mapped 2\n"),
            ("memory.max", "max\n"),
            ("memory.peak", "90\n"),
            ("memory.events", "low 0\noom 1\noom_kill 4\n"),
            ("io.stat", "999:0 rbytes=4096 wbytes=8 rios=2 wios=1 dbytes=0 dios=0\n"),
        ];
        let expected = CgroupDetails {
            cpu_user_nanos: Some(6000),
            cpu_system_nanos: Some(3000),
            cpu_periods: Some(10),
            cpu_throttled_periods: Some(3),
            cpu_throttled_nanos: Some(5000),
            cpu_shares: Some(998),
            cpu_quota: Some(20_000),
            cpu_period: Some(100_000),
            memory_cache_bytes: Some(7),
            memory_mapped_bytes: Some(2),
            memory_peak_bytes: Some(90),
            oom_kills: Some(4),
            devices: [("999:0".to_owned(), DISK)].into(),
            ..CgroupDetails::default()
        };
        assert_eq!(v2(&files(&known)), expected);
    }
}
