//! Creates, gets, lists, watches and deletes of ConfigMaps of one kilobyte.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api_types::core::v1::{ConfigMap, Namespace};
use client::{Client, DeleteParams, ListParams, WatchEvent};
use futures_util::StreamExt;
use futures_util::stream;

use crate::Options;
use crate::measure::Measurement;

const NAMESPACE: &str = "bench";
/// How long watchers may take to see everything.
const PATIENCE: Duration = Duration::from_secs(120);

fn object(number: usize) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = format!("object-{number}");
    object.metadata.namespace = NAMESPACE.to_owned();
    object.data.insert("value".to_owned(), "x".repeat(1024));
    object
}

/// Runs `work` for every object, so many at once, and measures each.
async fn each<F, Work>(options: &Options, work: F) -> Result<Vec<Duration>>
where
    F: Fn(usize) -> Work,
    Work: Future<Output = Result<()>>,
{
    let timed = |number: usize| {
        let work = work(number);
        async move {
            let started = Instant::now();
            work.await.map(|()| started.elapsed())
        }
    };
    let results = stream::iter(0..options.objects).map(timed).buffer_unordered(options.clients);
    results.collect::<Vec<_>>().await.into_iter().collect()
}

/// Measures all kinds of requests in a namespace of its own, which is deleted at the end.
pub async fn run(client: &Client, options: &Options) -> Result<()> {
    let mut namespace = Namespace::default();
    namespace.metadata.name = NAMESPACE.to_owned();
    client.all::<Namespace>().create(&namespace).await.context("failed to create the namespace \"bench\"")?;
    let measured = measure(client, options).await;
    client.all::<Namespace>().delete(NAMESPACE, &DeleteParams::background()).await?;
    measured
}

async fn measure(client: &Client, options: &Options) -> Result<()> {
    let api = client.namespaced::<ConfigMap>(NAMESPACE);
    let start = api.list(&ListParams::default()).await?.metadata.resource_version;
    let count = options.objects;

    let create = Measurement::begin("create", &options.apiserver);
    let latencies = each(options, |number| {
        let api = api.clone();
        async move { Ok(drop(api.create(&object(number)).await?)) }
    });
    create.end(count, latencies.await?);

    let get = Measurement::begin("get", &options.apiserver);
    let latencies = each(options, |number| {
        let api = api.clone();
        async move { Ok(drop(api.get(&format!("object-{number}")).await?)) }
    });
    get.end(count, latencies.await?);

    let list = Measurement::begin("list of all", &options.apiserver);
    let mut latencies = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let found = api.list(&ListParams::default()).await?;
        anyhow::ensure!(found.items.len() >= count, "a list shows {} of {count} objects", found.items.len());
        latencies.push(started.elapsed());
    }
    list.end(20, latencies);

    let watch = Measurement::begin("event to a watcher", &options.apiserver);
    let watchers = (0..options.watchers).map(|_| follow(api.clone(), start.clone(), count));
    let latencies: Result<Vec<Duration>> =
        futures_util::future::join_all(watchers).await.into_iter().collect();
    watch.end(count * options.watchers, latencies?);

    let delete = Measurement::begin("delete", &options.apiserver);
    let latencies = each(options, |number| {
        let api = api.clone();
        async move { Ok(drop(api.delete(&format!("object-{number}"), &DeleteParams::background()).await?)) }
    });
    delete.end(count, latencies.await?);
    Ok(())
}

/// Watches from before the first object until all were seen.
async fn follow(api: client::Api<ConfigMap>, from: String, count: usize) -> Result<Duration> {
    let started = Instant::now();
    let mut events = api.watch(&ListParams::default(), &from).await?;
    let all = async {
        let mut seen = 0;
        while seen < count {
            match events.next().await.context("a watch ended early")?? {
                WatchEvent::Added(object) if object.metadata.name.starts_with("object-") => seen += 1,
                _ => {}
            }
        }
        Ok(started.elapsed())
    };
    tokio::time::timeout(PATIENCE, all).await.context("a watcher did not see all objects in time")?
}
