//! Network interfaces and the addresses the machine is reached by.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kubelet_core::ports::{Interface, MachineError, Packets};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::NodeMachine;

/// Routes with these flags are up (`RTF_UP`) and not refusals (`RTF_REJECT`).
const ROUTE_UP: u32 = 0x1;
const ROUTE_REJECT: u32 = 0x200;

/// Interfaces that are up, by name, with addresses and counters.
pub(super) fn interfaces(machine: &NodeMachine) -> Result<Vec<Interface>, MachineError> {
    let all = getifaddrs().map_err(|errno| MachineError {
        what: "list network interfaces".to_owned(),
        message: errno.to_string(),
    })?;
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in all.filter(|entry| entry.flags.contains(InterfaceFlags::IFF_UP)) {
        let name = entry.interface_name;
        let interface = found.entry(name.clone()).or_insert_with(|| Interface {
            loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            rx_bytes: counter(machine, &name, "rx_bytes"),
            rx_errors: counter(machine, &name, "rx_errors"),
            tx_bytes: counter(machine, &name, "tx_bytes"),
            tx_errors: counter(machine, &name, "tx_errors"),
            packets: Packets {
                received: counter(machine, &name, "rx_packets"),
                receive_dropped: counter(machine, &name, "rx_dropped"),
                transmitted: counter(machine, &name, "tx_packets"),
                transmit_dropped: counter(machine, &name, "tx_dropped"),
            },
            name,
            addresses: Vec::new(),
        });
        let address = entry.address.as_ref().and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        });
        let mask = entry.netmask.as_ref();
        let length = mask.and_then(|mask| mask.as_sockaddr_in().map(|mask| ones(&mask.ip().octets())));
        let length = length
            .or_else(|| mask.and_then(|mask| mask.as_sockaddr_in6().map(|mask| ones(&mask.ip().octets()))));
        if let Some(address) = address {
            interface.addresses.push((address, length.unwrap_or_default()));
        }
    }
    Ok(found.into_values().collect())
}

/// The interfaces in a table like `/proc/<pid>/net/dev`, but for the loopback.
pub(super) fn of_table(table: &str) -> Vec<Interface> {
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, numbers)| {
            let numbers: Vec<u64> =
                numbers.split_whitespace().map(|number| number.parse().unwrap_or_default()).collect();
            let at = |place: usize| numbers.get(place).copied().unwrap_or_default();
            // Receive: bytes packets errs drop fifo frame compressed multicast; transmit: bytes packets errs drop …
            Interface {
                name: name.trim().to_owned(),
                rx_bytes: at(0),
                rx_errors: at(2),
                tx_bytes: at(8),
                tx_errors: at(10),
                packets: Packets {
                    received: at(1),
                    receive_dropped: at(3),
                    transmitted: at(9),
                    transmit_dropped: at(11),
                },
                ..Interface::default()
            }
        })
        .filter(|interface| interface.name != "lo")
        .collect()
}

fn counter(machine: &NodeMachine, interface: &str, counter: &str) -> u64 {
    let path = format!("/sys/class/net/{interface}/statistics/{counter}");
    machine.read_if_there(&path).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn ones(mask: &[u8]) -> u8 {
    mask.iter().map(|byte| byte.count_ones() as u8).sum()
}

/// For each family, the first global address of the interface with the default route of least metric.
pub(super) fn default_route_addresses(interfaces: &[Interface], ipv4: &str, ipv6: &str) -> Vec<IpAddr> {
    let of = |routes: Vec<(u32, String)>, wanted: fn(&IpAddr) -> bool| {
        let mut routes = routes;
        routes.sort();
        routes.iter().find_map(|(_, name)| {
            let interface = interfaces.iter().find(|interface| interface.name == *name)?;
            interface.addresses.iter().map(|(address, _)| *address).find(wanted)
        })
    };
    let v4 = of(
        default_routes_v4(ipv4),
        |address| matches!(address, IpAddr::V4(address) if is_global_v4(address)),
    );
    let v6 = of(
        default_routes_v6(ipv6),
        |address| matches!(address, IpAddr::V6(address) if is_global_v6(address)),
    );
    v4.into_iter().chain(v6).collect()
}

/// Metric and interface of each default route in `/proc/net/route`.
fn default_routes_v4(table: &str) -> Vec<(u32, String)> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (name, destination, flags, metric, mask) =
            (fields.first()?, fields.get(1)?, fields.get(3)?, fields.get(6)?, fields.get(7)?);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let usable = flags & ROUTE_UP != 0 && flags & ROUTE_REJECT == 0;
        let default = *destination == "00000000" && *mask == "00000000";
        (usable && default).then(|| Some((metric.parse().ok()?, (*name).to_owned())))?
    };
    table.lines().filter_map(route).collect()
}

/// Metric and interface of each default route in `/proc/net/ipv6_route`.
fn default_routes_v6(table: &str) -> Vec<(u32, String)> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (destination, length, metric, flags, name) =
            (fields.first()?, fields.get(1)?, fields.get(5)?, fields.get(8)?, fields.get(9)?);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let usable = flags & ROUTE_UP != 0 && flags & ROUTE_REJECT == 0;
        let default = *length == "00" && destination.bytes().all(|byte| byte == b'0') && *name != "lo";
        (usable && default).then(|| Some((u32::from_str_radix(metric, 16).ok()?, (*name).to_owned())))?
    };
    table.lines().filter_map(route).collect()
}

fn is_global_v4(address: &Ipv4Addr) -> bool {
    !(address.is_loopback() || address.is_link_local() || address.is_multicast() || address.is_unspecified())
}

fn is_global_v6(address: &Ipv6Addr) -> bool {
    !(address.is_loopback()
        || address.is_unicast_link_local()
        || address.is_multicast()
        || address.is_unspecified())
}
