//! `ResourceQuota`: what is made in a namespace is charged to its quotas, and refused when they are spent.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/resourcequota`.

mod check;
mod configuration;
mod ledger;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::ResourceQuota;
use async_trait::async_trait;
use machinery::status::StatusError;
use rules::core::v1::resource_list::ResourceList;
use rules::core::v1::resource_quota::evaluator::Evaluator;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

use check::{Refusal, Request, check, handles};
use ledger::{Ledger, Turn};

pub use configuration::{Configuration, LimitedResource};
pub use ledger::QuotaStatus;

/// What is never counted: objects that are not stored, and events.
const IGNORED: [(&str, &str); 10] = [
    ("", "bindings"),
    ("", "componentstatuses"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("", "events"),
    ("events.k8s.io", "events"),
];
/// How often a charge is tried again when someone else wrote the quota.
const RETRIES: usize = 3;
/// How long a request waits for its namespace and its charge.
const PATIENCE: Duration = Duration::from_secs(10);

/// The plugin.
pub struct ResourceQuotas {
    ledger: Ledger,
    configuration: Configuration,
}

impl ResourceQuotas {
    /// Reads quotas with `lookup` and charges them through `status`.
    pub fn new(lookup: Lookup, status: Arc<dyn QuotaStatus>, configuration: Configuration) -> Self {
        ResourceQuotas { ledger: Ledger::new(lookup, status), configuration }
    }

    async fn evaluate(&self, attributes: &Attributes, evaluator: &Evaluator) -> Result<(), StatusError> {
        let namespace = &attributes.namespace;
        let Some(object) = attributes.object.as_deref() else { return Ok(()) };
        if self.configuration.limited_resources.is_empty() && !self.ledger.has_quotas(namespace).await? {
            return Ok(());
        }
        let request = Request {
            evaluator,
            resource: attributes.resource.group_resource(),
            operation: attributes.operation,
            subresource: &attributes.subresource,
            object,
            old: attributes.old_object.as_deref(),
            now: attributes.now,
        };
        let mut turn = self.ledger.turn(namespace).await?;
        let mut quotas = std::mem::take(&mut turn.quotas);
        for retries_left in (0..=RETRIES).rev() {
            let charges = check(&quotas, &request, &self.configuration.limited_resources)
                .map_err(|refusal| refused(attributes, refusal))?;
            if attributes.dry_run {
                return Ok(());
            }
            let Err((failed, error)) = self.charge(&mut turn, &quotas, charges).await else { return Ok(()) };
            if retries_left == 0 {
                return Err(error);
            }
            // Those that are charged already are not charged again.
            quotas = self.ledger.reread(namespace, &failed).await?;
        }
        Ok(())
    }

    /// Writes all charges; the names of quotas that could not be written, and why.
    async fn charge(
        &self,
        turn: &mut Turn,
        quotas: &[ResourceQuota],
        charges: Vec<(usize, ResourceList)>,
    ) -> Result<(), (Vec<String>, StatusError)> {
        let mut failed: Option<(Vec<String>, StatusError)> = None;
        for (index, used) in charges {
            let Some(quota) = quotas.get(index).filter(|quota| !same(&quota.status.used, &used)) else {
                continue;
            };
            if let Err(error) = self.ledger.charge(turn, quota, used).await {
                let mut names = failed.take().map(|(names, _)| names).unwrap_or_default();
                names.push(quota.metadata.name.clone());
                failed = Some((names, error));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Plugin for ResourceQuotas {
    fn name(&self) -> &'static str {
        "ResourceQuota"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let (group, plural) = (attributes.resource.group.as_ref(), attributes.resource.resource.as_ref());
        // A namespace is nothing inside of itself.
        let is_namespace = group.is_empty() && plural == "namespaces";
        if attributes.namespace.is_empty() || is_namespace || IGNORED.contains(&(group, plural)) {
            return Ok(());
        }
        let evaluator = Evaluator::of(group, plural);
        if !handles(&evaluator, attributes) {
            return Ok(());
        }
        match tokio::time::timeout(PATIENCE, self.evaluate(attributes, &evaluator)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StatusError::internal_error("resource quota evaluation timed out")),
        }
    }
}

fn refused(attributes: &Attributes, refusal: Refusal) -> StatusError {
    match refusal {
        Refusal::Forbidden(text) => attributes.forbidden(text),
        Refusal::Failed(text) => StatusError::new(500, "", text),
    }
}

/// Quantities are compared by amount.
fn same(left: &ResourceList, right: &ResourceList) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .all(|(name, quantity)| right.get(name).is_some_and(|other| quantity.same_amount(other)))
}
