//! Cases over the phase of the namespace.

use std::sync::Arc;

use api_types::core::v1::{Namespace, ServiceAccount};
use jiff::Timestamp;
use runtime::Controller;

use super::gather::{Inputs, ServiceAccounts};

#[test]
fn active_namespaces_get_their_account() {
    let check = |phase: &str, has_default: bool, expected: &[&str]| {
        let mut namespace = Namespace::default();
        namespace.metadata.name = "work".into();
        namespace.status.phase = phase.into();
        let inputs = Inputs { namespace: Arc::new(namespace), has_default };
        let plan = ServiceAccounts::plan(&inputs, Timestamp::UNIX_EPOCH);
        let made: Vec<String> = plan
            .creates::<ServiceAccount>()
            .iter()
            .map(|account| format!("{}/{}", account.metadata.namespace, account.metadata.name))
            .collect();
        assert_eq!(made, expected, "{phase} {has_default}");
    };
    check("Active", false, &["work/default"]);
    check("Active", true, &[]);
    check("Terminating", false, &[]);
    check("", false, &[]);
}
