//! Chains that spread connections over endpoints, made by netlink.
//!
//! They would be one line of nft text, but nft 1.0.6 cannot refer to a map whose key has a drawn number once the
//! map is in the kernel.

use kube_proxy_core::model::Family;
use kube_proxy_core::render::{Map, SpreadChain};
use kube_proxy_core::skeleton::{MASQUERADE_CHAIN, TABLE};

use crate::netlink::{
    ACK, APPEND, CREATE, JUMP, NFNL_SUBSYS_NFTABLES, REQUEST, family_number, nest, number, text, verdict,
    with_header,
};

const NEW_CHAIN: u16 = NFNL_SUBSYS_NFTABLES << 8 | 3;
const NEW_RULE: u16 = NFNL_SUBSYS_NFTABLES << 8 | 6;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const META_L4PROTO: u32 = 16;
const RANDOM: u32 = 1;
const DNAT: u32 = 1;
/// The first register of 16 bytes; it spans four of 4 bytes, whose numbers begin at 8.
const WIDE_REGISTER: u32 = 1;
const NARROW_REGISTERS: u32 = 8;

/// Messages that make the chain and its rules.
pub fn spread(family: Family, chain: &SpreadChain) -> Vec<Vec<u8>> {
    let name = chain.name();
    let start = || vec![family_number(family), 0, 0, 0];
    let mut body = start();
    text(&mut body, 1, TABLE);
    text(&mut body, 3, &name);
    let mut messages = vec![with_header(NEW_CHAIN, REQUEST | ACK | CREATE, 1, &body)];
    let mut rule = |fill: &dyn Fn(&mut Vec<u8>)| {
        let mut body = start();
        text(&mut body, 1, TABLE);
        text(&mut body, 2, &name);
        nest(&mut body, 4, |out| fill(out));
        messages.push(with_header(NEW_RULE, REQUEST | ACK | CREATE | APPEND, 1, &body));
    };
    if chain.masquerade {
        rule(&|out| {
            expression(out, "immediate", |data| {
                number(data, 1, 0);
                nest(data, 2, |value| verdict(value, JUMP, MASQUERADE_CHAIN));
            });
        });
    }
    rule(&|out| draw_and_translate(family, chain, out));
    messages
}

/// Loads the key (destination, protocol, port, drawn number) into consecutive registers, looks it up, and
/// translates the destination to what was found.
fn draw_and_translate(family: Family, chain: &SpreadChain, out: &mut Vec<u8>) {
    let (address_offset, address_length) = if family == Family::V4 { (16, 4) } else { (24, 16) };
    let by_port = matches!(chain.map, Map::NodePortEndpoints | Map::LocalNodePortEndpoints);
    let mut next = NARROW_REGISTERS;
    let mut take = |bytes: u32| {
        let register = next;
        next += bytes / 4;
        // The kernel wants the first register by its number among the wide ones.
        if register == NARROW_REGISTERS { WIDE_REGISTER } else { register }
    };
    if !by_port {
        let register = take(address_length);
        payload(out, register, NETWORK_HEADER, address_offset, address_length);
    }
    let register = take(4);
    expression(out, "meta", |data| {
        number(data, 2, META_L4PROTO);
        number(data, 1, register);
    });
    payload(out, take(4), TRANSPORT_HEADER, 2, 2);
    let register = take(4);
    expression(out, "numgen", |data| {
        number(data, 1, register);
        number(data, 2, chain.count as u32);
        number(data, 3, RANDOM);
        number(data, 4, 0);
    });
    expression(out, "lookup", |data| {
        text(data, 1, chain.map.name());
        number(data, 2, WIDE_REGISTER);
        number(data, 3, WIDE_REGISTER);
    });
    expression(out, "nat", |data| {
        number(data, 1, DNAT);
        number(data, 2, u32::from(family_number(family)));
        number(data, 3, WIDE_REGISTER);
        number(data, 5, NARROW_REGISTERS + address_length / 4);
    });
}

fn payload(out: &mut Vec<u8>, register: u32, base: u32, offset: u32, length: u32) {
    expression(out, "payload", |data| {
        number(data, 1, register);
        number(data, 2, base);
        number(data, 3, offset);
        number(data, 4, length);
    });
}

fn expression(out: &mut Vec<u8>, name: &str, fill: impl FnOnce(&mut Vec<u8>)) {
    nest(out, 1, |expression| {
        text(expression, 1, name);
        nest(expression, 2, fill);
    });
}
