//! Elements of nft maps and sets, put in and taken out in one netlink batch.
//!
//! Source: `linux/netfilter/nf_tables.h`. One change costs microseconds this way; through the `nft` program it
//! would cost a process and a listing.

use std::io;

use kube_proxy_core::model::Family;
use kube_proxy_core::render::{SpreadChain, Target};
use kube_proxy_core::skeleton::TABLE;
use kube_proxy_core::state::Element;
use netlink_sys::constants::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBufForce;

use crate::chains;
use crate::netlink::{
    ACK, CREATE, GOTO, HEADER, NFNL_SUBSYS_NFTABLES, REQUEST, family_number, nest, text, value, verdict,
    with_header,
};

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_ELEMENTS: u16 = NFNL_SUBSYS_NFTABLES << 8 | 12;
const DELETE_ELEMENTS: u16 = NFNL_SUBSYS_NFTABLES << 8 | 14;
const ERROR: u16 = 2;
/// A nested attribute's length has 16 bits.
const MOST_ATTRIBUTE_BYTES: usize = 60_000;
/// Batches are cut so that no one of them holds the kernel for long.
const MOST_BATCH_BYTES: usize = 4 << 20;

/// Makes `chains`, takes `remove` out of and puts `add` into their maps, at once unless they are very many.
pub fn change(family: Family, chains: &[SpreadChain], remove: &[Element], add: &[Element]) -> io::Result<()> {
    let mut messages: Vec<Vec<u8>> = chains.iter().flat_map(|chain| chains::spread(family, chain)).collect();
    build(family, DELETE_ELEMENTS, remove, &mut messages);
    build(family, NEW_ELEMENTS, add, &mut messages);
    let mut batch = Vec::new();
    let mut count = 0;
    for message in messages {
        if batch.len() + message.len() > MOST_BATCH_BYTES && count > 0 {
            send(&batch, count)?;
            batch.clear();
            count = 0;
        }
        batch.extend_from_slice(&message);
        count += 1;
    }
    if count > 0 { send(&batch, count) } else { Ok(()) }
}

fn build(family: Family, kind: u16, elements: &[Element], messages: &mut Vec<Vec<u8>>) {
    for same_map in elements.chunk_by(|a, b| a.map == b.map) {
        let mut list = Vec::new();
        for element in same_map {
            let mut body = Vec::new();
            value(&mut body, 1, &element.key);
            match &element.target {
                Target::Member => {}
                Target::Until(end) => value(&mut body, 10, end),
                _ if kind == DELETE_ELEMENTS => {}
                Target::Goto(chain) => nest(&mut body, 2, |data| verdict(data, GOTO, chain)),
                Target::Endpoint(address, port) => {
                    let mut bytes = match address {
                        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
                    };
                    bytes.extend(port.to_be_bytes());
                    bytes.extend([0, 0]);
                    value(&mut body, 2, &bytes);
                }
            }
            if list.len() + body.len() > MOST_ATTRIBUTE_BYTES {
                messages.push(message(family, kind, element.map.name(), &list));
                list.clear();
            }
            nest(&mut list, 1, |out| out.extend_from_slice(&body));
        }
        if let Some(first) = same_map.first() {
            messages.push(message(family, kind, first.map.name(), &list));
        }
    }
}

fn message(family: Family, kind: u16, map: &str, list: &[u8]) -> Vec<u8> {
    let mut body = vec![family_number(family), 0, 0, 0];
    text(&mut body, 1, TABLE);
    text(&mut body, 2, map);
    nest(&mut body, 3, |out| out.extend_from_slice(list));
    let create = if kind == NEW_ELEMENTS { CREATE } else { 0 };
    with_header(kind, REQUEST | ACK | create, 1, &body)
}

/// Sends one batch and waits until the kernel has answered each of its messages.
fn send(messages: &[u8], mut unanswered: usize) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel counts its own overhead too; the default of some 200 KB is far too small.
    setsockopt(&socket, SndBufForce, &(MOST_BATCH_BYTES * 4))?;
    let edge = [0, 0, 0, NFNL_SUBSYS_NFTABLES as u8];
    let mut batch = with_header(BATCH_BEGIN, REQUEST, 0, &edge);
    batch.extend_from_slice(messages);
    batch.extend(with_header(BATCH_END, REQUEST, 2, &edge));
    socket.send(&batch, 0)?;
    while unanswered > 0 {
        let (answer, _) = socket.recv_from_full()?;
        let mut rest = answer.as_slice();
        while let Some((header, body)) = rest.split_at_checked(HEADER) {
            let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            if kind == ERROR {
                let code = body.first_chunk::<4>().map_or(0, |code| i32::from_ne_bytes(*code));
                if code != 0 {
                    return Err(io::Error::from_raw_os_error(-code));
                }
                unanswered = unanswered.saturating_sub(1);
            }
            rest = rest.get(length.max(HEADER).next_multiple_of(4)..).unwrap_or_default();
        }
    }
    Ok(())
}
