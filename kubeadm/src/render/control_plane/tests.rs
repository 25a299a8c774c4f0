//! The manifests of a plain cluster and what settings change in them.

use super::*;
use crate::config::{component::ComponentConfig, defaults, v1beta4};

/// A complete configuration that does not depend on the host the tests run on.
pub(crate) fn configuration() -> Configuration {
    let mut configuration = Configuration {
        init: v1beta4::InitConfiguration::default(),
        cluster: v1beta4::ClusterConfiguration::default(),
        kubelet: ComponentConfig::default(),
        kube_proxy: ComponentConfig::default(),
    };
    defaults::init(&mut configuration.init);
    defaults::cluster(&mut configuration.cluster);
    configuration.init.node_registration.name = "node-1".to_owned();
    configuration.init.local_api_endpoint.advertise_address = "192.0.2.1".to_owned();
    configuration.cluster.kubernetes_version = "v1.36.0".to_owned();
    configuration.cluster.networking.pod_subnet = "10.244.0.0/16".to_owned();
    configuration.kubelet =
        crate::config::component::kubelet(None, &configuration.cluster, Default::default());
    configuration.kube_proxy =
        crate::config::component::kube_proxy(None, &configuration.cluster, "192.0.2.1");
    configuration
}

fn command_of(renderer: Renderer, configuration: &Configuration, host: &HostView) -> Vec<String> {
    renderer(configuration, host).spec.containers[0].command.clone()
}

#[test]
fn the_api_server_is_told_all_it_needs() {
    let command = command_of(api_server, &configuration(), &HostView::default());
    assert_eq!(command[0], "kube-apiserver");
    assert!(command[1..].is_sorted(), "{command:?}");
    for expected in [
        "--advertise-address=192.0.2.1",
        "--authorization-mode=Node,RBAC",
        "--etcd-servers=https://127.0.0.1:2379",
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--secure-port=6443",
        "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt",
    ] {
        assert!(command.iter().any(|word| word == expected), "{expected} is missing");
    }
}

#[test]
fn probes_and_mounts_are_upstreams() {
    let host =
        HostView { certificate_folders: vec!["/usr/share/ca-certificates"], external_authority: false };
    let pod = api_server(&configuration(), &host);
    let container = &pod.spec.containers[0];
    let names: Vec<&str> = pod.spec.volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(names, ["ca-certs", "k8s-certs", "usr-share-ca-certificates"]);
    assert!(container.volume_mounts.iter().all(|mount| mount.read_only));
    let startup = container.startup_probe.as_ref().expect("a startup probe");
    assert_eq!((startup.failure_threshold, startup.period_seconds), (24, 10));
    assert_eq!(startup.handler.http_get.as_ref().expect("by HTTP").host, "192.0.2.1");
    let manager = controller_manager(&configuration(), &host);
    assert!(manager.spec.containers[0].readiness_probe.is_none());
    assert_eq!(
        manager.spec.containers[0]
            .liveness_probe
            .as_ref()
            .expect("a probe")
            .handler
            .http_get
            .as_ref()
            .expect("by HTTP")
            .path,
        "/healthz"
    );
}

#[test]
fn a_manifest_reads_as_yaml() {
    let text = crate::render::static_pod::manifest(&scheduler(&configuration(), &HostView::default()));
    let value: serde_json::Value = machinery::codec::yaml::from_str(&text).expect("YAML");
    assert_eq!(value["apiVersion"], "v1");
    assert_eq!(value["kind"], "Pod");
    assert_eq!(value["metadata"]["labels"]["component"], "kube-scheduler");
    assert_eq!(value["spec"]["priorityClassName"], "system-node-critical");
    assert_eq!(value["spec"]["containers"][0]["resources"]["requests"]["cpu"], "100m");
    assert_eq!(value["spec"]["containers"][0]["ports"][0]["containerPort"], 10259);
    assert_eq!(value["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
}

#[test]
fn the_controller_manager_signs_and_allocates_only_where_it_can() {
    let mut configuration = configuration();
    let command = command_of(controller_manager, &configuration, &HostView::default());
    assert!(command.contains(&"--cluster-cidr=10.244.0.0/16".to_owned()));
    assert!(command.contains(&"--cluster-signing-key-file=/etc/kubernetes/pki/ca.key".to_owned()));
    configuration.cluster.networking.pod_subnet.clear();
    let external = HostView { external_authority: true, ..HostView::default() };
    let command = command_of(controller_manager, &configuration, &external);
    assert!(command.contains(&"--cluster-signing-key-file=".to_owned()));
    assert!(!command.iter().any(|word| word.starts_with("--allocate-node-cidrs")));
}

#[test]
fn kubelets_are_verified_unless_they_make_their_own_certificates() {
    let mut configuration = configuration();
    configuration.kubelet.fields.insert("serverTLSBootstrap".to_owned(), false.into());
    let command = command_of(api_server, &configuration, &HostView::default());
    assert!(!command.iter().any(|word| word.contains("kubelet-certificate-authority")), "{command:?}");
}

#[test]
fn components_serve_with_certificates_that_can_be_verified() {
    let configuration = configuration();
    for renderer in [controller_manager, scheduler] {
        let command = command_of(renderer, &configuration, &HostView::default());
        let expected = format!("--tls-cert-file=/etc/kubernetes/pki/{}.crt", command[0]);
        assert!(command.contains(&expected), "{command:?}");
        let external = HostView { external_authority: true, ..HostView::default() };
        let command = command_of(renderer, &configuration, &external);
        assert!(!command.iter().any(|word| word.starts_with("--tls-")), "nobody can sign: {command:?}");
    }
}

#[test]
fn users_replace_flags_and_add_volumes() {
    let mut configuration = configuration();
    let arg = crate::render::arguments::arg;
    configuration.cluster.api_server.extra_args =
        vec![arg("authorization-mode", "RBAC,Nonsense"), arg("audit-log-path", "/var/log/audit")];
    configuration.cluster.scheduler.extra_args = vec![arg("bind-address", "0.0.0.0")];
    configuration.cluster.scheduler.extra_volumes = vec![v1beta4::HostPathMount {
        name: "policy".to_owned(),
        host_path: "/etc/policy".to_owned(),
        mount_path: "/policy".to_owned(),
        read_only: true,
        path_type: "File".to_owned(),
    }];
    let command = command_of(api_server, &configuration, &HostView::default());
    assert!(command.contains(&"--authorization-mode=RBAC".to_owned()), "{command:?}");
    assert_eq!(command.iter().filter(|word| word.starts_with("--authorization-mode")).count(), 1);
    assert!(command.contains(&"--audit-log-path=/var/log/audit".to_owned()));
    let pod = scheduler(&configuration, &HostView::default());
    let mounts: Vec<&str> =
        pod.spec.containers[0].volume_mounts.iter().map(|mount| mount.mount_path.as_str()).collect();
    let (certificate, key) =
        ("/etc/kubernetes/pki/kube-scheduler.crt", "/etc/kubernetes/pki/kube-scheduler.key");
    assert_eq!(mounts, ["/etc/kubernetes/scheduler.conf", "/policy", certificate, key]);
    let probe = pod.spec.containers[0].liveness_probe.as_ref().expect("a probe");
    assert_eq!(probe.handler.http_get.as_ref().expect("by HTTP").host, "", "probed at the pod's own address");
}

#[test]
fn folders_of_an_external_store_are_mounted_once() {
    let external = |ca: &str, cert: &str, key: &str| ExternalEtcd {
        ca_file: ca.to_owned(),
        cert_file: cert.to_owned(),
        key_file: key.to_owned(),
        ..ExternalEtcd::default()
    };
    let pki = "/etc/kubernetes/pki";
    assert_eq!(
        external_etcd_folders(&external("/etc/etcd/ca.crt", "/etc/etcd/certs/c.crt", "/k/c.key"), pki),
        ["/etc/etcd", "/k"]
    );
    assert!(
        external_etcd_folders(&external("/etc/kubernetes/pki/e/ca.crt", "/etc/ssl/certs/c", ""), pki)
            .is_empty()
    );
}
