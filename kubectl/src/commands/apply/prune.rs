//! `apply --prune`: deletes what was applied before and is no longer among the manifests.

use std::collections::BTreeSet;

use client::DeleteParams;
use client::discovery::Discovered;
use client::params::ListParams;

use crate::apply::LAST_APPLIED;
use crate::error::message;
use crate::print::{ChangeArgs, DryRun};
use crate::{Factory, Result, Streams, resources, values};

/// Kinds that are looked through unless a list is given.
const USUAL: [(&str, &str, &str); 16] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Endpoints"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "Pod"),
    ("", "v1", "ReplicationController"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("batch", "v1", "Job"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("apps", "v1", "DaemonSet"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "ReplicaSet"),
    ("apps", "v1", "StatefulSet"),
    ("", "v1", "Namespace"),
    ("", "v1", "PersistentVolume"),
];

/// What may be deleted, and how.
pub struct Prune<'p> {
    /// `--prune-allowlist`: `group/version/kind`.
    pub allowlist: &'p [String],
    /// `-l`
    pub selector: &'p str,
    /// `--cascade`, as the API has it.
    pub propagation: &'p str,
    /// `--grace-period`; less than zero for the object's own.
    pub grace_period: i64,
    /// `--dry-run` and `-o`.
    pub change: &'p ChangeArgs,
}

impl Prune<'_> {
    /// The resources to look through.
    pub async fn resources(&self, factory: &Factory) -> Result<Vec<Discovered>> {
        let mut wanted: Vec<(String, String, String)> = Vec::new();
        for text in self.allowlist {
            let parts: Vec<&str> = text.split('/').collect();
            let [group, version, kind] = parts.as_slice() else {
                return Err(message(format!(
                    "invalid GroupVersionKind format: {text}, please follow <group/version/kind>"
                )));
            };
            let group = if *group == "core" { "" } else { group };
            wanted.push((group.to_owned(), (*version).to_owned(), (*kind).to_owned()));
        }
        if wanted.is_empty() {
            wanted = USUAL.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).to_vec();
        }
        let discovery = factory.discovery().await?;
        let mut found = Vec::new();
        for (group, version, kind) in wanted {
            let Some(resource) = discovery.by_kind(&group, &version, &kind) else {
                let api_version = machinery::group::api_version(&group, &version);
                return Err(message(format!("no matches for kind {kind:?} in version {api_version:?}")));
            };
            found.push(resource.clone());
        }
        // What lives in namespaces goes first.
        found.sort_by_key(|found| !found.resource.namespaced);
        Ok(found)
    }

    /// Deletes what was applied, in the namespaces and with the labels, and is not among the uids.
    pub async fn run(
        &self,
        kinds: &[Discovered],
        namespaces: &BTreeSet<String>,
        kept: &BTreeSet<String>,
        factory: &Factory,
        streams: &mut Streams,
    ) -> Result<()> {
        for found in kinds {
            let places: Vec<Option<&str>> = match found.resource.namespaced {
                true => namespaces.iter().map(|namespace| Some(namespace.as_str())).collect(),
                false => vec![None],
            };
            for namespace in places {
                self.prune(found, namespace, kept, factory, streams).await?;
            }
        }
        Ok(())
    }

    async fn prune(
        &self,
        found: &Discovered,
        namespace: Option<&str>,
        kept: &BTreeSet<String>,
        factory: &Factory,
        streams: &mut Streams,
    ) -> Result<()> {
        let mode = self.change.mode()?;
        let params = ListParams::default().labels(self.selector);
        let list = resources::list_in_chunks(factory, found, namespace, params, 0).await?;
        let api = factory.client()?.dynamic(&found.resource, namespace);
        for object in list {
            let annotations = object.pointer("/metadata/annotations");
            let applied = annotations.is_some_and(|annotations| annotations.get(LAST_APPLIED).is_some());
            if !applied || kept.contains(values::text(&object, "/metadata/uid")) {
                continue;
            }
            if mode != DryRun::Client {
                let params = DeleteParams {
                    dry_run: mode == DryRun::Server,
                    grace_period_seconds: Some(self.grace_period).filter(|seconds| *seconds >= 0),
                    propagation_policy: Some(self.propagation.to_owned()),
                    ..DeleteParams::default()
                };
                api.delete(values::name(&object), &params).await?;
            }
            self.change.report(object, "pruned", streams)?;
        }
        Ok(())
    }
}
