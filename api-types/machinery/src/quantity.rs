//! Resource quantities ("500m", "1Gi", "12e6"): parsing, canonical text and exact arithmetic.
//!
//! Semantics follow `apimachinery/pkg/api/resource`. A [`Quantity`] is the text which travels in JSON and
//! protobuf; an [`Amount`] is the number behind it: a 128-bit mantissa and a power of ten not below nano.

mod amount;
mod parse;
#[cfg(test)]
mod tests;

pub use amount::Amount;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use parse::parse;

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
