//! Counts given as a number or a percentage.
//!
//! Source: `k8s.io/apimachinery/pkg/util/intstr`.

use machinery::IntOrString;

/// The percentage in `"25%"`, or why it is none.
pub fn percentage(text: &str) -> Result<i64, String> {
    let Some(digits) = text.strip_suffix('%') else {
        return Err("invalid value for IntOrString: invalid type: string is not a percentage".to_owned());
    };
    digits.parse::<i32>().map(i64::from).map_err(|_| {
        format!("invalid value for IntOrString: invalid value {text:?}: strconv.Atoi: parsing {digits:?}: invalid syntax")
    })
}

/// The count itself, or the percentage of `total`, rounded up or down.
pub fn scaled(value: &IntOrString, total: i32, round_up: bool) -> Result<i32, String> {
    match value {
        IntOrString::Int(count) => Ok(*count),
        IntOrString::String(text) => {
            let product = percentage(text)? * i64::from(total);
            let scaled = if round_up { (product + 99).div_euclid(100) } else { product.div_euclid(100) };
            i32::try_from(scaled)
                .map_err(|_| format!("invalid value for IntOrString: {text:?} of {total} is out of range"))
        }
    }
}

/// Surge and unavailability of a rolling update of `desired` pods; never both zero.
///
/// Source: `ResolveFenceposts` of the deployment controller.
pub fn fenceposts(
    max_surge: Option<&IntOrString>,
    max_unavailable: Option<&IntOrString>,
    desired: i32,
) -> Result<(i32, i32), String> {
    let zero = IntOrString::Int(0);
    let surge = scaled(max_surge.unwrap_or(&zero), desired, true)?;
    let unavailable = scaled(max_unavailable.unwrap_or(&zero), desired, false)?;
    // With both at zero nothing could ever move, so one pod may be missing.
    Ok(if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_values() {
        let cases = [
            (IntOrString::Int(7), 10, true, Ok(7)),
            (IntOrString::String("25%".into()), 10, true, Ok(3)),
            (IntOrString::String("25%".into()), 10, false, Ok(2)),
            (IntOrString::String("100%".into()), 3, false, Ok(3)),
        ];
        for (value, total, up, expected) in cases {
            assert_eq!(scaled(&value, total, up), expected, "{value:?} of {total}");
        }
        assert!(scaled(&IntOrString::String("5".into()), 10, true).is_err());
    }

    #[test]
    fn a_rollout_can_always_move() {
        assert_eq!(
            fenceposts(Some(&IntOrString::Int(0)), Some(&IntOrString::String("1%".into())), 10),
            Ok((0, 1))
        );
        assert_eq!(
            fenceposts(
                Some(&IntOrString::String("25%".into())),
                Some(&IntOrString::String("25%".into())),
                10
            ),
            Ok((3, 2))
        );
    }
}
