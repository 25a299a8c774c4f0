//! `kubectl cluster-info`: addresses of the control plane and cluster services.

use std::io::Write as _;

use client::params::ListParams;

use crate::{Factory, Result, Streams, resources, values};

/// Arguments of `cluster-info`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs `cluster-info`.
pub async fn run(_: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let server = factory.client()?.config().server.to_string();
    let server = server.trim_end_matches('/');
    let paint = |text: &str, code: u8| match streams.terminal {
        true => format!("\u{1b}[0;{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    };
    let line = |name: &str, url: &str| format!("{} is running at {}", paint(name, 32), paint(url, 33));
    let mut lines = vec![line("Kubernetes control plane", server)];
    let services = factory.resource("services").await?;
    let params = ListParams::default().labels("kubernetes.io/cluster-service=true");
    for service in resources::list_all(factory, &services, Some("kube-system"), params).await? {
        let labelled = service.pointer("/metadata/labels").and_then(|labels| labels.get("kubernetes.io/name"));
        let name = labelled.map_or_else(|| values::name(&service).to_owned(), values::plain);
        let ingress = values::list(&service, "/status/loadBalancer/ingress");
        let url = match ingress.first() {
            Some(first) => {
                let host = [values::text(first, "/ip"), values::text(first, "/hostname")].join("");
                let ports = values::list(&service, "/spec/ports").iter();
                ports
                    .map(|port| format!("http://{host}:{} ", values::number(port, "/port").unwrap_or_default()))
                    .collect::<String>()
            }
            None => {
                let port = values::list(&service, "/spec/ports").first();
                let port = port.map(|port| values::text(port, "/name")).filter(|name| !name.is_empty());
                let port = port.map(|name| format!(":{name}")).unwrap_or_default();
                let namespace = values::namespace(&service);
                format!("{server}/api/v1/namespaces/{namespace}/services/{}{port}/proxy", values::name(&service))
            }
        };
        lines.push(line(&name, &url));
    }
    for line in lines {
        writeln!(streams.out, "{line}")?;
    }
    writeln!(streams.out, "\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.")?;
    Ok(0)
}
