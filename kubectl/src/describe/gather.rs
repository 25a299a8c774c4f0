//! Asks the server for what a page shows beside its object.

use client::params::ListParams;
use serde_json::Value;

use super::read::{selector_text, texts};
use super::row_of;
use crate::resources::{self, Target};
use crate::{Error, Factory, Result, values};

/// What else a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The object alone.
    Nothing,
    /// The pods its selector matches.
    ControlledPods,
    /// All pods of its namespace.
    PodsOfNamespace,
    /// The pods that run on the node, its lease, and its resource slices.
    PodsOfNode,
    /// The replica sets its selector matches.
    ReplicaSets,
    /// The endpoint slices of the service.
    EndpointSlices,
    /// The services of its backends, and their endpoint slices.
    Backends,
    /// The quotas and limit ranges in the namespace.
    QuotasAndLimits,
}

/// A service and its endpoint slices.
pub type Backend = (Value, Vec<Value>);

/// What was found; failures are kept where pages show them.
#[derive(Debug, Default)]
pub struct Around {
    /// The events, when they are shown.
    pub events: Option<Vec<Value>>,
    /// The pods, or why they cannot be seen.
    pub pods: Option<Result<Vec<Value>>>,
    /// Replica sets.
    pub replica_sets: Vec<Value>,
    /// Endpoint slices of a service.
    pub endpoint_slices: Vec<Value>,
    /// Of each backend's service: its name, and service and slices or why they cannot be seen.
    pub backends: Vec<(String, Result<Backend>)>,
    /// Quotas, when the server knows them.
    pub quotas: Option<Vec<Value>>,
    /// Limit ranges, when the server knows them.
    pub limit_ranges: Option<Vec<Value>>,
    /// The lease of a node, or why it cannot be seen.
    pub lease: Option<Result<Value>>,
    /// Resource slices of a node.
    pub resource_slices: Vec<Value>,
}

impl Around {
    /// The pods; the failure when they could not be listed.
    pub fn pods(&self) -> std::result::Result<&[Value], &Error> {
        match &self.pods {
            Some(Ok(pods)) => Ok(pods),
            Some(Err(error)) => Err(error),
            None => Ok(&[]),
        }
    }
}

/// The label that ties an endpoint slice to its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Gathers what the page of `target` needs, with its events when they are wanted.
pub async fn gather(target: &Target, factory: &Factory, with_events: bool, chunk: u32) -> Result<Around> {
    let row = row_of(&target.found.resource.group, &target.found.resource.kind);
    let ask = Ask { factory, chunk };
    let (object, namespace) = (target.object(), target.namespace.as_deref());
    let mut around = Around::default();
    match row.needs {
        Needs::Nothing => {}
        Needs::ControlledPods => {
            let replication = target.found.resource.kind == "ReplicationController";
            let selector = if replication {
                super::page::pairs(object, "/spec/selector").join(",")
            } else {
                selector_text(object, "/spec/selector")
            };
            around.pods = Some(ask.list("pods", namespace, ListParams::default().labels(selector)).await);
        }
        Needs::PodsOfNamespace => {
            around.pods = Some(ask.list("pods", namespace, ListParams::default()).await);
        }
        Needs::PodsOfNode => ask.about_node(&target.name, &mut around).await,
        Needs::ReplicaSets => {
            let params = ListParams::default().labels(selector_text(object, "/spec/selector"));
            around.replica_sets = ask.list("replicasets.apps", namespace, params).await.unwrap_or_default();
        }
        Needs::EndpointSlices => {
            around.endpoint_slices = ask.slices(&target.name, namespace).await.unwrap_or_default();
        }
        Needs::Backends => {
            for service in backends(object) {
                let found = ask.backend(&service, namespace).await;
                around.backends.push((service, found));
            }
        }
        Needs::QuotasAndLimits => {
            around.quotas = ask.unless_absent("resourcequotas", &target.name).await?;
            around.limit_ranges = ask.unless_absent("limitranges", &target.name).await?;
        }
    }
    if with_events && row.events {
        around.events = Some(ask.events(target).await?);
    }
    Ok(around)
}

/// The names of the services an ingress leads to, each once.
fn backends(ingress: &Value) -> Vec<String> {
    let rules = values::list(ingress, "/spec/rules").iter();
    let paths = rules.flat_map(|rule| values::list(rule, "/http/paths"));
    let named = paths
        .map(|path| values::text(path, "/backend/service/name"))
        .chain([values::text(ingress, "/spec/defaultBackend/service/name")]);
    let mut names: Vec<String> = Vec::new();
    for name in named.filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

struct Ask<'f> {
    factory: &'f Factory,
    chunk: u32,
}

impl Ask<'_> {
    async fn list(&self, resource: &str, namespace: Option<&str>, params: ListParams) -> Result<Vec<Value>> {
        let found = self.factory.resource(resource).await?;
        resources::list_in_chunks(self.factory, &found, namespace, params, self.chunk).await
    }

    async fn get(&self, resource: &str, namespace: Option<&str>, name: &str) -> Result<Value> {
        let found = self.factory.resource(resource).await?;
        Ok(self.factory.client()?.dynamic(&found.resource, namespace).get(name, "").await?)
    }

    async fn slices(&self, service: &str, namespace: Option<&str>) -> Result<Vec<Value>> {
        let params = ListParams::default().labels(format!("{SERVICE_NAME}={service}"));
        self.list("endpointslices.discovery.k8s.io", namespace, params).await
    }

    async fn backend(&self, service: &str, namespace: Option<&str>) -> Result<Backend> {
        let slices = self.slices(service, namespace).await?;
        Ok((self.get("services", namespace, service).await?, slices))
    }

    /// None when the server does not know the resource.
    async fn unless_absent(&self, resource: &str, namespace: &str) -> Result<Option<Vec<Value>>> {
        match self.list(resource, Some(namespace), ListParams::default()).await {
            Ok(list) => Ok(Some(list)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn about_node(&self, name: &str, around: &mut Around) {
        let running = format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed");
        around.pods = Some(self.list("pods", None, ListParams::default().fields(running)).await);
        around.lease = Some(self.get("leases.coordination.k8s.io", Some("kube-node-lease"), name).await);
        let slices = ListParams::default().fields(format!("spec.nodeName={name}"));
        around.resource_slices =
            self.list("resourceslices.resource.k8s.io", None, slices).await.unwrap_or_default();
    }

    /// The events about an object. Only a config map's page fails when they cannot be listed.
    async fn events(&self, target: &Target) -> Result<Vec<Value>> {
        let object = target.object();
        let kind = target.found.resource.kind.as_str();
        let namespace = target.namespace.as_deref();
        let mut uid = values::text(object, "/metadata/uid");
        let mut parts = vec![format!("involvedObject.name={}", target.name)];
        parts.push(format!("involvedObject.namespace={}", namespace.unwrap_or_default()));
        if kind == "Pod" {
            // The mirror of a static pod is spoken of by the uid of its file.
            let mirror = values::text(object, "/metadata/annotations/kubernetes.io~1config.mirror");
            uid = if mirror.is_empty() { uid } else { mirror };
        } else {
            parts.push(format!("involvedObject.kind={kind}"));
        }
        let with_uid = |uid: &str| {
            let mut parts = parts.clone();
            if !uid.is_empty() {
                parts.push(format!("involvedObject.uid={uid}"));
            }
            ListParams::default().fields(parts.join(","))
        };
        let found = self.list("events", namespace, with_uid(uid)).await;
        if kind == "ConfigMap" {
            return found;
        }
        let mut events = found.unwrap_or_default();
        if kind == "Node" {
            // The kubelet takes the name of its node for the uid.
            events.extend(self.list("events", namespace, with_uid(&target.name)).await.unwrap_or_default());
        }
        Ok(events)
    }
}

/// The addresses of an endpoint.
pub fn addresses(endpoint: &Value) -> Vec<String> {
    texts(endpoint, "/addresses")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn backends_are_named_once() {
        let path = |name: &str| json!({"backend": {"service": {"name": name}}});
        let ingress = json!({"spec": {"defaultBackend": {"service": {"name": "d"}}, "rules": [
            {"http": {"paths": [path("a"), path("b"), {"backend": {"resource": {}}}]}}, {"http": {"paths": [path("a")]}}]}});
        assert_eq!(super::backends(&ingress), ["a", "b", "d"]);
    }
}
