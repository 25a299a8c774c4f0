//! The priority levels and flow schemas every cluster begins with.

use api_types::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, FlowDistinguisherMethod, FlowSchema, FlowSchemaSpec, GroupSubject,
    LimitResponse, LimitedPriorityLevelConfiguration, NonResourcePolicyRule, PolicyRulesWithSubjects,
    PriorityLevelConfiguration, PriorityLevelConfigurationReference, PriorityLevelConfigurationSpec,
    QueuingConfiguration, ResourcePolicyRule, ServiceAccountSubject, Subject, UserSubject,
};
use machinery::meta::v1::ObjectMeta;

/// Annotation: `"true"` lets the server keep the object as it should be.
pub const AUTO_UPDATE_ANNOTATION: &str = "apf.kubernetes.io/autoupdate-spec";
/// Objects whose spec is always kept.
pub const MANDATORY: [&str; 2] = ["exempt", "catch-all"];

/// Name, shares, percent that may be lent, queues, hand, queue length; no queues means "refuse".
const LEVELS: [(&str, i32, i32, i32, i32, i32); 7] = [
    ("catch-all", 5, 0, 0, 0, 0),
    ("system", 30, 33, 64, 6, 50),
    ("node-high", 40, 25, 64, 6, 50),
    ("leader-election", 10, 0, 16, 4, 50),
    ("workload-high", 40, 50, 128, 6, 50),
    ("workload-low", 100, 90, 128, 6, 50),
    ("global-default", 20, 50, 128, 6, 50),
];

/// Who a schema is about.
enum Who {
    Groups(&'static [&'static str]),
    Users(&'static [&'static str]),
    KubeSystemAccounts,
    UsersAndKubeSystemAccounts(&'static [&'static str]),
}

/// What a schema is about.
enum What {
    Everything,
    /// Verbs and paths.
    Paths(&'static [&'static str], &'static [&'static str]),
    /// Verbs, group, resources, and whether cluster-wide requests count.
    Resources(&'static [(&'static [&'static str], &'static str, &'static [&'static str], bool)]),
}

/// Name, level, precedence, distinguisher, who, what.
type SchemaRow = (&'static str, &'static str, i32, &'static str, Who, What);

const EVERYONE: Who = Who::Groups(&["system:unauthenticated", "system:authenticated"]);
const MANAGER: &str = "system:kube-controller-manager";
const SCHEDULER: &str = "system:kube-scheduler";

const SCHEMAS: [SchemaRow; 11] = [
    ("exempt", "exempt", 1, "", Who::Groups(&["system:masters"]), What::Everything),
    ("probes", "exempt", 2, "", EVERYONE, What::Paths(&["get"], &["/healthz", "/readyz", "/livez"])),
    (
        "system-leader-election",
        "leader-election",
        100,
        "ByUser",
        Who::UsersAndKubeSystemAccounts(&[MANAGER, SCHEDULER]),
        What::Resources(&[(&["get", "create", "update"], "coordination.k8s.io", &["leases"], false)]),
    ),
    (
        "system-node-high",
        "node-high",
        400,
        "ByUser",
        Who::Groups(&["system:nodes"]),
        What::Resources(&[
            (&["*"], "", &["nodes", "nodes/status"], true),
            (&["*"], "coordination.k8s.io", &["leases"], false),
        ]),
    ),
    ("system-nodes", "system", 500, "ByUser", Who::Groups(&["system:nodes"]), What::Everything),
    (
        "kube-controller-manager",
        "workload-high",
        800,
        "ByNamespace",
        Who::Users(&[MANAGER]),
        What::Everything,
    ),
    ("kube-scheduler", "workload-high", 800, "ByNamespace", Who::Users(&[SCHEDULER]), What::Everything),
    (
        "kube-system-service-accounts",
        "workload-high",
        900,
        "ByNamespace",
        Who::KubeSystemAccounts,
        What::Everything,
    ),
    (
        "service-accounts",
        "workload-low",
        9000,
        "ByUser",
        Who::Groups(&["system:serviceaccounts"]),
        What::Everything,
    ),
    ("global-default", "global-default", 9900, "ByUser", EVERYONE, What::Everything),
    ("catch-all", "catch-all", 10_000, "ByUser", EVERYONE, What::Everything),
];

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: name.into(),
        annotations: [(AUTO_UPDATE_ANNOTATION.to_string(), "true".to_string())].into(),
        ..ObjectMeta::default()
    }
}

/// All default priority levels.
pub fn priority_levels() -> Vec<PriorityLevelConfiguration> {
    let exempt = PriorityLevelConfiguration {
        metadata: metadata("exempt"),
        spec: PriorityLevelConfigurationSpec {
            type_: "Exempt".into(),
            exempt: Some(Box::new(ExemptPriorityLevelConfiguration {
                nominal_concurrency_shares: Some(0),
                lendable_percent: Some(0),
            })),
            ..PriorityLevelConfigurationSpec::default()
        },
        ..PriorityLevelConfiguration::default()
    };
    let limited = LEVELS.iter().map(|(name, shares, lendable, queues, hand_size, queue_length_limit)| {
        let queuing = (*queues > 0).then(|| {
            Box::new(QueuingConfiguration {
                queues: *queues,
                hand_size: *hand_size,
                queue_length_limit: *queue_length_limit,
            })
        });
        PriorityLevelConfiguration {
            metadata: metadata(name),
            spec: PriorityLevelConfigurationSpec {
                type_: "Limited".into(),
                limited: Some(Box::new(LimitedPriorityLevelConfiguration {
                    nominal_concurrency_shares: Some(*shares),
                    lendable_percent: Some(*lendable),
                    borrowing_limit_percent: None,
                    limit_response: LimitResponse {
                        type_: if queuing.is_some() { "Queue" } else { "Reject" }.into(),
                        queuing,
                    },
                })),
                ..PriorityLevelConfigurationSpec::default()
            },
            ..PriorityLevelConfiguration::default()
        }
    });
    std::iter::once(exempt).chain(limited).collect()
}

/// All default flow schemas.
pub fn flow_schemas() -> Vec<FlowSchema> {
    SCHEMAS.iter().map(flow_schema).collect()
}

fn flow_schema((name, level, precedence, distinguisher, who, what): &SchemaRow) -> FlowSchema {
    let (resource_rules, non_resource_rules) = rules(what);
    FlowSchema {
        metadata: metadata(name),
        spec: FlowSchemaSpec {
            priority_level_configuration: PriorityLevelConfigurationReference { name: level.to_string() },
            matching_precedence: *precedence,
            distinguisher_method: (!distinguisher.is_empty())
                .then(|| Box::new(FlowDistinguisherMethod { type_: distinguisher.to_string() })),
            rules: vec![PolicyRulesWithSubjects {
                subjects: subjects(who),
                resource_rules,
                non_resource_rules,
            }],
        },
        ..FlowSchema::default()
    }
}

fn subjects(who: &Who) -> Vec<Subject> {
    let group = |name: &&str| Subject {
        kind: "Group".into(),
        group: Some(Box::new(GroupSubject { name: name.to_string() })),
        ..Subject::default()
    };
    let user = |name: &&str| Subject {
        kind: "User".into(),
        user: Some(Box::new(UserSubject { name: name.to_string() })),
        ..Subject::default()
    };
    let accounts = || Subject {
        kind: "ServiceAccount".into(),
        service_account: Some(Box::new(ServiceAccountSubject {
            namespace: "kube-system".into(),
            name: "*".into(),
        })),
        ..Subject::default()
    };
    match who {
        Who::Groups(names) => names.iter().map(group).collect(),
        Who::Users(names) => names.iter().map(user).collect(),
        Who::KubeSystemAccounts => vec![accounts()],
        Who::UsersAndKubeSystemAccounts(names) => names.iter().map(user).chain([accounts()]).collect(),
    }
}

fn rules(what: &What) -> (Vec<ResourcePolicyRule>, Vec<NonResourcePolicyRule>) {
    let texts = |list: &[&str]| list.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    let resource = |verbs: &[&str], group: &str, resources: &[&str], cluster_scope| ResourcePolicyRule {
        verbs: texts(verbs),
        api_groups: vec![group.to_string()],
        resources: texts(resources),
        cluster_scope,
        namespaces: texts(&["*"]),
    };
    let path = |verbs: &[&str], urls: &[&str]| NonResourcePolicyRule {
        verbs: texts(verbs),
        non_resource_urls: texts(urls),
    };
    match what {
        What::Everything => (vec![resource(&["*"], "*", &["*"], true)], vec![path(&["*"], &["*"])]),
        What::Paths(verbs, urls) => (Vec::new(), vec![path(verbs, urls)]),
        What::Resources(rows) => {
            let rules =
                rows.iter().map(|(verbs, group, names, cluster)| resource(verbs, group, names, *cluster));
            (rules.collect(), Vec::new())
        }
    }
}
