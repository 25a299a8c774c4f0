//! Tables for quantities: numbers, formats, canonical text, refused text, arithmetic.

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Upstream keeps the written text in JSON and prints the canonical form after arithmetic.
fn check_text(input: &str, expected: &str) {
    assert_eq!(Quantity::parse(input).map(|quantity| quantity.0).as_deref(), Ok(expected), "{input}");
}

#[test]
fn numbers_and_formats() {
    use Format::{BinarySi as B, DecimalExponent as E, DecimalSi as D};
    let table: &[(&str, i128, i32, Format)] = &[
        ("0", 0, 0, D),
        ("0n", 0, 0, D),
        ("0Ki", 0, 0, B),
        ("1", 1, 0, D),
        ("1Ki", 1024, 0, B),
        ("6Gi", 6 << 30, 0, B),
        ("3Ei", 3 << 60, 0, B),
        ("100Ti", 100 << 40, 0, B),
        ("5n", 5, -9, D),
        ("50k", 5, 4, D),
        ("300T", 3, 14, D),
        ("1E", 1, 18, D),
        ("1E-3", 1, -3, E),
        ("1E18", 1, 18, E),
        ("1e14", 1, 14, E),
        ("100.035k", 100_035, 0, D),
        ("0.0005k", 5, -1, D),
        ("0.05000", 5, -2, D),
        ("0.5e-2", 5, -3, E),
        ("1.3E+6", 13, 5, E),
        ("1.7E18", 17, 17, E),
        ("9.01", 901, -2, D),
        ("6.987654321G", 6_987_654_321, 0, D),
        ("1.01E", 101, 16, D),
        ("3.001n", 4, -9, D),
        ("1.1E-9", 2, -9, E),
        ("0.0000000001", 1, -9, D),
        ("0.00000012345", 124, -9, D),
        ("0.00000012354", 124, -9, D),
        ("9Ei", i64::MAX as i128, 0, B),
        ("9223372036854775807Ki", i64::MAX as i128, 0, B),
        ("99999999999999999999999999999999999999999999Ki", i64::MAX as i128, 0, B),
        ("12E", 12, 18, D),
        ("100.035Ki", 10_243_584, -2, B),
        ("0.5Mi", 1 << 19, 0, B),
        ("0.025Ti", 274_877_906_944, -1, B),
        ("0.000000000001Ki", 2, -9, D),
        ("0.000000000000000000000000000001Ei", 1, -9, D),
        (".001", 1, -3, D),
        (".0001k", 100, -3, D),
        ("1.", 1, 0, D),
        ("1.G", 1, 9, D),
        ("1e-100", 1, -9, E),
        ("1e100", 1, 100, E),
    ];
    for &(input, mantissa, scale, format) in table {
        for (sign, prefix) in [(1, ""), (-1, "-"), (1, "+")] {
            let got = amount(&format!("{prefix}{input}"));
            assert_eq!(got, Amount::new(sign * mantissa, scale, format), "{prefix}{input}");
        }
    }
}

#[test]
fn refused_text() {
    let table = [
        ("", QuantityError::Format),
        ("1.1.M", QuantityError::Format),
        ("1+1.0M", QuantityError::Format),
        ("0.1mi", QuantityError::Suffix),
        ("0.1am", QuantityError::Format),
        ("aoeu", QuantityError::Format),
        (".5i", QuantityError::Suffix),
        ("1i", QuantityError::Suffix),
        ("-3.01e-", QuantityError::Suffix),
        (" 1", QuantityError::Format),
        ("1 ", QuantityError::Format),
        ("1e99999999999", QuantityError::Suffix),
        (".Ei", QuantityError::Numeric),
        ("e-10", QuantityError::Numeric),
        ("1é", QuantityError::Format),
        (
            "1234567890123456789012345678901234567891",
            QuantityError::Range("1234567890123456789012345678901234567891".to_owned()),
        ),
    ];
    for (input, expected) in table {
        assert_eq!(input.parse::<Amount>(), Err(expected), "{input}");
    }
}

#[test]
fn written_text_is_kept_or_made_canonical_as_upstream_does() {
    for (input, expected) in [
        ("1Gi", "1Gi"),
        ("1024Mi", "1Gi"),
        ("307200Ki", "300Mi"),
        ("1025024Mi", "1001Gi"),
        ("1025Ki", "1025Ki"),
        ("5000m", "5"),
        ("0.5", "500m"),
        ("500m", "500m"),
        ("1000M", "1G"),
        ("0.001T", "1G"),
        ("1.08", "1080m"),
        ("1080000000n", "1080m"),
        (".001e12", "1e9"),
        ("0.001e0", "1e-3"),
        ("1000e-12", "1e-9"),
        ("00", "0"),
        ("-0", "0"),
        (".001Ki", "1024m"),
        (".000000001Ki", "1024n"),
        ("-.000000000001Ki", "-2n"),
        ("1.5Gi", "1536Mi"),
        ("0.1", "100m"),
        ("100.035k", "100.035k"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("1e4", "10e3"),
        ("1000E", "1000E"),
        (" 2 ", "2"),
        ("12E", "12E"),
        ("1e100", "10e99"),
    ] {
        check_text(input, expected);
    }
}

#[test]
fn canonical_text_of_numbers() {
    use Format::{BinarySi as B, DecimalExponent as E, DecimalSi as D};
    for (mantissa, scale, format, expected) in [
        (1 << 30, 0, B, "1Gi"),
        (6 * 1024, 0, B, "6Ki"),
        (5, 0, B, "5"),
        (500, -3, B, "500m"),
        (1_234_567, -3, B, "1234567m"),
        (1025, 0, B, "1025"),
        (-2048, 0, B, "-2Ki"),
        (1_000_000, 3, D, "1G"),
        (10_800, -4, D, "1080m"),
        (10_800, -10, D, "1080n"),
        (3, 3, D, "3k"),
        (1, 21, D, "1000E"),
        (80, -3, E, "80e-3"),
        (3, 3, E, "3e3"),
        (0, 0, E, "0"),
    ] {
        assert_eq!(Amount::new(mantissa, scale, format).to_string(), expected);
    }
}

#[test]
fn values_round_away_from_zero_and_saturate() {
    for (input, value, milli) in [
        ("1500m", 2, 1500),
        ("-1500m", -2, -1500),
        ("1n", 1, 1),
        ("1Gi", 1 << 30, (1i64 << 30) * 1000),
        ("100E", i64::MAX, i64::MAX),
        ("-100E", i64::MIN, i64::MIN),
        ("0", 0, 0),
        ("not a quantity", 0, 0),
    ] {
        let quantity = Quantity(input.to_owned());
        assert_eq!((quantity.value(), quantity.milli_value()), (value, milli), "{input}");
    }
    assert_eq!(amount("1500m").as_i64(), None);
    assert_eq!(amount("2k").as_i64(), Some(2000));
    assert_eq!(amount("123456789n").round_up(-3), (Amount::new(124, -3, Format::DecimalSi), false));
    assert_eq!(amount("2").nano_value(), Some(2_000_000_000));
    assert!((amount("1500m").as_f64() - 1.5).abs() < f64::EPSILON);
}

#[test]
fn arithmetic_keeps_the_format_of_the_first_unless_it_is_zero() {
    let sum = |left: &str, right: &str| {
        Quantity(left.to_owned()).add(&Quantity(right.to_owned())).map(|quantity| quantity.0)
    };
    assert_eq!(sum("1Gi", "1G").as_deref(), Ok("2073741824"));
    assert_eq!(sum("0", "1Gi").as_deref(), Ok("1Gi"));
    assert_eq!(sum("512Mi", "512Mi").as_deref(), Ok("1Gi"));
    assert_eq!(sum("250m", "0.75").as_deref(), Ok("1"));
    assert_eq!(sum("1e30", "1n").unwrap_err(), QuantityError::Range("1e30 + 1n".to_owned()));
    let difference = Quantity("1".to_owned()).sub(&Quantity("1100m".to_owned()));
    assert_eq!(difference.map(|quantity| quantity.0).as_deref(), Ok("-100m"));
    assert_eq!(amount("1Mi").multiply(1024).map(|product| product.to_string()).as_deref(), Ok("1Gi"));
    assert!(amount("100000000000000000001").multiply(i64::MAX).is_err());
}

#[test]
fn comparison_is_by_number() {
    use Ordering::{Equal, Greater, Less};
    for (left, right, expected) in [
        ("1", "1000m", Equal),
        ("1Ki", "1024", Equal),
        ("1", "2", Less),
        ("-1", "-2", Greater),
        ("-1", "0", Less),
        ("1e100", "1", Greater),
        ("-1e100", "1n", Less),
        ("170141183460469231731687303715884105727", "17e37", Greater),
        ("170141183460469231731687303715884105727", "9e38", Less),
        ("0Ki", "0", Equal),
    ] {
        assert_eq!(amount(left).compare(&amount(right)), expected, "{left} {right}");
        assert_eq!(amount(right).compare(&amount(left)), expected.reverse(), "{right} {left}");
    }
    assert_eq!(Quantity::default().0, "0");
    assert_eq!(Quantity::from_milli(1500, Format::DecimalSi).0, "1500m");
}
