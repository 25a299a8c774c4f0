//! The order in which Go's library writes the keys of a map: text order, with runs of digits as numbers.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// Writes a value with the keys of every map sorted, as upstream prints objects it does not know by type.
pub fn to_string_sorted(value: &Value) -> String {
    super::to_string(&sorted(value))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by(|left, right| compare(left.0, right.0));
            let entries = entries.into_iter().map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Letters come after everything else, and runs of digits compare as numbers.
fn compare(left: &str, right: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let Some(position) = left.iter().zip(&right).position(|(a, b)| a != b) else {
        return left.len().cmp(&right.len());
    };
    let (a, b) = (left[position], right[position]);
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a.cmp(&b),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero inside a number counts as a digit of it, at its start it does not.
    let mut before = left[..position].iter().rev().take_while(|character| character.is_ascii_digit());
    let carried = u64::from((a == '0' || b == '0') && before.any(|digit| *digit != '0'));
    let number = |text: &[char]| {
        let digits = text[position..].iter().map_while(|character| character.to_digit(10));
        digits.fold((carried, 0usize), |(value, length), digit| {
            (value.saturating_mul(10).saturating_add(u64::from(digit)), length + 1)
        })
    };
    number(&left).cmp(&number(&right)).then_with(|| a.cmp(&b))
}
