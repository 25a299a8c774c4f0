//! `kubectl port-forward`: local ports that lead into a pod.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use client::upgrade::PortForward;
use client::upgrade::port_forward::ForwardedPort;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use super::pods;
use crate::error::message;
use crate::{Factory, Result, Streams, values};

/// Arguments of `port-forward`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// POD or TYPE/NAME
    pub target: String,
    /// [LOCAL_PORT:]REMOTE_PORT ...
    #[arg(required = true)]
    pub ports: Vec<String>,
    /// Addresses to listen on (comma separated)
    #[arg(long, default_value = "localhost", value_delimiter = ',')]
    pub address: Vec<String>,
}

/// Runs `port-forward` until interrupted or the pod is gone.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let pod = pods::pods_of(factory, &args.target).await?.into_iter().next().unwrap_or_default();
    if values::text(&pod, "/status/phase") != "Running" {
        return Err(message(format!(
            "unable to forward port because pod is not running. Current status={}",
            values::text(&pod, "/status/phase")
        )));
    }
    let service = match args.target.split_once('/') {
        Some((kind, name)) if factory.resource(kind).await?.resource.plural == "services" => {
            let found = factory.resource("services").await?;
            Some(crate::resources::target(factory, found, name)?.get(factory).await?)
        }
        _ => None,
    };
    let mut pairs = Vec::new();
    for specification in &args.ports {
        pairs.push(pair(specification, &pod, service.as_ref())?);
    }
    let forward = Arc::new(PortForward::start(factory.client()?, values::namespace(&pod), values::name(&pod)).await?);
    let mut listening = tokio::task::JoinSet::new();
    for (local, remote) in pairs {
        let mut port = local;
        for address in addresses(&args.address)? {
            let bound = TcpListener::bind((address, port)).await;
            let listener = match bound {
                Ok(listener) => listener,
                // `localhost` is content with one of its two addresses.
                Err(_) if address.is_ipv6() && args.address.iter().any(|name| name == "localhost") => continue,
                Err(error) => {
                    return Err(message(format!("unable to listen on port {port}: Listeners failed to create with the following errors: [unable to create listener: Error listen {address}:{port}: {error}]")));
                }
            };
            let at = listener.local_addr()?;
            port = at.port();
            writeln!(streams.out, "Forwarding from {at} -> {remote}")?;
            let forward = Arc::clone(&forward);
            listening.spawn(accept(listener, forward, remote));
        }
    }
    streams.flush()?;
    tokio::select! {
        () = forward.closed() => Err(message("lost connection to pod")),
        _ = tokio::signal::ctrl_c() => Ok(0),
    }
}

async fn accept(listener: TcpListener, forward: Arc<PortForward>, remote: u16) {
    while let Ok((stream, from)) = listener.accept().await {
        eprintln!("Handling connection for {}", listener.local_addr().map(|at| at.port()).unwrap_or_default());
        let forward = Arc::clone(&forward);
        tokio::spawn(async move {
            if let Err(error) = carry(stream, &forward, remote).await {
                eprintln!("an error occurred forwarding {from} -> {remote}: {error}");
            }
        });
    }
}

async fn carry(mut local: TcpStream, forward: &PortForward, remote: u16) -> std::result::Result<(), String> {
    let ForwardedPort { mut data, error } = forward.connect(remote).await.map_err(|error| error.to_string())?;
    let failure = tokio::spawn(ForwardedPort::failure(error));
    // Which side ended the connection first is of no interest; what the pod says is.
    let _ = tokio::io::copy_bidirectional(&mut local, &mut data).await;
    drop(data);
    match failure.await {
        Ok(Some(failure)) => Err(failure),
        _ => Ok(()),
    }
}

fn addresses(names: &[String]) -> Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for name in names {
        if name == "localhost" {
            found.extend([IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
        } else {
            found.push(name.parse().map_err(|_| message(format!("{name} is not a valid IP")))?);
        }
    }
    Ok(found)
}

/// Local and remote port of `8080:80`, `:80`, `80` or a name.
fn pair(specification: &str, pod: &Value, service: Option<&Value>) -> Result<(u16, u16)> {
    let (local, remote) = match specification.split_once(':') {
        Some((local, remote)) => (Some(local), remote),
        None => (None, specification),
    };
    let number = remote.parse::<u16>().ok();
    let remote_port = match service {
        Some(service) => {
            let matches = |port: &&Value| match number {
                Some(number) => values::number(port, "/port") == Some(i64::from(number)),
                None => values::text(port, "/name") == remote,
            };
            let port = values::list(service, "/spec/ports").iter().find(matches).ok_or_else(|| {
                message(format!("Service {} does not have a service port {remote}", values::name(service)))
            })?;
            match port.get("targetPort") {
                Some(Value::String(name)) => container_port(pod, name)?,
                Some(target) => target.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
                None => number.unwrap_or_default(),
            }
        }
        None => match number {
            Some(number) => number,
            None => container_port(pod, remote)?,
        },
    };
    if remote_port == 0 {
        return Err(message(format!("remote port must be > 0 in {specification:?}")));
    }
    let local_port = match local {
        None => number.unwrap_or(remote_port),
        Some("") => 0,
        Some(text) => text
            .parse()
            .map_err(|_| message(format!("error parsing local port {text:?}: must be a number from 0 to 65535")))?,
    };
    Ok((local_port, remote_port))
}

fn container_port(pod: &Value, name: &str) -> Result<u16> {
    values::list(pod, "/spec/containers")
        .iter()
        .flat_map(|container| values::list(container, "/ports"))
        .find(|port| values::text(port, "/name") == name)
        .and_then(|port| values::number(port, "/containerPort"))
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| message(format!("Pod '{}' does not have a named port '{name}'", values::name(pod))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_are_numbers_names_or_pairs() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]}});
        let check = |text: &str, expected: Option<(u16, u16)>| assert_eq!(pair(text, &pod, None).ok(), expected, "{text}");
        check("80", Some((80, 80)));
        check("8080:80", Some((8080, 80)));
        check(":80", Some((0, 80)));
        check("web", Some((8080, 8080)));
        check("x", None);
        check("70000", None);
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "targetPort": "web"}]}});
        assert_eq!(pair("80", &pod, Some(&service)).ok(), Some((80, 8080)));
    }
}
