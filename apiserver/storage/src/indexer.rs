//! The little that selectors need of an object, and the trait that extracts it from bytes.

/// Labels and selectable field values of one object, packed: one text and the ends of its parts.
///
/// A cache holds one of these per object, so it is two allocations whatever the number of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    text: Box<str>,
    ends: Box<[u32]>,
    labels: u32,
}

impl Summary {
    /// Packs the labels (key, value) and the field values, the latter in the order of
    /// [`ObjectIndexer::field_names`].
    pub fn new<'a>(
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut text = String::new();
        let mut ends = Vec::new();
        let mut add = |part: &str| {
            text.push_str(part);
            ends.push(text.len() as u32);
        };
        let mut count = 0;
        for (key, value) in labels {
            add(key);
            add(value);
            count += 1;
        }
        for field in fields {
            add(field);
        }
        Summary { text: text.into_boxed_str(), ends: ends.into_boxed_slice(), labels: count }
    }

    fn part(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        self.text.get(start..end)
    }

    /// The labels in the order they were given.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.labels as usize).filter_map(|index| Some((self.part(2 * index)?, self.part(2 * index + 1)?)))
    }

    /// The value of one label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The value of the selectable field with this index in [`ObjectIndexer::field_names`].
    pub fn field(&self, index: usize) -> Option<&str> {
        self.part(2 * self.labels as usize + index)
    }
}

/// How a caller tells the watch cache what an object's bytes mean.
pub trait ObjectIndexer: Send + Sync + 'static {
    /// The selectable fields beyond `metadata.name` and `metadata.namespace` (which come from the key).
    fn field_names(&self) -> &[String];

    /// Reads a value as stored. The error says what is broken.
    fn read(&self, value: &[u8]) -> Result<Indexed, String>;
}

/// What an indexer makes of a stored value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Labels and selectable fields.
    pub summary: Summary,
    /// The value as it is to be served, when that is not as it is stored: defaults that came after it was
    /// written, or that the writer left to its readers.
    pub completed: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        let summary = Summary::new([("app", "web"), ("empty", "")], ["node-1", "", "Running"]);
        assert_eq!(summary.label("app"), Some("web"));
        assert_eq!(summary.label("empty"), Some(""));
        assert_eq!(summary.label("node-1"), None);
        assert_eq!(summary.field(0), Some("node-1"));
        assert_eq!(summary.field(1), Some(""));
        assert_eq!(summary.field(2), Some("Running"));
        assert_eq!(summary.field(3), None);
        assert_eq!(Summary::default().field(0), None);
    }
}
