//! The answer to a question, from what the API says: a pure function.

use std::net::IpAddr;

use api_types::core::v1::Service;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{CNAME, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::question::Question;
use crate::view::View;

/// An answer about the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `NoError`, or `NXDomain` when nothing has this name.
    pub code: ResponseCode,
    /// Records that answer the question.
    pub answers: Vec<Record>,
    /// Addresses of the targets of SRV records.
    pub additionals: Vec<Record>,
}

/// The zone of the cluster.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Domain, without a final dot.
    pub domain: String,
    /// Seconds for which answers may be kept.
    pub ttl: u32,
    /// Names of pods are answered.
    pub pods: bool,
}

impl Zone {
    /// The record that goes with answers which are empty.
    pub fn start_of_authority(&self) -> Option<Record> {
        let apex = self.name(&[])?;
        let server = self.name(&["ns", "dns"])?;
        let mailbox = self.name(&["hostmaster"])?;
        let data = SOA::new(server, mailbox, 1, 7200, 1800, 86400, self.ttl);
        Some(Record::from_rdata(apex, self.ttl, RData::SOA(data)))
    }

    /// A name in the domain; `None` for labels that DNS cannot carry.
    fn name(&self, labels: &[&str]) -> Option<Name> {
        let inner = labels.iter().flat_map(|label| [label, "."]).collect::<String>();
        Name::from_ascii(format!("{inner}{}.", self.domain)).ok()
    }

    fn service_name(&self, namespace: &str, service: &str) -> Option<Name> {
        self.name(&[service, namespace, "svc"])
    }
}

fn address_record(name: &Name, ttl: u32, address: IpAddr, wanted: RecordType) -> Option<Record> {
    let data = match address {
        IpAddr::V4(v4) if matches!(wanted, RecordType::A | RecordType::ANY) => RData::A(v4.into()),
        IpAddr::V6(v6) if matches!(wanted, RecordType::AAAA | RecordType::ANY) => RData::AAAA(v6.into()),
        _ => return None,
    };
    Some(Record::from_rdata(name.clone(), ttl, data))
}

fn found(answers: Vec<Record>) -> Answer {
    Answer { code: ResponseCode::NoError, answers, additionals: Vec::new() }
}

fn nothing() -> Answer {
    Answer { code: ResponseCode::NXDomain, answers: Vec::new(), additionals: Vec::new() }
}

fn when(exists: bool) -> Answer {
    if exists { found(Vec::new()) } else { nothing() }
}

fn is_headless(service: &Service) -> bool {
    service.spec.cluster_ip == "None"
}

/// Answers; `None` sends the question on to other servers.
pub fn answer(
    view: &View,
    zone: &Zone,
    name: &Name,
    question: &Question,
    wanted: RecordType,
) -> Option<Answer> {
    Some(match question {
        Question::Foreign => return None,
        Question::Nothing => nothing(),
        Question::Apex => match wanted {
            RecordType::SOA => found(zone.start_of_authority().into_iter().collect()),
            _ => found(Vec::new()),
        },
        Question::Version => {
            let text = matches!(wanted, RecordType::TXT | RecordType::ANY);
            let record =
                || Record::from_rdata(name.clone(), zone.ttl, RData::TXT(TXT::new(vec!["1.1.0".to_owned()])));
            found(text.then(record).into_iter().collect())
        }
        Question::Branch { namespace: None } => found(Vec::new()),
        Question::Branch { namespace: Some(namespace) } => when(view.has_namespace(namespace)),
        Question::Service { namespace, service } => match view.service(namespace, service) {
            Some(service) => of_service(view, zone, name, &service, wanted),
            None => nothing(),
        },
        Question::Endpoint { namespace, service, hostname } => match view.service(namespace, service) {
            Some(service) if is_headless(&service) => {
                let endpoints = view.endpoints(&service);
                let named: Vec<_> =
                    endpoints.iter().filter(|endpoint| endpoint.hostname == *hostname).collect();
                if named.is_empty() {
                    return Some(nothing());
                }
                let records = named.iter().filter_map(|e| address_record(name, zone.ttl, e.address, wanted));
                found(records.collect())
            }
            _ => nothing(),
        },
        Question::Port { namespace, service, port, protocol } => match view.service(namespace, service) {
            Some(service) => of_port(view, zone, name, &service, port, protocol, wanted),
            None => nothing(),
        },
        Question::Pod { namespace, address } => {
            if !zone.pods || !view.has_namespace(namespace) {
                return Some(nothing());
            }
            found(address_record(name, zone.ttl, *address, wanted).into_iter().collect())
        }
        Question::Reverse(address) => return reverse(view, zone, name, *address, wanted),
    })
}

fn of_service(view: &View, zone: &Zone, name: &Name, service: &Service, wanted: RecordType) -> Answer {
    if service.spec.type_ == "ExternalName" {
        let Ok(target) = Name::from_ascii(format!("{}.", service.spec.external_name.trim_end_matches('.')))
        else {
            return found(Vec::new());
        };
        return found(vec![Record::from_rdata(name.clone(), zone.ttl, RData::CNAME(CNAME(target)))]);
    }
    let addresses: Vec<IpAddr> = if is_headless(service) {
        let mut addresses: Vec<IpAddr> =
            view.endpoints(service).iter().map(|endpoint| endpoint.address).collect();
        addresses.sort();
        addresses.dedup();
        if addresses.is_empty() {
            return nothing();
        }
        addresses
    } else {
        service.spec.cluster_ips.iter().filter_map(|text| text.parse().ok()).collect()
    };
    found(
        addresses.into_iter().filter_map(|address| address_record(name, zone.ttl, address, wanted)).collect(),
    )
}

fn of_port(
    view: &View,
    zone: &Zone,
    name: &Name,
    service: &Service,
    port: &str,
    protocol: &str,
    wanted: RecordType,
) -> Answer {
    let meta = &service.metadata;
    let mut targets: Vec<(Name, u16, Vec<IpAddr>)> = Vec::new();
    if is_headless(service) {
        for endpoint in view.endpoints(service) {
            let labels = [endpoint.hostname.as_str(), &meta.name, &meta.namespace, "svc"];
            let Some(target) = zone.name(&labels) else { continue };
            let matching = endpoint.ports.iter().filter(|(n, p, _)| n == port && p == protocol);
            targets.extend(matching.map(|(_, _, number)| (target.clone(), *number, vec![endpoint.address])));
        }
    } else if let Some(target) = zone.service_name(&meta.namespace, &meta.name) {
        let addresses: Vec<IpAddr> =
            service.spec.cluster_ips.iter().filter_map(|text| text.parse().ok()).collect();
        let matching =
            service.spec.ports.iter().filter(|p| p.name == port && p.protocol.eq_ignore_ascii_case(protocol));
        targets.extend(
            matching.filter_map(|p| Some((target.clone(), u16::try_from(p.port).ok()?, addresses.clone()))),
        );
    }
    if targets.is_empty() {
        return nothing();
    }
    if !matches!(wanted, RecordType::SRV | RecordType::ANY) {
        return found(Vec::new());
    }
    let weight = u16::try_from(100 / targets.len().max(1)).unwrap_or(1).max(1);
    let mut answer = found(Vec::new());
    for (target, number, addresses) in targets {
        let data = RData::SRV(SRV::new(0, weight, number, target.clone()));
        answer.answers.push(Record::from_rdata(name.clone(), zone.ttl, data));
        let records = addresses.iter().filter_map(|a| address_record(&target, zone.ttl, *a, RecordType::ANY));
        answer.additionals.extend(records);
    }
    answer
}

fn reverse(view: &View, zone: &Zone, name: &Name, address: IpAddr, wanted: RecordType) -> Option<Answer> {
    let mut targets = Vec::new();
    if let Some(service) = view.service_with_address(address) {
        targets.extend(zone.service_name(&service.metadata.namespace, &service.metadata.name));
    }
    for (service, endpoint) in view.endpoints_with_address(address) {
        if let Some((namespace, service)) = service.split_once('/') {
            targets.extend(zone.name(&[&endpoint.hostname, service, namespace, "svc"]));
        }
    }
    if targets.is_empty() {
        // Perhaps somebody outside knows the address.
        return None;
    }
    if !matches!(wanted, RecordType::PTR | RecordType::ANY) {
        return Some(found(Vec::new()));
    }
    let record = |target| Record::from_rdata(name.clone(), zone.ttl, RData::PTR(PTR(target)));
    Some(found(targets.into_iter().map(record).collect()))
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::Namespace;
    use api_types::discovery::v1::EndpointSlice;
    use machinery::Message;
    use runtime::Store;
    use serde_json::{Value, json};

    use super::*;
    use crate::{question, view};

    fn view() -> View {
        let service = |name: &str, spec: Value| {
            Service::from_value(&json!({"metadata": {"namespace": "ns", "name": name}, "spec": spec}))
                .unwrap()
        };
        let services = Store::with_objects([
            service(
                "web",
                json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}),
            ),
            service("db", json!({"clusterIP": "None", "clusterIPs": ["None"]})),
            service("ext", json!({"type": "ExternalName", "externalName": "example.com"})),
        ]);
        services.add_index(view::BY_ADDRESS, view::cluster_ips);
        let slice = json!({"metadata": {"namespace": "ns", "name": "db-1", "labels": {"kubernetes.io/service-name": "db"}},
            "addressType": "IPv4", "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}], "endpoints": [
                {"addresses": ["10.1.0.2"], "hostname": "db-0", "conditions": {"ready": true}},
                {"addresses": ["10.1.0.3"], "conditions": {"ready": true}},
                {"addresses": ["10.1.0.4"], "conditions": {"ready": false}}]});
        let slices = Store::with_objects([EndpointSlice::from_value(&slice).unwrap()]);
        slices.add_index(view::BY_SERVICE, view::service_of);
        slices.add_index(view::BY_ADDRESS, view::endpoint_addresses);
        let namespace = Namespace::from_value(&json!({"metadata": {"name": "ns"}})).unwrap();
        View { namespaces: Store::with_objects([namespace]), services, slices }
    }

    /// Answers as one line: code, then the data of each record.
    fn check(name: &str, wanted: RecordType, expected: &str) {
        let zone = Zone { domain: "cluster.local".into(), ttl: 5, pods: true };
        let question = question::parse(name, &zone.domain);
        let wire = Name::from_ascii(format!("{name}.")).unwrap();
        let shown = match answer(&view(), &zone, &wire, &question, wanted) {
            None => "elsewhere".to_owned(),
            Some(answer) => {
                let records = answer
                    .answers
                    .iter()
                    .chain(&answer.additionals)
                    .map(|record| format!(" {}", record.data));
                format!("{:?}{}", answer.code, records.collect::<String>())
            }
        };
        assert_eq!(shown, expected, "{name} {wanted}");
    }

    #[test]
    fn the_specification_is_kept() {
        check("web.ns.svc.cluster.local", RecordType::A, "NoError 10.96.0.9");
        check("web.ns.svc.cluster.local", RecordType::AAAA, "NoError");
        check("none.ns.svc.cluster.local", RecordType::A, "NXDomain");
        check("db.ns.svc.cluster.local", RecordType::A, "NoError 10.1.0.2 10.1.0.3");
        check("db-0.db.ns.svc.cluster.local", RecordType::A, "NoError 10.1.0.2");
        check("10-1-0-3.db.ns.svc.cluster.local", RecordType::A, "NoError 10.1.0.3");
        check("db-9.db.ns.svc.cluster.local", RecordType::A, "NXDomain");
        check("ext.ns.svc.cluster.local", RecordType::A, "NoError example.com.");
        check(
            "_http._tcp.web.ns.svc.cluster.local",
            RecordType::SRV,
            "NoError 0 100 80 web.ns.svc.cluster.local. 10.96.0.9",
        );
        check("_http._udp.web.ns.svc.cluster.local", RecordType::SRV, "NXDomain");
        check(
            "_sql._tcp.db.ns.svc.cluster.local",
            RecordType::SRV,
            "NoError 0 50 5432 db-0.db.ns.svc.cluster.local. 0 50 5432 10-1-0-3.db.ns.svc.cluster.local. 10.1.0.2 10.1.0.3",
        );
        check("9.0.96.10.in-addr.arpa", RecordType::PTR, "NoError web.ns.svc.cluster.local.");
        check("2.0.1.10.in-addr.arpa", RecordType::PTR, "NoError db-0.db.ns.svc.cluster.local.");
        check("1.1.1.1.in-addr.arpa", RecordType::PTR, "elsewhere");
        check("10-9-8-7.ns.pod.cluster.local", RecordType::A, "NoError 10.9.8.7");
        check("10-9-8-7.other.pod.cluster.local", RecordType::A, "NXDomain");
        check("dns-version.cluster.local", RecordType::TXT, "NoError 1.1.0");
        check("example.com", RecordType::A, "elsewhere");
    }
}
