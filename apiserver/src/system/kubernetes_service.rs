//! The service `default/kubernetes` and its endpoints: the addresses of all servers that live.
//!
//! Each server keeps a key with a time to live under `/masterleases/`; whoever sees the keys of all knows
//! which addresses to publish. This is upstream's lease reconciler, keys and values included.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service, ServicePort};
use api_types::discovery::v1::{Endpoint, EndpointConditions, EndpointPort as SlicePort, EndpointSlice};
use apiserver_storage::{ListQuery, Storage, StorageError};
use bytes::Bytes;
use machinery::meta::v1::ObjectMeta;
use machinery::status::StatusError;
use machinery::{IntOrString, Message, Resource};

use super::typed::Typed;

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";
const PORT_NAME: &str = "https";
const SERVICE_PORT: i32 = 443;
/// Keeps the endpoint slice mirroring controller away: the slice is written here.
const SKIP_MIRROR_LABEL: &str = "endpointslice.kubernetes.io/skip-mirror";
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// How long a server that has died stays published.
const LEASE_TIME: Duration = Duration::from_secs(15);
/// How often leases are renewed and endpoints are compared.
pub const PERIOD: Duration = Duration::from_secs(10);

/// What is published.
#[derive(Clone, Debug)]
pub struct KubernetesService {
    /// First address of the service network.
    pub cluster_ip: IpAddr,
    /// Address of this server.
    pub advertise_address: IpAddr,
    /// Port of this server.
    pub port: u16,
    /// Node port, or 0.
    pub node_port: u16,
    /// Prefix of all keys, without a slash at its end.
    pub storage_prefix: String,
}

impl KubernetesService {
    /// Creates the service if it is missing and publishes the addresses of all living servers.
    pub async fn reconcile(&self, typed: &Typed, storage: &Arc<dyn Storage>) -> Result<(), StatusError> {
        self.ensure_service(typed).await?;
        if self.advertise_address.is_loopback() {
            // Nobody but this host could use it, and endpoints may not hold it: a server for development.
            return Ok(());
        }
        self.renew(storage).await.map_err(storage_error)?;
        let addresses = self.living(storage).await.map_err(storage_error)?;
        if addresses.is_empty() {
            return Err(StatusError::internal_error(
                "no API server IP addresses were listed in storage, refusing to erase all endpoints for the kubernetes Service",
            ));
        }
        self.publish(typed, &addresses).await
    }

    /// Takes this server's address back, as it stops serving.
    pub async fn withdraw(&self, typed: &Typed, storage: &Arc<dyn Storage>) -> Result<(), StatusError> {
        if self.advertise_address.is_loopback() {
            return Ok(());
        }
        match storage.delete(&self.lease_key(), None).await {
            Ok(_) | Err(StorageError::NotFound { .. }) => {}
            Err(error) => return Err(storage_error(error)),
        }
        let addresses = self.living(storage).await.map_err(storage_error)?;
        self.publish(typed, &addresses).await
    }

    async fn ensure_service(&self, typed: &Typed) -> Result<(), StatusError> {
        let labels = [("component", "apiserver"), ("provider", "kubernetes")];
        let mut service = Service {
            metadata: ObjectMeta {
                name: NAME.into(),
                namespace: NAMESPACE.into(),
                labels: labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
                ..ObjectMeta::default()
            },
            ..Service::default()
        };
        service.spec.ports = vec![ServicePort {
            name: PORT_NAME.into(),
            protocol: "TCP".into(),
            port: SERVICE_PORT,
            target_port: IntOrString::Int(i32::from(self.port)),
            node_port: i32::from(self.node_port),
            ..ServicePort::default()
        }];
        service.spec.cluster_ip = self.cluster_ip.to_string();
        service.spec.cluster_ips = vec![self.cluster_ip.to_string()];
        service.spec.session_affinity = "None".into();
        service.spec.type_ = if self.node_port > 0 { "NodePort" } else { "ClusterIP" }.into();
        if typed.create_if_absent(service).await? {
            tracing::info!(cluster_ip = %self.cluster_ip, "created the service default/kubernetes");
        }
        Ok(())
    }

    fn lease_prefix(&self) -> String {
        format!("{}/masterleases/", self.storage_prefix)
    }

    fn lease_key(&self) -> String {
        format!("{}{}", self.lease_prefix(), self.advertise_address)
    }

    async fn renew(&self, storage: &Arc<dyn Storage>) -> Result<(), StorageError> {
        let key = self.lease_key();
        // Another server never writes this key; a lost race is only a lease that ran out just now.
        let (existing, _) = storage.get(&key).await?;
        let generation =
            existing.as_ref().and_then(|pair| decode(&pair.value)).map_or(0, |e| e.metadata.generation);
        let endpoints = Endpoints {
            metadata: ObjectMeta { generation: generation + 1, ..ObjectMeta::default() },
            subsets: vec![EndpointSubset {
                addresses: vec![EndpointAddress {
                    ip: self.advertise_address.to_string(),
                    ..EndpointAddress::default()
                }],
                ..EndpointSubset::default()
            }],
        };
        let value = Bytes::from(endpoints.to_protobuf_object());
        let revision = existing.map_or(0, |pair| pair.revision);
        storage.compare_and_swap(&key, revision, value, Some(LEASE_TIME)).await?;
        Ok(())
    }

    async fn living(&self, storage: &Arc<dyn Storage>) -> Result<BTreeSet<String>, StorageError> {
        let prefix = self.lease_prefix();
        let page = storage.list(ListQuery { prefix: &prefix, ..ListQuery::default() }).await?;
        let first_address = |endpoints: Endpoints| {
            Some(endpoints.subsets.first()?.addresses.first()?.ip.clone()).filter(|ip| !ip.is_empty())
        };
        Ok(page.items.iter().filter_map(|pair| decode(&pair.value)).filter_map(first_address).collect())
    }

    async fn publish(&self, typed: &Typed, addresses: &BTreeSet<String>) -> Result<(), StatusError> {
        let subsets = self.subsets(addresses);
        match typed.get::<Endpoints>(NAMESPACE, NAME).await? {
            None if addresses.is_empty() => {}
            None => {
                let metadata = metadata(&[(SKIP_MIRROR_LABEL, "true")]);
                typed.create_if_absent(Endpoints { metadata, subsets }).await?;
            }
            Some(existing) if is_published(&existing, &subsets) => {}
            Some(_) => {
                tracing::info!(?addresses, "resetting endpoints for master service \"kubernetes\"");
                let change = |endpoints: &mut Endpoints| {
                    endpoints.metadata.labels.insert(SKIP_MIRROR_LABEL.into(), "true".into());
                    endpoints.subsets = subsets.clone();
                };
                typed.update::<Endpoints>(NAMESPACE, NAME, change).await?;
            }
        }
        if !typed.serves::<EndpointSlice>() {
            return Ok(());
        }
        self.publish_slice(typed, addresses).await
    }

    async fn publish_slice(&self, typed: &Typed, addresses: &BTreeSet<String>) -> Result<(), StatusError> {
        let wanted = self.slice(addresses);
        match typed.get::<EndpointSlice>(NAMESPACE, NAME).await? {
            None => {
                typed.create_if_absent(wanted).await?;
            }
            // The address type cannot be changed.
            Some(existing) if existing.address_type != wanted.address_type => {
                typed.delete::<EndpointSlice>(NAMESPACE, NAME).await?;
                typed.create_if_absent(wanted).await?;
            }
            Some(existing)
                if existing.endpoints == wanted.endpoints
                    && existing.ports == wanted.ports
                    && existing.metadata.labels == wanted.metadata.labels => {}
            Some(_) => {
                typed
                    .update::<EndpointSlice>(NAMESPACE, NAME, |slice| {
                        slice.metadata.labels = wanted.metadata.labels.clone();
                        slice.endpoints = wanted.endpoints.clone();
                        slice.ports = wanted.ports.clone();
                    })
                    .await?;
            }
        }
        Ok(())
    }

    fn subsets(&self, addresses: &BTreeSet<String>) -> Vec<EndpointSubset> {
        if addresses.is_empty() {
            return Vec::new();
        }
        vec![EndpointSubset {
            addresses: addresses
                .iter()
                .map(|ip| EndpointAddress { ip: ip.clone(), ..EndpointAddress::default() })
                .collect(),
            ports: vec![EndpointPort {
                name: PORT_NAME.into(),
                port: i32::from(self.port),
                protocol: "TCP".into(),
                ..EndpointPort::default()
            }],
            ..EndpointSubset::default()
        }]
    }

    fn slice(&self, addresses: &BTreeSet<String>) -> EndpointSlice {
        let all_ipv6 = !addresses.is_empty()
            && addresses.iter().all(|ip| ip.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()));
        let of_family =
            |ip: &&String| ip.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6() == all_ipv6);
        EndpointSlice {
            metadata: metadata(&[(SERVICE_NAME_LABEL, NAME)]),
            address_type: if all_ipv6 { "IPv6" } else { "IPv4" }.into(),
            endpoints: addresses
                .iter()
                .filter(of_family)
                .map(|ip| Endpoint {
                    addresses: vec![ip.clone()],
                    conditions: EndpointConditions { ready: Some(true), ..EndpointConditions::default() },
                    ..Endpoint::default()
                })
                .collect(),
            ports: vec![SlicePort {
                name: Some(PORT_NAME.into()),
                port: Some(i32::from(self.port)),
                protocol: Some("TCP".into()),
                ..SlicePort::default()
            }],
        }
    }
}

fn is_published(existing: &Endpoints, subsets: &[EndpointSubset]) -> bool {
    let skips = existing.metadata.labels.get(SKIP_MIRROR_LABEL).is_some_and(|value| value == "true");
    skips && existing.subsets == subsets
}

fn metadata(labels: &[(&str, &str)]) -> ObjectMeta {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    ObjectMeta { name: NAME.into(), namespace: NAMESPACE.into(), labels, ..ObjectMeta::default() }
}

fn decode(value: &[u8]) -> Option<Endpoints> {
    Endpoints::decode(machinery::codec::protobuf::unwrap(value).ok()?.raw).ok()
}

fn storage_error(error: StorageError) -> StatusError {
    StatusError::internal_error(error)
}
