//! Namespace and name of an object in one cheap-to-clone value.

use std::fmt;
use std::sync::Arc;

use machinery::meta::v1::ObjectMeta;

/// `namespace/name`, or the name alone of an object outside namespaces: upstream's cache key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    text: Arc<str>,
}

impl ObjectKey {
    /// The key of an object; `namespace` is empty outside namespaces.
    pub fn new(namespace: &str, name: &str) -> ObjectKey {
        let text =
            if namespace.is_empty() { Arc::from(name) } else { Arc::from(format!("{namespace}/{name}")) };
        ObjectKey { text }
    }

    /// The key of the object with this metadata.
    pub fn of(metadata: &ObjectMeta) -> ObjectKey {
        ObjectKey::new(&metadata.namespace, &metadata.name)
    }

    /// Empty outside namespaces.
    pub fn namespace(&self) -> &str {
        self.text.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// Name of the object.
    pub fn name(&self) -> &str {
        self.text.split_once('/').map_or(&self.text, |(_, name)| name)
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_split_into_namespace_and_name() {
        let inside = ObjectKey::new("work", "a");
        assert_eq!((inside.as_str(), inside.namespace(), inside.name()), ("work/a", "work", "a"));
        let outside = ObjectKey::new("", "a");
        assert_eq!((outside.as_str(), outside.namespace(), outside.name()), ("a", "", "a"));
    }
}
