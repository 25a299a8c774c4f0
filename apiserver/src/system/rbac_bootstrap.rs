//! Brings the default roles and bindings up to date at the start.

use api_types::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use apiserver_auth::bootstrap_policy::reconcile::{self, BindingChange};
use apiserver_auth::bootstrap_policy::{self as policy, BINDING_TO_SPLIT, ROLES_TO_AGGREGATE};
use machinery::Resource;
use machinery::status::StatusError;

use super::typed::Typed;

/// Creates what is missing and adds to what grants too little.
pub async fn ensure(typed: &Typed) -> Result<(), StatusError> {
    prime_aggregated_roles(typed).await?;
    prime_split_binding(typed).await?;
    for role in policy::cluster_roles() {
        settle(typed, role, reconcile::cluster_role).await?;
    }
    for role in policy::roles() {
        settle(typed, role, reconcile::role).await?;
    }
    for binding in policy::cluster_role_bindings() {
        settle_binding(typed, binding, reconcile::cluster_role_binding).await?;
    }
    for binding in policy::role_bindings() {
        settle_binding(typed, binding, reconcile::role_binding).await?;
    }
    Ok(())
}

async fn settle<T: Resource>(
    typed: &Typed,
    expected: T,
    decide: fn(&T, &T) -> Option<T>,
) -> Result<(), StatusError> {
    let meta = expected.metadata();
    let (namespace, name) = (meta.namespace.clone(), meta.name.clone());
    let Some(existing) = typed.get::<T>(&namespace, &name).await? else {
        typed.create_if_absent(expected).await?;
        return Ok(());
    };
    if decide(&existing, &expected).is_none() {
        return Ok(());
    }
    tracing::info!(kind = T::KIND, name, "reconciling a default role");
    let change = |object: &mut T| {
        if let Some(reconciled) = decide(object, &expected) {
            *object = reconciled;
        }
    };
    typed.update::<T>(&namespace, &name, change).await?;
    Ok(())
}

async fn settle_binding<T: Resource>(
    typed: &Typed,
    expected: T,
    decide: fn(&T, &T) -> Option<BindingChange<T>>,
) -> Result<(), StatusError> {
    let meta = expected.metadata();
    let (namespace, name) = (meta.namespace.clone(), meta.name.clone());
    let Some(existing) = typed.get::<T>(&namespace, &name).await? else {
        typed.create_if_absent(expected).await?;
        return Ok(());
    };
    match decide(&existing, &expected) {
        None => Ok(()),
        Some(BindingChange::Recreate(binding)) => {
            tracing::info!(kind = T::KIND, name, "making a default binding anew, its role has changed");
            typed.delete::<T>(&namespace, &name).await?;
            typed.create(binding).await?;
            Ok(())
        }
        Some(BindingChange::Update(_)) => {
            tracing::info!(kind = T::KIND, name, "reconciling a default binding");
            let change = |object: &mut T| {
                if let Some(BindingChange::Update(reconciled)) = decide(object, &expected) {
                    *object = reconciled;
                }
            };
            typed.update::<T>(&namespace, &name, change).await?;
            Ok(())
        }
    }
}

/// Copies hand-written rules of `admin`, `edit` and `view` from before they were aggregated, so that they
/// are not lost when the controller fills these roles.
async fn prime_aggregated_roles(typed: &Typed) -> Result<(), StatusError> {
    for (old, new) in ROLES_TO_AGGREGATE {
        let Some(existing) = typed.get::<ClusterRole>("", old).await? else { continue };
        if existing.aggregation_rule.is_some() || typed.get::<ClusterRole>("", new).await?.is_some() {
            continue;
        }
        let mut copy = ClusterRole { rules: existing.rules, ..ClusterRole::default() };
        copy.metadata.name = new.to_string();
        copy.metadata.labels = existing.metadata.labels;
        copy.metadata.annotations = existing.metadata.annotations;
        typed.create_if_absent(copy).await?;
    }
    Ok(())
}

/// Hands the subjects of a binding over to the one that was split off from it.
async fn prime_split_binding(typed: &Typed) -> Result<(), StatusError> {
    let (old, new) = BINDING_TO_SPLIT;
    let Some(existing) = typed.get::<ClusterRoleBinding>("", old).await? else { return Ok(()) };
    if typed.get::<ClusterRoleBinding>("", new).await?.is_some() {
        return Ok(());
    }
    let expected = policy::cluster_role_bindings().into_iter().find(|binding| binding.metadata.name == new);
    if let Some(mut binding) = expected {
        binding.subjects = existing.subjects;
        binding.metadata.labels = existing.metadata.labels;
        binding.metadata.annotations = existing.metadata.annotations;
        typed.create_if_absent(binding).await?;
    }
    Ok(())
}

/// Kinds this module writes; all of them must be served for RBAC to work.
pub fn serves_policy(typed: &Typed) -> bool {
    typed.serves::<ClusterRole>()
        && typed.serves::<ClusterRoleBinding>()
        && typed.serves::<Role>()
        && typed.serves::<RoleBinding>()
}
