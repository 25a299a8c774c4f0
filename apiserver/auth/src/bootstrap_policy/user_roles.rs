//! Roles for people: `cluster-admin` and the aggregated `admin`, `edit` and `view`.

use super::table::{READ, RoleRow, WRITE, on, urls};

/// The roles, by name.
pub static ROLES: &[RoleRow] = &[
    RoleRow { name: "admin", gathers: "admin", ..RoleRow::EMPTY },
    RoleRow {
        name: "cluster-admin",
        rules: &[on(&["*"], &["*"], &["*"]), urls(&["*"], &["*"])],
        ..RoleRow::EMPTY
    },
    RoleRow { name: "edit", aggregated_to: "admin", gathers: "edit", ..RoleRow::EMPTY },
    RoleRow {
        name: "system:aggregate-to-admin",
        aggregated_to: "admin",
        rules: &[
            on(&["create"], &["authorization.k8s.io"], &["localsubjectaccessreviews"]),
            on(
                &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                &["rbac.authorization.k8s.io"],
                &["rolebindings", "roles"],
            ),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:aggregate-to-edit",
        aggregated_to: "edit",
        rules: &[
            on(
                READ,
                &[""],
                &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"],
            ),
            on(&["impersonate"], &[""], &["serviceaccounts"]),
            on(WRITE, &[""], &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]),
            on(&["create"], &[""], &["pods/eviction"]),
            on(
                WRITE,
                &[""],
                &[
                    "configmaps",
                    "persistentvolumeclaims",
                    "replicationcontrollers",
                    "replicationcontrollers/scale",
                    "secrets",
                    "serviceaccounts",
                    "services",
                    "services/proxy",
                ],
            ),
            on(&["create"], &[""], &["serviceaccounts/token"]),
            on(WRITE, &["", "events.k8s.io"], &["events"]),
            on(
                WRITE,
                &["apps"],
                &[
                    "daemonsets",
                    "deployments",
                    "deployments/rollback",
                    "deployments/scale",
                    "replicasets",
                    "replicasets/scale",
                    "statefulsets",
                    "statefulsets/scale",
                ],
            ),
            on(WRITE, &["autoscaling"], &["horizontalpodautoscalers"]),
            on(WRITE, &["batch"], &["cronjobs", "jobs"]),
            on(
                WRITE,
                &["extensions"],
                &[
                    "daemonsets",
                    "deployments",
                    "deployments/rollback",
                    "deployments/scale",
                    "ingresses",
                    "networkpolicies",
                    "replicasets",
                    "replicasets/scale",
                    "replicationcontrollers/scale",
                ],
            ),
            on(WRITE, &["policy"], &["poddisruptionbudgets"]),
            on(WRITE, &["networking.k8s.io"], &["ingresses", "networkpolicies"]),
            on(
                &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                &["coordination.k8s.io"],
                &["leases"],
            ),
            on(WRITE, &["resource.k8s.io"], &["resourceclaims", "resourceclaimtemplates"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:aggregate-to-view",
        aggregated_to: "view",
        rules: &[
            on(
                READ,
                &[""],
                &[
                    "configmaps",
                    "endpoints",
                    "persistentvolumeclaims",
                    "persistentvolumeclaims/status",
                    "pods",
                    "replicationcontrollers",
                    "replicationcontrollers/scale",
                    "serviceaccounts",
                    "services",
                    "services/status",
                ],
            ),
            on(
                READ,
                &[""],
                &[
                    "bindings",
                    "limitranges",
                    "namespaces/status",
                    "pods/log",
                    "pods/status",
                    "replicationcontrollers/status",
                    "resourcequotas",
                    "resourcequotas/status",
                ],
            ),
            on(READ, &[""], &["namespaces"]),
            on(READ, &["", "events.k8s.io"], &["events"]),
            on(READ, &["discovery.k8s.io"], &["endpointslices"]),
            on(
                READ,
                &["apps"],
                &[
                    "controllerrevisions",
                    "daemonsets",
                    "daemonsets/status",
                    "deployments",
                    "deployments/scale",
                    "deployments/status",
                    "replicasets",
                    "replicasets/scale",
                    "replicasets/status",
                    "statefulsets",
                    "statefulsets/scale",
                    "statefulsets/status",
                ],
            ),
            on(READ, &["autoscaling"], &["horizontalpodautoscalers", "horizontalpodautoscalers/status"]),
            on(READ, &["batch"], &["cronjobs", "cronjobs/status", "jobs", "jobs/status"]),
            on(
                READ,
                &["extensions"],
                &[
                    "daemonsets",
                    "daemonsets/status",
                    "deployments",
                    "deployments/scale",
                    "deployments/status",
                    "ingresses",
                    "ingresses/status",
                    "networkpolicies",
                    "replicasets",
                    "replicasets/scale",
                    "replicasets/status",
                    "replicationcontrollers/scale",
                ],
            ),
            on(READ, &["policy"], &["poddisruptionbudgets", "poddisruptionbudgets/status"]),
            on(READ, &["networking.k8s.io"], &["ingresses", "ingresses/status", "networkpolicies"]),
            on(
                READ,
                &["resource.k8s.io"],
                &["resourceclaims", "resourceclaims/status", "resourceclaimtemplates"],
            ),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow { name: "view", aggregated_to: "edit", gathers: "view", ..RoleRow::EMPTY },
];
