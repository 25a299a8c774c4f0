//! Cases for the splice of both stored forms.

use super::*;

/// A length-delimited field.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_tag(&mut out, number);
    push_varint(&mut out, content.len() as u64);
    out.extend_from_slice(content);
    out
}

fn stored(metadata: &[u8]) -> Vec<u8> {
    let type_meta = field(1, &[field(1, b"v1"), field(2, b"Pod")].concat());
    let object = [field(1, metadata), field(2, &[7; 300])].concat();
    [PROTOBUF_MAGIC.to_vec(), type_meta, field(2, &object), field(3, b""), field(4, b"")].concat()
}

fn check_protobuf(metadata: &[u8], resource_version: &str, expected: &[u8]) {
    let spliced = with_resource_version(&stored(metadata), resource_version).expect("splices");
    assert_eq!(spliced, stored(expected));
}

#[test]
fn protobuf() {
    let before = [field(1, b"web"), field(3, b"default")].concat();
    let generation = [0x38, 0x05];
    let version = field(6, b"123456789");
    let all = [before.clone(), version.clone(), generation.to_vec()].concat();
    // an empty field, as upstream writes it
    check_protobuf(&[before.clone(), field(6, b""), generation.to_vec()].concat(), "123456789", &all);
    // no field: goes in order
    check_protobuf(&[before.clone(), generation.to_vec()].concat(), "123456789", &all);
    check_protobuf(&before, "123456789", &[before.clone(), version.clone()].concat());
    // replaced, and emptied as upstream would store it
    check_protobuf(&[before.clone(), field(6, b"5"), generation.to_vec()].concat(), "123456789", &all);
    check_protobuf(&all, "", &[before.clone(), field(6, b""), generation.to_vec()].concat());
    check_protobuf(b"", "1", &field(6, b"1"));
    // lengths that need another varint byte
    let long = field(1, &[b'a'; 120]);
    check_protobuf(&long, "1234567", &[long.clone(), field(6, b"1234567")].concat());
}

#[test]
fn object_without_metadata_gets_one() {
    let bare = [PROTOBUF_MAGIC.to_vec(), field(2, &field(2, b"spec"))].concat();
    let expected =
        [PROTOBUF_MAGIC.to_vec(), field(2, &[field(1, &field(6, b"9")), field(2, b"spec")].concat())]
            .concat();
    assert_eq!(with_resource_version(&bare, "9"), Ok(expected));
}

#[test]
fn every_truncation_is_an_error_or_a_value_but_never_a_panic() {
    let whole = stored(&[field(1, b"web"), field(6, b"12")].concat());
    for length in 0..whole.len() {
        let _ = with_resource_version(&whole[..length], "77");
    }
    let json = br#"{"a":[1,{"b":"}\""}],"metadata":{"name":"x","uid":"u"}}"#;
    for length in 0..json.len() {
        let _ = with_resource_version(&json[..length], "77");
    }
    assert_eq!(with_resource_version(b"\x00\x01", "1"), Err(SpliceError::UnknownEncoding));
}

fn check_json(value: &str, expected: &str) {
    let spliced = with_resource_version(value.as_bytes(), "42").expect("splices");
    assert_eq!(String::from_utf8_lossy(&spliced), expected);
}

#[test]
fn json() {
    check_json(
        r#"{"apiVersion":"a/v1","metadata":{"name":"x","uid":"u"},"spec":{}}"#,
        r#"{"apiVersion":"a/v1","metadata":{"name":"x","resourceVersion":"42","uid":"u"},"spec":{}}"#,
    );
    check_json(r#"{"metadata":{"name":"x"}}"#, r#"{"metadata":{"name":"x","resourceVersion":"42"}}"#);
    check_json(
        r#"{"metadata": {"resourceVersion": "7", "z": [1, "]"]} }"#,
        r#"{"metadata": {"resourceVersion": "42", "z": [1, "]"]} }"#,
    );
    check_json(r#"{"metadata":{}}"#, r#"{"metadata":{"resourceVersion":"42"}}"#);
    check_json(r#"{}"#, r#"{"metadata":{"resourceVersion":"42"}}"#);
    check_json(
        r#"{"spec":{"metadata":{"resourceVersion":"1"}}}"#,
        r#"{"metadata":{"resourceVersion":"42"},"spec":{"metadata":{"resourceVersion":"1"}}}"#,
    );
    check_json(
        r#"{"a":"\"metadata\":{\\","metadata":{"annotations":{"resourceVersion":"1"},"name":"x"}}"#,
        r#"{"a":"\"metadata\":{\\","metadata":{"annotations":{"resourceVersion":"1"},"name":"x","resourceVersion":"42"}}"#,
    );
}
