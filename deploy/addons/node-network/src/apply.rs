//! Brings a plan into the machine: the CNI file, routes by netlink, rules by nft, and kernel settings.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::route::{RouteAttribute, RouteProtocol};
use rtnetlink::{Handle, RouteMessageBuilder};
use thiserror::Error;

use crate::plan::Plan;

/// Marks our routes among all others, so that those of nodes that went can be found.
const ROUTE_PROTOCOL: RouteProtocol = RouteProtocol::Other(77);
/// Name of the CNI file; the first in the directory wins.
const CNI_FILE: &str = "10-kubernetes.conflist";

/// A step that failed.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A file could not be written.
    #[error("failed to write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The kernel refused something.
    #[error("failed to {step}")]
    Netlink {
        /// What was to be done.
        step: String,
        /// Cause.
        #[source]
        source: rtnetlink::Error,
    },
    /// nft refused the rules.
    #[error("failed to set the masquerading rules")]
    Rules(#[source] nftables::helper::NftablesError),
}

fn netlink(step: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> ApplyError {
    let step = step.into();
    move |source| ApplyError::Netlink { step, source }
}

/// Kernel settings without which pods are not reached: forwarding, and rules for packets that only cross a bridge
/// (an answer to a Service's connection must come back through the translation).
pub fn prepare_kernel() -> Result<(), ApplyError> {
    for (path, required) in [
        ("/proc/sys/net/ipv4/ip_forward", true),
        ("/proc/sys/net/ipv6/conf/all/forwarding", false),
        ("/proc/sys/net/bridge/bridge-nf-call-iptables", false),
        ("/proc/sys/net/bridge/bridge-nf-call-ip6tables", false),
    ] {
        let path = Path::new(path);
        let set = fs::read_to_string(path).is_ok_and(|value| value.trim() == "1");
        if set || !(required || path.exists()) {
            continue;
        }
        if let Err(source) = fs::write(path, "1") {
            if required {
                return Err(ApplyError::File { path: path.to_owned(), source });
            }
            tracing::warn!(path = %path.display(), error = %source, "failed to set a kernel parameter");
        }
    }
    Ok(())
}

/// Ranges that are reached without a router, by the addresses of the host.
pub async fn local_ranges(handle: &Handle) -> Result<Vec<IpNet>, ApplyError> {
    let mut addresses = handle.address().get().execute();
    let mut ranges = Vec::new();
    while let Some(message) = addresses.try_next().await.map_err(netlink("list addresses"))? {
        for attribute in &message.attributes {
            if let AddressAttribute::Address(address) = attribute
                && let Ok(range) = IpNet::new(*address, message.header.prefix_len)
                && !address.is_loopback()
            {
                ranges.push(range.trunc());
            }
        }
    }
    Ok(ranges)
}

/// The largest packet of the interface with the default route; 1500 when there is none.
pub async fn default_mtu(handle: &Handle) -> Result<u32, ApplyError> {
    let mut routes = handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
    let mut interface = None;
    while let Some(route) = routes.try_next().await.map_err(netlink("list routes"))? {
        if route.header.destination_prefix_length == 0 {
            interface = interface.or(route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            }));
        }
    }
    let Some(index) = interface else { return Ok(1500) };
    let mut links = handle.link().get().match_index(index).execute();
    let link = links.try_next().await.map_err(netlink("read the interface with the default route"))?;
    let mtu = link.iter().flat_map(|link| &link.attributes).find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    });
    Ok(mtu.unwrap_or(1500))
}

/// Does everything the plan says; what is there already is left alone.
pub async fn apply(handle: &Handle, plan: &Plan, cni_directory: &Path) -> Result<(), ApplyError> {
    for problem in &plan.unreachable {
        tracing::error!(problem, "no route");
    }
    set_routes(handle, &plan.routes).await?;
    if !plan.rules.is_null() {
        let none: [&str; 0] = [];
        nftables::helper::apply_ruleset_raw_async::<str, str, _>(&plan.rules.to_string(), None, none)
            .await
            .map_err(ApplyError::Rules)?;
    }
    // Last, since it is what tells the kubelet that the network is ready.
    if let Some(cni) = &plan.cni {
        write_when_different(&cni_directory.join(CNI_FILE), &format!("{cni:#}\n"))?;
    }
    Ok(())
}

fn write_when_different(path: &Path, content: &str) -> Result<(), ApplyError> {
    if fs::read_to_string(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let error = |source| ApplyError::File { path: path.to_owned(), source };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(error)?;
    }
    // A reader must never see half of it.
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, content).map_err(error)?;
    fs::rename(&temporary, path).map_err(error)?;
    tracing::info!(path = %path.display(), "wrote the CNI configuration");
    Ok(())
}

async fn set_routes(handle: &Handle, wanted: &BTreeMap<IpNet, IpAddr>) -> Result<(), ApplyError> {
    let mut found: BTreeMap<IpNet, IpAddr> = BTreeMap::new();
    for message in
        [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()]
    {
        let mut routes = handle.route().get(message).execute();
        while let Some(route) = routes.try_next().await.map_err(netlink("list routes"))? {
            if route.header.protocol != ROUTE_PROTOCOL {
                continue;
            }
            let v6 = route.header.address_family == AddressFamily::Inet6;
            let (mut target, mut gateway) = (None, None);
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Destination(address) => target = address_of(address),
                    RouteAttribute::Gateway(address) => gateway = address_of(address),
                    _ => {}
                }
            }
            let any = if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
            let range = IpNet::new(target.unwrap_or(any), route.header.destination_prefix_length);
            if let (Ok(range), Some(gateway)) = (range, gateway) {
                if wanted.get(&range) == Some(&gateway) {
                    found.insert(range, gateway);
                } else {
                    let step = format!("delete the route to {range}");
                    handle.route().del(route).execute().await.map_err(netlink(step))?;
                }
            }
        }
    }
    for (range, gateway) in wanted.iter().filter(|(range, _)| !found.contains_key(range)) {
        let route = match (range, gateway) {
            (IpNet::V4(range), IpAddr::V4(gateway)) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(range.network(), range.prefix_len())
                .gateway(*gateway)
                .protocol(ROUTE_PROTOCOL)
                .build(),
            (IpNet::V6(range), IpAddr::V6(gateway)) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(range.network(), range.prefix_len())
                .gateway(*gateway)
                .protocol(ROUTE_PROTOCOL)
                .build(),
            _ => continue,
        };
        let step = format!("add the route to {range} by {gateway}");
        handle.route().add(route).replace().execute().await.map_err(netlink(step))?;
        tracing::info!(%range, %gateway, "added a route");
    }
    Ok(())
}

fn address_of(address: &rtnetlink::packet_route::route::RouteAddress) -> Option<IpAddr> {
    use rtnetlink::packet_route::route::RouteAddress;
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}
