//! Cases over the end of a token.

use std::sync::Arc;

use api_types::core::v1::Secret;
use jiff::Timestamp;
use runtime::Controller;

use super::gather::TokenCleaner;
use crate::security::bootstrap_tokens::tests::secret;

#[test]
fn tokens_go_when_they_end() {
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().expect("time");
    let check = |expiration: Option<&str>, deleted: bool, waits: bool| {
        let pairs: Vec<_> = expiration.map(|time| ("expiration", time)).into_iter().collect();
        let plan = TokenCleaner::plan(&Arc::new(secret("abcdef", &pairs)), now);
        assert_eq!(!plan.deletes::<Secret>().is_empty(), deleted, "{expiration:?}");
        assert_eq!(plan.requeue_after.is_some(), waits, "{expiration:?}");
    };
    check(None, false, false);
    check(Some("2030-01-01T00:01:00Z"), false, true);
    check(Some("2030-01-01T00:00:00Z"), true, false);
    check(Some("never"), true, false);
}
