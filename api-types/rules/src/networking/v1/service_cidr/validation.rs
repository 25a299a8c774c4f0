//! Validation of service CIDRs, the ranges that cluster IPs come from.

use crate::{
    addresses, meta,
    report::{IMMUTABLE, Report},
};
use api_types::networking::v1::ServiceCIDR;
use machinery::{
    field::{ErrorList, Path},
    names,
};

fn validate_cidrs(cidrs: &[String], errors: &mut ErrorList) {
    let path = Path::of(&["spec", "cidrs"]);
    match cidrs {
        [] => return errors.required(&path, "at least one CIDR required"),
        [_] | [_, _] => {}
        _ => return errors.invalid(&path, cidrs.to_vec(), "may only hold up to 2 values"),
    }
    for (index, cidr) in cidrs.iter().enumerate() {
        errors.extend(addresses::validate_canonical_cidr(&path.index(index), cidr));
    }
    if let [first, second] = cidrs
        && let (Some((first, _)), Some((second, _))) =
            (addresses::parse_cidr_sloppy(first), addresses::parse_cidr_sloppy(second))
        && first.is_ipv4() == second.is_ipv4()
    {
        errors.invalid(
            &path,
            cidrs.to_vec(),
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        );
    }
}

/// A new range.
pub fn validate(range: &ServiceCIDR) -> ErrorList {
    let mut errors =
        meta::validate(&range.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_cidrs(&range.spec.cidrs, &mut errors);
    errors
}

/// A range keeps its blocks; one of the other family may join.
pub fn validate_update(new: &ServiceCIDR, old: &ServiceCIDR) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::of(&["spec", "cidrs"]);
    let (now, before) = (&new.spec.cidrs, &old.spec.cidrs);
    let joins = before.len() == 1 && now.len() == 2;
    if now.len() != before.len() && !joins {
        errors.invalid(&path, now, IMMUTABLE);
        return errors;
    }
    for (index, (now, before)) in now.iter().zip(before).enumerate() {
        errors.unchanged(&path.index(index), now, before, now);
    }
    if joins {
        validate_cidrs(now, &mut errors);
    }
    errors
}

/// A new status.
pub fn validate_status_update(new: &ServiceCIDR, old: &ServiceCIDR) -> ErrorList {
    meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"))
}
