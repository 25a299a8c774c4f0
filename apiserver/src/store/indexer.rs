//! Labels and selectable fields of stored objects, for the watch cache.

use std::sync::Arc;

use apiserver_storage::indexer::{Indexed, ObjectIndexer, Summary};

use super::{Rules, StoredCodec};

/// Decodes an object once, when it enters the cache, and asks its strategy for the selectable fields.
pub struct StrategyIndexer {
    codec: Arc<dyn StoredCodec>,
    rules: Rules,
    field_names: Vec<String>,
}

impl StrategyIndexer {
    /// `field_names` are those of the strategy.
    pub fn new(codec: Arc<dyn StoredCodec>, rules: Rules, field_names: Vec<String>) -> Self {
        StrategyIndexer { codec, rules, field_names }
    }
}

impl ObjectIndexer for StrategyIndexer {
    fn field_names(&self) -> &[String] {
        &self.field_names
    }

    fn read(&self, value: &[u8]) -> Result<Indexed, String> {
        let mut object = self.codec.decode(value)?;
        // Upstream applies defaults whenever it reads, and stores what strategies have cleared since.
        self.rules.default(object.as_mut());
        let bytes = self.codec.encode(object.as_ref());
        let labels = object.meta().labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let fields = self.rules.selectable_fields(object.as_ref());
        let summary = Summary::new(labels, fields.iter().map(|(_, value)| value.as_str()));
        Ok(Indexed { summary, completed: (bytes != value).then(|| bytes.to_vec()) })
    }
}
