//! What the pods of a node ask for, each and all together, as shares of the node.

use std::collections::BTreeMap;

use api_types::core::v1::Pod;
use machinery::{Message as _, Quantity};
use rules::core::v1::pod::resources::{Accounting, limits, requests};
use serde_json::Value;

use super::Page;
use crate::error::message;
use crate::{Result, values};

type Amounts = BTreeMap<String, Quantity>;

/// Writes the pods of a node and what they take of it.
pub fn describe(node: &Value, pods: &[Value], page: &mut Page) -> Result<()> {
    let allocatable = allocatable(node);
    page.field(0, "Non-terminated Pods", format!("({} in total)", pods.len()));
    page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let (mut all_requests, mut all_limits) = (Amounts::new(), Amounts::new());
    for pod in pods {
        let typed = Pod::from_value(pod).map_err(|error| message(error.to_string()))?;
        let how = Accounting { use_status: true, ..Accounting::default() };
        let (asked, limited) = (requests(&typed, how), limits(&typed, how));
        let cells = [("cpu", &asked), ("cpu", &limited), ("memory", &asked), ("memory", &limited)]
            .map(|(resource, list)| with_share(resource, list, &allocatable));
        let age = page.age(pod, "/metadata/creationTimestamp");
        let (namespace, name) = (values::namespace(pod), values::name(pod));
        page.line(1, &format!("{namespace}\t{name}\t\t{}\t{age}", cells.join("\t")));
        add(&mut all_requests, requests(&typed, Accounting::default()))?;
        add(&mut all_limits, limits(&typed, Accounting::default()))?;
    }
    page.line(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)");
    page.row(1, ["Resource", "Requests", "Limits"]);
    page.row(1, ["--------", "--------", "------"]);
    let huge = allocatable.keys().map(String::as_str).filter(|name| name.starts_with("hugepages-"));
    for resource in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(huge) {
        let (asked, limited) = (
            with_share(resource, &all_requests, &allocatable),
            with_share(resource, &all_limits, &allocatable),
        );
        page.row(1, [resource, &asked, &limited]);
    }
    let extended = allocatable.keys().filter(|name| {
        !["cpu", "memory", "ephemeral-storage", "pods"].contains(&name.as_str())
            && !name.starts_with("hugepages-")
    });
    for resource in extended {
        let (asked, limited) = (amount(resource, &all_requests), amount(resource, &all_limits));
        page.row(1, [resource, &asked.to_string(), &limited.to_string()]);
    }
    Ok(())
}

/// What pods may have of the node; all of it when the node does not say.
fn allocatable(node: &Value) -> Amounts {
    let pointers = ["/status/allocatable", "/status/capacity"];
    let lists = pointers.map(|pointer| values::entries(node, pointer));
    let list = lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default();
    let parsed = list.into_iter().filter_map(|(name, value)| {
        Quantity::parse(&values::plain(value)).ok().map(|amount| (name.to_owned(), amount))
    });
    parsed.collect()
}

fn amount(resource: &str, list: &Amounts) -> Quantity {
    list.get(resource).cloned().unwrap_or_else(|| Quantity::new(0, machinery::quantity::Format::DecimalSi))
}

/// The amount and its share of the node: `250m (12%)`.
fn with_share(resource: &str, list: &Amounts, allocatable: &Amounts) -> String {
    let (amount, whole) = (amount(resource, list), amount(resource, allocatable));
    let (part, all) = match resource {
        "cpu" => (amount.milli_value(), whole.milli_value()),
        _ => (amount.value(), whole.value()),
    };
    // Upstream's share of nothing is what Go makes of an infinite float; 0 says it better.
    let share = if all == 0 { 0.0 } else { part as f64 / all as f64 * 100.0 };
    format!("{amount} ({}%)", share as i64)
}

fn add(total: &mut Amounts, more: Amounts) -> Result<()> {
    for (name, amount) in more {
        let sum = match total.get(&name) {
            Some(known) => known.add(&amount).map_err(|error| message(error.to_string()))?,
            None => amount,
        };
        total.insert(name, sum);
    }
    Ok(())
}
