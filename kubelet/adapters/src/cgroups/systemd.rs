//! Slices made, changed and stopped by systemd, asked over D-Bus through its own `busctl`.

use std::io;
use std::process::Command;

use kubelet_core::ports::{CgroupLimits, CgroupName};

use super::limits::weight;
use super::names::slice;

/// systemd's "no limit".
const INFINITY: u64 = u64::MAX;

/// A property of a unit with its D-Bus type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Property {
    Text(&'static str, String),
    Texts(&'static str, Vec<String>),
    Flag(&'static str, bool),
    Number(&'static str, u64),
}

impl Property {
    /// The words by which `busctl` is told of a `(sv)`.
    fn words(&self) -> Vec<String> {
        match self {
            Property::Text(name, value) => vec![(*name).to_owned(), "s".to_owned(), value.clone()],
            Property::Texts(name, values) => {
                let head = [(*name).to_owned(), "as".to_owned(), values.len().to_string()];
                head.into_iter().chain(values.iter().cloned()).collect()
            }
            Property::Flag(name, value) => vec![(*name).to_owned(), "b".to_owned(), value.to_string()],
            Property::Number(name, value) => vec![(*name).to_owned(), "t".to_owned(), value.to_string()],
        }
    }
}

/// Starts the slice of a cgroup with its limits.
pub(super) fn start(name: &CgroupName, limits: &CgroupLimits, unified: bool) -> io::Result<()> {
    let unit = slice(&name.0);
    let mut properties = vec![
        Property::Text("Description", format!("libcontainer container {}", unit.trim_end_matches(".slice"))),
        Property::Flag("MemoryAccounting", true),
        Property::Flag("CPUAccounting", true),
        Property::Flag(if unified { "IOAccounting" } else { "BlockIOAccounting" }, true),
        Property::Flag("TasksAccounting", true),
        Property::Flag("DefaultDependencies", false),
    ];
    if let Some((_, parent)) = name.0.split_last() {
        properties.push(Property::Texts("Wants", vec![slice(parent)]));
    }
    properties.extend(resources(limits, unified));
    let mut words =
        vec!["StartTransientUnit".to_owned(), "ssa(sv)a(sa(sv))".to_owned(), unit, "replace".to_owned()];
    words.extend(listed(&properties));
    words.push("0".to_owned());
    call(&words)
}

/// Changes the limits of a running slice until the next boot.
pub(super) fn update(name: &CgroupName, limits: &CgroupLimits, unified: bool) -> io::Result<()> {
    let properties = resources(limits, unified);
    if properties.is_empty() {
        return Ok(());
    }
    let mut words =
        vec!["SetUnitProperties".to_owned(), "sba(sv)".to_owned(), slice(&name.0), "true".to_owned()];
    words.extend(listed(&properties));
    call(&words)
}

/// Stops a slice. One that is not loaded is a success.
pub(super) fn stop(name: &CgroupName) -> io::Result<()> {
    let words = ["StopUnit", "ss", &slice(&name.0), "replace"].map(str::to_owned);
    match call(&words) {
        Err(error) if error.to_string().contains("not loaded") => Ok(()),
        other => other,
    }
}

/// Limits as properties. Each version has its own names for them.
fn resources(limits: &CgroupLimits, unified: bool) -> Vec<Property> {
    let or_infinity = |value: i64| u64::try_from(value).unwrap_or(INFINITY);
    let mut properties = Vec::new();
    if let Some(shares) = limits.cpu_shares {
        properties.push(if unified {
            Property::Number("CPUWeight", weight(shares))
        } else {
            Property::Number("CPUShares", shares)
        });
    }
    if let Some(quota) = limits.cpu_quota {
        let period = limits.cpu_period.filter(|period| *period > 0).unwrap_or(100_000);
        properties.push(Property::Number("CPUQuotaPeriodUSec", period));
        properties.push(Property::Number("CPUQuotaPerSecUSec", quota_per_second(quota, period)));
    }
    if let Some(memory) = limits.memory_limit_bytes {
        properties
            .push(Property::Number(if unified { "MemoryMax" } else { "MemoryLimit" }, or_infinity(memory)));
    }
    if let Some(pids) = limits.pids_limit {
        properties.push(Property::Number("TasksMax", or_infinity(pids)));
    }
    for (file, property) in UNIFIED_PROPERTIES.iter().filter(|_| unified) {
        let value = limits.unified.get(*file);
        if let Some(bytes) = value.and_then(|value| bytes_or_infinity(value)) {
            properties.push(Property::Number(property, bytes));
        }
    }
    properties
}

/// Files the kubelet sets by name, which systemd would reset if it did not know.
const UNIFIED_PROPERTIES: [(&str, &str); 4] = [
    ("memory.min", "MemoryMin"),
    ("memory.low", "MemoryLow"),
    ("memory.high", "MemoryHigh"),
    ("memory.swap.max", "MemorySwapMax"),
];

fn bytes_or_infinity(value: &str) -> Option<u64> {
    if value.trim() == "max" { Some(INFINITY) } else { value.trim().parse().ok() }
}

/// Microseconds per second, rounded up to systemd's step of 10 ms.
fn quota_per_second(quota: i64, period: u64) -> u64 {
    let Ok(quota) = u64::try_from(quota) else { return INFINITY };
    (quota.saturating_mul(1_000_000) / period).next_multiple_of(10_000)
}

fn listed(properties: &[Property]) -> Vec<String> {
    let mut words = vec![properties.len().to_string()];
    words.extend(properties.iter().flat_map(Property::words));
    words
}

/// The call of a method of systemd's manager.
fn manager_call(words: &[String]) -> Command {
    let mut command = Command::new("busctl");
    // The root slice is named `-.slice`, which busctl would take for options without the two dashes.
    command
        .args(["call", "--quiet", "--", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"])
        .arg("org.freedesktop.systemd1.Manager")
        .args(words);
    command
}

fn call(words: &[String]) -> io::Result<()> {
    let output = manager_call(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!(
        "systemd {}: {said}",
        words.first().map(String::as_str).unwrap_or_default()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limits: CgroupLimits, unified: bool, expected: &str) {
        assert_eq!(listed(&resources(&limits, unified)).join(" "), expected);
    }

    #[test]
    fn limits_as_properties() {
        let limits = CgroupLimits {
            cpu_shares: Some(512),
            cpu_quota: Some(25_000),
            memory_limit_bytes: Some(4096),
            pids_limit: Some(-1),
            unified: [("memory.min".to_owned(), "64".to_owned())].into(),
            ..Default::default()
        };
        check(
            limits.clone(),
            false,
            "5 CPUShares t 512 CPUQuotaPeriodUSec t 100000 CPUQuotaPerSecUSec t 250000 MemoryLimit t 4096 \
             TasksMax t 18446744073709551615",
        );
        check(
            limits,
            true,
            "6 CPUWeight t 20 CPUQuotaPeriodUSec t 100000 CPUQuotaPerSecUSec t 250000 MemoryMax t 4096 \
             TasksMax t 18446744073709551615 MemoryMin t 64",
        );
    }

    #[test]
    fn names_that_begin_with_a_dash_are_no_options() {
        let command = manager_call(&["StopUnit", "ss", "-.slice", "replace"].map(str::to_owned));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let place = |wanted: &str| words.iter().position(|word| word == wanted);
        assert!(place("--").is_some() && place("--") < place("org.freedesktop.systemd1"), "{words:?}");
        assert!(words.iter().skip_while(|word| *word != "--").any(|word| word == "-.slice"), "{words:?}");
    }

    #[test]
    fn quotas_are_rounded_up() {
        let check = |quota, period, expected| assert_eq!(quota_per_second(quota, period), expected);
        check(-1, 100_000, INFINITY);
        check(1_000, 100_000, 10_000);
        check(12_345, 100_000, 130_000);
        check(150_000, 100_000, 1_500_000);
    }
}
