//! Roles of the components of the system and of the discovery of the API.

use super::table::{EVENTS, READ, RoleRow, named, on, urls};

/// The roles, by name.
pub static ROLES: &[RoleRow] = &[
    RoleRow {
        name: "system:auth-delegator",
        rules: &[
            on(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
            on(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:basic-user",
        rules: &[
            on(
                &["create"],
                &["authorization.k8s.io"],
                &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
            ),
            on(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        rules: &[on(&["create"], &["certificates.k8s.io"], &["certificatesigningrequests/nodeclient"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        rules: &[on(&["create"], &["certificates.k8s.io"], &["certificatesigningrequests/selfnodeclient"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:certificates.k8s.io:kube-apiserver-client-approver",
        rules: &[named(
            &["approve"],
            &["certificates.k8s.io"],
            &["signers"],
            &["kubernetes.io/kube-apiserver-client"],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        rules: &[named(
            &["approve"],
            &["certificates.k8s.io"],
            &["signers"],
            &["kubernetes.io/kube-apiserver-client-kubelet"],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:certificates.k8s.io:kubelet-serving-approver",
        rules: &[named(
            &["approve"],
            &["certificates.k8s.io"],
            &["signers"],
            &["kubernetes.io/kubelet-serving"],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:certificates.k8s.io:legacy-unknown-approver",
        rules: &[named(
            &["approve"],
            &["certificates.k8s.io"],
            &["signers"],
            &["kubernetes.io/legacy-unknown"],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:discovery",
        rules: &[urls(
            &["get"],
            &[
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/livez",
                "/openapi",
                "/openapi/*",
                "/readyz",
                "/version",
                "/version/",
            ],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:heapster",
        rules: &[
            on(READ, &[""], &["events", "namespaces", "nodes", "pods"]),
            on(READ, &["extensions"], &["deployments"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:kube-aggregator",
        rules: &[on(READ, &[""], &["endpoints", "services"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:kube-controller-manager",
        rules: &[
            EVENTS,
            on(&["create"], &["coordination.k8s.io"], &["leases"]),
            named(&["get", "update"], &["coordination.k8s.io"], &["leases"], &["kube-controller-manager"]),
            on(&["create"], &[""], &["secrets", "serviceaccounts"]),
            on(&["delete"], &[""], &["secrets"]),
            on(&["get"], &[""], &["configmaps", "namespaces", "secrets", "serviceaccounts"]),
            on(&["update"], &[""], &["secrets", "serviceaccounts"]),
            on(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
            on(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
            on(&["list", "watch"], &["*"], &["*"]),
            on(&["create"], &[""], &["serviceaccounts/token"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:kube-dns",
        rules: &[on(&["list", "watch"], &[""], &["endpoints", "services"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:kube-scheduler",
        rules: &[
            EVENTS,
            on(&["create"], &["coordination.k8s.io"], &["leases"]),
            named(
                &["get", "list", "update", "watch"],
                &["coordination.k8s.io"],
                &["leases"],
                &["kube-scheduler"],
            ),
            on(
                &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                &["coordination.k8s.io"],
                &["leasecandidates"],
            ),
            on(READ, &[""], &["nodes"]),
            on(&["delete", "get", "list", "watch"], &[""], &["pods"]),
            on(&["create"], &[""], &["bindings", "pods/binding"]),
            on(&["patch", "update"], &[""], &["pods/status"]),
            on(READ, &[""], &["replicationcontrollers", "services"]),
            on(READ, &["apps", "extensions"], &["replicasets"]),
            on(READ, &["apps"], &["statefulsets"]),
            on(READ, &["policy"], &["poddisruptionbudgets"]),
            on(READ, &[""], &["persistentvolumeclaims", "persistentvolumes"]),
            on(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
            on(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
            on(READ, &["storage.k8s.io"], &["csinodes"]),
            on(READ, &["storage.k8s.io"], &["volumeattachments"]),
            on(READ, &[""], &["namespaces"]),
            on(READ, &["storage.k8s.io"], &["csidrivers"]),
            on(READ, &["storage.k8s.io"], &["csistoragecapacities"]),
            on(READ, &["resource.k8s.io"], &["deviceclasses"]),
            on(&["get", "list", "patch", "update", "watch"], &["resource.k8s.io"], &["resourceclaims"]),
            on(
                &["get", "list", "patch", "update", "watch"],
                &["resource.k8s.io"],
                &["resourceclaims/status"],
            ),
            on(&["update"], &[""], &["pods/finalizers"]),
            on(READ, &["resource.k8s.io"], &["resourceslices"]),
            on(&["create", "delete"], &["resource.k8s.io"], &["resourceclaims"]),
            on(&["patch", "update"], &["resource.k8s.io"], &["resourceclaims/binding"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:kubelet-api-admin",
        rules: &[
            on(READ, &[""], &["nodes"]),
            on(&["proxy"], &[""], &["nodes"]),
            on(&["*"], &[""], &["nodes/log", "nodes/metrics", "nodes/proxy", "nodes/stats"]),
            on(&["*"], &[""], &["nodes/configz", "nodes/healthz", "nodes/pods"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:monitoring",
        rules: &[
            urls(
                &["get"],
                &[
                    "/flagz",
                    "/healthz",
                    "/healthz/*",
                    "/livez",
                    "/livez/*",
                    "/metrics",
                    "/metrics/slis",
                    "/readyz",
                    "/readyz/*",
                    "/statusz",
                ],
            ),
            on(&["get"], &[""], &["nodes/metrics"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:node",
        rules: &[
            on(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
            on(
                &["create"],
                &["authorization.k8s.io"],
                &["localsubjectaccessreviews", "subjectaccessreviews"],
            ),
            on(READ, &[""], &["services"]),
            on(&["create", "get", "list", "watch"], &[""], &["nodes"]),
            on(&["patch", "update"], &[""], &["nodes/status"]),
            on(&["patch", "update"], &[""], &["nodes"]),
            EVENTS,
            on(READ, &[""], &["pods"]),
            on(&["create", "delete"], &[""], &["pods"]),
            on(&["patch", "update"], &[""], &["pods/status"]),
            on(&["create"], &[""], &["pods/eviction"]),
            on(READ, &[""], &["configmaps", "secrets"]),
            on(&["get"], &[""], &["persistentvolumeclaims", "persistentvolumes"]),
            on(&["get"], &[""], &["endpoints"]),
            on(
                &["create", "get", "list", "watch"],
                &["certificates.k8s.io"],
                &["certificatesigningrequests"],
            ),
            on(&["create", "delete", "get", "patch", "update"], &["coordination.k8s.io"], &["leases"]),
            on(&["get"], &["storage.k8s.io"], &["volumeattachments"]),
            on(&["create"], &[""], &["serviceaccounts/token"]),
            on(&["get", "patch", "update"], &[""], &["persistentvolumeclaims/status"]),
            on(READ, &["storage.k8s.io"], &["csidrivers"]),
            on(&["create", "delete", "get", "patch", "update"], &["storage.k8s.io"], &["csinodes"]),
            on(READ, &["node.k8s.io"], &["runtimeclasses"]),
            on(&["get"], &["resource.k8s.io"], &["resourceclaims"]),
            on(&["deletecollection"], &["resource.k8s.io"], &["resourceslices"]),
            on(&["get"], &[""], &["serviceaccounts"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:node-bootstrapper",
        rules: &[on(
            &["create", "get", "list", "watch"],
            &["certificates.k8s.io"],
            &["certificatesigningrequests"],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:node-problem-detector",
        rules: &[on(&["get"], &[""], &["nodes"]), on(&["patch"], &[""], &["nodes/status"]), EVENTS],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:node-proxier",
        rules: &[
            on(&["list", "watch"], &[""], &["endpoints", "services"]),
            on(READ, &[""], &["nodes"]),
            EVENTS,
            on(&["list", "watch"], &["networking.k8s.io"], &["servicecidrs"]),
            on(&["list", "watch"], &["discovery.k8s.io"], &["endpointslices"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:persistent-volume-provisioner",
        rules: &[
            on(&["create", "delete", "get", "list", "watch"], &[""], &["persistentvolumes"]),
            on(&["get", "list", "update", "watch"], &[""], &["persistentvolumeclaims"]),
            on(READ, &["storage.k8s.io"], &["storageclasses"]),
            on(&["watch"], &[""], &["events"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:public-info-viewer",
        rules: &[urls(&["get"], &["/healthz", "/livez", "/readyz", "/version", "/version/"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:service-account-issuer-discovery",
        rules: &[urls(
            &["get"],
            &[
                "/.well-known/openid-configuration",
                "/.well-known/openid-configuration/",
                "/openid/v1/jwks",
                "/openid/v1/jwks/",
            ],
        )],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:volume-scheduler",
        rules: &[
            on(&["get", "list", "patch", "update", "watch"], &[""], &["persistentvolumes"]),
            on(READ, &["storage.k8s.io"], &["storageclasses"]),
            on(&["get", "list", "patch", "update", "watch"], &[""], &["persistentvolumeclaims"]),
        ],
        ..RoleRow::EMPTY
    },
];
