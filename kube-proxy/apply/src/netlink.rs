//! The little of netlink's and nf_tables' wire format that is needed.

use kube_proxy_core::model::Family;

/// nf_tables among the netfilter subsystems.
pub const NFNL_SUBSYS_NFTABLES: u16 = 10;
/// Every message that asks for something.
pub const REQUEST: u16 = 1;
/// The kernel is to answer also when all is well.
pub const ACK: u16 = 4;
/// Make what is not there.
pub const CREATE: u16 = 0x400;
/// Put a rule behind the others.
pub const APPEND: u16 = 0x800;
/// Length of a message's header.
pub const HEADER: usize = 16;
/// Verdict: go to a chain and come back.
pub const JUMP: i32 = -3;
/// Verdict: go to a chain.
pub const GOTO: i32 = -4;
const NESTED: u16 = 0x8000;

/// Number of an address family.
pub fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// Puts the header before a body.
pub fn with_header(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend(0u32.to_ne_bytes());
    out.extend_from_slice(body);
    out
}

/// Appends an attribute.
pub fn attribute(out: &mut Vec<u8>, kind: u16, bytes: &[u8]) {
    out.extend(((bytes.len() + 4) as u16).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Appends an attribute made of attributes.
pub fn nest(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    attribute(out, kind | NESTED, &body);
}

/// `NFTA_DATA_VALUE` inside an attribute.
pub fn value(out: &mut Vec<u8>, kind: u16, bytes: &[u8]) {
    nest(out, kind, |inner| attribute(inner, 1, bytes));
}

/// Appends text that ends with a zero byte.
pub fn text(out: &mut Vec<u8>, kind: u16, text: &str) {
    attribute(out, kind, &[text.as_bytes(), &[0]].concat());
}

/// Appends a number in network order.
pub fn number(out: &mut Vec<u8>, kind: u16, number: u32) {
    attribute(out, kind, &number.to_be_bytes());
}

/// `NFTA_DATA_VERDICT` with a chain.
pub fn verdict(out: &mut Vec<u8>, code: i32, chain: &str) {
    nest(out, 2, |verdict| {
        attribute(verdict, 1, &code.to_be_bytes());
        text(verdict, 2, chain);
    });
}
