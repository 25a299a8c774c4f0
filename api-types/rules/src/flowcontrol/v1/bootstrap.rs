//! Flow schemas and priority levels that every cluster starts with.
//!
//! Source: `k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go`.

use api_types::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, FlowDistinguisherMethod, FlowSchema, FlowSchemaSpec, GroupSubject,
    LimitResponse, LimitedPriorityLevelConfiguration, NonResourcePolicyRule, PolicyRulesWithSubjects,
    PriorityLevelConfiguration, PriorityLevelConfigurationReference, PriorityLevelConfigurationSpec,
    QueuingConfiguration, ResourcePolicyRule, ServiceAccountSubject, Subject, UserSubject,
};
use machinery::meta::v1::ObjectMeta;

/// Annotation by which the server may bring an object up to date.
pub const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";

/// Shares, lendable percent and queues, hand size and queue length of a suggested level.
type Limited = (&'static str, i32, i32, (i32, i32, i32));

const SUGGESTED_LEVELS: &[Limited] = &[
    ("system", 30, 33, (64, 6, 50)),
    ("node-high", 40, 25, (64, 6, 50)),
    ("leader-election", 10, 0, (16, 4, 50)),
    ("workload-high", 40, 50, (128, 6, 50)),
    ("workload-low", 100, 90, (128, 6, 50)),
    ("global-default", 20, 50, (128, 6, 50)),
];

fn meta(name: &str) -> ObjectMeta {
    let annotations = [(AUTO_UPDATE.to_owned(), "true".to_owned())].into();
    ObjectMeta { name: name.to_owned(), annotations, ..ObjectMeta::default() }
}

fn limited(
    name: &str,
    shares: i32,
    lendable: i32,
    queues: Option<(i32, i32, i32)>,
) -> PriorityLevelConfiguration {
    let queuing = queues.map(|(queues, hand_size, queue_length_limit)| {
        Box::new(QueuingConfiguration { queues, hand_size, queue_length_limit })
    });
    let limited = LimitedPriorityLevelConfiguration {
        nominal_concurrency_shares: Some(shares),
        lendable_percent: Some(lendable),
        limit_response: LimitResponse {
            type_: if queuing.is_some() { "Queue" } else { "Reject" }.to_owned(),
            queuing,
        },
        ..LimitedPriorityLevelConfiguration::default()
    };
    let spec = PriorityLevelConfigurationSpec {
        type_: "Limited".to_owned(),
        limited: Some(Box::new(limited)),
        exempt: None,
    };
    PriorityLevelConfiguration { metadata: meta(name), spec, ..PriorityLevelConfiguration::default() }
}

/// Priority levels that cannot be changed, but for what `exempt` gives away.
pub fn mandatory_levels() -> Vec<PriorityLevelConfiguration> {
    let exempt =
        ExemptPriorityLevelConfiguration { nominal_concurrency_shares: Some(0), lendable_percent: Some(0) };
    let spec = PriorityLevelConfigurationSpec {
        type_: "Exempt".to_owned(),
        limited: None,
        exempt: Some(Box::new(exempt)),
    };
    vec![
        PriorityLevelConfiguration {
            metadata: meta("exempt"),
            spec,
            ..PriorityLevelConfiguration::default()
        },
        limited("catch-all", 5, 0, None),
    ]
}

/// Priority levels a cluster may change.
pub fn suggested_levels() -> Vec<PriorityLevelConfiguration> {
    SUGGESTED_LEVELS
        .iter()
        .map(|(name, shares, lendable, queues)| limited(name, *shares, *lendable, Some(*queues)))
        .collect()
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn groups(names: &[&str]) -> Vec<Subject> {
    let group = |name: &&str| Subject {
        kind: "Group".to_owned(),
        group: Some(Box::new(GroupSubject { name: (*name).to_owned() })),
        ..Subject::default()
    };
    names.iter().map(group).collect()
}

fn users(names: &[&str]) -> Vec<Subject> {
    let user = |name: &&str| Subject {
        kind: "User".to_owned(),
        user: Some(Box::new(UserSubject { name: (*name).to_owned() })),
        ..Subject::default()
    };
    names.iter().map(user).collect()
}

fn system_accounts() -> Subject {
    let account = ServiceAccountSubject { namespace: "kube-system".to_owned(), name: "*".to_owned() };
    Subject {
        kind: "ServiceAccount".to_owned(),
        service_account: Some(Box::new(account)),
        ..Subject::default()
    }
}

fn resources(verbs: &[&str], group: &str, resources: &[&str], cluster_scope: bool) -> ResourcePolicyRule {
    ResourcePolicyRule {
        verbs: strings(verbs),
        api_groups: strings(&[group]),
        resources: strings(resources),
        cluster_scope,
        namespaces: strings(&["*"]),
    }
}

fn urls(verb: &str, urls: &[&str]) -> NonResourcePolicyRule {
    NonResourcePolicyRule { verbs: strings(&[verb]), non_resource_urls: strings(urls) }
}

fn everything(subjects: Vec<Subject>) -> PolicyRulesWithSubjects {
    PolicyRulesWithSubjects {
        subjects,
        resource_rules: vec![resources(&["*"], "*", &["*"], true)],
        non_resource_rules: vec![urls("*", &["*"])],
    }
}

fn schema(
    name: &str,
    level: &str,
    precedence: i32,
    method: &str,
    rules: PolicyRulesWithSubjects,
) -> FlowSchema {
    let method = (!method.is_empty()).then(|| Box::new(FlowDistinguisherMethod { type_: method.to_owned() }));
    FlowSchema {
        metadata: meta(name),
        spec: FlowSchemaSpec {
            priority_level_configuration: PriorityLevelConfigurationReference { name: level.to_owned() },
            matching_precedence: precedence,
            distinguisher_method: method,
            rules: vec![rules],
        },
        ..FlowSchema::default()
    }
}

const EVERYONE: &[&str] = &["system:unauthenticated", "system:authenticated"];

/// Flow schemas that cannot be changed.
pub fn mandatory_schemas() -> Vec<FlowSchema> {
    vec![
        schema("exempt", "exempt", 1, "", everything(groups(&["system:masters"]))),
        schema("catch-all", "catch-all", 10_000, "ByUser", everything(groups(EVERYONE))),
    ]
}

/// Flow schemas a cluster may change.
pub fn suggested_schemas() -> Vec<FlowSchema> {
    let nodes = || groups(&["system:nodes"]);
    let leases = |verbs: &[&str]| resources(verbs, "coordination.k8s.io", &["leases"], false);
    let mut leaders = users(&["system:kube-controller-manager", "system:kube-scheduler"]);
    leaders.push(system_accounts());
    let of_leaders = PolicyRulesWithSubjects {
        subjects: leaders,
        resource_rules: vec![leases(&["get", "create", "update"])],
        ..Default::default()
    };
    let of_nodes = PolicyRulesWithSubjects {
        subjects: nodes(),
        resource_rules: vec![resources(&["*"], "", &["nodes", "nodes/status"], true), leases(&["*"])],
        ..Default::default()
    };
    let probes = PolicyRulesWithSubjects {
        subjects: groups(EVERYONE),
        non_resource_rules: vec![urls("get", &["/healthz", "/readyz", "/livez"])],
        ..Default::default()
    };
    vec![
        schema("system-nodes", "system", 500, "ByUser", everything(nodes())),
        schema("system-node-high", "node-high", 400, "ByUser", of_nodes),
        schema("probes", "exempt", 2, "", probes),
        schema("system-leader-election", "leader-election", 100, "ByUser", of_leaders),
        schema(
            "kube-controller-manager",
            "workload-high",
            800,
            "ByNamespace",
            everything(users(&["system:kube-controller-manager"])),
        ),
        schema(
            "kube-scheduler",
            "workload-high",
            800,
            "ByNamespace",
            everything(users(&["system:kube-scheduler"])),
        ),
        schema(
            "kube-system-service-accounts",
            "workload-high",
            900,
            "ByNamespace",
            everything(vec![system_accounts()]),
        ),
        schema(
            "service-accounts",
            "workload-low",
            9000,
            "ByUser",
            everything(groups(&["system:serviceaccounts"])),
        ),
        schema("global-default", "global-default", 9900, "ByUser", everything(groups(EVERYONE))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flowcontrol::v1::{flow_schema, priority_level_configuration};

    #[test]
    fn all_are_valid_and_refer_to_each_other() {
        let levels: Vec<PriorityLevelConfiguration> =
            mandatory_levels().into_iter().chain(suggested_levels()).collect();
        for level in &levels {
            assert_eq!(
                priority_level_configuration::validation::validate(level),
                [],
                "{}",
                level.metadata.name
            );
        }
        for schema in mandatory_schemas().into_iter().chain(suggested_schemas()) {
            assert_eq!(flow_schema::validation::validate(&schema), [], "{}", schema.metadata.name);
            let wanted = &schema.spec.priority_level_configuration.name;
            assert!(levels.iter().any(|level| level.metadata.name == *wanted), "{wanted}");
        }
    }
}
