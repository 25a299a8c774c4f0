//! Roles and bindings inside `kube-system` and `kube-public`.

use super::table::{BindingRow, EVENTS, READ, RoleRow, Subject, named, on};

/// The roles, by namespace and name.
pub static ROLES: &[RoleRow] = &[
    RoleRow {
        name: "system:controller:bootstrap-signer",
        namespace: "kube-public",
        rules: &[
            on(READ, &[""], &["configmaps"]),
            named(&["update"], &[""], &["configmaps"], &["cluster-info"]),
            EVENTS,
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "extension-apiserver-authentication-reader",
        namespace: "kube-system",
        rules: &[named(READ, &[""], &["configmaps"], &["extension-apiserver-authentication"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system::leader-locking-kube-controller-manager",
        namespace: "kube-system",
        rules: &[
            on(&["create", "get", "list", "update", "watch"], &["coordination.k8s.io"], &["leases"]),
            on(&["create", "get", "list", "update", "watch"], &["coordination.k8s.io"], &["leasecandidates"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system::leader-locking-kube-scheduler",
        namespace: "kube-system",
        rules: &[
            on(&["create", "get", "list", "update", "watch"], &["coordination.k8s.io"], &["leases"]),
            on(&["create", "get", "list", "update", "watch"], &["coordination.k8s.io"], &["leasecandidates"]),
        ],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:bootstrap-signer",
        namespace: "kube-system",
        rules: &[on(READ, &[""], &["secrets"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:cloud-provider",
        namespace: "kube-system",
        rules: &[on(&["create", "get", "list", "watch"], &[""], &["configmaps"])],
        ..RoleRow::EMPTY
    },
    RoleRow {
        name: "system:controller:token-cleaner",
        namespace: "kube-system",
        rules: &[on(&["delete", "get", "list", "watch"], &[""], &["secrets"]), EVENTS],
        ..RoleRow::EMPTY
    },
];

/// The bindings, by namespace and name.
pub static BINDINGS: &[BindingRow] = &[
    BindingRow {
        name: "system:controller:bootstrap-signer",
        namespace: "kube-public",
        role: "system:controller:bootstrap-signer",
        subjects: &[Subject::ServiceAccount("kube-system", "bootstrap-signer")],
    },
    BindingRow {
        name: "system::extension-apiserver-authentication-reader",
        namespace: "kube-system",
        role: "extension-apiserver-authentication-reader",
        subjects: &[Subject::User("system:kube-controller-manager"), Subject::User("system:kube-scheduler")],
    },
    BindingRow {
        name: "system::leader-locking-kube-controller-manager",
        namespace: "kube-system",
        role: "system::leader-locking-kube-controller-manager",
        subjects: &[
            Subject::User("system:kube-controller-manager"),
            Subject::ServiceAccount("kube-system", "kube-controller-manager"),
            Subject::ServiceAccount("kube-system", "leader-election-controller"),
        ],
    },
    BindingRow {
        name: "system::leader-locking-kube-scheduler",
        namespace: "kube-system",
        role: "system::leader-locking-kube-scheduler",
        subjects: &[
            Subject::User("system:kube-scheduler"),
            Subject::ServiceAccount("kube-system", "kube-scheduler"),
        ],
    },
    BindingRow {
        name: "system:controller:bootstrap-signer",
        namespace: "kube-system",
        role: "system:controller:bootstrap-signer",
        subjects: &[Subject::ServiceAccount("kube-system", "bootstrap-signer")],
    },
    BindingRow {
        name: "system:controller:cloud-provider",
        namespace: "kube-system",
        role: "system:controller:cloud-provider",
        subjects: &[Subject::ServiceAccount("kube-system", "cloud-provider")],
    },
    BindingRow {
        name: "system:controller:token-cleaner",
        namespace: "kube-system",
        role: "system:controller:token-cleaner",
        subjects: &[Subject::ServiceAccount("kube-system", "token-cleaner")],
    },
];
