//! What a strategy may know about the request it serves.

use api_types::authentication::v1::UserInfo;
use std::sync::Arc;

/// The request as far as rules may depend on it. Everything here is data: a strategy reaches no store and no clock.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who asks; `username` is empty only in unit tests.
    pub user: Arc<UserInfo>,
    /// Namespace of the request; empty for cluster-scoped resources.
    pub namespace: String,
    /// Name in the request path; empty for create and for collections.
    pub name: String,
    /// Subresource in the request path; empty for the resource itself.
    pub subresource: String,
    /// The moment the request is served; every time stamp a rule writes comes from here.
    pub now: jiff::Timestamp,
    /// True when nothing may be written.
    pub dry_run: bool,
}

impl Context {
    /// A context for `user` in `namespace` at `now`.
    pub fn new(user: Arc<UserInfo>, namespace: impl Into<String>, now: jiff::Timestamp) -> Self {
        Context {
            user,
            namespace: namespace.into(),
            name: String::new(),
            subresource: String::new(),
            now,
            dry_run: false,
        }
    }

    /// The context of the server's own loops, which act as `system:apiserver` in group `system:masters`.
    pub fn system(now: jiff::Timestamp) -> Self {
        let user = UserInfo {
            username: "system:apiserver".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
            ..UserInfo::default()
        };
        Context::new(Arc::new(user), "", now)
    }
}
