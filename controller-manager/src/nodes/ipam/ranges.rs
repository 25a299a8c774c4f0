//! A cluster's address range cut into equal pieces, and who has which
//! (`nodeipam/ipam/cidrset`).

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use parking_lot::Mutex;

/// Pieces of one range at most, as upstream: the bit set of an IPv6 range stays small.
const MAX_BITS: u8 = 16;

/// Why a range cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RangeError {
    /// The pieces would be larger than the whole, or smaller than an address.
    #[error("mask size /{mask} of nodes does not fit into {cidr}")]
    Mask {
        /// The whole.
        cidr: IpNet,
        /// Mask of a piece.
        mask: u8,
    },
    /// Too many pieces.
    #[error(
        "{cidr} cut into /{mask} gives more than 2^{MAX_BITS} ranges, use a larger --node-cidr-mask-size"
    )]
    TooMany {
        /// The whole.
        cidr: IpNet,
        /// Mask of a piece.
        mask: u8,
    },
}

/// One range of the cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    whole: IpNet,
    mask: u8,
}

impl Range {
    pub(super) fn new(cidr: IpNet, mask: u8) -> Result<Range, RangeError> {
        let whole = cidr.trunc();
        if mask < whole.prefix_len() || mask > whole.max_prefix_len() {
            return Err(RangeError::Mask { cidr, mask });
        }
        // Upstream bounds IPv6 only; 2^16 nodes are far beyond any IPv4 cluster too.
        if mask - whole.prefix_len() > MAX_BITS {
            return Err(RangeError::TooMany { cidr, mask });
        }
        Ok(Range { whole, mask })
    }

    fn count(&self) -> u32 {
        1 << (self.mask - self.whole.prefix_len())
    }

    /// The piece of a number.
    fn piece(&self, number: u32) -> Option<IpNet> {
        match self.whole {
            IpNet::V4(whole) => {
                let offset = number.checked_shl(u32::from(32 - self.mask)).unwrap_or(0);
                let address = u32::from(whole.addr()) | offset;
                ipnet::Ipv4Net::new(address.into(), self.mask).ok().map(IpNet::V4)
            }
            IpNet::V6(whole) => {
                let offset = u128::from(number).checked_shl(u32::from(128 - self.mask)).unwrap_or(0);
                let address = u128::from(whole.addr()) | offset;
                ipnet::Ipv6Net::new(address.into(), self.mask).ok().map(IpNet::V6)
            }
        }
    }

    /// The numbers of the pieces that overlap `cidr`.
    fn overlapped(&self, cidr: &IpNet) -> Option<RangeInclusive<u32>> {
        let number = |address: std::net::IpAddr| -> u32 {
            match (self.whole, address) {
                (IpNet::V4(whole), std::net::IpAddr::V4(address)) => (u32::from(address)
                    - u32::from(whole.addr()))
                .checked_shr(u32::from(32 - self.mask))
                .unwrap_or(0),
                (IpNet::V6(whole), std::net::IpAddr::V6(address)) => {
                    let offset = u128::from(address) - u128::from(whole.addr());
                    u32::try_from(offset.checked_shr(u32::from(128 - self.mask)).unwrap_or(0))
                        .unwrap_or(u32::MAX)
                }
                _ => 0,
            }
        };
        if self.whole.contains(cidr) {
            Some(number(cidr.network())..=number(cidr.broadcast()))
        } else if cidr.contains(&self.whole) {
            Some(0..=self.count() - 1)
        } else {
            None
        }
    }
}

#[derive(Default)]
struct Taken {
    /// Pieces of each node: (range, number of the piece).
    by_node: HashMap<String, Vec<(usize, u32)>>,
    used: HashSet<(usize, u32)>,
    reserved: HashSet<(usize, u32)>,
    /// Where the search for a free piece of each range goes on, so that a piece just freed rests a while.
    next: Vec<u32>,
}

/// Who has which piece; all methods are quick and may be called from event handlers.
pub(super) struct Allocator {
    ranges: Vec<Range>,
    taken: Mutex<Taken>,
}

impl Allocator {
    /// Pieces that overlap `services` are never handed out.
    pub(super) fn new(ranges: Vec<Range>, services: &[IpNet]) -> Allocator {
        let mut taken = Taken { next: vec![0; ranges.len()], ..Taken::default() };
        for (index, range) in ranges.iter().enumerate() {
            for service in services {
                taken
                    .reserved
                    .extend(range.overlapped(service).into_iter().flatten().map(|number| (index, number)));
            }
        }
        Allocator { ranges, taken: Mutex::new(taken) }
    }

    /// Notes what a node has.
    pub(super) fn occupy(&self, node: &str, cidrs: &[String]) {
        if cidrs.is_empty() {
            return;
        }
        let mut pieces = Vec::new();
        for cidr in cidrs {
            let Ok(cidr) = cidr.parse::<IpNet>() else {
                tracing::error!(node, cidr, "node has a pod range that cannot be read");
                continue;
            };
            for (index, range) in self.ranges.iter().enumerate() {
                pieces.extend(range.overlapped(&cidr).into_iter().flatten().map(|number| (index, number)));
            }
        }
        let mut taken = self.taken.lock();
        taken.remove(node);
        taken.used.extend(pieces.iter().copied());
        taken.by_node.insert(node.to_owned(), pieces);
    }

    /// Gives back what a node had.
    pub(super) fn release(&self, node: &str) {
        self.taken.lock().remove(node);
    }

    /// A piece of each range for a node: the same again until it is released. `None` when a range is full.
    pub(super) fn allocate(&self, node: &str) -> Option<Vec<IpNet>> {
        let mut taken = self.taken.lock();
        if let Some(pieces) = taken.by_node.get(node) {
            return pieces.iter().map(|(index, number)| self.ranges.get(*index)?.piece(*number)).collect();
        }
        let mut chosen = Vec::new();
        for (index, range) in self.ranges.iter().enumerate() {
            let start = taken.next.get(index).copied().unwrap_or(0);
            let count = range.count();
            let mut candidates = (0..count).map(|step| (start + step) % count);
            let free = candidates.find(|number| {
                let piece = (index, *number);
                !taken.used.contains(&piece) && !taken.reserved.contains(&piece)
            })?;
            chosen.push((index, free));
        }
        for (index, number) in &chosen {
            if let Some(next) = taken.next.get_mut(*index) {
                *next = number + 1;
            }
        }
        taken.used.extend(chosen.iter().copied());
        let cidrs = chosen.iter().map(|(index, number)| self.ranges.get(*index)?.piece(*number)).collect();
        taken.by_node.insert(node.to_owned(), chosen);
        cidrs
    }
}

impl Taken {
    fn remove(&mut self, node: &str) {
        for piece in self.by_node.remove(node).unwrap_or_default() {
            self.used.remove(&piece);
        }
    }
}
