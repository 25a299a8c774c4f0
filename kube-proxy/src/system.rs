//! What kube-proxy sets of the machine before it begins: limits of connection tracking and its own OOM score.

use std::fs;
use std::path::Path;

use machinery::Duration;

use crate::config::Conntrack;

const NETFILTER: &str = "/proc/sys/net/netfilter";

/// Values to write under [`NETFILTER`]; upstream's defaults where the configuration is silent.
fn values(conntrack: &Conntrack, cpus: i32) -> Vec<(&'static str, i64)> {
    let mut values = Vec::new();
    let per_core = conntrack.max_per_core.unwrap_or(32 * 1024);
    if per_core > 0 {
        let most = per_core.saturating_mul(cpus).max(conntrack.min.unwrap_or(128 * 1024));
        values.push(("nf_conntrack_max", i64::from(most)));
    }
    let seconds = |text: &Option<String>, default: i64| match text {
        Some(text) => {
            text.parse::<Duration>().map(|duration| duration.nanos / 1_000_000_000).unwrap_or(default)
        }
        None => default,
    };
    for (name, timeout) in [
        ("nf_conntrack_tcp_timeout_established", seconds(&conntrack.tcp_established_timeout, 24 * 3600)),
        ("nf_conntrack_tcp_timeout_close_wait", seconds(&conntrack.tcp_close_wait_timeout, 3600)),
        ("nf_conntrack_udp_timeout", seconds(&conntrack.udp_timeout, 0)),
        ("nf_conntrack_udp_timeout_stream", seconds(&conntrack.udp_stream_timeout, 0)),
    ] {
        if timeout > 0 {
            values.push((name, timeout));
        }
    }
    if conntrack.tcp_be_liberal {
        values.push(("nf_conntrack_tcp_be_liberal", 1));
    }
    values
}

/// Sets the machine up. A limit is only raised, never lowered; what the machine does not have or not allow is
/// logged and left.
pub fn prepare(conntrack: &Conntrack, oom_score_adj: i32) {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| i32::try_from(cpus.get()).unwrap_or(1));
    for (name, value) in values(conntrack, cpus) {
        let path = Path::new(NETFILTER).join(name);
        let Ok(current) = fs::read_to_string(&path) else { continue };
        let current = current.trim().parse::<i64>().unwrap_or(0);
        if current == value || name == "nf_conntrack_max" && current > value {
            continue;
        }
        if let Err(error) = fs::write(&path, value.to_string()) {
            tracing::warn!(name, value, %error, "failed to set a limit of connection tracking");
        }
    }
    if let Err(error) = fs::write("/proc/self/oom_score_adj", oom_score_adj.to_string()) {
        tracing::info!(oom_score_adj, %error, "failed to set the OOM score");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_follow_the_number_of_cpus() {
        let most = |conntrack: &Conntrack, cpus| {
            values(conntrack, cpus)
                .into_iter()
                .find(|(name, _)| *name == "nf_conntrack_max")
                .map(|(_, value)| value)
        };
        assert_eq!(most(&Conntrack::default(), 2), Some(131_072));
        assert_eq!(most(&Conntrack::default(), 8), Some(262_144));
        assert_eq!(most(&Conntrack { max_per_core: Some(0), ..Conntrack::default() }, 8), None);
    }
}
