//! Validation of limit ranges.

use crate::{
    core::v1::{
        resource_list::{ResourceList, overcommit_allowed},
        resource_names,
    },
    meta,
    report::Report,
};
use api_types::core::v1::{LimitRange, LimitRangeItem};
use machinery::{
    Quantity,
    field::{ErrorList, Path},
    names,
};
use std::{cmp::Ordering, collections::BTreeSet};

/// Above this, ratios are compared in whole units instead of thousandths.
const MAX_MILLI: i64 = i64::MAX / 1000;

/// A limit range.
pub fn validate(range: &LimitRange) -> ErrorList {
    let mut errors =
        meta::validate(&range.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    let mut types = BTreeSet::new();
    for (index, item) in range.spec.limits.iter().enumerate() {
        let path = Path::of(&["spec", "limits"]).index(index);
        let before = errors.len();
        errors.invalid_each(&path.child("type"), &item.type_, names::is_qualified_name(&item.type_));
        if errors.len() == before
            && !item.type_.contains('/')
            && !matches!(item.type_.as_str(), "Pod" | "Container" | "PersistentVolumeClaim")
        {
            errors.invalid(
                &path.child("type"),
                &item.type_,
                "must be a standard limit type or fully qualified",
            );
        }
        if !types.insert(&item.type_) {
            errors.duplicate(&path.child("type"), &item.type_);
        }
        validate_item(item, &path, &mut errors);
    }
    errors
}

/// A changed limit range.
pub fn validate_update(new: &LimitRange, _old: &LimitRange) -> ErrorList {
    validate(new)
}

fn validate_item(item: &LimitRangeItem, path: &Path, errors: &mut ErrorList) {
    let pod = item.type_ == "Pod";
    let check: fn(&str, &Path) -> ErrorList = if pod || item.type_ == "Container" {
        resource_names::validate_for_container
    } else {
        resource_names::validate
    };
    let empty = ResourceList::new();
    let (default, default_request) =
        if pod { (&empty, &empty) } else { (&item.default, &item.default_request) };
    if pod {
        for (field, list) in [("default", &item.default), ("defaultRequest", &item.default_request)] {
            if !list.is_empty() {
                errors.forbidden(&path.child(field), "may not be specified when `type` is 'Pod'");
            }
        }
    }
    let mut keys = BTreeSet::new();
    for (field, list) in [
        ("max", &item.max),
        ("min", &item.min),
        ("default", default),
        ("defaultRequest", default_request),
        ("maxLimitRequestRatio", &item.max_limit_request_ratio),
    ] {
        for name in list.keys() {
            errors.extend(check(name, &path.child(field).key(name)));
            keys.insert(name);
        }
    }
    if item.type_ == "PersistentVolumeClaim"
        && !item.min.contains_key("storage")
        && !item.max.contains_key("storage")
    {
        errors.required(
            &path.child("limits"),
            "either minimum or maximum storage value is required, but neither was provided",
        );
    }
    for name in keys {
        let of = Amounts {
            min: item.min.get(name),
            max: item.max.get(name),
            default: default.get(name),
            request: default_request.get(name),
            ratio: item.max_limit_request_ratio.get(name),
        };
        of.validate(name, path, errors);
    }
}

struct Amounts<'a> {
    min: Option<&'a Quantity>,
    max: Option<&'a Quantity>,
    default: Option<&'a Quantity>,
    request: Option<&'a Quantity>,
    ratio: Option<&'a Quantity>,
}

impl Amounts<'_> {
    fn validate(&self, name: &str, path: &Path, errors: &mut ErrorList) {
        // Each row: (lower, its word, upper, its word, field blamed, value shown).
        let rows = [
            (self.min, "min", self.max, "max", "min", self.min),
            (self.min, "min", self.request, "default request", "defaultRequest", self.request),
            (self.request, "default request", self.max, "max", "defaultRequest", self.request),
            (self.request, "default request", self.default, "default limit", "defaultRequest", self.request),
            (self.min, "min", self.default, "default", "default", self.min),
            (self.default, "default", self.max, "max", "default", self.max),
        ];
        for (lower, lower_word, upper, upper_word, field, shown) in rows {
            if let (Some(lower), Some(upper)) = (lower, upper)
                && lower.compare(upper) == Ordering::Greater
            {
                let message =
                    format!("{lower_word} value {lower} is greater than {upper_word} value {upper}");
                errors.invalid(&path.child(field).key(name), shown, message);
            }
        }
        if let Some(ratio) = self.ratio {
            self.validate_ratio(ratio, &path.child("maxLimitRequestRatio").key(name), errors);
        }
        if let (Some(default), Some(request)) = (self.default, self.request)
            && !overcommit_allowed(name)
            && default.compare(request) != Ordering::Equal
        {
            let message =
                format!("default value {default} must equal to defaultRequest value {request} in {name}");
            errors.invalid(&path.child("defaultRequest").key(name), request, message);
        }
    }

    fn validate_ratio(&self, ratio: &Quantity, path: &Path, errors: &mut ErrorList) {
        if ratio.compare(&Quantity("1".to_owned())) == Ordering::Less {
            errors.invalid(path, ratio, format!("ratio {ratio} is less than 1"));
        }
        let (Some(min), Some(max)) = (self.min, self.max) else { return };
        let small = [ratio, min, max].into_iter().all(|quantity| quantity.value() < MAX_MILLI);
        let (value, min, max) = if small {
            (ratio.milli_value() as f64 / 1000.0, min.milli_value(), max.milli_value())
        } else {
            (ratio.value() as f64, min.value(), max.value())
        };
        let limit = max as f64 / min as f64;
        if value > limit {
            errors.invalid(path, ratio, format!("ratio {ratio} is greater than max/min = {limit:.6}"));
        }
    }
}
