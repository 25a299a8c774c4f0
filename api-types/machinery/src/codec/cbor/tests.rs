//! Tables of bytes and values, after the appendix of RFC 8949 where it has them.

use serde_json::{Value, json};

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn both_ways() {
    for (value, hex) in [
        (json!(0), "00"),
        (json!(23), "17"),
        (json!(24), "1818"),
        (json!(1000), "1903e8"),
        (json!(1_000_000), "1a000f4240"),
        (json!(1_000_000_000_000i64), "1b000000e8d4a51000"),
        (json!(-1), "20"),
        (json!(-100), "3863"),
        (json!(i64::MIN), "3b7fffffffffffffff"),
        (json!(0.0), "f90000"),
        (json!(-0.0), "f98000"),
        (json!(1.5), "f93e00"),
        (json!(65504.0), "f97bff"),
        (json!(100_000.0), "fa47c35000"),
        (json!(3.402_823_466_385_288_6e38), "fa7f7fffff"),
        (json!(1.1), "fb3ff199999999999a"),
        (json!(5.960_464_477_539_063e-8), "f90001"),
        (json!(0.00006103515625), "f90400"),
        (json!(false), "f4"),
        (json!(null), "f6"),
        (json!("IETF"), "4449455446"),
        (json!("ü"), "42c3bc"),
        (json!([1, [2, 3]]), "82 01 82 02 03"),
        (json!({"a": 1, "b": [2, 3]}), "a2 4161 01 4162 82 02 03"),
        (json!({}), "a0"),
    ] {
        assert_eq!(encode_item(&value), Ok(bytes(hex)), "{value}");
        assert_eq!(decode(&bytes(hex)), Ok(value), "{hex}");
    }
}

#[test]
fn keys_are_sorted_by_their_bytes() {
    let value = json!({"bb": 1, "a": 2, "b": 3, "aa": 4});
    assert_eq!(encode_item(&value), Ok(bytes("a4 4161 02 4162 03 426161 04 426262 01")));
    assert_eq!(encode(&json!(1)), Ok(bytes("d9d9f7 01")));
    assert!(recognizes(&bytes("d9d9f701")));
}

#[test]
fn freedoms_of_other_writers() {
    for (hex, expected) in [
        ("d9d9f7 a1 6161 01", json!({"a": 1})),
        ("6161", json!("a")),
        ("5f 4161 4162 ff", json!("ab")),
        ("7f 6161 6162 ff", json!("ab")),
        ("9f 01 82 02 03 ff", json!([1, [2, 3]])),
        ("bf 6161 01 ff", json!({"a": 1})),
        ("1800", json!(0)),
        ("d6 43 010203", json!("AQID")),
        ("d5 42 fbff", json!("-_8")),
        ("d7 42 abcd", json!("abcd")),
        ("c0 74 323031332d30332d32315432303a30343a30305a", json!("2013-03-21T20:04:00Z")),
        ("c1 1a514b67b0", json!("2013-03-21T20:04:00Z")),
        ("d820 6161", json!("a")),
    ] {
        assert_eq!(decode(&bytes(hex)), Ok(expected), "{hex}");
    }
}

#[test]
fn refusals() {
    for hex in [
        "",
        "18",
        "42 61",
        "82 01",
        "5f 6161 ff",
        "5f 41",
        "1c",
        "ff",
        "1f",
        "f7",
        "e0",
        "f820",
        "f97c00",
        "f97e00",
        "fb7ff0000000000000",
        "1bffffffffffffffff",
        "3bffffffffffffffff",
        "c2 41 01",
        "a1 01 02",
        "a2 4161 01 6161 02",
        "61 ff",
        "41 ff",
        "01 02",
        "c0 01",
        "c1 4161",
        "9b ffffffffffffffff 01",
    ] {
        assert!(decode(&bytes(hex)).is_err(), "{hex}");
    }
    let deep = vec![0x81; MAX_DEPTH + 2];
    assert!(matches!(decode(&deep), Err(CborError::Unacceptable { .. })));
}

#[test]
fn streams_are_read_item_by_item() {
    let data = bytes("01 4161 82");
    let (first, rest) = decode_first(&data).unwrap_or_else(|error| panic!("{error}"));
    let (second, rest) = decode_first(rest).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((first, second), (json!(1), Value::from("a")));
    assert!(matches!(decode_first(rest), Err(CborError::End(_))));
}
