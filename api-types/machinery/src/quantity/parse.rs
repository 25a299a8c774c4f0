//! Reading quantities: number, suffix, and when the written text is kept.

use super::amount::{Amount, NANO};
use super::{Format, QuantityError};

/// Binary quantities are capped here on parsing, as upstream does.
const MAX_BINARY: i128 = i64::MAX as i128;
/// Digits an `i64` surely holds; upstream keeps the written text only for numbers below this size.
const INT64_DIGITS: i64 = 18;

/// Suffix, base, exponent.
const SUFFIXES: &[(&str, u32, i32)] = &[
    ("", 10, 0),
    ("n", 10, -9),
    ("u", 10, -6),
    ("m", 10, -3),
    ("k", 10, 3),
    ("M", 10, 6),
    ("G", 10, 9),
    ("T", 10, 12),
    ("P", 10, 15),
    ("E", 10, 18),
    ("Ki", 2, 10),
    ("Mi", 2, 20),
    ("Gi", 2, 30),
    ("Ti", 2, 40),
    ("Pi", 2, 50),
    ("Ei", 2, 60),
];

/// A text as a number.
pub(super) struct Parsed {
    pub(super) amount: Amount,
    /// Upstream prints small numbers as they were written when they are close enough to canonical.
    pub(super) keep_text: bool,
}

/// The parts of a text, before they mean anything.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point without leading zeros, `0` when there are none.
    whole: &'a str,
    /// Digits after the point.
    fraction: &'a str,
    /// Whether the number has any digit at all.
    has_number: bool,
    suffix: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    let digits_end = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let stripped = unsigned.trim_start_matches('0');
    let (whole, mut rest) = stripped.split_at(digits_end(stripped));
    let mut fraction = "";
    let mut has_number = stripped.len() < unsigned.len() || !whole.is_empty() || unsigned.is_empty();
    if let Some(after_point) = rest.strip_prefix('.') {
        (fraction, rest) = after_point.split_at(digits_end(after_point));
        has_number |= !fraction.is_empty();
    }
    let letters = rest.bytes().take_while(|byte| b"eEinumkKMGTP".contains(byte)).count();
    let (_, exponent) = rest.split_at(letters);
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if digits_end(exponent) != exponent.len() {
        return Err(QuantityError::Format);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(Parts { negative, whole, fraction, has_number, suffix: rest })
}

fn interpret_suffix(suffix: &str) -> Result<(u32, i32, Format), QuantityError> {
    if let Some(&(_, base, exponent)) = SUFFIXES.iter().find(|(name, ..)| *name == suffix) {
        let format = if base == 2 { Format::BinarySi } else { Format::DecimalSi };
        return Ok((base, exponent, format));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
    let exponent = exponent.parse::<i32>().map_err(|_| QuantityError::Suffix)?;
    Ok((10, exponent, Format::DecimalExponent))
}

/// The suffix of a power; empty when there is none.
pub(super) fn suffix_for(base: u32, exponent: i32) -> &'static str {
    if exponent == 0 {
        return "";
    }
    SUFFIXES.iter().find(|entry| (entry.1, entry.2) == (base, exponent)).map_or("", |entry| entry.0)
}

/// Reads a quantity; white space is not allowed.
pub(super) fn parse(text: &str) -> Result<Parsed, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    let parts = split(text)?;
    let (base, exponent, format) = interpret_suffix(parts.suffix)?;
    let keep_text = keeps_text(&parts, base, exponent);
    if !parts.has_number && !within_fast_path(&parts, base, exponent) {
        return Err(QuantityError::Numeric);
    }
    let range = || QuantityError::Range(text.to_owned());
    let scale = if base == 10 { i64::from(exponent) } else { 0 } - parts.fraction.len() as i64;
    let amount = if base == 2 {
        binary_amount(&parts, exponent, format)
    } else {
        decimal_amount(&parts, scale, format).ok_or_else(range)?
    };
    let amount = if parts.negative { amount.neg().map_err(|_| range())? } else { amount };
    Ok(Parsed { amount, keep_text })
}

/// Whether upstream reads the number as a 64-bit integer with a scale.
fn within_fast_path(parts: &Parts<'_>, base: u32, exponent: i32) -> bool {
    let digits = (parts.whole.len() + parts.fraction.len()) as i64;
    if base == 2 {
        return parts.fraction.is_empty()
            && 14 - parts.whole.len() as i64 - i64::from(exponent * 3 / 10) >= 0;
    }
    digits <= INT64_DIGITS && i64::from(exponent) - parts.fraction.len() as i64 >= i64::from(NANO)
}

/// Whether upstream prints the number as it was written.
fn keeps_text(parts: &Parts<'_>, base: u32, exponent: i32) -> bool {
    if !within_fast_path(parts, base, exponent) {
        return false;
    }
    if base == 2 {
        return parts.whole.parse::<i64>().is_ok_and(|value| value & 0x07 != 0);
    }
    let scale = i64::from(exponent) - parts.fraction.len() as i64;
    let ends_in_thousand = if parts.fraction.len() >= 3 {
        parts.fraction.ends_with("000")
    } else {
        format!("{}{}", parts.whole, parts.fraction).ends_with("000")
    };
    scale % 3 == 0 && !ends_in_thousand && !parts.whole.starts_with('0')
}

/// Digits × 10^scale rounded up to nano; nothing when more digits are needed than fit.
fn decimal_amount(parts: &Parts<'_>, scale: i64, format: Format) -> Option<Amount> {
    let mut digits = format!("{}{}", parts.whole, parts.fraction);
    let mut scale = scale;
    let mut lost = false;
    while scale < i64::from(NANO) && !digits.is_empty() {
        lost |= digits.pop() != Some('0');
        scale += 1;
    }
    if digits.is_empty() {
        scale = i64::from(NANO);
    }
    let significant = digits.trim_end_matches('0').len();
    if !lost {
        scale += (digits.len() - significant) as i64;
        digits.truncate(significant);
    }
    let mantissa = if digits.is_empty() { 0 } else { digits.parse::<i128>().ok()? };
    let mantissa = if lost { mantissa.checked_add(1)? } else { mantissa };
    Some(Amount::new(mantissa, if mantissa == 0 { 0 } else { i32::try_from(scale).ok()? }, format))
}

/// Binary numbers are multiplied out, rounded up to nano and capped; below one they print as decimal.
fn binary_amount(parts: &Parts<'_>, exponent: i32, format: Format) -> Amount {
    let maximum = Amount::new(MAX_BINARY, 0, format);
    let factor = 1i128 << exponent.clamp(0, 60);
    // More digits than an i128 has are over the cap, as is a product above it.
    let whole = parts.whole.parse::<i128>().ok().and_then(|whole| whole.checked_mul(factor));
    let Some(whole) = whole.filter(|units| *units <= MAX_BINARY) else { return maximum };
    // 0.d₁d₂… × factor in nanos, from the last digit to the first: (dᵢ × factor + what follows) / 10.
    let nano_factor = factor * 1_000_000_000;
    let mut nanos = 0;
    let mut inexact = false;
    for digit in parts.fraction.bytes().rev() {
        let sum = i128::from(digit - b'0') * nano_factor + nanos;
        nanos = sum / 10;
        inexact |= sum % 10 != 0;
    }
    let total = whole * 1_000_000_000 + nanos + i128::from(inexact);
    if total >= MAX_BINARY * 1_000_000_000 {
        return maximum;
    }
    let format = if total > 0 && total < 1_000_000_000 { Format::DecimalSi } else { format };
    Amount::new(total, NANO, format)
}
