//! Nobody grants more than they have: RBAC's check around writes of roles and bindings.

use std::sync::{Arc, OnceLock};

use api_types::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef};
use apiserver_auth::UserInfo;
use apiserver_auth::authz::Authorizer;
use apiserver_auth::authz::rbac::escalation::{EscalationError, check_binding, check_role};
use apiserver_auth::authz::rbac::{GROUP, PolicyIndex, RoleError};
use apiserver_registry::{Context, Pending, Reservation, WriteHooks};
use machinery::GroupResource;
use machinery::meta::v1::ObjectMeta;
use machinery::object::Object;
use machinery::status::StatusError;

/// The check, for all four kinds. The authorizer is known only after the stores are made.
pub struct EscalationHooks {
    /// Roles and bindings of the cluster.
    pub index: Arc<PolicyIndex>,
    /// Asked for the verbs `escalate` and `bind`.
    pub authorizer: Arc<OnceLock<Arc<dyn Authorizer>>>,
}

/// A role or binding as far as the check needs it.
enum Grant<'a> {
    Role { resource: &'static str, rules: &'a [PolicyRule], aggregates: bool },
    Binding { resource: &'static str, to: &'a RoleRef },
}

fn grant_of(object: &dyn Object) -> Option<Grant<'_>> {
    let any = object.as_any();
    if let Some(role) = any.downcast_ref::<ClusterRole>() {
        let aggregates =
            role.aggregation_rule.as_ref().is_some_and(|rule| !rule.cluster_role_selectors.is_empty());
        return Some(Grant::Role { resource: "clusterroles", rules: &role.rules, aggregates });
    }
    if let Some(role) = any.downcast_ref::<Role>() {
        return Some(Grant::Role { resource: "roles", rules: &role.rules, aggregates: false });
    }
    if let Some(binding) = any.downcast_ref::<ClusterRoleBinding>() {
        return Some(Grant::Binding { resource: "clusterrolebindings", to: &binding.role_ref });
    }
    let binding = any.downcast_ref::<RoleBinding>()?;
    Some(Grant::Binding { resource: "rolebindings", to: &binding.role_ref })
}

impl EscalationHooks {
    async fn check(
        &self,
        context: &Context,
        new: &dyn Object,
        old: Option<&dyn Object>,
    ) -> Result<(), StatusError> {
        let (Some(grant), Some(authorizer)) = (grant_of(new), self.authorizer.get()) else { return Ok(()) };
        let user = UserInfo {
            username: context.user.username.clone(),
            uid: context.user.uid.clone(),
            groups: context.user.groups.clone(),
            extra: context.user.extra.clone(),
        };
        let meta = new.meta();
        let (resource, outcome) = match grant {
            Grant::Role { resource, rules, aggregates } => {
                let aggregated_before =
                    matches!(old.and_then(grant_of), Some(Grant::Role { aggregates: true, .. }));
                let target = (resource, context.namespace.as_str(), context.name.as_str());
                let aggregates = aggregates || aggregated_before;
                (resource, check_role(&self.index, &**authorizer, &user, target, rules, aggregates).await)
            }
            Grant::Binding { resource, to } => {
                (resource, check_binding(&self.index, &**authorizer, &user, &context.namespace, to).await)
            }
        };
        outcome.map_err(|error| match error {
            EscalationError::Missing(text) => {
                StatusError::forbidden(&GroupResource::new(GROUP, resource), &meta.name, text)
            }
            EscalationError::Role(RoleError::NotFound { resource, name }) => {
                StatusError::not_found(&GroupResource::new(GROUP, format!("{resource}s")), &name)
            }
            EscalationError::Role(error) => StatusError::internal_error(error),
        })
    }
}

/// Whether only what garbage collection needs is changed: then nothing is granted.
fn changes_only_ownership(new: &dyn Object, old: &dyn Object) -> bool {
    let strip = |object: &dyn Object| {
        let mut object = object.clone_box();
        let meta: &mut ObjectMeta = object.meta_mut();
        meta.owner_references.clear();
        meta.finalizers.clear();
        meta.managed_fields.clear();
        meta.resource_version.clear();
        object.encode()
    };
    strip(new) == strip(old)
}

impl WriteHooks for EscalationHooks {
    fn begin_create<'a>(
        &'a self,
        context: &'a Context,
        object: &'a mut dyn Object,
    ) -> Pending<'a, Result<Option<Box<dyn Reservation>>, StatusError>> {
        Box::pin(async move { self.check(context, object, None).await.map(|()| None) })
    }

    fn begin_update<'a>(
        &'a self,
        context: &'a Context,
        new: &'a mut dyn Object,
        old: &'a dyn Object,
    ) -> Pending<'a, Result<Option<Box<dyn Reservation>>, StatusError>> {
        Box::pin(async move {
            if changes_only_ownership(new, old) {
                return Ok(None);
            }
            self.check(context, new, Some(old)).await.map(|()| None)
        })
    }

    fn after_delete<'a>(&'a self, _: &'a Context, _: &'a dyn Object) -> Pending<'a, ()> {
        Box::pin(async {})
    }
}
