//! Connections that the kernel must forget, by the `conntrack` program.

use std::net::IpAddr;

use kube_proxy_core::conntrack::Stale;
use kube_proxy_core::model::Family;
use tokio::process::Command;

fn arguments(stale: &Stale, family: Family) -> Vec<String> {
    let version = if family == Family::V4 { "ipv4" } else { "ipv6" };
    let mut arguments: Vec<String> = ["-D", "-f", version, "-p", "udp"].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    let endpoint: &Option<IpAddr> = match stale {
        Stale::To { address, port, endpoint } => {
            option("--orig-dst", address.to_string());
            option("--orig-port-dst", port.to_string());
            endpoint
        }
        Stale::ToNodePort { port, endpoint } => {
            option("--orig-port-dst", port.to_string());
            endpoint
        }
    };
    if let Some(endpoint) = endpoint {
        option("--dst-nat", endpoint.to_string());
    }
    arguments
}

/// Forgets the connections. That there are none is no failure, and a failure must not hold up the rules: it is
/// logged.
pub async fn forget(stale: impl IntoIterator<Item = &Stale>, family: Family) {
    for stale in stale {
        match Command::new("conntrack").args(arguments(stale, family)).output().await {
            Ok(output) if output.status.success() => {}
            Ok(output) if String::from_utf8_lossy(&output.stderr).contains("0 flow entries") => {}
            Ok(output) => {
                let message = String::from_utf8_lossy(&output.stderr);
                tracing::error!(?stale, message = message.trim(), "failed to delete stale UDP connections");
            }
            Err(error) => tracing::error!(?stale, %error, "failed to run conntrack"),
        }
    }
}
