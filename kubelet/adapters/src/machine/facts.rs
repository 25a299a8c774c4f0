//! What identifies the machine and how large it is.

use std::collections::BTreeMap;
use std::fs;

use kubelet_core::ports::{MachineError, MachineFacts};

use super::NodeMachine;

/// Files with a machine id, the first that has one.
const MACHINE_ID: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Files with an id given by hardware or hypervisor; at last the machine id.
const SYSTEM_UUID: [&str; 4] = [
    "/sys/class/dmi/id/product_uuid",
    "/proc/device-tree/system-id",
    "/proc/device-tree/vm,uuid",
    "/etc/machine-id",
];

const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// Go's names of architectures, by Rust's.
const ARCHITECTURES: [(&str, &str); 6] = [
    ("x86_64", "amd64"),
    ("aarch64", "arm64"),
    ("x86", "386"),
    ("powerpc64", "ppc64le"),
    ("loongarch64", "loong64"),
    ("mips64", "mips64le"),
];

pub(super) fn gather(machine: &NodeMachine) -> Result<MachineFacts, MachineError> {
    let first =
        |files: &[&str]| files.iter().find_map(|file| machine.read_if_there(file)).unwrap_or_default();
    let meminfo = machine.read("/proc/meminfo")?;
    let architecture = std::env::consts::ARCH;
    let known = ARCHITECTURES.iter().find(|(rust, _)| *rust == architecture);
    Ok(MachineFacts {
        hostname: first(&["/proc/sys/kernel/hostname"]),
        machine_id: first(&MACHINE_ID),
        system_uuid: first(&SYSTEM_UUID),
        boot_id: first(&["/proc/sys/kernel/random/boot_id"]),
        kernel_version: first(&["/proc/sys/kernel/osrelease"]),
        os_image: os_image(&first(&OS_RELEASE)),
        operating_system: std::env::consts::OS.to_owned(),
        architecture: known.map_or(architecture, |(_, go)| go).to_owned(),
        cpus: online_cpus(&machine.read("/sys/devices/system/cpu/online")?),
        memory_bytes: super::usage::kilobytes(&meminfo, "MemTotal"),
        swap_bytes: super::usage::kilobytes(&meminfo, "SwapTotal"),
        hugepages: hugepages(machine),
    })
}

/// `PRETTY_NAME` without its quotes; `Linux` when there is none.
fn os_image(os_release: &str) -> String {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map(|name| name.trim_matches(['"', '\'']).to_owned()).unwrap_or_else(|| "Linux".to_owned())
}

/// How many CPUs a list such as `0-3,6` names; at least one, since something runs this.
pub(super) fn online_cpus(list: &str) -> u64 {
    let count = |range: &str| -> Option<u64> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some(last.checked_sub(first)? + 1)
    };
    list.trim().split(',').filter_map(count).sum::<u64>().max(1)
}

/// Reserved huge pages by their size in bytes.
fn hugepages(machine: &NodeMachine) -> BTreeMap<u64, u64> {
    let directory = "/sys/kernel/mm/hugepages";
    let entries = fs::read_dir(machine.path(directory)).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let pages = machine.read_if_there(&format!("{directory}/{name}/nr_hugepages"))?;
        Some((kilobytes * 1024, pages.parse().ok()?))
    });
    sizes.collect()
}
