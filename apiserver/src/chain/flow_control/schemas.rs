//! Which flow schema a request falls under, and which flow of it.

use std::hash::{Hash, Hasher};

use api_types::flowcontrol::v1::{FlowSchema, NonResourcePolicyRule, ResourcePolicyRule, Subject};
use apiserver_auth::UserInfo;
use apiserver_auth::authz::Attributes;
use apiserver_auth::user::split_service_account_username;

const ALL: &str = "*";
/// Stands for requests without namespace in messages of upstream; here only the empty name.
const BY_USER: &str = "ByUser";
const BY_NAMESPACE: &str = "ByNamespace";

/// Sorts schemas into the order in which they are asked: precedence, then name.
pub fn in_order(mut schemas: Vec<FlowSchema>) -> Vec<FlowSchema> {
    schemas.sort_by(|a, b| {
        (a.spec.matching_precedence, &a.metadata.name).cmp(&(b.spec.matching_precedence, &b.metadata.name))
    });
    schemas
}

/// The first schema that covers the request.
pub fn find<'s>(schemas: &'s [FlowSchema], request: &Attributes<'_>) -> Option<&'s FlowSchema> {
    schemas.iter().find(|schema| covers(schema, request))
}

fn covers(schema: &FlowSchema, request: &Attributes<'_>) -> bool {
    schema.spec.rules.iter().any(|rules| {
        rules.subjects.iter().any(|subject| is_subject(subject, request.user))
            && if request.resource_request {
                rules.resource_rules.iter().any(|rule| covers_resource(rule, request))
            } else {
                rules.non_resource_rules.iter().any(|rule| covers_path(rule, request))
            }
    })
}

fn is_subject(subject: &Subject, user: &UserInfo) -> bool {
    match subject.kind.as_str() {
        "User" => {
            subject.user.as_ref().is_some_and(|wanted| wanted.name == ALL || wanted.name == user.username)
        }
        "Group" => {
            subject.group.as_ref().is_some_and(|wanted| wanted.name == ALL || user.in_group(&wanted.name))
        }
        "ServiceAccount" => subject.service_account.as_ref().is_some_and(|wanted| {
            split_service_account_username(&user.username).is_some_and(|(namespace, name)| {
                wanted.namespace == namespace && (wanted.name == ALL || wanted.name == name)
            })
        }),
        _ => false,
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|element| element == ALL || element == wanted)
}

fn covers_resource(rule: &ResourcePolicyRule, request: &Attributes<'_>) -> bool {
    let with_subresource;
    let resource = if request.subresource.is_empty() {
        request.resource
    } else {
        with_subresource = format!("{}/{}", request.resource, request.subresource);
        &with_subresource
    };
    let in_scope = if request.namespace.is_empty() {
        rule.cluster_scope
    } else {
        has(&rule.namespaces, request.namespace)
    };
    has(&rule.verbs, request.verb)
        && has(&rule.api_groups, request.api_group)
        && has(&rule.resources, resource)
        && in_scope
}

fn covers_path(rule: &NonResourcePolicyRule, request: &Attributes<'_>) -> bool {
    has(&rule.verbs, request.verb)
        && rule.non_resource_urls.iter().any(|pattern| match pattern.strip_suffix("/*") {
            Some(prefix) => {
                request.path.strip_prefix(prefix).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
            }
            None => pattern == ALL || pattern == request.path,
        })
}

/// A number for the flow within the schema: of the user, of the namespace, or of the schema as a whole.
pub fn flow(schema: &FlowSchema, request: &Attributes<'_>) -> u64 {
    let method = schema.spec.distinguisher_method.as_ref().map_or("", |method| method.type_.as_str());
    let distinguisher = match method {
        BY_USER => request.user.username.as_str(),
        BY_NAMESPACE => request.namespace,
        _ => "",
    };
    // Fixed keys: the same flow is dealt the same queues by every server.
    let mut hasher = std::hash::DefaultHasher::new();
    (&schema.metadata.name, distinguisher).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::defaults;
    use super::*;

    /// `user group,group verb group/resource[:sub][@namespace]` or `user group verb /path` → schema.
    #[track_caller]
    fn check(user: &str, groups: &str, verb: &str, target: &str, expected: &str) {
        let user = UserInfo::new(user, groups.split(','));
        let (target, namespace) = target.split_once('@').unwrap_or((target, ""));
        let attributes = if target.starts_with('/') {
            Attributes::path(&user, verb, target)
        } else {
            let (group, resource) = target.split_once('/').unwrap_or(("", target));
            let (resource, subresource) = resource.split_once(':').unwrap_or((resource, ""));
            Attributes { subresource, namespace, ..Attributes::resource(&user, verb, group, resource) }
        };
        let schemas = in_order(defaults::flow_schemas());
        let found = find(&schemas, &attributes).map(|schema| schema.metadata.name.as_str());
        assert_eq!(found, Some(expected), "{user:?} {verb} {target}");
    }

    #[test]
    fn default_schemas_sort_requests() {
        let known = "system:authenticated";
        check("admin", "system:masters", "delete", "nodes", "exempt");
        check("x", known, "get", "/healthz", "probes");
        check("x", known, "get", "/metrics", "global-default");
        let (manager, leases) = ("system:kube-controller-manager", "coordination.k8s.io/leases@kube-system");
        check(manager, known, "update", leases, "system-leader-election");
        check(manager, known, "list", "pods", "kube-controller-manager");
        check(
            "system:node:n",
            "system:nodes,system:authenticated",
            "patch",
            "nodes:status",
            "system-node-high",
        );
        check("system:node:n", "system:nodes,system:authenticated", "list", "pods", "system-nodes");
        let account = "system:serviceaccount:kube-system:x";
        check(
            account,
            "system:serviceaccounts,system:authenticated",
            "list",
            "pods",
            "kube-system-service-accounts",
        );
        let account = "system:serviceaccount:work:x";
        check(account, "system:serviceaccounts,system:authenticated", "list", "pods", "service-accounts");
        check("jane", known, "list", "pods@work", "global-default");
        check("system:anonymous", "system:unauthenticated", "get", "/api", "global-default");
    }

    #[test]
    fn flows_are_told_apart_by_user_or_namespace() {
        let schemas = defaults::flow_schemas();
        let by_name = |name: &str| schemas.iter().find(|schema| schema.metadata.name == name).unwrap();
        let (a, b) = (UserInfo::new("a", ["g"]), UserInfo::new("b", ["g"]));
        let request =
            |user, namespace| Attributes { namespace, ..Attributes::resource(user, "get", "", "pods") };
        let by_user = by_name("global-default");
        assert_ne!(flow(by_user, &request(&a, "n")), flow(by_user, &request(&b, "n")));
        assert_eq!(flow(by_user, &request(&a, "n")), flow(by_user, &request(&a, "m")));
        let by_namespace = by_name("kube-scheduler");
        assert_ne!(flow(by_namespace, &request(&a, "n")), flow(by_namespace, &request(&a, "m")));
    }
}
