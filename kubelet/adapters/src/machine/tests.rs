//! The machine from files made for the test, and a little of the real one.

use kubelet_core::ports::Packets;

use super::*;

fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, NodeMachine) {
    let directory = tempfile::tempdir().expect("directory");
    for (file, content) in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("directory");
        fs::write(path, content).expect("file");
    }
    let root = directory.path().to_owned();
    (directory, NodeMachine { root })
}

const MEMINFO: &str =
    "MemTotal: 1000 kB\nMemFree: 400 kB\nAnonPages: 200 kB\nInactive(file): 100 kB\nSwapTotal: 8 kB\n";

#[tokio::test]
async fn facts_with_fallbacks() {
    let (_directory, machine) = machine(&[
        ("proc/meminfo", MEMINFO),
        ("sys/devices/system/cpu/online", "0-3,6\n"),
        ("etc/machine-id", "abc\n"),
        ("usr/lib/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
        ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "5\n"),
    ]);
    let facts = machine.facts().await.expect("facts");
    assert_eq!((facts.cpus, facts.memory_bytes, facts.swap_bytes), (5, 1_024_000, 8192));
    assert_eq!((facts.machine_id.as_str(), facts.system_uuid.as_str()), ("abc", "abc"));
    assert_eq!(facts.os_image, "Debian GNU/Linux 12");
    assert_eq!(facts.hugepages, [(2_097_152, 5)].into());
}

#[tokio::test]
async fn memory_by_what_the_kernel_shows() {
    async fn check(files: &[(&str, &str)], usage: u64, working_set: u64) {
        let mut all = vec![("proc/meminfo", MEMINFO)];
        all.extend(files);
        let (_directory, machine) = machine(&all);
        let memory = machine.memory().await.expect("memory");
        assert_eq!((memory.usage_bytes, memory.working_set_bytes), (usage, working_set));
        assert_eq!(memory.available_bytes, 1_024_000 - working_set);
    }
    check(&[], 600 * 1024, 500 * 1024).await;
    let v1 = [
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n"),
        ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 1000\n"),
    ];
    check(&v1, 5000, 4000).await;
    check(&[("sys/fs/cgroup/memory.stat", "anon 3000\nfile 2000\ninactive_file 500\n")], 5000, 4500).await;
}

#[tokio::test]
async fn processes_and_cpu_time() {
    let (_directory, machine) = machine(&[
        ("proc/loadavg", "0.00 0.01 0.05 2/345 6789\n"),
        ("proc/sys/kernel/pid_max", "32768\n"),
        ("proc/sys/kernel/threads-max", "1000\n"),
        ("proc/stat", "cpu  10 1 5 1000 9 1 2 3 4 0\ncpu0 1 1 1 1\n"),
    ]);
    assert_eq!(machine.processes().await.expect("count"), ProcessCount { limit: 1000, running: 345 });
    assert_eq!(machine.cpu_total_nanos().await.expect("time"), 220_000_000);
}

#[test]
fn sysctl_names() {
    let check = |name: &str, expected: Option<&str>| {
        assert_eq!(sysctl_path(name).ok().as_deref(), expected, "{name}");
    };
    check("vm.overcommit_memory", Some("/proc/sys/vm/overcommit_memory"));
    check("net.ipv4.conf.eth0/1.forwarding", Some("/proc/sys/net/ipv4/conf/eth0.1/forwarding"));
    check("net/ipv4/conf/eth0.1/forwarding", Some("/proc/sys/net/ipv4/conf/eth0.1/forwarding"));
    check("../../etc/passwd", None);
    check("net..ipv4", None);
}

#[test]
fn addresses_of_default_routes() {
    let interface = |name: &str, addresses: &[&str]| Interface {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| (text.parse().expect("address"), 24)).collect(),
        ..Default::default()
    };
    let interfaces = [
        interface("eth0", &["10.0.0.5", "fe80::1", "fd00::5"]),
        interface("eth1", &["169.254.0.1", "192.168.0.5"]),
    ];
    let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";
    let v4 = |name: &str, metric: u32| {
        format!("{name}\t00000000\t0101A8C0\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0\n")
    };
    let zeros = "0".repeat(32);
    let v6 = format!("{zeros} 00 {zeros} 00 {zeros} 00000400 00000001 00000000 00000003     eth0\n");
    let check = |ipv4: &str, ipv6: &str, expected: &[&str]| {
        let got = network::default_route_addresses(&interfaces, ipv4, ipv6);
        let expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().expect("address")).collect();
        assert_eq!(got, expected);
    };
    check(&format!("{head}{}", v4("eth0", 0)), &v6, &["10.0.0.5", "fd00::5"]);
    check(&format!("{head}{}{}", v4("eth0", 100), v4("eth1", 50)), "", &["192.168.0.5"]);
    check(head, "", &[]);
}

#[tokio::test]
async fn the_machine_itself_answers() {
    let machine = NodeMachine::new();
    let facts = machine.facts().await.expect("facts");
    assert!(facts.cpus >= 1 && facts.memory_bytes > 0 && !facts.kernel_version.is_empty());
    assert!(machine.interfaces().await.expect("interfaces").iter().any(|interface| interface.loopback));
    assert!(machine.filesystem(Path::new("/")).await.expect("usage").capacity_bytes > 0);
    let error = machine.filesystem(Path::new("/nonexistent")).await.expect_err("missing");
    assert!(error.to_string().starts_with("stat file system of /nonexistent: "), "{error}");
}

#[tokio::test]
async fn traffic_of_another_network_namespace() {
    let table = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
        lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n  \
        eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n";
    let (_directory, machine) = machine(&[("proc/7/net/dev", table)]);
    let found = machine.interfaces_of(7).await.expect("interfaces");
    let seen: Vec<_> =
        found.iter().map(|known| (known.name.as_str(), known.rx_bytes, known.tx_errors)).collect();
    assert_eq!(seen, [("eth0", 1000, 3)]);
    let packets = found.first().map(|known| known.packets);
    let expected = Packets { received: 10, receive_dropped: 2, transmitted: 20, transmit_dropped: 4 };
    assert_eq!(packets, Some(expected));
    machine.interfaces_of(8).await.expect_err("no such process");
}
