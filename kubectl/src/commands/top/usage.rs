//! Amounts in use and how they are shown.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use machinery::Quantity;
use serde_json::Value;

use crate::values;

/// A resource that is measured, and the headings of its columns.
pub struct Measured {
    /// The resource.
    pub resource: &'static str,
    /// Heading of the amount.
    pub heading: &'static str,
    /// Heading of its share of the node.
    pub share_heading: &'static str,
}

/// What is always measured, and swap.
pub const WITH_SWAP: &[Measured] = &[
    Measured { resource: "cpu", heading: "CPU(cores)", share_heading: "CPU(%)" },
    Measured { resource: "memory", heading: "MEMORY(bytes)", share_heading: "MEMORY(%)" },
    Measured { resource: "swap", heading: "SWAP(bytes)", share_heading: "SWAP(%)" },
];
/// What is always measured.
pub const USUAL: &[Measured] = match WITH_SWAP.split_last() {
    Some((_, usual)) => usual,
    None => WITH_SWAP,
};

/// Amounts by resource.
#[derive(Clone, Debug, Default)]
pub struct Usage(BTreeMap<String, Quantity>);

/// The quantities of a map.
pub fn amounts(object: &Value, pointer: &str) -> BTreeMap<String, Quantity> {
    let entries = values::entries(object, pointer).into_iter();
    let parsed = entries.filter_map(|(name, value)| {
        Quantity::parse(&values::plain(value)).ok().map(|amount| (name.to_owned(), amount))
    });
    parsed.collect()
}

impl Usage {
    /// What a node or container uses.
    pub fn of(metric: &Value) -> Usage {
        Usage(amounts(metric, "/usage"))
    }

    /// What the containers of a pod use together.
    pub fn of_pod(metric: &Value) -> Usage {
        values::list(metric, "/containers").iter().map(Usage::of).fold(Usage::default(), Usage::plus)
    }

    /// Both together; what cannot be added is left out.
    pub fn plus(mut self, other: Usage) -> Usage {
        for (name, amount) in other.0 {
            let sum = match self.0.get(&name) {
                Some(known) => known.add(&amount).unwrap_or_else(|_| known.clone()),
                None => amount,
            };
            self.0.insert(name, sum);
        }
        self
    }

    fn milli(&self, resource: &str) -> i64 {
        self.0.get(resource).map(Quantity::milli_value).unwrap_or_default()
    }

    /// `250m` of a processor, `10Mi` of memory.
    pub fn shown(&self, what: &Measured) -> String {
        if what.resource == "cpu" {
            return format!("{}m", self.milli("cpu"));
        }
        let bytes = self.0.get(what.resource).map(Quantity::value).unwrap_or_default();
        format!("{}Mi", bytes / (1024 * 1024))
    }

    /// The share of `all`, in hundredths.
    pub fn share(&self, what: &Measured, all: &Quantity) -> String {
        let (part, all) = (self.milli(what.resource), all.milli_value());
        let share = if all == 0 { 0.0 } else { part as f64 / all as f64 * 100.0 };
        format!("{}%", share as i64)
    }
}

/// More use first, when sorting by a resource.
pub fn order(sort_by: &str, a: &Usage, b: &Usage) -> Ordering {
    if sort_by.is_empty() { Ordering::Equal } else { b.milli(sort_by).cmp(&a.milli(sort_by)) }
}
