//! What a plain scalar means by Go's YAML library (`go.yaml.in/yaml/v2`, `resolve`).

use serde_json::{Number, Value};

/// What a plain scalar is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// Not a number, or an infinity, which JSON cannot say.
    NotFinite,
    /// A date; JSON keeps it as text, but a text which looks so is quoted.
    Timestamp,
    /// `<<`
    Merge,
    Text,
}

const TRUE: &[&str] = &["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
const FALSE: &[&str] = &["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
const NULL: &[&str] = &["", "~", "null", "Null", "NULL"];
const NOT_FINITE: &[&str] =
    &[".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"];

/// The meaning of a plain scalar.
pub(super) fn resolve(text: &str) -> Scalar {
    if TRUE.contains(&text) {
        return Scalar::Bool(true);
    }
    if FALSE.contains(&text) {
        return Scalar::Bool(false);
    }
    if NULL.contains(&text) {
        return Scalar::Null;
    }
    if NOT_FINITE.contains(&text) {
        return Scalar::NotFinite;
    }
    match text.bytes().next() {
        Some(b'<') if text == "<<" => Scalar::Merge,
        Some(b'.') => parse_float(text).map_or(Scalar::Text, Scalar::Number),
        Some(b'0'..=b'9' | b'+' | b'-') => resolve_number(text),
        _ => Scalar::Text,
    }
}

fn resolve_number(text: &str) -> Scalar {
    if is_timestamp(text) {
        return Scalar::Timestamp;
    }
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    if let Some(number) = parse_integer(&plain) {
        return Scalar::Number(number);
    }
    if is_yaml_float(&plain)
        && let Some(number) = parse_float(&plain)
    {
        return Scalar::Number(number);
    }
    Scalar::Text
}

/// Go's `ParseInt` and `ParseUint` with base 0: `0x`, `0o`, `0b` and a leading zero choose the base.
fn parse_integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    if negative {
        return i64::try_from(-value).ok().map(Number::from);
    }
    // `ParseUint` takes no sign, so `+` stays within the signed range.
    if text.starts_with('+') {
        return i64::try_from(value).ok().map(Number::from);
    }
    u64::try_from(value).ok().map(Number::from)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_yaml_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(position) => (&unsigned[..position], Some(&unsigned[position + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
    };
    mantissa_fits
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}

fn parse_float(text: &str) -> Option<Number> {
    let starts_well = text.trim_start_matches(['-', '+', '.']).starts_with(|c: char| c.is_ascii_digit());
    float_number(text.parse().ok().filter(|_| starts_well)?)
}

/// A float as JSON writes it: whole numbers without a fraction.
pub(super) fn float_number(value: f64) -> Option<Number> {
    if !value.is_finite() {
        return None;
    }
    if value.fract() == 0.0 && value.abs() < 9.0e15 {
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// Whether the text is one of the dates Go's library knows: `2006-1-2`, with a time after `T`, `t` or a space.
fn is_timestamp(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else { return false };
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let (date, time) = match rest.find(['T', 't', ' ']) {
        Some(position) => (&rest[..position], Some((rest.as_bytes()[position], &rest[position + 1..]))),
        None => (rest, None),
    };
    let Some((month, day)) = date.split_once('-') else { return false };
    let (Some(month), Some(day)) = (number(month, 1..=12), number(day, 1..=31)) else { return false };
    let year = year.parse().unwrap_or(0);
    if jiff::civil::Date::new(year, month, day).is_err() {
        return false;
    }
    match time {
        None => true,
        Some((b' ', time)) => is_clock(time),
        Some((_, time)) => {
            let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
            is_clock(&time[..zone]) && is_zone(&time[zone..])
        }
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<i8>) -> Option<i8> {
    let fits = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| fits && range.contains(value))
}

fn is_clock(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').map_or((text, "0"), |(clock, fraction)| (clock, fraction));
    let mut parts = clock.split(':');
    let limits = [23, 59, 59];
    let all_fit = limits.iter().all(|limit| parts.next().and_then(|part| number(part, 0..=*limit)).is_some());
    all_fit
        && parts.next().is_none()
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_zone(text: &str) -> bool {
    match text.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', hours @ .., b':', a, b] if hours.len() == 2 => {
            hours.iter().chain([a, b]).all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// `12:30:45`: a number in base 60 to older readers, so it is quoted.
pub(super) fn is_base60_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let digit_or_underscore = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(digit_or_underscore)
        && !rest.is_empty()
        && rest.iter().all(|part| number(part, 0..=59).is_some())
        && fraction.bytes().all(digit_or_underscore)
}

impl Scalar {
    /// The JSON value, with `text` for what stays text; nothing for what JSON cannot say.
    pub(super) fn into_value(self, text: &str) -> Option<Value> {
        match self {
            Scalar::Null => Some(Value::Null),
            Scalar::Bool(value) => Some(Value::Bool(value)),
            Scalar::Number(number) => Some(Value::Number(number)),
            Scalar::NotFinite => None,
            Scalar::Timestamp | Scalar::Merge | Scalar::Text => Some(Value::String(text.to_owned())),
        }
    }
}
