//! The exact number behind a quantity: arithmetic, comparison, canonical text.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::parse::{parse, suffix_for};
use super::{Format, QuantityError};

/// The smallest power of ten a quantity keeps; anything finer is rounded away from zero.
pub(super) const NANO: i32 = -9;

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
