//! The requests that empty a namespace.

use std::collections::BTreeMap;

use api_types::core::v1::{Namespace, Pod};
use client::discovery::{Discovered, Discovery};
use client::{Client, DeleteParams, DynamicResource, Error, ListParams, WriteParams};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use machinery::Time;
use rules::core::v1::pod::meaning::is_terminal;
use runtime::Store;

use super::plan::{FINALIZER, Observed, Remaining};

/// Resources emptied at once.
const PARALLEL: usize = 8;

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum EmptyError {
    /// A request about the namespace itself.
    #[error("namespace request failed")]
    Request(#[from] Error),
    /// What could not be deleted.
    #[error("{0}")]
    Content(String),
}

/// Deletes the content of namespaces.
pub(super) struct Emptier {
    pub client: Client,
    /// For their grace periods.
    pub pods: Store<Pod>,
}

impl Emptier {
    /// The namespace as the server has it, with phase `Terminating`; `None` when nothing is to be done.
    pub(super) async fn terminating(&self, name: &str) -> Result<Option<Namespace>, Error> {
        let api = self.client.all::<Namespace>();
        let mut namespace = match api.get(name).await {
            Err(error) if error.is_not_found() => return Ok(None),
            outcome => outcome?,
        };
        let finalized = !namespace.spec.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        if namespace.metadata.deletion_timestamp.is_none() || finalized {
            return Ok(None);
        }
        if namespace.status.phase != "Terminating" {
            namespace.status.phase = "Terminating".to_owned();
            namespace = api.replace_status(&namespace).await?;
        }
        Ok(Some(namespace))
    }

    /// Deletes everything in the namespace: pods first, the rest when no pod is left.
    pub(super) async fn delete_content(&self, namespace: &Namespace) -> Observed {
        let mut observed = Observed::default();
        let discovery = match Discovery::fetch(&self.client).await {
            Ok(discovery) => discovery,
            Err(error) => {
                observed.discovery_error = Some(component_base::run::error_chain(&error));
                return observed;
            }
        };
        if !discovery.failed.is_empty() {
            let groups: Vec<String> =
                discovery.failed.iter().map(|(group, reason)| format!("{group}: {reason}")).collect();
            observed.discovery_error = Some(format!(
                "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {}",
                groups.len(),
                groups.join(", ")
            ));
        }
        let name = namespace.metadata.name.as_str();
        let resources = discovery.preferred(&["delete"]);
        let (pods, rest): (Vec<&Discovered>, Vec<&Discovered>) = resources
            .into_iter()
            .filter(|found| found.resource.namespaced)
            .partition(|found| found.resource.group.is_empty() && found.resource.plural == "pods");
        for found in pods {
            let grace = self.grace_left(name, namespace.metadata.deletion_timestamp);
            self.delete_all(name, found, grace, &mut observed).await;
        }
        if observed.remaining.values().any(|remaining| remaining.count > 0) {
            observed.pods_first = true;
            return observed;
        }
        let rest: Vec<Discovered> = rest.into_iter().cloned().collect();
        let mut deleting = futures_util::stream::iter(rest)
            .map(|found| async move {
                let mut own = Observed::default();
                self.delete_all(name, &found, 0, &mut own).await;
                own
            })
            .buffered(PARALLEL);
        while let Some(own) = deleting.next().await {
            observed.errors.extend(own.errors);
            observed.remaining.extend(own.remaining);
        }
        observed
    }

    /// Seconds the pods may still take: the longest grace period, once it has not passed already.
    fn grace_left(&self, namespace: &str, deleted_at: Option<Time>) -> i64 {
        let pods = self.pods.in_namespace(namespace);
        let running = pods.iter().filter(|pod| !is_terminal(pod));
        let longest = running.filter_map(|pod| pod.spec.termination_grace_period_seconds).max().unwrap_or(0);
        let passed = deleted_at
            .and_then(|time| time.to_timestamp())
            .map_or(i64::MAX, |at| Timestamp::now().duration_since(at).as_secs());
        if passed >= longest { 0 } else { longest }
    }

    async fn delete_all(&self, namespace: &str, found: &Discovered, grace: i64, observed: &mut Observed) {
        let resource = &found.resource;
        match self.delete_resource(namespace, found).await {
            Ok(finalizers) => {
                let Some((count, finalizers)) = finalizers else { return };
                let key = (resource.plural.clone(), resource.group.clone());
                observed.remaining.insert(key, Remaining { count, finalizers, grace_seconds: grace });
            }
            Err(error) => observed.errors.push(component_base::run::error_chain(&error)),
        }
    }

    /// How many objects remain, and how many of them each finalizer holds; `None` when the resource cannot
    /// be listed.
    async fn delete_resource(
        &self,
        namespace: &str,
        found: &Discovered,
    ) -> Result<Option<(usize, BTreeMap<String, usize>)>, Error> {
        let before = self.list(namespace, found).await?;
        if before.as_ref().is_some_and(|(count, _)| *count == 0) {
            return Ok(before);
        }
        let api = self.client.dynamic(&found.resource, Some(namespace));
        let params = DeleteParams::background();
        if found.supports(&["deletecollection"]) {
            match api.delete_collection(&params, &ListParams::default()).await {
                // Namespace gone, or a resource that disappeared with its definition.
                Err(error) if error.is_not_found() => {}
                outcome => outcome?,
            }
        } else {
            for name in self.names(namespace, &found.resource).await? {
                match api.delete(&name, &params).await {
                    Err(error) if error.is_not_found() => {}
                    Err(error) if error.status().is_some_and(|status| status.is_method_not_supported()) => {}
                    outcome => drop(outcome?),
                }
            }
        }
        self.list(namespace, found).await
    }

    async fn list(
        &self,
        namespace: &str,
        found: &Discovered,
    ) -> Result<Option<(usize, BTreeMap<String, usize>)>, Error> {
        if !found.supports(&["list"]) {
            return Ok(None);
        }
        let listed =
            self.client.metadata(&found.resource, Some(namespace)).list_all(&ListParams::default()).await;
        let objects = match listed {
            Err(error) if error.is_not_found() => return Ok(Some((0, BTreeMap::new()))),
            Err(error) if error.status().is_some_and(|status| status.is_method_not_supported()) => {
                return Ok(None);
            }
            outcome => outcome?.items,
        };
        let mut finalizers = BTreeMap::new();
        for finalizer in objects.iter().flat_map(|object| &object.metadata.finalizers) {
            *finalizers.entry(finalizer.clone()).or_default() += 1;
        }
        Ok(Some((objects.len(), finalizers)))
    }

    async fn names(&self, namespace: &str, resource: &DynamicResource) -> Result<Vec<String>, Error> {
        let listed = self.client.metadata(resource, Some(namespace)).list_all(&ListParams::default()).await;
        match listed {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            outcome => Ok(outcome?.items.into_iter().map(|object| object.metadata.name).collect()),
        }
    }

    /// Writes the conditions; the answer is the newest state.
    pub(super) async fn write_status(&self, namespace: &mut Namespace) -> Result<(), Error> {
        *namespace = self.client.all::<Namespace>().replace_status(namespace).await?;
        Ok(())
    }

    /// Lets the namespace go.
    pub(super) async fn finalize(&self, namespace: Namespace) -> Result<(), Error> {
        let written =
            self.client.all::<Namespace>().replace_at(&namespace, "finalize", &WriteParams::default()).await;
        match written {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}
