//! Ranges are cut, handed out once and given back; nodes get what is reserved for them.

use std::sync::Arc;

use api_types::core::v1::Node;
use ipnet::IpNet;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Store};

use super::gather::NodeRanges;
use super::ranges::{Allocator, Range, RangeError};

fn cidr(text: &str) -> IpNet {
    text.parse().expect("cidr")
}

fn allocator(ranges: &[(&str, u8)], services: &[&str]) -> Allocator {
    let ranges = ranges.iter().map(|(whole, mask)| Range::new(cidr(whole), *mask).expect("range")).collect();
    Allocator::new(ranges, &services.iter().map(|text| cidr(text)).collect::<Vec<_>>())
}

fn given(allocator: &Allocator, node: &str) -> Option<Vec<String>> {
    Some(allocator.allocate(node)?.iter().map(ToString::to_string).collect())
}

fn list(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn pieces_are_handed_out_once_and_given_back() {
    let allocator = allocator(&[("10.244.0.0/22", 24)], &[]);
    assert_eq!(given(&allocator, "a"), list(&["10.244.0.0/24"]));
    assert_eq!(given(&allocator, "a"), list(&["10.244.0.0/24"]), "asked again");
    assert_eq!(given(&allocator, "b"), list(&["10.244.1.0/24"]));
    allocator.release("a");
    assert_eq!(given(&allocator, "c"), list(&["10.244.2.0/24"]), "a freed piece rests");
    allocator.occupy("d", &["10.244.3.0/24".to_owned()]);
    assert_eq!(given(&allocator, "e"), list(&["10.244.0.0/24"]));
    assert_eq!(given(&allocator, "f"), None);
    allocator.release("d");
    assert_eq!(given(&allocator, "f"), list(&["10.244.3.0/24"]));
}

#[test]
fn both_families_and_services_are_minded() {
    let allocator = allocator(&[("10.0.0.0/14", 16), ("fd00::/62", 64)], &["10.0.0.0/15", "10.3.5.0/24"]);
    assert_eq!(given(&allocator, "a"), list(&["10.2.0.0/16", "fd00::/64"]));
    assert_eq!(given(&allocator, "b"), None, "what is left belongs to services");
}

#[test]
fn impossible_masks_are_refused() {
    let refused = |whole: &str, mask| Range::new(cidr(whole), mask).err();
    assert_eq!(refused("10.0.0.0/16", 24), None);
    assert!(matches!(refused("10.0.0.0/16", 8), Some(RangeError::Mask { .. })));
    assert!(matches!(refused("10.0.0.0/16", 64), Some(RangeError::Mask { .. })));
    assert!(matches!(refused("fd00::/32", 64), Some(RangeError::TooMany { .. })));
}

fn node(name: &str, cidrs: &[&str]) -> Node {
    let mut node = Node::default();
    (node.metadata.name, node.metadata.uid) = (name.into(), name.into());
    node.spec.pod_cidrs = cidrs.iter().map(|cidr| (*cidr).to_owned()).collect();
    node
}

#[test]
fn nodes_are_patched_once() {
    let allocator = Arc::new(allocator(&[("10.244.0.0/24", 24)], &[]));
    let nodes = Store::with_objects([node("a", &[]), node("b", &[]), node("c", &["10.9.0.0/24"])]);
    let controller = NodeRanges { nodes, allocator };
    let plan = |name: &str| {
        controller
            .gather(&ObjectKey::new("", name))
            .map(|inputs| NodeRanges::plan(&inputs, Timestamp::UNIX_EPOCH))
    };
    let first = plan("a").expect("planned");
    let (target, _, patch) = first.actions().next().and_then(runtime::Action::patched).expect("patched");
    assert_eq!(target.name, "a");
    assert_eq!(
        patch.value()["spec"],
        serde_json::json!({"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]})
    );
    let full = plan("b").expect("planned");
    assert_eq!(full.notes[0].message, "Node b status is now: CIDRNotAvailable");
    assert!(full.requeue_after.is_some());
    assert!(plan("c").is_none());
}
