//! The patterns of names as plain loops over bytes.

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
pub(super) fn is_dns_label(value: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    framed(value, alphanumeric, |byte| alphanumeric(byte) || byte == b'-')
}

/// `_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?`
pub(super) fn is_dns_label_with_underscore(value: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| alphanumeric(byte) || byte == b'-' || byte == b'_';
    framed(value.strip_prefix('_').unwrap_or(value), alphanumeric, inner)
}

/// Labels with dots between them.
pub(super) fn is_dns_subdomain(value: &str, label: fn(&str) -> bool) -> bool {
    value.split('.').all(label)
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
pub(super) fn is_label_name(value: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    framed(value, |byte| byte.is_ascii_alphanumeric(), inner)
}

/// `[-._a-zA-Z0-9]`
pub(super) fn is_config_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Whether there is a byte and every byte passes.
pub(super) fn all(value: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !value.is_empty() && value.bytes().all(allowed)
}

/// First and last byte of one set, those between of another.
fn framed(value: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    match value.as_bytes() {
        [] => false,
        [only] => edge(*only),
        [first, middle @ .., last] => edge(*first) && edge(*last) && middle.iter().all(|byte| inner(*byte)),
    }
}
