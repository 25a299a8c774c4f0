//! Names, places, ports and time limits that kubeadm and everybody who works with its clusters agree on.
//!
//! They are upstream's (`cmd/kubeadm/app/constants`), so that a cluster made here can be looked after by
//! upstream's kubeadm and the other way round.

use std::time::Duration;

/// The folder with everything kubeadm owns.
pub const KUBERNETES_DIR: &str = "/etc/kubernetes";
/// The folder the kubelet reads static pods from.
pub const MANIFESTS_DIR: &str = "/etc/kubernetes/manifests";
/// Scratch folder of kubeadm inside [`KUBERNETES_DIR`].
pub const TEMPORARY_DIR: &str = "/etc/kubernetes/tmp";
/// Where certificates and keys live unless the configuration says otherwise.
pub const DEFAULT_CERTIFICATES_DIR: &str = "/etc/kubernetes/pki";
/// Where etcd keeps its data unless the configuration says otherwise.
pub const DEFAULT_ETCD_DATA_DIR: &str = "/var/lib/etcd";
/// The kubelet's own folder.
pub const KUBELET_DIR: &str = "/var/lib/kubelet";
/// The kubelet's configuration file inside [`KUBELET_DIR`].
pub const KUBELET_CONFIG_FILE: &str = "config.yaml";
/// What differs from node to node in the kubelet's configuration, inside [`KUBELET_DIR`].
pub const KUBELET_INSTANCE_CONFIG_FILE: &str = "instance-config.yaml";
/// Flags for the kubelet's unit, inside [`KUBELET_DIR`].
pub const KUBELET_ENVIRONMENT_FILE: &str = "kubeadm-flags.env";
/// The variable that [`KUBELET_ENVIRONMENT_FILE`] sets.
pub const KUBELET_ENVIRONMENT_VARIABLE: &str = "KUBELET_KUBEADM_ARGS";

/// Certificates are valid from this long before they are made, so that small clock jumps do no harm.
pub const CERTIFICATE_BACKDATE: Duration = Duration::from_secs(5 * 60);

pub const ADMIN_KUBECONFIG: &str = "admin.conf";
pub const SUPER_ADMIN_KUBECONFIG: &str = "super-admin.conf";
pub const KUBELET_KUBECONFIG: &str = "kubelet.conf";
pub const KUBELET_BOOTSTRAP_KUBECONFIG: &str = "bootstrap-kubelet.conf";
pub const CONTROLLER_MANAGER_KUBECONFIG: &str = "controller-manager.conf";
pub const SCHEDULER_KUBECONFIG: &str = "scheduler.conf";

/// The group of users with every right, whatever RBAC says.
pub const MASTERS_GROUP: &str = "system:masters";
/// The group of all kubelets.
pub const NODES_GROUP: &str = "system:nodes";
/// What a kubelet's user name starts with.
pub const NODE_USER_PREFIX: &str = "system:node:";
/// The group that bootstrap tokens made by kubeadm are in.
pub const BOOTSTRAPPERS_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";
/// Group, ClusterRoleBinding and organisation of `admin.conf`.
pub const CLUSTER_ADMINS: &str = "kubeadm:cluster-admins";

pub const API_SERVER: &str = "kube-apiserver";
pub const CONTROLLER_MANAGER: &str = "kube-controller-manager";
pub const SCHEDULER: &str = "kube-scheduler";
pub const ETCD: &str = "etcd";

pub const API_SERVER_PORT: u16 = 6443;
pub const KUBELET_PORT: u16 = 10250;
pub const KUBELET_HEALTHZ_PORT: u16 = 10248;
pub const SCHEDULER_PORT: u16 = 10259;
pub const CONTROLLER_MANAGER_PORT: u16 = 10257;
pub const ETCD_CLIENT_PORT: u16 = 2379;
pub const ETCD_PEER_PORT: u16 = 2380;
pub const ETCD_METRICS_PORT: u16 = 2381;
/// Name of the container port that the probes of static pods point at.
pub const PROBE_PORT: &str = "probe-port";

pub const KUBE_SYSTEM: &str = "kube-system";
pub const KUBE_PUBLIC: &str = "kube-public";
pub const KUBEADM_CONFIG_MAP: &str = "kubeadm-config";
pub const CLUSTER_CONFIGURATION_KEY: &str = "ClusterConfiguration";
pub const KUBELET_CONFIG_MAP: &str = "kubelet-config";
pub const KUBELET_CONFIG_MAP_KEY: &str = "kubelet";
pub const KUBE_PROXY_CONFIG_MAP: &str = "kube-proxy";
pub const KUBE_PROXY_CONFIG_MAP_KEY: &str = "config.conf";
pub const CLUSTER_INFO_CONFIG_MAP: &str = "cluster-info";
pub const CERTIFICATES_SECRET: &str = "kubeadm-certs";

pub const CONTROL_PLANE_LABEL: &str = "node-role.kubernetes.io/control-plane";
pub const EXCLUDE_FROM_BALANCERS_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
pub const CRI_SOCKET_ANNOTATION: &str = "kubeadm.alpha.kubernetes.io/cri-socket";
pub const ETCD_CLIENT_URLS_ANNOTATION: &str = "kubeadm.kubernetes.io/etcd.advertise-client-urls";
pub const API_SERVER_ENDPOINT_ANNOTATION: &str =
    "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint";
/// Marks a component's configuration that kubeadm made itself, so that an upgrade may make it again.
pub const COMPONENT_CONFIG_HASH_ANNOTATION: &str = "kubeadm.kubernetes.io/component-config.hash";

/// Registry prefix of the images unless the configuration says otherwise.
pub const DEFAULT_IMAGE_REPOSITORY: &str = "registry.k8s.io";
/// The Kubernetes version this kubeadm belongs to.
pub const KUBERNETES_VERSION: &str = "v1.36.0";
pub const PAUSE_VERSION: &str = "3.10.2";
pub const COREDNS_VERSION: &str = "v1.14.2";
pub const ETCD_VERSION: &str = "3.6.8-0";
/// Where installers leave OCI archives that `init` and `join` import when an image is absent.
pub const IMAGE_ARCHIVES_DIR: &str = "/usr/local/share/kubernetes/images";

/// Least number of processors of a control-plane node.
pub const CONTROL_PLANE_CPUS: usize = 2;
/// Least memory of a control-plane node, in MiB.
pub const CONTROL_PLANE_MEMORY_MIB: u64 = 1700;

pub const API_CALL_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// How long the certificates uploaded by `upload-certs` stay readable.
pub const CERTIFICATES_TOKEN_LIFE: Duration = Duration::from_secs(2 * 3600);
/// Length in bytes of the key that `upload-certs` encrypts with.
pub const CERTIFICATE_KEY_SIZE: usize = 32;
/// Life of a bootstrap token unless told otherwise.
pub const BOOTSTRAP_TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The path of one of kubeadm's kubeconfig files.
pub fn kubeconfig_path(file_name: &str) -> std::path::PathBuf {
    std::path::Path::new(KUBERNETES_DIR).join(file_name)
}
