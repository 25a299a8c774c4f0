//! Validation of priority levels.

use crate::{
    flowcontrol::v1::{bootstrap, flow_schema::validation::validate_condition_types},
    meta,
    report::Report,
};
use api_types::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, LimitResponse, LimitedPriorityLevelConfiguration,
    PriorityLevelConfiguration, PriorityLevelConfigurationSpec, QueuingConfiguration,
};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

const MOST_QUEUES: i32 = 10_000_000;
/// Bits of a flow's hash that dealing a hand of queues may use.
const HASH_BITS: i64 = 60;
const KEPT_ZERO: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

/// Bits it takes to deal `hand` out of `deck` cards.
pub fn entropy_bits(deck: i32, hand: i32) -> i64 {
    // At most 2^31 times log2(10^7), which fits.
    (f64::from(deck).log2() * f64::from(hand)).ceil() as i64
}

fn validate_shares(shares: Option<i32>, lendable: Option<i32>, path: &Path, errors: &mut ErrorList) {
    if let Some(shares) = shares.filter(|shares| *shares < 0) {
        errors.invalid(&path.child("nominalConcurrencyShares"), shares, "must be a non-negative integer");
    }
    if let Some(percent) = lendable.filter(|percent| !(0..=100).contains(percent)) {
        errors.invalid(&path.child("lendablePercent"), percent, "must be between 0 and 100, inclusive");
    }
}

fn validate_queuing(queuing: &QueuingConfiguration, path: &Path, errors: &mut ErrorList) {
    if queuing.queue_length_limit <= 0 {
        errors.invalid(&path.child("queueLengthLimit"), queuing.queue_length_limit, "must be positive");
    }
    let (queues, hand) = (queuing.queues, queuing.hand_size);
    if queues <= 0 {
        errors.invalid(&path.child("queues"), queues, "must be positive");
    } else if queues > MOST_QUEUES {
        errors.invalid(&path.child("queues"), queues, format!("must not be greater than {MOST_QUEUES}"));
    }
    let path = path.child("handSize");
    if hand <= 0 {
        errors.invalid(&path, hand, "must be positive");
    } else if hand > queues {
        errors.invalid(&path, hand, format!("should not be greater than queues ({queues})"));
    } else if entropy_bits(queues, hand) > HASH_BITS {
        let why = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        );
        errors.invalid(&path, hand, why);
    }
}

fn validate_response(response: &LimitResponse, path: &Path, errors: &mut ErrorList) {
    let queuing_path = path.child("queuing");
    match (response.type_.as_str(), &response.queuing) {
        ("Reject", Some(_)) => {
            errors.forbidden(&queuing_path, "must be nil if limited.limitResponse.type is not Limited")
        }
        ("Reject", None) => {}
        ("Queue", None) => {
            errors.required(&queuing_path, "must not be empty if limited.limitResponse.type is Limited")
        }
        ("Queue", Some(queuing)) => validate_queuing(queuing, &queuing_path, errors),
        (other, _) => errors.not_supported(&path.child("type"), other, &["Queue", "Reject"]),
    }
}

fn validate_limited(limited: &LimitedPriorityLevelConfiguration, path: &Path, errors: &mut ErrorList) {
    validate_shares(limited.nominal_concurrency_shares, None, path, errors);
    validate_response(&limited.limit_response, &path.child("limitResponse"), errors);
    validate_shares(None, limited.lendable_percent, path, errors);
    if let Some(percent) = limited.borrowing_limit_percent.filter(|percent| *percent < 0) {
        errors.invalid(
            &path.child("borrowingLimitPercent"),
            percent,
            "if specified, must be a non-negative integer",
        );
    }
}

fn validate_spec(name: &str, spec: &PriorityLevelConfigurationSpec, path: &Path, errors: &mut ErrorList) {
    let (limited, exempt) = (path.child("limited"), path.child("exempt"));
    if (name == "exempt") != (spec.type_ == "Exempt") {
        errors.invalid(
            &path.child("type"),
            &spec.type_,
            "must be 'Exempt' if and only if `name` is 'exempt'",
        );
    }
    match spec.type_.as_str() {
        "Exempt" => {
            if spec.limited.is_some() {
                errors.forbidden(&limited, "must be nil if the type is not Limited");
            }
            if let Some(given) = &spec.exempt {
                validate_shares(given.nominal_concurrency_shares, given.lendable_percent, &exempt, errors);
            }
        }
        "Limited" => {
            if spec.exempt.is_some() {
                errors.forbidden(&exempt, "must be nil if the type is Limited");
            }
            match &spec.limited {
                None => errors.required(&limited, "must not be empty when type is Limited"),
                Some(given) => validate_limited(given, &limited, errors),
            }
        }
        other => errors.not_supported(&path.child("type"), other, &["Exempt", "Limited"]),
    }
}

fn validate_fixed(level: &PriorityLevelConfiguration, path: &Path, errors: &mut ErrorList) {
    let name = &level.metadata.name;
    let Some(fixed) = bootstrap::mandatory_levels().into_iter().find(|fixed| fixed.metadata.name == *name)
    else {
        return;
    };
    let exempt: Option<Box<ExemptPriorityLevelConfiguration>> = fixed.spec.exempt.clone();
    if name == "exempt" {
        if (PriorityLevelConfigurationSpec { exempt, ..level.spec.clone() }) != fixed.spec {
            let why = format!("spec of '{name}' except the 'spec.exempt' field must equal the fixed value");
            errors.invalid(path, level.spec.to_value(), why);
        }
    } else if level.spec != fixed.spec {
        errors.invalid(path, level.spec.to_value(), format!("spec of '{name}' must equal the fixed value"));
    }
}

/// A new or changed level.
pub fn validate(level: &PriorityLevelConfiguration) -> ErrorList {
    let mut errors =
        meta::validate(&level.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    if level.metadata.annotations.contains_key(KEPT_ZERO) {
        errors.forbidden(
            &Path::of(&["metadata", "annotations"]),
            format!("annotation '{KEPT_ZERO}' is forbidden"),
        );
    }
    let path = Path::new("spec");
    validate_spec(&level.metadata.name, &level.spec, &path, &mut errors);
    validate_fixed(level, &path, &mut errors);
    validate_condition_types(
        level.status.conditions.iter().map(|condition| condition.type_.as_str()),
        &mut errors,
    );
    errors
}

/// A changed level.
pub fn validate_update(new: &PriorityLevelConfiguration, _old: &PriorityLevelConfiguration) -> ErrorList {
    validate(new)
}

/// A changed status.
pub fn validate_status_update(
    new: &PriorityLevelConfiguration,
    _old: &PriorityLevelConfiguration,
) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_condition_types(
        new.status.conditions.iter().map(|condition| condition.type_.as_str()),
        &mut errors,
    );
    errors
}
