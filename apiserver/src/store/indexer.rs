//! Labels and selectable fields of stored objects, for the watch cache.

use std::sync::Arc;

use apiserver_storage::indexer::{ObjectIndexer, Summary};

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

    fn summarize(&self, value: &[u8]) -> Result<Summary, String> {
        let object = self.codec.decode(value)?;
        let labels = object.meta().labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let fields = self.rules.selectable_fields(object.as_ref());
        Ok(Summary::new(labels, fields.iter().map(|(_, value)| value.as_str())))
    }
}
