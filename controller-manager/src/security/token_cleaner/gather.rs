//! The Secret of a token.

use std::sync::Arc;

use api_types::core::v1::Secret;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its cache.
pub(super) struct TokenCleaner {
    pub secrets: Store<Secret>,
}

impl Controller for TokenCleaner {
    type Inputs = Arc<Secret>;

    fn gather(&self, key: &ObjectKey) -> Option<Arc<Secret>> {
        self.secrets.get(key)
    }

    fn plan(secret: &Arc<Secret>, now: Timestamp) -> Plan {
        super::plan::plan(secret, now)
    }
}
