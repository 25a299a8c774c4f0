//! Decides whether the ConfigMap is to be made or mended.

use std::collections::BTreeMap;

use api_types::core::v1::ConfigMap;
use runtime::{Action, Plan};

use super::gather::Inputs;

/// Name of the ConfigMap, known to every kubelet.
pub(super) const NAME: &str = "kube-root-ca.crt";
const KEY: &str = "ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const DESCRIPTION_TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

pub(super) fn plan(inputs: &Inputs) -> Plan {
    if inputs.namespace.metadata.deletion_timestamp.is_some()
        || inputs.namespace.status.phase == "Terminating"
    {
        return Plan::nothing();
    }
    let data = BTreeMap::from([(KEY.to_owned(), inputs.bundle.to_string())]);
    let Some(published) = &inputs.published else {
        let mut made = ConfigMap { data, ..ConfigMap::default() };
        made.metadata.name = NAME.to_owned();
        made.metadata.namespace.clone_from(&inputs.namespace.metadata.name);
        made.metadata.annotations.insert(DESCRIPTION.to_owned(), DESCRIPTION_TEXT.to_owned());
        return Plan::of(vec![Action::create(made).existing_is_done()]);
    };
    let described = published.metadata.annotations.get(DESCRIPTION).is_some_and(|text| !text.is_empty());
    if published.data == data && described {
        return Plan::nothing();
    }
    let mut mended = published.as_ref().clone();
    mended.data = data;
    mended.metadata.annotations.insert(DESCRIPTION.to_owned(), DESCRIPTION_TEXT.to_owned());
    Plan::of(vec![Action::replace(mended)])
}
