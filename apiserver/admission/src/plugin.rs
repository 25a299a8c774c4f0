//! The trait of every admission plugin, and the chain that asks them in order.

use std::sync::Arc;

use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};

/// One plugin. Both phases are optional: a plugin overrides what it does.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// Upstream's name, as in `--enable-admission-plugins`.
    fn name(&self) -> &'static str;

    /// Which operations it wants to see.
    fn handles(&self, operation: Operation) -> bool;

    /// May change `attributes.object`; an error refuses the request.
    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        let _ = attributes;
        Ok(())
    }

    /// Judges the final object; an error refuses the request.
    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let _ = attributes;
        Ok(())
    }
}

/// Plugins in the order in which they are asked. Clones share them.
#[derive(Clone, Default)]
pub struct Chain {
    plugins: Arc<[Arc<dyn Plugin>]>,
}

impl Chain {
    /// The given plugins, in this order.
    pub fn new(plugins: impl IntoIterator<Item = Arc<dyn Plugin>>) -> Self {
        Chain { plugins: plugins.into_iter().collect() }
    }

    /// True when some plugin wants to see the operation, so that objects must be prepared for it.
    pub fn handles(&self, operation: Operation) -> bool {
        self.plugins.iter().any(|plugin| plugin.handles(operation))
    }

    /// Asks all mutating phases; the first refusal ends it.
    pub async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        let operation = attributes.operation;
        for plugin in self.plugins.iter().filter(|plugin| plugin.handles(operation)) {
            plugin.admit(attributes).await?;
        }
        Ok(())
    }

    /// Asks all validating phases; the first refusal ends it.
    pub async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        for plugin in self.plugins.iter().filter(|plugin| plugin.handles(attributes.operation)) {
            plugin.validate(attributes).await?;
        }
        Ok(())
    }
}
