//! Resource quantities ("500m", "1Gi", "12e6"): parsing, canonical text and exact arithmetic.
//!
//! Semantics follow `apimachinery/pkg/api/resource`. A [`Quantity`] is the text which travels in JSON and
//! protobuf; an [`Amount`] is the number behind it: a 128-bit mantissa and a power of ten not below nano.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The smallest power of ten a quantity keeps; anything finer is rounded away from zero.
const NANO: i32 = -9;
/// Binary quantities are capped here on parsing, as upstream does.
const MAX_BINARY: i128 = i64::MAX as i128;
/// Digits an `i64` surely holds; upstream keeps the written text only for numbers below this size.
const INT64_DIGITS: i64 = 18;

/// Why a text is not a quantity, or why a result cannot be represented.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The text has not the shape of a quantity.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The number before the suffix cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is none of the known ones.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// The value needs more than 38 significant decimal digits.
    #[error("quantity {0:?} is out of range: at most 38 significant digits can be represented")]
    Range(String),
}

/// How a quantity prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// `12M` is 12 × 10⁶.
    #[default]
    DecimalSi,
    /// `12Mi` is 12 × 2²⁰.
    BinarySi,
    /// `12e6` is 12 × 10⁶.
    DecimalExponent,
}

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

/// A quantity as it is written. Two spellings of one number are different texts: compare numbers with
/// [`Quantity::compare`] or [`Quantity::same_amount`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantity(pub String);

impl Default for Quantity {
    /// The zero quantity, written `0` (Go's zero value prints the same).
    fn default() -> Quantity {
        Quantity("0".to_owned())
    }
}

impl Quantity {
    /// A quantity of whole units in the given format.
    pub fn new(value: i64, format: Format) -> Quantity {
        Amount::new(i128::from(value), 0, format).into()
    }

    /// A quantity of thousandths in the given format.
    pub fn from_milli(value: i64, format: Format) -> Quantity {
        Amount::new(i128::from(value), -3, format).into()
    }

    /// Checks `text` and returns the spelling upstream's decoder would keep: the text itself when it is
    /// already canonical enough, else its canonical form. Surrounding white space is dropped.
    ///
    /// # Errors
    /// When the text is not a quantity.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        let text = text.trim();
        let parsed = parse(text)?;
        Ok(Quantity(if parsed.keep_text { text.to_owned() } else { parsed.amount.to_string() }))
    }

    /// The number behind the text.
    ///
    /// # Errors
    /// When the text is not a quantity (decoders refuse such text, so this concerns hand-made values).
    pub fn amount(&self) -> Result<Amount, QuantityError> {
        if self.0.is_empty() {
            return Ok(Amount::ZERO);
        }
        parse(self.0.trim()).map(|parsed| parsed.amount)
    }

    /// The number, or zero for text that is not a quantity; for values which came through a decoder.
    pub fn amount_or_zero(&self) -> Amount {
        self.amount().unwrap_or(Amount::ZERO)
    }

    /// Whole units, rounded away from zero and capped to the range of `i64`.
    pub fn value(&self) -> i64 {
        self.amount_or_zero().value()
    }

    /// Thousandths, rounded away from zero and capped to the range of `i64`.
    pub fn milli_value(&self) -> i64 {
        self.amount_or_zero().milli_value()
    }

    /// Whether the number is zero.
    pub fn is_zero(&self) -> bool {
        self.amount_or_zero().is_zero()
    }

    /// −1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.amount_or_zero().sign()
    }

    /// Orders two quantities by their numbers.
    pub fn compare(&self, other: &Quantity) -> Ordering {
        self.amount_or_zero().compare(&other.amount_or_zero())
    }

    /// Whether two quantities are the same number, however they are written.
    pub fn same_amount(&self, other: &Quantity) -> bool {
        self.compare(other) == Ordering::Equal
    }

    /// The sum; zero takes the format of the other side.
    ///
    /// # Errors
    /// When either text is not a quantity or the sum is out of range.
    pub fn add(&self, other: &Quantity) -> Result<Quantity, QuantityError> {
        Ok(self.amount()?.add(&other.amount()?)?.into())
    }

    /// The difference; zero takes the format of the other side.
    ///
    /// # Errors
    /// When either text is not a quantity or the difference is out of range.
    pub fn sub(&self, other: &Quantity) -> Result<Quantity, QuantityError> {
        Ok(self.amount()?.sub(&other.amount()?)?.into())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "0" } else { &self.0 })
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        Quantity::parse(text)
    }
}

impl From<Amount> for Quantity {
    fn from(amount: Amount) -> Quantity {
        Quantity(amount.to_string())
    }
}

/// An exact number: `mantissa` × 10^`scale`, with the format it prints in. The scale is never below −9
/// and the mantissa has no trailing decimal zeros, so equal numbers have equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Amount {
    mantissa: i128,
    scale: i32,
    format: Format,
}

impl Amount {
    /// Zero in decimal format.
    pub const ZERO: Amount = Amount { mantissa: 0, scale: 0, format: Format::DecimalSi };

    /// `mantissa` × 10^`scale`, rounded away from zero to nano.
    pub fn new(mantissa: i128, scale: i32, format: Format) -> Amount {
        let (mut mantissa, mut scale) = (mantissa, scale);
        if scale < NANO {
            mantissa = divide_rounding_away(mantissa, NANO.abs_diff(scale));
            scale = NANO;
        }
        if mantissa == 0 {
            return Amount { mantissa: 0, scale: 0, format };
        }
        while mantissa % 10 == 0 && scale < i32::MAX {
            mantissa /= 10;
            scale += 1;
        }
        Amount { mantissa, scale, format }
    }

    /// The format this amount prints in.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The same number printing in another format.
    pub fn with_format(self, format: Format) -> Amount {
        Amount { format, ..self }
    }

    /// Whether the number is zero.
    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// −1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.mantissa.signum() as i32
    }

    /// The number in units of 10^`scale`, rounded away from zero and capped to the range of `i64`.
    pub fn scaled_value(&self, scale: i32) -> i64 {
        let exact = if self.scale >= scale {
            multiply_by_power(self.mantissa, self.scale.abs_diff(scale))
        } else {
            Some(divide_rounding_away(self.mantissa, scale.abs_diff(self.scale)))
        };
        let limit = if self.mantissa < 0 { i64::MIN } else { i64::MAX };
        exact.and_then(|value| i64::try_from(value).ok()).unwrap_or(limit)
    }

    /// Whole units, rounded away from zero and capped to the range of `i64`.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// Thousandths, rounded away from zero and capped to the range of `i64`.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// Billionths, or nothing when they do not fit in an `i128`.
    pub fn nano_value(&self) -> Option<i128> {
        multiply_by_power(self.mantissa, self.scale.abs_diff(NANO))
    }

    /// Whole units when the number is a whole one which fits in an `i64`.
    pub fn as_i64(&self) -> Option<i64> {
        if self.scale < 0 {
            return None;
        }
        multiply_by_power(self.mantissa, self.scale.unsigned_abs())
            .and_then(|value| i64::try_from(value).ok())
    }

    /// The nearest floating-point number.
    pub fn as_f64(&self) -> f64 {
        if self.scale < 0 {
            self.mantissa as f64 / 10f64.powi(-self.scale)
        } else {
            self.mantissa as f64 * 10f64.powi(self.scale)
        }
    }

    /// The number rounded away from zero to a multiple of 10^`scale`, and whether nothing was lost.
    pub fn round_up(&self, scale: i32) -> (Amount, bool) {
        if self.scale >= scale {
            return (*self, true);
        }
        let rounded = divide_rounding_away(self.mantissa, scale.abs_diff(self.scale));
        (Amount::new(rounded, scale, self.format), false)
    }

    /// The sum; zero takes the format of the other side.
    ///
    /// # Errors
    /// When the sum needs more than 38 digits.
    pub fn add(&self, other: &Amount) -> Result<Amount, QuantityError> {
        let format = if self.is_zero() { other.format } else { self.format };
        if self.is_zero() || other.is_zero() {
            let kept = if self.is_zero() { other } else { self };
            return Ok(kept.with_format(format));
        }
        let scale = self.scale.min(other.scale);
        multiply_by_power(self.mantissa, self.scale.abs_diff(scale))
            .zip(multiply_by_power(other.mantissa, other.scale.abs_diff(scale)))
            .and_then(|(left, right)| left.checked_add(right))
            .map(|sum| Amount::new(sum, scale, format))
            .ok_or_else(|| QuantityError::Range(format!("{self} + {other}")))
    }

    /// The difference; zero takes the format of the other side.
    ///
    /// # Errors
    /// When the difference needs more than 38 digits.
    pub fn sub(&self, other: &Amount) -> Result<Amount, QuantityError> {
        self.add(&other.neg()?)
    }

    /// The opposite number.
    ///
    /// # Errors
    /// When the opposite does not fit, which is the case for one number only.
    pub fn neg(&self) -> Result<Amount, QuantityError> {
        let mantissa =
            self.mantissa.checked_neg().ok_or_else(|| QuantityError::Range(format!("-({self})")))?;
        Ok(Amount { mantissa, ..*self })
    }

    /// The product with a whole number.
    ///
    /// # Errors
    /// When the product needs more than 38 digits.
    pub fn multiply(&self, factor: i64) -> Result<Amount, QuantityError> {
        self.mantissa
            .checked_mul(i128::from(factor))
            .map(|product| Amount::new(product, self.scale, self.format))
            .ok_or_else(|| QuantityError::Range(format!("{self} * {factor}")))
    }

    /// Orders two amounts by their numbers, whatever their formats.
    pub fn compare(&self, other: &Amount) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs != Ordering::Equal || self.is_zero() {
            return signs;
        }
        let magnitude =
            |amount: &Amount| i64::from(decimal_digits(amount.mantissa)) + i64::from(amount.scale);
        let by_size = magnitude(self).cmp(&magnitude(other)).then_with(|| {
            // Equal magnitudes: the scales are at most 38 apart, so one side may be widened; what does
            // not fit after widening is the larger number, as the other side does fit.
            let scale = self.scale.min(other.scale);
            let left = multiply_by_power(self.mantissa, self.scale.abs_diff(scale)).map(i128::unsigned_abs);
            let right =
                multiply_by_power(other.mantissa, other.scale.abs_diff(scale)).map(i128::unsigned_abs);
            match (left, right) {
                (Some(left), Some(right)) => left.cmp(&right),
                (None, _) => Ordering::Greater,
                (_, None) => Ordering::Less,
            }
        });
        if self.mantissa < 0 { by_size.reverse() } else { by_size }
    }

    /// Binary text needs a whole number of at least 1024; everything else prints as decimal.
    fn binary_units(&self) -> Option<i128> {
        if self.format != Format::BinarySi || self.scale < 0 {
            return None;
        }
        let units = multiply_by_power(self.mantissa, self.scale.unsigned_abs())?;
        (units.unsigned_abs() >= 1024).then_some(units)
    }
}

impl fmt::Display for Amount {
    /// Writes the canonical form: no fraction, the largest suffix which loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if let Some(mut units) = self.binary_units() {
            let mut exponent = 0;
            while units % 1024 == 0 && exponent < 60 {
                units /= 1024;
                exponent += 10;
            }
            return write!(f, "{units}{}", suffix_for(2, exponent));
        }
        // Exponents are multiples of three; SI has no suffix beyond exa, so zeros are written instead.
        let mut exponent = self.scale - self.scale.rem_euclid(3);
        if self.format != Format::DecimalExponent {
            exponent = exponent.min(18);
        }
        let zeros = (self.scale - exponent) as usize;
        write!(f, "{}{}", self.mantissa, "0".repeat(zeros.min(MAX_WRITTEN_ZEROS)))?;
        match self.format {
            Format::DecimalExponent if exponent == 0 => Ok(()),
            Format::DecimalExponent => write!(f, "e{exponent}"),
            _ if zeros > MAX_WRITTEN_ZEROS => write!(f, "e{}", self.scale - MAX_WRITTEN_ZEROS as i32),
            _ => f.write_str(suffix_for(10, exponent)),
        }
    }
}

/// A decimal number above 10^138 prints with an exponent, so that a short text never becomes a huge one.
const MAX_WRITTEN_ZEROS: usize = 120;

impl FromStr for Amount {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Amount, QuantityError> {
        parse(text).map(|parsed| parsed.amount)
    }
}

struct Parsed {
    amount: Amount,
    /// Upstream prints small numbers as they were written when they are close enough to canonical.
    keep_text: bool,
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

fn suffix_for(base: u32, exponent: i32) -> &'static str {
    if exponent == 0 {
        return "";
    }
    SUFFIXES.iter().find(|entry| (entry.1, entry.2) == (base, exponent)).map_or("", |entry| entry.0)
}

fn parse(text: &str) -> Result<Parsed, QuantityError> {
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

fn decimal_digits(value: i128) -> u32 {
    value.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1)
}

fn multiply_by_power(value: i128, power: u32) -> Option<i128> {
    if value == 0 { Some(0) } else { 10i128.checked_pow(power).and_then(|factor| value.checked_mul(factor)) }
}

fn divide_rounding_away(value: i128, power: u32) -> i128 {
    match 10i128.checked_pow(power) {
        Some(divisor) => value / divisor + if value % divisor == 0 { 0 } else { value.signum() },
        None => value.signum(),
    }
}

#[cfg(test)]
mod tests;
