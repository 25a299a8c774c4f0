#!/bin/bash
# node.sh build-rootfs [DIR] | lan-up | lan-down | up N [nspawn args] | exec N cmd.. | wait N [oldleader] | reboot N | off N | kill N | cut N | heal N | freeze N | thaw N
# Machines m1..m9 = systemd-nspawn + systemd PID 1, 172.30.0.1N, LAN = bridge br0 inside netns "lan".
set -eu
B=${LAB_DIR:-/var/tmp/lab}/nodes; R=${LAB_ROOTFS:-${LAB_DIR:-/var/tmp/lab}/rootfs}; CG=/sys/fs/cgroup; CTL="cpu cpuacct memory devices freezer blkio pids systemd unified"
ldr(){ local s l; s=$(cat $B/m$1/nspawn.pid 2>/dev/null) || return 1; l=$(cat /proc/$s/task/$s/children 2>/dev/null) || return 1; echo ${l%% *}; }
cmd=$1; N=${2:-}; M=m$N; D=$B/$M
case $cmd in
build-rootfs) # under a minute; needs mmdebstrap; takes packages from where this machine's apt takes Debian's
  N=${N:-$R}; mkdir -p "$(dirname "$N")"; S=/etc/apt/sources.list.d/debian.sources; [ -f "$S" ] || S=/etc/apt/sources.list
  unshare -m --propagation private mmdebstrap --mode=root --variant=minbase --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
   --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
   --include=systemd-sysv,dbus,udev,iproute2,iptables,nftables,conntrack,kmod,procps,mount,containerd,runc,containernetworking-plugins,ca-certificates,curl,iputils-ping \
   bookworm "$N" "$S"
  : > $N/etc/machine-id; rm -f $N/etc/hostname; mkdir -p $N/etc/containerd $N/etc/systemd/system.conf.d
  printf '[Manager]\nDefaultTimeoutStopSec=3s\nDefaultMemoryAccounting=yes\n' > $N/etc/systemd/system.conf.d/node.conf
  cat > $N/usr/sbin/nodeinit <<'X'
#!/bin/sh
# nspawn (no userns) mounts the v1 controllers read-only: make them writable before systemd looks; share mounts
mount -o remount,rw /sys/fs/cgroup
for c in cpu cpuacct cpuset memory devices freezer blkio pids; do mount -o remount,rw,bind /sys/fs/cgroup/$c; done
mount --make-rshared /
exec /lib/systemd/systemd "$@"
X
  chmod +x $N/usr/sbin/nodeinit
  cat > $N/etc/containerd/config.toml <<'X'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10.2"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
X
  ;;
lan-up) ip netns add lan; ip -n lan link set lo up; ip -n lan link add br0 type bridge; ip -n lan addr add 172.30.0.1/24 dev br0; ip -n lan link set br0 up; ip netns exec lan sysctl -qw net.bridge.bridge-nf-call-iptables=0;;
lan-down) ip netns del lan;;
net) # (re)create the machine's network namespace: a fresh NIC, no routes, no conntrack, no nft
  ip netns del $M 2>/dev/null || true; ip netns add $M; ip -n $M link set lo up
  ip -n lan link del p-$M 2>/dev/null || true; ip -n lan link add p-$M type veth peer name eth0 netns $M; ip -n lan link set p-$M master br0 up
  ip -n $M addr add 172.30.0.1$N/24 dev eth0; ip -n $M link set eth0 up; ip -n $M route add default via 172.30.0.1;;
up) shift 2; mkdir -p $D/{upper/etc,work,root,containerd,kubelet,etcd}; echo $M > $D/upper/etc/hostname
  for i in 1 2 3 4 5; do echo "172.30.0.1$i m$i"; done | sed '1i 127.0.0.1 localhost' > $D/upper/etc/hosts
  for c in $CTL; do mkdir -p $CG/$c/nodes/$M; done
  for d in nodes nodes/$M; do mkdir -p $CG/cpuset/$d; cat $CG/cpuset/cpuset.cpus > $CG/cpuset/$d/cpuset.cpus; cat $CG/cpuset/cpuset.mems > $CG/cpuset/$d/cpuset.mems; echo 1 > $CG/cpuset/$d/cgroup.clone_children; done
  cat > $D/run.sh <<X
set -e; mount --make-rprivate /; mkdir -p /run/systemd; mount -t tmpfs -o mode=755 tmpfs /run/systemd
mount -t overlay overlay -o lowerdir=$R,upperdir=$D/upper,workdir=$D/work $D/root
while :; do
  $0 net $N
  SYSTEMD_NSPAWN_API_VFS_WRITABLE=network systemd-nspawn -q -D $D/root --machine=$M --hostname=$M --kill-signal=SIGRTMIN+3 --keep-unit --register=no \
   --private-users=no --capability=all --system-call-filter="add_key keyctl bpf" --network-namespace-path=/run/netns/$M \
   --resolv-conf=off --timezone=off --link-journal=no --console=pipe --bind=/dev/fuse --bind=/dev/net/tun \
   --bind=$D/containerd:/var/lib/containerd --bind=$D/kubelet:/var/lib/kubelet --bind=$D/etcd:/var/lib/etcd $@ /usr/sbin/nodeinit &
  echo \$! > $D/nspawn.pid; rc=0; wait \$! || rc=\$?; [ \$rc = 133 ] || break     # 133 = the machine asked for a reboot
done
ip netns del $M
X
  ( for c in $CTL cpuset; do echo $BASHPID > $CG/$c/nodes/$M/cgroup.procs; done; exec setsid unshare --mount --propagation unchanged bash $D/run.sh ) > $D/console.log 2>&1 </dev/null &
  echo $! > $D/loop.pid; exec $0 wait $N;;
wait) for i in $(seq 600); do L=$(ldr $N) && [ -n "$L" ] && [ "$L" != "${3:-}" ] && [ -S /proc/$L/root/run/containerd/containerd.sock ] && { echo "$M leader $L"; exit 0; }; sleep 0.05; done; exit 1;;
exec) shift 2; exec nsenter -t $(ldr $N) -m -u -i -n -p -C -r -w -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb "$@";;
reboot) L=$(ldr $N); $0 exec $N systemctl reboot; exec $0 wait $N $L;;
off|kill) S=$(cat $D/nspawn.pid); P=$(cat $D/loop.pid); if [ $cmd = off ]; then kill -TERM $S; else kill -KILL $(ldr $N); fi
  for i in $(seq 600); do kill -0 $P 2>/dev/null || break; sleep 0.05; done
  for c in $CTL cpuset; do find $CG/$c/nodes/$M -depth -type d -exec rmdir {} + 2>/dev/null || true; done;;
cut) ip -n lan link set p-$M down;; heal) ip -n lan link set p-$M up;;
freeze) echo FROZEN > $CG/freezer/nodes/$M/freezer.state;; thaw) echo THAWED > $CG/freezer/nodes/$M/freezer.state;;
esac
