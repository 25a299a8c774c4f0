//! The parts of object metadata that belong to the server.

use machinery::Time;
use machinery::meta::v1::ObjectMeta;
use machinery::status::StatusError;
use rand::RngExt;

/// Longest generated name and length of its random end; upstream's `names.SimpleNameGenerator`.
const MAX_NAME_LENGTH: usize = 63;
const RANDOM_LENGTH: usize = 5;
/// Without vowels and look-alikes, so that no words arise.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A name that begins with `base` and has a random end.
pub fn generate_name(base: &str) -> String {
    let mut end = base.len().min(MAX_NAME_LENGTH - RANDOM_LENGTH);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    let mut random = rand::rng();
    for _ in 0..RANDOM_LENGTH {
        name.push(char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    }
    name
}

/// Removes what only the server may set on a new object.
pub fn wipe_system_fields(meta: &mut ObjectMeta) {
    meta.creation_timestamp = Time::default();
    meta.uid.clear();
    meta.deletion_timestamp = None;
    meta.deletion_grace_period_seconds = None;
    meta.self_link.clear();
}

/// Gives a new object its birth time and identity.
pub(super) fn fill_system_fields(meta: &mut ObjectMeta, now: jiff::Timestamp) {
    meta.creation_timestamp = in_seconds(now);
    meta.uid = uuid::Uuid::new_v4().to_string();
}

/// The API's time stamps have no fractions.
pub(super) fn in_seconds(now: jiff::Timestamp) -> Time {
    Time { seconds: now.as_second(), nanos: 0 }
}

/// Makes the object's namespace that of the request (`""` for cluster-scoped resources), or refuses another one.
pub fn ensure_namespace(request: &str, meta: &mut ObjectMeta) -> Result<(), StatusError> {
    if meta.namespace == request {
        return Ok(());
    }
    if meta.namespace.is_empty() {
        meta.namespace = request.to_owned();
        return Ok(());
    }
    if request.is_empty() {
        // Upstream clears a namespace that makes no sense for the scope.
        meta.namespace.clear();
        return Ok(());
    }
    Err(StatusError::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_keep_their_base_within_the_limit() {
        let check = |base: &str, kept: &str| {
            let name = generate_name(base);
            assert_eq!(name.len(), kept.len() + RANDOM_LENGTH);
            assert!(name.starts_with(kept), "{name}");
            assert_ne!(name, generate_name(base));
        };
        check("web-", "web-");
        check(&"x".repeat(80), &"x".repeat(58));
        check("", "");
        check(&"é".repeat(40), &"é".repeat(29));
    }

    #[test]
    fn namespaces() {
        let check = |request: &str, given: &str, expected: Option<&str>| {
            let mut meta = ObjectMeta { namespace: given.to_owned(), ..ObjectMeta::default() };
            let outcome = ensure_namespace(request, &mut meta);
            assert_eq!(
                outcome.ok().map(|()| meta.namespace),
                expected.map(str::to_owned),
                "{request} {given}"
            );
        };
        check("a", "", Some("a"));
        check("a", "a", Some("a"));
        check("a", "b", None);
        check("", "b", Some(""));
    }
}
