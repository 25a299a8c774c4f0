//! Resource quotas and limit ranges, alone and on the page of their namespace.

use machinery::Quantity;
use serde_json::Value;

use super::read::{quantity, texts};
use super::{Around, Page};
use crate::{Result, values};

/// The columns of limits.
const LIMITS: [&str; 2] = [
    "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio",
    "----\t--------\t---\t---\t---------------\t-------------\t-----------------------",
];

/// Writes the page of a resource quota.
pub fn describe_quota(quota: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(quota));
    page.field(0, "Namespace", values::namespace(quota));
    scopes(quota, 0, " * ", page);
    page.row(0, ["Resource", "Used", "Hard"]);
    page.row(0, ["--------", "----", "----"]);
    for (resource, hard) in values::entries(quota, "/status/hard") {
        let hard = values::plain(hard);
        page.row(0, [resource, &in_format_of(&used(quota, resource), &hard), &hard]);
    }
    Ok(())
}

/// Writes the page of a limit range.
pub fn describe_limits(range: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(range));
    page.field(0, "Namespace", values::namespace(range));
    LIMITS.iter().for_each(|line| page.line(0, line));
    limits(range, "", page);
    Ok(())
}

/// Writes the quotas of a namespace.
pub fn of_namespace(quotas: &[Value], page: &mut Page) {
    if quotas.is_empty() {
        page.line(0, "No resource quota.");
        return;
    }
    let mut sorted: Vec<&Value> = quotas.iter().collect();
    sorted.sort_by_key(|quota| values::name(quota).to_owned());
    page.line(0, "Resource Quotas");
    for quota in sorted {
        page.field(1, "Name", values::name(quota));
        scopes(quota, 1, "* ", page);
        page.row(1, ["Resource", "Used", "Hard"]);
        page.row(1, ["--------", "---", "---"]);
        for (resource, hard) in values::entries(quota, "/status/hard") {
            page.row(1, [resource, &used(quota, resource), &values::plain(hard)]);
        }
    }
}

/// Writes the limit ranges of a namespace.
pub fn limits_of_namespace(ranges: &[Value], page: &mut Page) {
    if ranges.is_empty() {
        page.line(0, "No LimitRange resource.");
        return;
    }
    page.line(0, "Resource Limits");
    LIMITS.iter().for_each(|line| page.line(0, &format!(" {line}")));
    ranges.iter().for_each(|range| limits(range, " ", page));
}

fn used(quota: &Value, resource: &str) -> String {
    let used = quota.pointer("/status/used").and_then(|used| used.get(resource));
    used.map_or_else(|| "0".to_owned(), values::plain)
}

/// A quantity written as another one is: binary or decimal.
fn in_format_of(text: &str, like: &str) -> String {
    match (
        Quantity::parse(text).and_then(|own| own.amount()),
        Quantity::parse(like).and_then(|like| like.amount()),
    ) {
        (Ok(own), Ok(like)) if own.format() != like.format() => {
            Quantity::new(own.value(), like.format()).to_string()
        }
        _ => text.to_owned(),
    }
}

fn scopes(quota: &Value, level: usize, bullet: &str, page: &mut Page) {
    let mut scopes = texts(quota, "/spec/scopes");
    if scopes.is_empty() {
        return;
    }
    scopes.sort();
    page.field(level, "Scopes", scopes.join(", "));
    for scope in scopes {
        let help = match scope.as_str() {
            "Terminating" => {
                "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively terminated by the system."
            }
            "NotTerminating" => {
                "Matches all pods that do not have an active deadline. These pods usually include long running pods whose container command is not expected to terminate."
            }
            "BestEffort" => {
                "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service."
            }
            "NotBestEffort" => {
                "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of service."
            }
            _ => continue,
        };
        page.line(level, &format!("{bullet}{help}"));
    }
}

/// One line for each type and resource; upstream's order of resources is by chance, ours by name.
fn limits(range: &Value, prefix: &str, page: &mut Page) {
    const SIDES: [&str; 5] = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    for item in values::list(range, "/spec/limits") {
        let mut resources: Vec<&str> = SIDES
            .iter()
            .flat_map(|side| values::entries(item, &format!("/{side}")))
            .map(|(resource, _)| resource)
            .collect();
        resources.sort_unstable();
        resources.dedup();
        for resource in resources {
            let cells = SIDES.map(|side| {
                let limit = item.get(side).and_then(|limits| limits.get(resource));
                limit.map_or_else(|| "-".to_owned(), values::plain)
            });
            let kind = values::text(item, "/type");
            page.line(0, &format!("{prefix}{kind}\t{resource}\t{}", cells.join("\t")));
        }
    }
}

/// The storage a claim or volume has.
pub fn storage(object: &Value, pointer: &str) -> String {
    quantity(object, &format!("{pointer}/storage"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn amounts_take_the_form_of_the_limit() {
        assert_eq!(super::in_format_of("0", "1Gi"), "0");
        assert_eq!(super::in_format_of("1073741824", "2Gi"), "1Gi");
        assert_eq!(super::in_format_of("1500m", "2"), "1500m");
    }
}
