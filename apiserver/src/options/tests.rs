//! Command lines as kubeadm writes them, and broken ones.

use super::*;

fn parse(arguments: &[&str]) -> Result<Options, String> {
    let arguments = std::iter::once("kube-apiserver").chain(arguments.iter().copied());
    Options::try_parse_from(arguments).map_err(|error| error.to_string())
}

const KUBEADM: [&str; 28] = [
    "--advertise-address=192.168.1.10",
    "--allow-privileged=true",
    "--authorization-mode=Node,RBAC",
    "--client-ca-file=/etc/kubernetes/pki/ca.crt",
    "--enable-admission-plugins=NodeRestriction",
    "--enable-bootstrap-token-auth=true",
    "--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt",
    "--etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt",
    "--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key",
    "--etcd-servers=https://127.0.0.1:2379",
    "--kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt",
    "--kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt",
    "--proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key",
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-username-headers=X-Remote-User",
    "--secure-port=6443",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
    "--service-account-signing-key-file=/etc/kubernetes/pki/sa.key",
    "--service-cluster-ip-range=10.96.0.0/12",
    "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
    "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
    "--runtime-config=",
];

#[test]
fn the_flags_of_kubeadm_are_understood() {
    let options = parse(&KUBEADM).unwrap();
    assert_eq!(options.broken_rules(false), Vec::<String>::new());
    assert_eq!(options.generic.authorization_mode, ["Node", "RBAC"]);
    assert!(options.generic.allow_privileged);
    assert_eq!(options.serving.advertise_address, Some("192.168.1.10".parse().unwrap()));
}

#[track_caller]
fn check_broken(more: &[&str], expected: &str) {
    let broken = parse(&[&KUBEADM[..], more].concat()).unwrap().broken_rules(false);
    assert!(broken.iter().any(|rule| rule.contains(expected)), "{broken:?}");
}

#[test]
fn broken_combinations_are_listed() {
    check_broken(&["--authorization-mode=Webhook"], "\"Webhook\" is not a valid mode");
    check_broken(&["--authorization-mode=RBAC,RBAC"], "more than once");
    check_broken(
        &["--kubelet-certificate-authority=/ca.crt", "--kubelet-insecure-tls"],
        "--kubelet-certificate-authority and --kubelet-insecure-tls exclude each other",
    );
    check_broken(&["--kubelet-preferred-address-types=Other"], "unknown type \"Other\"");
    check_broken(&["--service-cluster-ip-range=10.0.0.0/8"], "the mask must be >= 12");
    check_broken(&["--audit-log-path=-"], "--audit-policy-file");
    check_broken(&["--enable-admission-plugins=Nonsense"], "plugin \"Nonsense\" is unknown; known are ");
    check_broken(&["--enable-admission-plugins=ImagePolicyWebhook"], "is not part of this program");
    check_broken(&["--disable-admission-plugins=Nonsense"], "disable-admission-plugins plugin \"Nonsense\"");
    check_broken(&["--tls-sni-cert-key=only"], "comma separated certificate and key");
    let nothing = parse(&[]).unwrap().broken_rules(false);
    assert!(nothing.iter().any(|rule| rule == "--etcd-servers must be specified"), "{nothing:?}");
    assert!(nothing.iter().any(|rule| rule.contains("service-account-issuer")));
}

#[test]
fn flags_that_would_not_act_are_refused() {
    assert!(parse(&["--cloud-provider=aws"]).is_err());
    assert!(parse(&["--service-account-lookup=false"]).is_err());
    assert!(parse(&["--audit-log-mode=batch"]).is_err());
}
