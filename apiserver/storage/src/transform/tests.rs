//! Cases for the providers and their order.

use super::*;

fn key(name: &str, byte: u8) -> (String, Vec<u8>) {
    (name.to_owned(), vec![byte; 32])
}

type MakeProvider = fn(&[(String, Vec<u8>)]) -> Result<KeyedProvider, TransformError>;

const PROVIDERS: [(MakeProvider, &str); 3] = [
    (AesCbc::provider, "k8s:enc:aescbc:v1:one:"),
    (AesGcm::provider, "k8s:enc:aesgcm:v1:one:"),
    (Secretbox::provider, "k8s:enc:secretbox:v1:one:"),
];

#[test]
fn every_provider_reads_what_it_wrote_under_upstreams_prefix() {
    for (make, prefix) in PROVIDERS {
        let provider = make(&[key("one", 1)]).unwrap();
        for length in [0, 1, 15, 16, 17, 31, 32, 33, 64, 1000] {
            let value = vec![0xab; length];
            let stored = provider.write(&value, b"/registry/secrets/a/b").unwrap();
            assert!(stored.starts_with(prefix.as_bytes()), "{prefix}");
            let read = provider.read(&stored, b"/registry/secrets/a/b").unwrap();
            assert_eq!(read, (Bytes::from(value), false), "{prefix} {length}");
        }
    }
}

#[test]
fn older_keys_read_but_are_stale() {
    for (make, prefix) in PROVIDERS {
        let stored = make(&[key("one", 1)]).unwrap().write(b"value", b"p").unwrap();
        let rotated = make(&[key("two", 2), key("one", 1)]).unwrap();
        assert_eq!(rotated.read(&stored, b"p"), Ok((Bytes::from_static(b"value"), true)), "{prefix}");
        let forgotten = make(&[key("two", 2)]).unwrap();
        assert!(matches!(forgotten.read(&stored, b"p"), Err(TransformError::NoKey { .. })));
    }
}

#[test]
fn authenticated_providers_refuse_changed_bytes_and_gcm_other_paths() {
    for (make, prefix) in &PROVIDERS[1..] {
        let provider = make(&[key("one", 1)]).unwrap();
        let mut stored = provider.write(b"value", b"/a").unwrap().to_vec();
        let last = stored.len() - 1;
        stored[last] ^= 1;
        assert!(provider.read(&stored, b"/a").is_err(), "{prefix}");
    }
    let gcm = AesGcm::provider(&[key("one", 1)]).unwrap();
    let stored = gcm.write(b"value", b"/a").unwrap();
    let unreadable = TransformError::Unreadable { provider: "AES-GCM", key: "one".to_owned() };
    assert_eq!(gcm.read(&stored, b"/b"), Err(unreadable));
}

#[test]
fn order_of_providers_decides_writing_and_staleness() {
    let gcm = || Provider::Keyed(AesGcm::provider(&[key("one", 1)]).unwrap());
    let encrypting = Providers(vec![gcm(), Provider::Identity]);
    let decrypting = Providers(vec![Provider::Identity, gcm()]);
    let sealed = encrypting.write(b"value", b"p").unwrap();
    let value = Bytes::from_static(b"value");
    assert_eq!(encrypting.read(&sealed, b"p"), Ok((value.clone(), false)));
    assert_eq!(encrypting.read(b"value", b"p"), Ok((value.clone(), true)));
    assert_eq!(decrypting.read(&sealed, b"p"), Ok((value.clone(), true)));
    assert_eq!(decrypting.read(b"value", b"p"), Ok((value, false)));
    assert_eq!(Identity.read(&sealed, b"p"), Err(TransformError::NoProvider));
}

#[test]
fn wrong_key_lengths_are_named() {
    let error = AesCbc::provider(&[("short".to_owned(), vec![0; 5])]).err().unwrap();
    assert_eq!(error.to_string(), "AES-CBC key \"short\" has 5 bytes, expected 16, 24 or 32");
}
