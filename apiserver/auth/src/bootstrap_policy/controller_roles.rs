//! One role for each controller, granted to the service account of its name in `kube-system`.

use super::table::{EVENTS, READ, RoleRow, named, on};

/// The roles, by name.
pub static ROLES: &[RoleRow] = &[
    RoleRow {
        name: "system:controller:attachdetach-controller",
        rules: &[
            on(&["list", "watch"], &[""], &["persistentvolumeclaims", "persistentvolumes"]),
            on(READ, &[""], &["nodes"]),
            on(&["patch", "update"], &[""], &["nodes/status"]),
            on(&["list", "watch"], &[""], &["pods"]),
            EVENTS,
            on(&["create", "delete", "get", "list", "watch"], &["storage.k8s.io"], &["volumeattachments"]),
            on(READ, &["storage.k8s.io"], &["csidrivers"]),
            on(READ, &["storage.k8s.io"], &["csinodes"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:certificate-controller",
        rules: &[
            on(
                &["delete", "get", "list", "watch"],
                &["certificates.k8s.io"],
                &["certificatesigningrequests"],
            ),
            on(
                &["update"],
                &["certificates.k8s.io"],
                &["certificatesigningrequests/approval", "certificatesigningrequests/status"],
            ),
            named(
                &["approve"],
                &["certificates.k8s.io"],
                &["signers"],
                &["kubernetes.io/kube-apiserver-client-kubelet"],
            ),
            named(
                &["sign"],
                &["certificates.k8s.io"],
                &["signers"],
                &[
                    "kubernetes.io/kube-apiserver-client",
                    "kubernetes.io/kube-apiserver-client-kubelet",
                    "kubernetes.io/kubelet-serving",
                    "kubernetes.io/legacy-unknown",
                ],
            ),
            on(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:clusterrole-aggregation-controller",
        rules: &[on(
            &["escalate", "get", "list", "patch", "update", "watch"],
            &["rbac.authorization.k8s.io"],
            &["clusterroles"],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:cronjob-controller",
        rules: &[
            on(&["get", "list", "update", "watch"], &["batch"], &["cronjobs"]),
            on(&["create", "delete", "get", "list", "patch", "update", "watch"], &["batch"], &["jobs"]),
            on(&["update"], &["batch"], &["cronjobs/status"]),
            on(&["update"], &["batch"], &["cronjobs/finalizers"]),
            on(&["delete", "list", "watch"], &[""], &["pods"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:daemon-set-controller",
        rules: &[
            on(READ, &["apps", "extensions"], &["daemonsets"]),
            on(&["update"], &["apps", "extensions"], &["daemonsets/status"]),
            on(&["update"], &["apps", "extensions"], &["daemonsets/finalizers"]),
            on(&["list", "watch"], &[""], &["nodes"]),
            on(&["create", "delete", "list", "patch", "watch"], &[""], &["pods"]),
            on(&["create"], &[""], &["pods/binding"]),
            on(
                &["create", "delete", "get", "list", "patch", "update", "watch"],
                &["apps"],
                &["controllerrevisions"],
            ),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:deployment-controller",
        rules: &[
            on(&["get", "list", "update", "watch"], &["apps", "extensions"], &["deployments"]),
            on(&["update"], &["apps", "extensions"], &["deployments/status"]),
            on(&["update"], &["apps", "extensions"], &["deployments/finalizers"]),
            on(
                &["create", "delete", "get", "list", "patch", "update", "watch"],
                &["apps", "extensions"],
                &["replicasets"],
            ),
            on(&["get", "list", "update", "watch"], &[""], &["pods"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:device-taint-eviction-controller",
        rules: &[
            on(&["delete", "get", "list", "watch"], &[""], &["pods"]),
            on(&["patch", "update"], &[""], &["pods/status"]),
            on(READ, &["resource.k8s.io"], &["resourceclaims"]),
            on(READ, &["resource.k8s.io"], &["resourceslices"]),
            on(READ, &["resource.k8s.io"], &["deviceclasses"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:disruption-controller",
        rules: &[
            on(READ, &["apps", "extensions"], &["deployments"]),
            on(READ, &["apps", "extensions"], &["replicasets"]),
            on(READ, &[""], &["replicationcontrollers"]),
            on(READ, &["policy"], &["poddisruptionbudgets"]),
            on(READ, &["apps"], &["statefulsets"]),
            on(&["update"], &["policy"], &["poddisruptionbudgets/status"]),
            on(&["patch", "update"], &[""], &["pods/status"]),
            on(&["get"], &["*"], &["*/scale"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:endpoint-controller",
        rules: &[
            on(READ, &[""], &["pods", "services"]),
            on(&["create", "delete", "get", "list", "update", "watch"], &[""], &["endpoints"]),
            on(&["create"], &[""], &["endpoints/restricted"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:endpointslice-controller",
        rules: &[
            on(READ, &[""], &["nodes", "pods", "services"]),
            on(&["update"], &[""], &["services/finalizers"]),
            on(
                &["create", "delete", "get", "list", "update", "watch"],
                &["discovery.k8s.io"],
                &["endpointslices"],
            ),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:endpointslicemirroring-controller",
        rules: &[
            on(READ, &[""], &["endpoints", "services"]),
            on(&["update"], &[""], &["services/finalizers"]),
            on(&["update"], &[""], &["endpoints/finalizers"]),
            on(
                &["create", "delete", "get", "list", "update", "watch"],
                &["discovery.k8s.io"],
                &["endpointslices"],
            ),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:ephemeral-volume-controller",
        rules: &[
            on(READ, &[""], &["pods"]),
            on(&["update"], &[""], &["pods/finalizers"]),
            on(&["create", "get", "list", "watch"], &[""], &["persistentvolumeclaims"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:expand-controller",
        rules: &[
            on(&["get", "list", "patch", "update", "watch"], &[""], &["persistentvolumes"]),
            on(&["patch", "update"], &[""], &["persistentvolumeclaims/status"]),
            on(READ, &[""], &["persistentvolumeclaims"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:generic-garbage-collector",
        rules: &[on(&["delete", "get", "list", "patch", "update", "watch"], &["*"], &["*"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:horizontal-pod-autoscaler",
        rules: &[
            on(READ, &["autoscaling"], &["horizontalpodautoscalers"]),
            on(&["update"], &["autoscaling"], &["horizontalpodautoscalers/status"]),
            on(&["get", "update"], &["*"], &["*/scale"]),
            on(&["list", "watch"], &[""], &["pods"]),
            on(&["list", "watch"], &["metrics.k8s.io"], &["pods"]),
            on(READ, &["custom.metrics.k8s.io"], &["*"]),
            on(READ, &["external.metrics.k8s.io"], &["*"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:job-controller",
        rules: &[
            on(&["get", "list", "patch", "update", "watch"], &["batch"], &["jobs"]),
            on(&["update"], &["batch"], &["jobs/status"]),
            on(&["update"], &["batch"], &["jobs/finalizers"]),
            on(&["create", "delete", "list", "patch", "watch"], &[""], &["pods"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:legacy-service-account-token-cleaner",
        rules: &[
            named(
                &["get"],
                &[""],
                &["configmaps"],
                &["kube-apiserver-legacy-service-account-token-tracking"],
            ),
            on(&["delete", "patch"], &[""], &["secrets"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:namespace-controller",
        rules: &[
            on(&["delete", "get", "list", "watch"], &[""], &["namespaces"]),
            on(&["update"], &[""], &["namespaces/finalize", "namespaces/status"]),
            on(&["delete", "deletecollection", "get", "list", "watch"], &["*"], &["*"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:node-controller",
        rules: &[
            on(&["delete", "get", "list", "patch", "update", "watch"], &[""], &["nodes"]),
            on(&["patch", "update"], &[""], &["nodes/status"]),
            on(&["patch", "update"], &[""], &["pods/status"]),
            on(&["delete", "get", "list", "watch"], &[""], &["pods"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:persistent-volume-binder",
        rules: &[
            on(&["create", "delete", "get", "list", "update", "watch"], &[""], &["persistentvolumes"]),
            on(&["update"], &[""], &["persistentvolumes/status"]),
            on(&["get", "list", "update", "watch"], &[""], &["persistentvolumeclaims"]),
            on(&["update"], &[""], &["persistentvolumeclaims/status"]),
            on(&["create", "delete", "get", "list", "watch"], &[""], &["pods"]),
            on(READ, &["storage.k8s.io"], &["storageclasses"]),
            on(&["list", "watch"], &[""], &["nodes"]),
            EVENTS,
            on(&["watch"], &[""], &["events"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:pod-garbage-collector",
        rules: &[
            on(&["delete", "list", "watch"], &[""], &["pods"]),
            on(READ, &[""], &["nodes"]),
            on(&["patch"], &[""], &["pods/status"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:pv-protection-controller",
        rules: &[on(&["get", "list", "update", "watch"], &[""], &["persistentvolumes"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:pvc-protection-controller",
        rules: &[
            on(&["get", "list", "update", "watch"], &[""], &["persistentvolumeclaims"]),
            on(&["update"], &[""], &["persistentvolumeclaims/status"]),
            on(READ, &[""], &["pods"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:replicaset-controller",
        rules: &[
            on(&["get", "list", "update", "watch"], &["apps", "extensions"], &["replicasets"]),
            on(&["update"], &["apps", "extensions"], &["replicasets/status"]),
            on(&["update"], &["apps", "extensions"], &["replicasets/finalizers"]),
            on(&["create", "delete", "list", "patch", "watch"], &[""], &["pods"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:replication-controller",
        rules: &[
            on(&["get", "list", "update", "watch"], &[""], &["replicationcontrollers"]),
            on(&["update"], &[""], &["replicationcontrollers/status"]),
            on(&["update"], &[""], &["replicationcontrollers/finalizers"]),
            on(&["create", "delete", "list", "patch", "watch"], &[""], &["pods"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:resource-claim-controller",
        rules: &[
            on(READ, &[""], &["pods"]),
            on(&["update"], &[""], &["pods/finalizers"]),
            on(&["create", "delete", "get", "list", "watch"], &["resource.k8s.io"], &["resourceclaims"]),
            on(&["patch", "update"], &["resource.k8s.io"], &["resourceclaims", "resourceclaims/status"]),
            on(&["patch", "update"], &[""], &["pods/status"]),
            EVENTS,
            on(&["patch", "update"], &["resource.k8s.io"], &["resourceclaims/binding"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:resourcequota-controller",
        rules: &[
            on(&["list", "watch"], &["*"], &["*"]),
            on(&["update"], &[""], &["resourcequotas/status"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:root-ca-cert-publisher",
        rules: &[on(&["create", "update"], &[""], &["configmaps"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:route-controller",
        rules: &[on(&["list", "watch"], &[""], &["nodes"]), on(&["patch"], &[""], &["nodes/status"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:selinux-warning-controller",
        rules: &[
            EVENTS,
            on(READ, &[""], &["persistentvolumes"]),
            on(READ, &[""], &["persistentvolumeclaims"]),
            on(READ, &[""], &["pods"]),
            on(READ, &["storage.k8s.io"], &["csidrivers"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:service-account-controller",
        rules: &[on(&["create"], &[""], &["serviceaccounts"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:service-cidrs-controller",
        rules: &[
            on(&["get", "list", "patch", "update", "watch"], &["networking.k8s.io"], &["servicecidrs"]),
            on(&["patch", "update"], &["networking.k8s.io"], &["servicecidrs/finalizers"]),
            on(&["patch", "update"], &["networking.k8s.io"], &["servicecidrs/status"]),
            on(READ, &["networking.k8s.io"], &["ipaddresses"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:service-controller",
        rules: &[
            on(READ, &[""], &["services"]),
            on(&["patch", "update"], &[""], &["services/status"]),
            on(&["list", "watch"], &[""], &["nodes"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:statefulset-controller",
        rules: &[
            on(&["list", "watch"], &[""], &["pods"]),
            on(READ, &["apps"], &["statefulsets"]),
            on(&["update"], &["apps"], &["statefulsets/status"]),
            on(&["update"], &["apps"], &["statefulsets/finalizers"]),
            on(&["create", "delete", "get", "patch", "update"], &[""], &["pods"]),
            on(
                &["create", "delete", "get", "list", "patch", "update", "watch"],
                &["apps"],
                &["controllerrevisions"],
            ),
            on(&["create", "get", "list", "watch"], &[""], &["persistentvolumeclaims"]),
            on(&["delete", "update"], &[""], &["persistentvolumeclaims"]),
            on(&["update"], &[""], &["pods/finalizers"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:ttl-after-finished-controller",
        rules: &[on(&["delete", "get", "list", "watch"], &["batch"], &["jobs"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:ttl-controller",
        rules: &[on(&["list", "patch", "update", "watch"], &[""], &["nodes"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:validatingadmissionpolicy-status-controller",
        rules: &[
            on(READ, &["admissionregistration.k8s.io"], &["validatingadmissionpolicies"]),
            on(
                &["get", "patch", "update"],
                &["admissionregistration.k8s.io"],
                &["validatingadmissionpolicies/status"],
            ),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:volumeattributesclass-protection-controller",
        rules: &[
            on(READ, &[""], &["persistentvolumeclaims"]),
            on(READ, &[""], &["persistentvolumes"]),
            on(&["get", "list", "update", "watch"], &["storage.k8s.io"], &["volumeattributesclasses"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
];
