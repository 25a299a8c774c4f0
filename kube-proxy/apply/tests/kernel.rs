//! The rules in a real kernel: each test has a network namespace of its own. Needs root and nft.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use kube_proxy_apply::Table;
use kube_proxy_core::model::{Endpoint, Family, Protocol, ServicePort};
use kube_proxy_core::select::Here;
use kube_proxy_core::skeleton::Settings;
use kube_proxy_core::state::State;

/// Runs the test in a new network namespace, on a runtime whose threads all live there.
fn in_namespace(test: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
        // A way out of the host, as any host has: without one, nothing but loopback would be routed.
        for arguments in [
            "link set lo up",
            "link add eth0 type veth peer name far",
            "link set far up",
            "link set eth0 up",
            "addr add 192.0.2.10/24 dev eth0",
            "route add default via 192.0.2.1",
            "neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0",
        ] {
            let status = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is there");
            assert!(status.success(), "ip {arguments}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test);
    })
    .join()
    .expect("the test panicked");
}

fn service(endpoints: &[u16]) -> ServicePort {
    let endpoint = |port: &u16| Endpoint {
        address: [192, 0, 2, 10].into(),
        port: *port,
        ready: true,
        serving: true,
        terminating: false,
        local: true,
        zones: BTreeSet::new(),
        nodes: BTreeSet::new(),
    };
    ServicePort {
        name: "ns/web:".into(),
        protocol: Protocol::Tcp,
        cluster_ip: [10, 96, 0, 9].into(),
        port: 80,
        node_port: 30080,
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        external_local: false,
        internal_local: false,
        affinity_seconds: None,
        health_check_node_port: 0,
        endpoints: endpoints.iter().map(endpoint).collect(),
    }
}

/// Answers each connection with its own port.
fn serve(port: u16) {
    let listener = TcpListener::bind(("192.0.2.10", port)).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            connection.unwrap().write_all(&port.to_be_bytes()).ok();
        }
    });
}

fn ask(address: &str) -> Result<u16, std::io::ErrorKind> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream =
        TcpStream::connect_timeout(&address, Duration::from_secs(3)).map_err(|error| error.kind())?;
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut port = [0; 2];
    stream.read_exact(&mut port).map_err(|error| error.kind())?;
    Ok(u16::from_be_bytes(port))
}

struct World {
    table: Table,
    state: State,
}

impl World {
    async fn new() -> Self {
        let settings =
            Settings { service_cidrs: vec!["10.96.0.0/16".parse().unwrap()], ..Settings::default() };
        let table = Table::new(Family::V4, settings);
        table.reset().await.unwrap();
        Self { table, state: State::default() }
    }

    async fn set(&mut self, ports: Vec<ServicePort>) {
        let here = Here { node: "here".into(), zone: String::new() };
        let transaction = self.state.apply(&[("ns/web".into(), ports)], Family::V4, &here);
        self.table.apply(&transaction).await.unwrap();
    }
}

#[test]
fn connections_reach_every_endpoint_by_cluster_ip_and_node_port() {
    in_namespace(async {
        let ports = [8001, 8002, 8003];
        ports.iter().for_each(|port| serve(*port));
        let mut world = World::new().await;
        world.set(vec![service(&ports)]).await;
        for way in ["10.96.0.9:80", "192.0.2.10:30080"] {
            let reached: BTreeSet<u16> = (0..60).map(|_| ask(way).unwrap()).collect();
            assert_eq!(reached, BTreeSet::from(ports), "{way}");
        }
        world.set(vec![service(&ports[..1])]).await;
        assert!((0..20).all(|_| ask("10.96.0.9:80") == Ok(8001)));
        world.set(vec![service(&[])]).await;
        assert_eq!(ask("10.96.0.9:80"), Err(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(ask("192.0.2.10:30080"), Err(std::io::ErrorKind::ConnectionRefused));
        world.set(vec![service(&ports)]).await;
        assert!(ask("10.96.0.9:80").is_ok());
        world.set(Vec::new()).await;
        assert!(ask("10.96.0.9:80").is_err());
    });
}

#[test]
fn a_client_keeps_its_endpoint() {
    in_namespace(async {
        let ports = [8001, 8002, 8003];
        ports.iter().for_each(|port| serve(*port));
        let mut world = World::new().await;
        let sticky = |ports: &[u16]| ServicePort { affinity_seconds: Some(60), ..service(ports) };
        world.set(vec![sticky(&ports)]).await;
        let first = ask("10.96.0.9:80").unwrap();
        assert!((0..20).all(|_| ask("10.96.0.9:80") == Ok(first)));
        let others: Vec<u16> = ports.into_iter().filter(|port| *port != first).collect();
        world.set(vec![sticky(&others)]).await;
        let second = ask("10.96.0.9:80").unwrap();
        assert!(second != first && (0..20).all(|_| ask("10.96.0.9:80") == Ok(second)));
        world.set(vec![service(&ports)]).await;
        let reached: BTreeSet<u16> = (0..60).map(|_| ask("10.96.0.9:80").unwrap()).collect();
        assert_eq!(reached, BTreeSet::from(ports));
    });
}

#[test]
fn many_services_are_put_in_at_once() {
    in_namespace(async {
        let mut world = World::new().await;
        let many: Vec<(String, Vec<ServicePort>)> = (0..2000u32)
            .map(|number| {
                let name = format!("ns/web-{number}");
                let [.., high, low] = number.to_be_bytes();
                let port = ServicePort {
                    name: format!("{name}:"),
                    cluster_ip: IpAddr::from([10, 96, high + 1, low]),
                    node_port: 0,
                    ..service(&[8001, 8002])
                };
                (name, vec![port])
            })
            .collect();
        serve(8001);
        serve(8002);
        let here = Here { node: "here".into(), zone: String::new() };
        let transaction = world.state.apply(&many, Family::V4, &here);
        world.table.apply(&transaction).await.unwrap();
        assert!(ask("10.96.1.0:80").is_ok());
        assert!(ask("10.96.8.207:80").is_ok());
        world.table.reset().await.unwrap();
        world.table.apply(&world.state.everything()).await.unwrap();
        assert!(ask("10.96.8.207:80").is_ok());
    });
}
