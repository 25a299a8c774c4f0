//! Formats of strings that schemas may ask for; unknown ones are not checked, as upstream does.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

/// A format, its regular expression, and for a few a check in code instead.
enum Check {
    Pattern(&'static str),
    Code(fn(&str) -> bool),
}

const CHECKS: &[(&str, Check)] = &[
    ("bsonobjectid", Check::Pattern("^[0-9a-fA-F]{24}$")),
    ("uri", Check::Code(is_uri)),
    ("email", Check::Code(is_email)),
    (
        "hostname",
        Check::Pattern(
            r"^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\.?$",
        ),
    ),
    ("ipv4", Check::Code(|text| text.parse::<Ipv4Addr>().is_ok())),
    ("ipv6", Check::Code(|text| text.parse::<Ipv6Addr>().is_ok())),
    ("cidr", Check::Code(|text| text.contains('/') && text.parse::<ipnet::IpNet>().is_ok())),
    (
        "mac",
        Check::Pattern(
            "^(?i)([0-9a-f]{2}([:-][0-9a-f]{2}){5}([:-][0-9a-f]{2}){0,2}|[0-9a-f]{4}(\\.[0-9a-f]{4}){2,3})$",
        ),
    ),
    ("uuid", Check::Pattern("^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")),
    ("uuid3", Check::Pattern("^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$")),
    (
        "uuid4",
        Check::Pattern("^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
    ),
    (
        "uuid5",
        Check::Pattern("^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
    ),
    ("isbn", Check::Code(|text| is_isbn10(text) || is_isbn13(text))),
    ("isbn10", Check::Code(is_isbn10)),
    ("isbn13", Check::Code(is_isbn13)),
    ("creditcard", Check::Code(is_credit_card)),
    ("ssn", Check::Pattern("^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$")),
    ("hexcolor", Check::Pattern("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")),
    (
        "rgbcolor",
        Check::Pattern(
            r"^rgb\(\s*(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])\s*\)$",
        ),
    ),
    ("byte", Check::Pattern("^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$")),
    ("password", Check::Code(|_| true)),
    ("date", Check::Code(|text| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok())),
    (
        "duration",
        Check::Pattern(
            r"^(\s*[+-]?[0-9]+(\.[0-9]+)?\s*(ns|nano(s(econds?)?)?|us|µs|μs|micros?(econds?)?|ms|millis?(econds?)?|s|sec(onds?)?|m|min(utes?)?|h|hr|hours?|d|days?|w|weeks?))+$|^0$",
        ),
    ),
    (
        "datetime",
        Check::Pattern(
            r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$",
        ),
    ),
    ("k8sshortname", Check::Code(|text| machinery::names::is_dns1123_label(text).is_empty())),
    ("k8slongname", Check::Code(|text| machinery::names::is_dns1123_subdomain(text).is_empty())),
];

static PATTERNS: LazyLock<Vec<(&'static str, Option<Regex>)>> = LazyLock::new(|| {
    let patterns = CHECKS.iter().filter_map(|(name, check)| match check {
        Check::Pattern(pattern) => Some((*name, Regex::new(pattern).ok())),
        Check::Code(_) => None,
    });
    patterns.collect()
});

fn normalized(format: &str) -> String {
    format.replace('-', "")
}

/// Whether values of `kind` are checked against `format`.
pub fn is_known(kind: &str, format: &str) -> bool {
    match kind {
        "" | "string" => CHECKS.iter().any(|(name, _)| *name == normalized(format)),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// Whether `text` has the format; formats that are not known have any text.
pub fn holds(format: &str, text: &str) -> bool {
    let name = normalized(format);
    match CHECKS.iter().find(|(known, _)| *known == name) {
        Some((_, Check::Code(check))) => check(text),
        Some((known, Check::Pattern(_))) => PATTERNS
            .iter()
            .find(|(name, _)| name == known)
            .and_then(|(_, pattern)| pattern.as_ref())
            .is_some_and(|pattern| pattern.is_match(text)),
        None => true,
    }
}

fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.chars().any(|character| character.is_ascii_control() || character == ' ') {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut characters = scheme.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_alphabetic());
    begins
        && characters.all(|next| next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.'))
        && !rest.is_empty()
}

fn is_email(text: &str) -> bool {
    let address = match (text.rfind('<'), text.ends_with('>')) {
        (Some(start), true) => &text[start + 1..text.len() - 1],
        _ => text.trim(),
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && !part.chars().any(|c| c.is_whitespace() || "()<>[]:;@\\,\"".contains(c))
    };
    plain(local) && plain(domain)
}

fn digits_of(text: &str) -> Vec<char> {
    text.chars().filter(|character| !matches!(character, '-' | ' ')).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = digits_of(text);
    let values = digits.iter().enumerate().map(|(index, digit)| match digit.to_digit(10) {
        None if index == 9 && *digit == 'X' => Some(10),
        value => value,
    });
    let Some(values) = values.collect::<Option<Vec<u32>>>() else { return false };
    let sum: u32 = values.iter().zip(1u32..).map(|(value, weight)| value * weight).sum();
    values.len() == 10 && sum.is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let values = digits_of(text).iter().map(|digit| digit.to_digit(10)).collect::<Option<Vec<u32>>>();
    let Some(values) = values else { return false };
    let sum: u32 =
        values.iter().enumerate().map(|(at, value)| if at % 2 == 0 { *value } else { value * 3 }).sum();
    values.len() == 13 && sum.is_multiple_of(10)
}

fn is_credit_card(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter_map(|character| character.to_digit(10)).collect();
    if !(13..=19).contains(&values.len()) {
        return false;
    }
    let sum: u32 = values
        .iter()
        .rev()
        .enumerate()
        .map(|(at, value)| match (at % 2, value * 2) {
            (0, _) => *value,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}
