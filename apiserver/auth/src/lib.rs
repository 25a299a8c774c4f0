//! Who is asking and what they may do: authentication, authorization and the bootstrap RBAC policy.
//!
//! The crate knows nothing of HTTP serving or of storage. What it needs from outside comes through
//! two doors: [`authn::service_account::ObjectGetter`] (objects a token refers to) and the watch-fed
//! [`authz::rbac::PolicyIndex`] and [`authz::node::NodeGraph`].

pub mod user;

pub mod authn;
pub mod authz;
pub mod bootstrap_policy;

pub use user::UserInfo;
