#!/bin/bash
# What users do on two Debian hosts with systemd: kubeadm init, join, traffic, a reboot, drain, reset.
#   two-hosts.sh PROGRAMS ARCHIVES    folders with the static programs and with the image archives
# Needs root, systemd-container and mmdebstrap; LAB_DIR (2 GB) keeps the root file system for the next run.
set -euo pipefail
programs=$(realpath "$1") archives=$(realpath "$2") here=$(dirname "$(realpath "$0")")
export LAB_DIR=${LAB_DIR:-/var/tmp/lab}
node() { "$here/node.sh" "$@"; }
say() { printf '%(%T)T %s\n' -1 "$*"; }
kubectl() { node exec 1 env KUBECONFIG=/etc/kubernetes/admin.conf kubectl "$@"; }
finish() {
  code=$?
  [ $code = 0 ] || { kubectl get nodes,pods -A -o wide || true; node exec 2 journalctl -u kubelet -n 20 --no-pager || true; }
  node off 1 || true; node off 2 || true; node lan-down || true; rm -rf "$LAB_DIR/nodes"
  exit $code
}
until_true() { # seconds, then a command
  local deadline=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $deadline ] || { echo "not in time: $*"; return 1; }; sleep 0.5; done
}
[ -d "$LAB_DIR/rootfs" ] || node build-rootfs
trap finish EXIT
node lan-up
busybox=$(cut -d' ' -f1 "$archives/busybox.stamp") etcd=$(cut -d' ' -f1 "$archives/etcd.stamp")
for i in 1 2; do
  binds=(--bind-ro="$archives:/usr/local/share/kubernetes/images")
  for unit in kubelet.service kubelet.service.d; do binds+=(--bind-ro="$here/../../deploy/systemd/$unit:/etc/systemd/system/$unit"); done
  for program in kubelet kubeadm kubectl; do binds+=(--bind-ro="$programs/$program:/usr/local/bin/$program"); done
  node up $i "${binds[@]}"
  node exec $i sh -ec 'sysctl -qw net.ipv4.ip_forward=1; systemctl -q enable --now kubelet'
  node exec $i ctr -n k8s.io images import /usr/local/share/kubernetes/images/busybox.tar >/dev/null
done
say "kubeadm init"
node exec 1 sh -c 'cat > /root/kubeadm.yaml' <<Y
{apiVersion: kubeadm.k8s.io/v1beta4, kind: ClusterConfiguration, networking: {podSubnet: 10.244.0.0/16}, etcd: {local: {imageTag: ${etcd##*:}}}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1Gi, imagefs.available: 1Gi}
Y
node exec 1 kubeadm init --config /root/kubeadm.yaml
say "kubeadm join"
node exec 2 $(node exec 1 env KUBECONFIG=/etc/kubernetes/admin.conf kubeadm token create --print-join-command | tail -1)
kubectl wait --for=condition=Ready node --all --timeout=60s
kubectl apply -f - <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}
      containers:
      - name: web
        image: $busybox
        imagePullPolicy: Never
        command: [sh, -c, "mkdir -p /www && hostname > /www/index.html && exec httpd -f -v -p 8080 -h /www"]
        readinessProbe: {httpGet: {port: 8080, path: /}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
Y
kubectl rollout status deployment/web --timeout=60s
on() { kubectl get pods -l app=web --field-selector=spec.nodeName=m$1 -o 'jsonpath={.items[0].metadata.name} {.items[0].status.podIP}'; }
traffic() {
  local from to name address cluster
  cluster=$(kubectl get service web -o 'jsonpath={.spec.clusterIP}')
  for from in 1 2; do
    for to in 1 2; do
      read -r name address <<<"$(on $to)"
      [ "$(node exec $from curl -sS -m 3 "http://$address:8080/")" = "$name" ] || return 1
      [ "$(kubectl exec "$(on $from | cut -d' ' -f1)" -- wget -q -O - "http://$address:8080/")" = "$name" ] || return 1
      node exec $from curl -sS -f -m 3 -o /dev/null "http://172.30.0.1$to:30080/" || return 1
    done
    node exec $from curl -sS -f -m 3 -o /dev/null "http://$cluster/" || return 1
    read -r name address <<<"$(on $from)"
    kubectl exec "$name" -- wget -q -O /dev/null http://web.default.svc.cluster.local/ || return 1
    kubectl logs "$name" | grep -q response:200 || return 1
  done
}
say "traffic"; traffic
say "a hundred commands, each with its status"
node exec 1 env KUBECONFIG=/etc/kubernetes/admin.conf sh -ec 'for i in $(seq 100); do kubectl exec "$0" -- true; done' "$(on 2 | cut -d' ' -f1)"
say "reboot of host 2"; node reboot 2
until_true 60 sh -c "'$here/node.sh' exec 1 env KUBECONFIG=/etc/kubernetes/admin.conf kubectl get pods -l app=web -o jsonpath='{.items[*].status.containerStatuses[0].restartCount}' | tr -d '0 ' | grep -q 11"
kubectl rollout status deployment/web --timeout=60s
until_true 60 traffic
say "drain"; kubectl drain m2 --ignore-daemonsets --timeout=60s; kubectl delete node m2
say "kubeadm reset"
for i in 2 1; do
  node exec $i kubeadm reset --force >/dev/null
  left=$(node exec $i sh -c 'ls -A /var/lib/kubelet; nft list tables; ip link show cni0 2>/dev/null; ctr -n k8s.io containers ls -q')
  [ -z "$left" ] || { echo "left on host $i: $left"; exit 1; }
done
say "all of it works"
