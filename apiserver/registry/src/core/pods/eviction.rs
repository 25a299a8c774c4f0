//! Eviction: a delete that disruption budgets may refuse.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use crate::{
    Context, Entry,
    objects::{Address, Objects, Pending},
    subresource::Action,
};
use api_types::{
    core::v1::{Pod, PodCondition},
    policy::v1::{Eviction, PodDisruptionBudget},
};
use machinery::{
    GroupKind, GroupResource, Message, Time,
    field::{Error, Path},
    meta::v1::{DeleteOptions, Preconditions},
    object::Object,
    status::StatusError,
};
use rules::{core::v1::pod::meaning, selector};

/// Evictions a budget remembers before it wants them confirmed.
const MOST_DISRUPTED: usize = 2000;
/// Tries after lost races.
const TRIES: usize = 20;

/// What posting an eviction does.
pub static EVICT: Evict = Evict;

/// See [`EVICT`].
pub struct Evict;

fn served(group: &str, plural: &str) -> Result<&'static Entry, StatusError> {
    crate::find(group, "v1", plural)
        .ok_or_else(|| StatusError::internal_error(format!("{plural} are not served")))
}

/// Pods that disturb no one when they go.
fn ignores_budgets(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed" | "Pending")
        || pod.metadata.deletion_timestamp.is_some()
}

fn too_many(budget: &str) -> StatusError {
    StatusError::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 10)
        .with_cause(
            "DisruptionBudget",
            format!("The disruption budget {budget} is still being processed by the server."),
            "",
        )
}

/// Takes one disruption off the budget, or says why there is none.
pub fn take_disruption(
    budget: &mut PodDisruptionBudget,
    pod: &str,
    now: jiff::Timestamp,
) -> Result<(), StatusError> {
    let name = budget.metadata.name.clone();
    let status = &mut budget.status;
    let resource = GroupResource::new("policy", "poddisruptionbudget");
    if status.observed_generation < budget.metadata.generation {
        return Err(too_many(&name));
    }
    if status.disruptions_allowed < 0 {
        return Err(StatusError::forbidden(&resource, &name, "pdb disruptions allowed is negative"));
    }
    if status.disrupted_pods.len() > MOST_DISRUPTED {
        return Err(StatusError::forbidden(
            &resource,
            &name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        ));
    }
    if status.disruptions_allowed == 0 {
        let refused = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "DisruptionAllowed")
            .filter(|condition| condition.status == "False" && !condition.message.is_empty());
        let message = match refused {
            Some(condition) if condition.reason == "SyncFailed" => {
                format!(
                    "The disruption budget {name} does not allow evicting pods currently because it failed sync: {}",
                    condition.message
                )
            }
            _ if status.current_healthy <= status.desired_healthy => {
                format!(
                    "The disruption budget {name} needs {} healthy pods and has {} currently",
                    status.desired_healthy, status.current_healthy
                )
            }
            Some(condition) => {
                format!(
                    "The disruption budget {name} does not allow evicting pods currently ({}): {}",
                    condition.reason, condition.message
                )
            }
            None => format!("The disruption budget {name} does not allow evicting pods currently"),
        };
        let error = StatusError::too_many_requests(
            "Cannot evict pod as it would violate the pod's disruption budget.",
            0,
        );
        return Err(error.with_cause("DisruptionBudget", message, ""));
    }
    status.disruptions_allowed -= 1;
    if status.disruptions_allowed == 0
        && let Some(condition) =
            status.conditions.iter_mut().find(|condition| condition.type_ == "DisruptionAllowed")
    {
        condition.status = "False".to_owned();
        condition.reason = "InsufficientPods".to_owned();
        condition.last_transition_time = Time::from(now);
        condition.observed_generation = status.observed_generation;
    }
    status.disrupted_pods.insert(pod.to_owned(), Time::from(now));
    Ok(())
}

/// True when the budget lets an unready pod go without counting it.
fn frees_unhealthy(budget: &PodDisruptionBudget) -> bool {
    let status = &budget.status;
    budget.spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow")
        || status.current_healthy >= status.desired_healthy && status.desired_healthy > 0
}

fn typed<T: machinery::Resource>(object: &dyn Object) -> Result<T, StatusError> {
    object
        .downcast_ref::<T>()
        .cloned()
        .ok_or_else(|| StatusError::internal_error(format!("the stored object is not a {}", T::KIND)))
}

fn has_version(options: &DeleteOptions) -> bool {
    options.preconditions.as_ref().is_some_and(|preconditions| preconditions.resource_version.is_some())
}

fn with_version(options: &DeleteOptions, version: &str) -> DeleteOptions {
    let mut options = options.clone();
    let preconditions: &mut Preconditions = options.preconditions.get_or_insert_default();
    preconditions.resource_version = Some(version.to_owned());
    options
}

impl Evict {
    /// Says in the pod why it goes, then deletes it.
    async fn delete(
        &self,
        context: &Context,
        at: Address<'_>,
        options: &DeleteOptions,
        objects: &dyn Objects,
    ) -> Result<(), StatusError> {
        if context.dry_run {
            return objects.delete(context, at, options).await;
        }
        let (now, wanted) = (context.now, options.preconditions.clone());
        let change = Box::new(move |object: &mut dyn Object| {
            let Some(pod) = object.downcast_mut::<Pod>() else {
                return Err(StatusError::internal_error("the stored object is not a pod"));
            };
            let resource = GroupResource::new("", "Pod");
            if let Some(uid) = wanted
                .as_ref()
                .and_then(|wanted| wanted.uid.as_ref())
                .filter(|uid| !uid.is_empty() && **uid != pod.metadata.uid)
            {
                let why = format!(
                    "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                    pod.metadata.uid
                );
                return Err(StatusError::conflict(&resource, &pod.metadata.name, why));
            }
            let version = wanted.as_ref().and_then(|wanted| wanted.resource_version.as_ref());
            if let Some(version) =
                version.filter(|version| !version.is_empty() && **version != pod.metadata.resource_version)
            {
                let why = format!(
                    "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
                    pod.metadata.resource_version
                );
                return Err(StatusError::conflict(&resource, &pod.metadata.name, why));
            }
            let condition = PodCondition {
                type_: "DisruptionTarget".to_owned(),
                status: "True".to_owned(),
                reason: "EvictionByEvictionAPI".to_owned(),
                message: "Eviction API: evicting".to_owned(),
                ..Default::default()
            };
            meaning::set_condition(&mut pod.status, condition, now);
            Ok(())
        });
        let written = objects.change(context, at, change).await?;
        // Our own write moved the version that the client asked for.
        if has_version(options) {
            return objects
                .delete(context, at, &with_version(options, &written.meta().resource_version))
                .await;
        }
        objects.delete(context, at, options).await
    }

    async fn evict(
        &self,
        context: &Context,
        at: Address<'_>,
        eviction: &Eviction,
        objects: &dyn Objects,
    ) -> Result<(), StatusError> {
        let mut options = eviction.delete_options.as_deref().cloned().unwrap_or_default();
        if context.dry_run && options.dry_run.is_empty() {
            options.dry_run.push("All".to_owned());
        }
        let mut pod: Pod = typed(objects.get(at).await?.as_ref())?;
        for attempt in 1.. {
            if !ignores_budgets(&pod) {
                break;
            }
            let ended = meaning::is_terminal(&pod) || pod.metadata.deletion_timestamp.is_some();
            // A pending pod may become healthy, and then counts, between our look and the delete.
            let guarded = if ended || has_version(&options) {
                options.clone()
            } else {
                with_version(&options, &pod.metadata.resource_version)
            };
            match self.delete(context, at, &guarded, objects).await {
                Err(error) if error.is_conflict() && !has_version(&options) && attempt < TRIES => {
                    pod = typed(objects.get(at).await?.as_ref())?;
                }
                done => return done,
            }
        }
        let budgets = served("policy", "poddisruptionbudgets")?;
        let mut covering = Vec::new();
        for object in objects.list(budgets.at(at.namespace, "")).await? {
            let budget: PodDisruptionBudget = typed(object.as_ref())?;
            if selector::matches(budget.spec.selector.as_deref(), &pod.metadata.labels) {
                covering.push(budget);
            }
        }
        let budget = match covering.as_slice() {
            [] => return self.delete(context, at, &options, objects).await,
            [budget] => budget,
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(StatusError::new(500, "", message));
            }
        };
        let name = budget.metadata.name.as_str();
        if !meaning::is_ready(&pod) && frees_unhealthy(budget) {
            let guarded = with_version(&options, &pod.metadata.resource_version);
            return match self.delete(context, at, &guarded, objects).await {
                Err(error) if error.is_conflict() && !has_version(&options) => Err(too_many(name)),
                done => done,
            };
        }
        self.charge(context, budgets.at(at.namespace, name), at.name, objects).await?;
        self.delete(context, at, &options, objects).await
    }

    async fn charge(
        &self,
        context: &Context,
        budget: Address<'_>,
        pod: &str,
        objects: &dyn Objects,
    ) -> Result<(), StatusError> {
        let now = context.now;
        if context.dry_run {
            let mut budget: PodDisruptionBudget = typed(objects.get(budget).await?.as_ref())?;
            return take_disruption(&mut budget, pod, now);
        }
        let change =
            Box::new(move |object: &mut dyn Object| match object.downcast_mut::<PodDisruptionBudget>() {
                Some(budget) => take_disruption(budget, pod, now),
                None => Err(StatusError::internal_error("the stored object is not a disruption budget")),
            });
        objects.change(context, budget, change).await.map(|_| ())
    }
}

impl Action for Evict {
    fn decode(&self, body: &[u8]) -> Result<Box<dyn Object>, StatusError> {
        let eviction = Eviction::decode(body).map_err(|error| StatusError::bad_request(error.to_string()))?;
        Ok(Box::new(eviction))
    }

    fn validate(&self, _context: &Context, name: &str, body: &dyn Object) -> Result<(), StatusError> {
        let Some(eviction) = body.downcast_ref::<Eviction>() else {
            return Err(StatusError::bad_request(format!("not a Eviction object: {}", body.kind().kind)));
        };
        if eviction.metadata.name != name {
            return Err(StatusError::bad_request("name in URL does not match name in Eviction object"));
        }
        let unreadable = eviction
            .delete_options
            .as_ref()
            .and_then(|options| options.ignore_store_read_error_with_cluster_breaking_potential);
        if unreadable == Some(true) {
            let path = Path::new("deleteOptions").child("ignoreStoreReadErrorWithClusterBreakingPotential");
            let error =
                Error::invalid(&path, true, "can not be set for pod eviction, try after removing the option");
            return Err(StatusError::invalid(&GroupKind::new("policy", "Eviction"), name, &[error]));
        }
        Ok(())
    }

    fn run<'a>(
        &'static self,
        context: &'a Context,
        at: Address<'a>,
        body: Box<dyn Object>,
        objects: &'a dyn Objects,
    ) -> Pending<'a, Result<Option<Box<dyn Object>>, StatusError>> {
        Box::pin(async move {
            let eviction: Eviction = typed(body.as_ref())?;
            self.evict(context, at, &eviction, objects).await.map(|()| None)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(allowed: i32, healthy: i32, desired: i32, observed: i64) -> PodDisruptionBudget {
        let mut budget = PodDisruptionBudget::default();
        budget.metadata.name = "b".into();
        budget.metadata.generation = 2;
        budget.status.observed_generation = observed;
        budget.status.disruptions_allowed = allowed;
        budget.status.current_healthy = healthy;
        budget.status.desired_healthy = desired;
        budget
    }

    fn check(mut budget: PodDisruptionBudget, expected: Result<i32, (u16, &str)>) {
        let outcome = take_disruption(&mut budget, "web", jiff::Timestamp::UNIX_EPOCH);
        match (outcome, expected) {
            (Ok(()), Ok(left)) => {
                assert_eq!(budget.status.disruptions_allowed, left);
                assert!(budget.status.disrupted_pods.contains_key("web"));
            }
            (Err(error), Err((code, text))) => {
                let causes =
                    error.cause("DisruptionBudget").map(|cause| cause.message.clone()).unwrap_or_default();
                assert_eq!(error.code(), code);
                assert!(format!("{error} {causes}").contains(text), "{error} {causes}");
            }
            (outcome, expected) => panic!("got {outcome:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn budgets() {
        check(budget(2, 3, 1, 2), Ok(1));
        check(
            budget(0, 1, 1, 2),
            Err((429, "The disruption budget b needs 1 healthy pods and has 1 currently")),
        );
        check(
            budget(0, 3, 1, 2),
            Err((429, "The disruption budget b does not allow evicting pods currently")),
        );
        check(
            budget(1, 3, 1, 1),
            Err((429, "The disruption budget b is still being processed by the server.")),
        );
        check(budget(-1, 3, 1, 2), Err((403, "pdb disruptions allowed is negative")));
    }
}
