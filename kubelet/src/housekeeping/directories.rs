//! Removes directories and logs of pods that nobody knows any more.

use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use hashbrown::HashSet;
use kubelet_core::qos;

use crate::context::Context;
use crate::observing::PodCache;
use crate::pods::ManagerHandle;
use crate::volumes;

const PERIOD: Duration = Duration::from_secs(60);

/// Cleans up until shutdown.
pub(super) async fn run(
    context: Arc<Context>,
    cache: Arc<PodCache>,
    manager: Arc<ManagerHandle>,
    shutdown: Shutdown,
) {
    while shutdown.sleep(PERIOD).await {
        if !manager.is_complete() || cache.last_success().is_none() {
            continue;
        }
        let mut known: HashSet<String> = manager.pods().iter().map(|pod| pod.metadata.uid.clone()).collect();
        known.extend(cache.all().iter().map(|pod| pod.uid.clone()));
        clean(&context, &known).await;
    }
}

async fn clean(context: &Context, known: &HashSet<String>) {
    match volumes::orphans(context).await {
        Ok(uids) => {
            for uid in uids.iter().filter(|uid| !known.contains(*uid)) {
                match volumes::remove_pod_directory(context, uid).await {
                    Ok(()) => tracing::info!(uid, "removed the directory of an orphaned pod"),
                    Err(error) => tracing::warn!(%error, uid, "orphaned pod directory not removed"),
                }
            }
        }
        Err(error) => tracing::warn!(%error, "failed to list pod directories"),
    }
    clean_logs(context, known).await;
    clean_cgroups(context, known).await;
}

/// `/var/log/pods/<namespace>_<name>_<uid>`.
async fn clean_logs(context: &Context, known: &HashSet<String>) {
    let Ok(mut entries) = tokio::fs::read_dir(&context.config.pod_logs_dir).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name().to_string_lossy().into_owned();
        let uid = match name.split('_').collect::<Vec<_>>().as_slice() {
            [_, _, uid] => (*uid).to_owned(),
            _ => continue,
        };
        if !known.contains(&uid) {
            let _ = tokio::fs::remove_dir_all(entry.path()).await;
        }
    }
    // Links to logs that are gone.
    let Ok(mut links) = tokio::fs::read_dir("/var/log/containers").await else { return };
    while let Ok(Some(link)) = links.next_entry().await {
        let path = link.path();
        let target = tokio::fs::read_link(&path).await;
        let ours = target.is_ok_and(|target| target.starts_with(&context.config.pod_logs_dir));
        if ours && tokio::fs::metadata(&path).await.is_err() {
            let _ = tokio::fs::remove_file(&path).await;
        }
    }
}

async fn clean_cgroups(context: &Context, known: &HashSet<String>) {
    if !context.config.cgroups_per_qos {
        return;
    }
    for class in ["Guaranteed", "Burstable", "BestEffort"] {
        let parent = qos::class_cgroup(&context.cgroup_root, class);
        let Ok(children) = context.ports.cgroups.children(&parent).await else { continue };
        for child in children {
            let Some(uid) = qos::uid_of_cgroup(&child) else { continue };
            if known.contains(uid) {
                continue;
            }
            if let Err(error) = context.ports.cgroups.destroy(&parent.child(child.clone())).await {
                tracing::warn!(%error, "failed to remove the cgroup of an orphaned pod");
            }
        }
    }
}
