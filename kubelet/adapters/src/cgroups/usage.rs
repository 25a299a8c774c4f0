//! What a cgroup uses, read from the kernel's files.

use std::fs;
use std::path::Path;

use kubelet_core::ports::CgroupUsage;

use super::details;
use super::hierarchy::Hierarchy;

/// Reads all counters; a missing file (controller absent, or the root of v2) leaves `None`.
pub(super) fn read(hierarchy: &Hierarchy, path: &str) -> CgroupUsage {
    let file = |controller: &str, file: &str| {
        hierarchy.controller(controller, path).and_then(|directory| read_text(&directory.join(file)))
    };
    let usage = match hierarchy {
        Hierarchy::V1(_) => CgroupUsage {
            cpu_total_nanos: file("cpuacct", "cpuacct.usage").as_deref().and_then(number),
            process_count: file("pids", "pids.current").as_deref().and_then(number),
            ..memory(
                file("memory", "memory.usage_in_bytes"),
                file("memory", "memory.stat"),
                &MemoryKeys {
                    inactive_file: "total_inactive_file",
                    rss: "total_rss",
                    faults: "total_pgfault",
                    major_faults: "total_pgmajfault",
                },
            )
        },
        Hierarchy::V2(_) => CgroupUsage {
            cpu_total_nanos: file("cpu", "cpu.stat")
                .and_then(|stat| value(&stat, "usage_usec"))
                .map(|microseconds| microseconds.saturating_mul(1000)),
            process_count: file("pids", "pids.current").as_deref().and_then(number),
            ..memory(
                file("memory", "memory.current"),
                file("memory", "memory.stat"),
                &MemoryKeys {
                    inactive_file: "inactive_file",
                    rss: "anon",
                    faults: "pgfault",
                    major_faults: "pgmajfault",
                },
            )
        },
    };
    CgroupUsage { details: details::read(hierarchy, path), ..usage }
}

struct MemoryKeys {
    inactive_file: &'static str,
    rss: &'static str,
    faults: &'static str,
    major_faults: &'static str,
}

fn memory(usage: Option<String>, stat: Option<String>, keys: &MemoryKeys) -> CgroupUsage {
    let usage = usage.as_deref().and_then(number);
    let stat = stat.unwrap_or_default();
    let inactive = value(&stat, keys.inactive_file).unwrap_or_default();
    CgroupUsage {
        memory_usage_bytes: usage,
        memory_working_set_bytes: usage.map(|usage| usage.saturating_sub(inactive)),
        memory_rss_bytes: value(&stat, keys.rss),
        memory_page_faults: value(&stat, keys.faults),
        memory_major_page_faults: value(&stat, keys.major_faults),
        ..Default::default()
    }
}

fn read_text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A number alone in a file.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The value of a key in a `key value` table.
pub(super) fn value(table: &str, key: &str) -> Option<u64> {
    table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ').and_then(number))
}
