//! Cluster-wide bindings, without those of controllers.

use super::table::{BindingRow, Subject};

/// The bindings, by name.
pub static BINDINGS: &[BindingRow] = &[
    BindingRow {
        name: "cluster-admin",
        role: "cluster-admin",
        subjects: &[Subject::Group("system:masters")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:basic-user",
        role: "system:basic-user",
        subjects: &[Subject::Group("system:authenticated")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:discovery",
        role: "system:discovery",
        subjects: &[Subject::Group("system:authenticated")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:kube-controller-manager",
        role: "system:kube-controller-manager",
        subjects: &[Subject::User("system:kube-controller-manager")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:kube-dns",
        role: "system:kube-dns",
        subjects: &[Subject::ServiceAccount("kube-system", "kube-dns")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:kube-scheduler",
        role: "system:kube-scheduler",
        subjects: &[Subject::User("system:kube-scheduler")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:monitoring",
        role: "system:monitoring",
        subjects: &[Subject::Group("system:monitoring")],
        ..BindingRow::EMPTY
    },
    BindingRow { name: "system:node", role: "system:node", subjects: &[], ..BindingRow::EMPTY },
    BindingRow {
        name: "system:node-proxier",
        role: "system:node-proxier",
        subjects: &[Subject::User("system:kube-proxy")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:public-info-viewer",
        role: "system:public-info-viewer",
        subjects: &[Subject::Group("system:authenticated"), Subject::Group("system:unauthenticated")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:service-account-issuer-discovery",
        role: "system:service-account-issuer-discovery",
        subjects: &[Subject::Group("system:serviceaccounts")],
        ..BindingRow::EMPTY
    },
    BindingRow {
        name: "system:volume-scheduler",
        role: "system:volume-scheduler",
        subjects: &[Subject::User("system:kube-scheduler")],
        ..BindingRow::EMPTY
    },
];
