//! Defaults of namespaces.

use api_types::core::v1::Namespace;

/// Label that carries the name of the namespace, so that selectors can name one.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Defaults of a namespace. One whose name is still to be generated gets its label when it is stored.
pub fn set(namespace: &mut Namespace) {
    label(namespace);
    if namespace.status.phase.is_empty() {
        namespace.status.phase = "Active".to_owned();
    }
}

/// Sets [`NAME_LABEL`].
pub fn label(namespace: &mut Namespace) {
    if !namespace.metadata.name.is_empty() {
        let name = namespace.metadata.name.clone();
        namespace.metadata.labels.insert(NAME_LABEL.to_owned(), name);
    }
}
