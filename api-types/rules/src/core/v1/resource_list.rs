//! Arithmetic on resource lists (resource name → quantity) and the classes of resource names.

use machinery::Quantity;
use std::{cmp::Ordering, collections::BTreeMap};

/// Amounts by resource name, as `requests`, `limits`, `capacity` hold them.
pub type ResourceList = BTreeMap<String, Quantity>;

/// Prefix of huge page resources.
pub const HUGE_PAGES_PREFIX: &str = "hugepages-";
/// Prefix of attachable volume limits.
pub const ATTACHABLE_VOLUMES_PREFIX: &str = "attachable-volumes-";
/// Domain of resources that are ours.
pub const NATIVE_PREFIX: &str = "kubernetes.io/";
/// Prefix of quota on requests.
pub const REQUESTS_PREFIX: &str = "requests.";

/// Adds `other` to `list`, name by name. A sum beyond the range of quantities keeps the larger operand.
pub fn add(list: &mut ResourceList, other: &ResourceList) {
    for (name, quantity) in other {
        match list.get_mut(name) {
            None => {
                list.insert(name.clone(), quantity.clone());
            }
            Some(present) => match present.add(quantity) {
                Ok(sum) => *present = sum,
                Err(_) if present.compare(quantity) == Ordering::Less => *present = quantity.clone(),
                Err(_) => {}
            },
        }
    }
}

/// Takes `other` from `list`; names that are only in `other` become negative.
pub fn subtract(list: &mut ResourceList, other: &ResourceList) {
    for (name, quantity) in other {
        let present = list.entry(name.clone()).or_insert_with(|| Quantity("0".to_owned()));
        if let Ok(difference) = present.sub(quantity) {
            *present = difference;
        }
    }
}

/// Raises `list` to at least `other`, name by name.
pub fn raise(list: &mut ResourceList, other: &ResourceList) {
    for (name, quantity) in other {
        match list.get_mut(name) {
            Some(present) if quantity.compare(present) != Ordering::Greater => {}
            Some(present) => *present = quantity.clone(),
            None => {
                list.insert(name.clone(), quantity.clone());
            }
        }
    }
}

/// The largest amount of each name in any of `lists`.
pub fn largest(lists: &[&ResourceList]) -> ResourceList {
    let mut result = ResourceList::new();
    for list in lists {
        raise(&mut result, list);
    }
    result
}

/// Rounds every amount up to a thousandth, the finest step the API keeps.
pub fn round_up_to_milli(list: &mut ResourceList) {
    for quantity in list.values_mut() {
        if let Ok(amount) = quantity.amount() {
            let (rounded, exact) = amount.round_up(-3);
            if !exact {
                *quantity = rounded.into();
            }
        }
    }
}

/// True for `hugepages-<size>`.
pub fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE_PAGES_PREFIX)
}

/// True for names without a domain or in ours.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains(NATIVE_PREFIX)
}

/// True for names of device plugins and the like: in a domain of their own and valid as a quota name.
pub fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with(REQUESTS_PREFIX)
        && crate::meta::is_qualified_name(&format!("{REQUESTS_PREFIX}{name}"))
}

/// True when limits may exceed requests.
pub fn overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// True for resources that pod-level requests and limits may name.
pub fn is_pod_level(name: &str) -> bool {
    name == "cpu" || name == "memory" || is_huge_page(name)
}
