//! Cases; planning again after applying gives nothing.

use std::sync::Arc;

use api_types::core::v1::{ConfigMap, Namespace};
use jiff::Timestamp;
use runtime::Controller;

use super::gather::{Inputs, RootCa};

/// What is written for a namespace with this ConfigMap: `(verb, object)`.
fn written(published: Option<ConfigMap>, phase: &str) -> Option<(&'static str, ConfigMap)> {
    let mut namespace = Namespace::default();
    namespace.metadata.name = "work".into();
    namespace.status.phase = phase.into();
    let inputs =
        Inputs { namespace: Arc::new(namespace), published: published.map(Arc::new), bundle: "PEM".into() };
    let plan = RootCa::plan(&inputs, Timestamp::UNIX_EPOCH);
    let action = plan.actions().next()?;
    match action.created::<ConfigMap>() {
        Some(made) => Some(("create", made.clone())),
        None => action.replaced::<ConfigMap>().map(|(_, mended)| ("replace", mended.clone())),
    }
}

#[test]
fn the_authority_is_published_and_mended() {
    let (verb, made) = written(None, "Active").expect("written");
    assert_eq!(
        (verb, made.metadata.namespace.as_str(), made.metadata.name.as_str()),
        ("create", "work", "kube-root-ca.crt")
    );
    assert_eq!(made.data.get("ca.crt").map(String::as_str), Some("PEM"));
    assert_eq!(written(Some(made.clone()), "Active"), None);

    let mut spoilt = made.clone();
    spoilt.data.insert("ca.crt".into(), "other".into());
    spoilt.data.insert("more".into(), "x".into());
    assert_eq!(written(Some(spoilt), "Active"), Some(("replace", made.clone())));
    let mut plain = made.clone();
    plain.metadata.annotations.clear();
    assert_eq!(written(Some(plain), "Active"), Some(("replace", made)));
}

#[test]
fn a_namespace_that_goes_gets_nothing() {
    assert_eq!(written(None, "Terminating"), None);
}
