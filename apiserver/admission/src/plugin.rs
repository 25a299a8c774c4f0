//! The trait of every admission plugin, and the chain that asks them in order.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::metrics::{AdmissionMetrics, Step};
use crate::rounds::Rounds;

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

    /// As [`Plugin::admit`], for plugins that behave differently when everybody is asked once more.
    async fn admit_in_round(
        &self,
        attributes: &mut Attributes,
        rounds: &mut Rounds,
    ) -> Result<(), StatusError> {
        let _ = rounds;
        self.admit(attributes).await
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
    metrics: Option<AdmissionMetrics>,
}

impl Chain {
    /// The given plugins, in this order.
    pub fn new(plugins: impl IntoIterator<Item = Arc<dyn Plugin>>) -> Self {
        Chain { plugins: plugins.into_iter().collect(), metrics: None }
    }

    /// The same chain, measured.
    #[must_use]
    pub fn measured(mut self, metrics: AdmissionMetrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// True when some plugin wants to see the operation, so that objects must be prepared for it.
    pub fn handles(&self, operation: Operation) -> bool {
        self.plugins.iter().any(|plugin| plugin.handles(operation))
    }

    /// Asks all mutating phases; the first refusal ends it. When a webhook has changed the object, all are asked
    /// once more, so that they see what it has made.
    pub async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        let mut rounds = Rounds::default();
        let started = Instant::now();
        let mut outcome = self.admit_once(attributes, &mut rounds).await;
        if outcome.is_ok() && rounds.begin_next() {
            outcome = self.admit_once(attributes, &mut rounds).await;
        }
        self.measure_step(Step::Admit, attributes.operation, outcome.is_err(), started);
        outcome
    }

    async fn admit_once(&self, attributes: &mut Attributes, rounds: &mut Rounds) -> Result<(), StatusError> {
        let operation = attributes.operation;
        for plugin in self.plugins.iter().filter(|plugin| plugin.handles(operation)) {
            let started = Instant::now();
            let outcome = plugin.admit_in_round(attributes, rounds).await;
            self.measure(plugin.name(), Step::Admit, operation, outcome.is_err(), started);
            outcome?;
        }
        Ok(())
    }

    /// Asks all validating phases; the first refusal ends it.
    pub async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let started = Instant::now();
        let outcome = self.validate_once(attributes).await;
        self.measure_step(Step::Validate, attributes.operation, outcome.is_err(), started);
        outcome
    }

    async fn validate_once(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let operation = attributes.operation;
        for plugin in self.plugins.iter().filter(|plugin| plugin.handles(operation)) {
            let started = Instant::now();
            let outcome = plugin.validate(attributes).await;
            self.measure(plugin.name(), Step::Validate, operation, outcome.is_err(), started);
            outcome?;
        }
        Ok(())
    }

    fn measure(&self, name: &str, step: Step, operation: Operation, rejected: bool, started: Instant) {
        if let Some(metrics) = self.metrics.as_ref().filter(|_| step.is_of(name)) {
            metrics.plugin(name, step, operation, rejected, started.elapsed());
        }
    }

    fn measure_step(&self, step: Step, operation: Operation, rejected: bool, started: Instant) {
        if let Some(metrics) = &self.metrics {
            metrics.step(step, operation, rejected, started.elapsed());
        }
    }
}
