//! Limits as lines written to the kernel's files: pure, so that both versions are tested anywhere.

use kubelet_core::ports::CgroupLimits;

/// Period the kernel starts with, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;

/// One value for one file of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub controller: &'static str,
    pub file: String,
    pub value: String,
}

fn setting(controller: &'static str, file: impl Into<String>, value: impl ToString) -> Setting {
    Setting { controller, file: file.into(), value: value.to_string() }
}

/// Settings of a v1 hierarchy, in the order to write them.
pub(super) fn settings_v1(limits: &CgroupLimits) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(shares) = limits.cpu_shares {
        settings.push(setting("cpu", "cpu.shares", shares));
    }
    if let Some(period) = limits.cpu_period {
        settings.push(setting("cpu", "cpu.cfs_period_us", period));
    }
    if let Some(quota) = limits.cpu_quota {
        settings.push(setting("cpu", "cpu.cfs_quota_us", quota));
    }
    if let Some(memory) = limits.memory_limit_bytes {
        settings.push(setting("memory", "memory.limit_in_bytes", memory));
    }
    if let Some(pids) = limits.pids_limit {
        settings.push(setting("pids", "pids.max", or_max(pids)));
    }
    for (size, limit) in &limits.hugepage_limits {
        settings.push(setting("hugetlb", format!("hugetlb.{size}.limit_in_bytes"), limit));
    }
    settings
}

/// Settings of a v2 hierarchy, in the order to write them.
pub(super) fn settings_v2(limits: &CgroupLimits) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(shares) = limits.cpu_shares {
        settings.push(setting("cpu", "cpu.weight", weight(shares)));
    }
    if limits.cpu_quota.is_some() || limits.cpu_period.is_some() {
        let quota = or_max(limits.cpu_quota.unwrap_or(-1));
        let period = limits.cpu_period.unwrap_or(DEFAULT_PERIOD);
        settings.push(setting("cpu", "cpu.max", format!("{quota} {period}")));
    }
    if let Some(memory) = limits.memory_limit_bytes {
        settings.push(setting("memory", "memory.max", or_max(memory)));
    }
    if let Some(pids) = limits.pids_limit {
        settings.push(setting("pids", "pids.max", or_max(pids)));
    }
    for (size, limit) in &limits.hugepage_limits {
        settings.push(setting("hugetlb", format!("hugetlb.{size}.max"), limit));
    }
    for (file, value) in &limits.unified {
        settings.push(setting("unified", file, value));
    }
    settings
}

/// The v2 weight (1–10000) of v1 shares (2–262144), by upstream's formula.
pub(super) fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

fn or_max(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(settings: &[Setting]) -> Vec<String> {
        settings.iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
    }

    fn check(limits: CgroupLimits, v1: &[&str], v2: &[&str]) {
        assert_eq!(lines(&settings_v1(&limits)), v1);
        assert_eq!(lines(&settings_v2(&limits)), v2);
    }

    #[test]
    fn nothing_asked_nothing_written() {
        check(CgroupLimits::default(), &[], &[]);
    }

    #[test]
    fn everything() {
        let limits = CgroupLimits {
            cpu_shares: Some(1024),
            cpu_quota: Some(50_000),
            cpu_period: Some(100_000),
            memory_limit_bytes: Some(1 << 30),
            pids_limit: Some(100),
            hugepage_limits: [("2MB".to_owned(), 0)].into(),
            unified: [("memory.min".to_owned(), "4096".to_owned())].into(),
        };
        check(
            limits,
            &[
                "cpu.shares=1024",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "memory.limit_in_bytes=1073741824",
                "pids.max=100",
                "hugetlb.2MB.limit_in_bytes=0",
            ],
            &[
                "cpu.weight=39",
                "cpu.max=50000 100000",
                "memory.max=1073741824",
                "pids.max=100",
                "hugetlb.2MB.max=0",
                "memory.min=4096",
            ],
        );
    }

    #[test]
    fn no_limit_is_said_in_each_versions_words() {
        let limits = CgroupLimits {
            cpu_quota: Some(-1),
            memory_limit_bytes: Some(-1),
            pids_limit: Some(-1),
            ..Default::default()
        };
        check(
            limits,
            &["cpu.cfs_quota_us=-1", "memory.limit_in_bytes=-1", "pids.max=max"],
            &["cpu.max=max 100000", "memory.max=max", "pids.max=max"],
        );
    }

    #[test]
    fn weights() {
        let check = |shares, expected| assert_eq!(weight(shares), expected, "{shares}");
        check(0, 1);
        check(2, 1);
        check(1024, 39);
        check(262_144, 10_000);
        check(u64::MAX, 10_000);
    }
}
