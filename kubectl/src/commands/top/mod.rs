//! `kubectl top`: what nodes and pods use, as the metrics API tells.

mod usage;

use std::collections::BTreeMap;
use std::io::Write as _;

use client::params::ListParams;
use machinery::Quantity;
use serde_json::Value;

use crate::error::message;
use crate::print::tabs;
use crate::resources;
use crate::{Factory, Result, Streams, values};
use usage::{Measured, Usage};

/// Pods younger than this have no metrics yet.
const METRICS_DELAY_SECONDS: i64 = 120;

/// Display resource (CPU/memory) usage.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Display resource (CPU/memory) usage of nodes
    #[command(visible_aliases = ["nodes", "no"])]
    Node(Nodes),
    /// Display resource (CPU/memory) usage of pods
    #[command(visible_aliases = ["pods", "po"])]
    Pod(Pods),
}

#[derive(Clone, Debug, clap::Args)]
struct Shared {
    /// NAME
    name: Option<String>,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// If non-empty, sort list using specified field: cpu or memory
    #[arg(long, default_value = "")]
    sort_by: String,
    /// If present, print output without headers
    #[arg(long)]
    no_headers: bool,
    /// Print resources related to swap memory
    #[arg(long)]
    show_swap: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct Nodes {
    #[command(flatten)]
    shared: Shared,
    /// Print node resources based on Capacity instead of Allocatable(default) of the nodes
    #[arg(long)]
    show_capacity: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct Pods {
    #[command(flatten)]
    shared: Shared,
    /// Selector (field query) to filter on
    #[arg(long, default_value = "")]
    field_selector: String,
    /// If present, print usage of containers within a pod
    #[arg(long)]
    containers: bool,
    /// If present, list the requested object(s) across all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Print the sum of the resource usage
    #[arg(long)]
    sum: bool,
}

/// Runs `top`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    match args.what {
        What::Node(nodes) => top_nodes(&nodes, factory, streams).await,
        What::Pod(pods) => top_pods(&pods, factory, streams).await,
    }
}

impl Shared {
    fn check(&self, selecting: bool, one_of: &str) -> Result<()> {
        if !["", "cpu", "memory"].contains(&self.sort_by.as_str()) {
            return Err(message("--sort-by accepts only cpu or memory"));
        }
        if self.name.is_some() && selecting {
            return Err(message(format!("only one of NAME or {one_of} can be provided")));
        }
        Ok(())
    }

    fn measured(&self) -> &'static [Measured] {
        if self.show_swap { usage::WITH_SWAP } else { usage::USUAL }
    }
}

/// The metrics of a name, or of everything the selectors choose.
async fn metrics(
    factory: &Factory,
    plural: &str,
    namespace: Option<&str>,
    name: Option<&str>,
    params: ListParams,
) -> Result<Vec<Value>> {
    let discovery = factory.discovery().await?;
    let found = discovery.resources.iter().find(|found| {
        let resource = &found.resource;
        resource.group == "metrics.k8s.io" && resource.version == "v1beta1" && resource.plural == plural
    });
    let Some(found) = found else { return Err(message("Metrics API not available")) };
    match name {
        Some(name) => Ok(vec![factory.client()?.dynamic(&found.resource, namespace).get(name, "").await?]),
        None => resources::list_in_chunks(factory, found, namespace, params, 0).await,
    }
}

async fn top_nodes(args: &Nodes, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let shared = &args.shared;
    shared.check(!shared.selector.is_empty(), "--selector")?;
    let params = ListParams::default().labels(shared.selector.as_str());
    let metrics = metrics(factory, "nodes", None, shared.name.as_deref(), params.clone()).await?;
    if metrics.is_empty() {
        return Err(message("metrics not available yet"));
    }
    let found = factory.resource("nodes").await?;
    let nodes = match &shared.name {
        Some(name) => vec![factory.client()?.dynamic(&found.resource, None).get(name, "").await?],
        None => resources::list_all(factory, &found, None, params).await?,
    };
    let side = if args.show_capacity { "/status/capacity" } else { "/status/allocatable" };
    let mut available: BTreeMap<&str, BTreeMap<String, Quantity>> = BTreeMap::new();
    for node in &nodes {
        let mut amounts = usage::amounts(node, side);
        if let Some(swap) = values::number(node, "/status/nodeInfo/swap/capacity") {
            amounts.insert("swap".to_owned(), Quantity::new(swap, machinery::quantity::Format::BinarySi));
        }
        available.insert(values::name(node), amounts);
    }
    let mut used: Vec<(&str, Usage)> =
        metrics.iter().map(|metric| (values::name(metric), Usage::of(metric))).collect();
    used.sort_by(|a, b| usage::order(&shared.sort_by, &a.1, &b.1).then_with(|| a.0.cmp(b.0)));
    let measured = shared.measured();
    let mut rows = Vec::new();
    if !shared.no_headers {
        let names = measured.iter().flat_map(|what| [what.heading.to_owned(), what.share_heading.to_owned()]);
        rows.push(std::iter::once("NAME".to_owned()).chain(names).collect());
    }
    for (name, usage) in used {
        let whole = available.remove(name);
        let mut row = vec![name.to_owned()];
        for what in measured {
            let all = whole.as_ref().and_then(|whole| whole.get(what.resource));
            if what.resource == "swap" && whole.is_some() && all.is_none() {
                row.extend(["<unknown>".to_owned(), "<unknown>".to_owned()]);
                continue;
            }
            row.push(usage.shown(what));
            row.extend(all.map(|all| usage.share(what, all)));
        }
        rows.push(row);
    }
    for name in available.into_keys() {
        let unknown = measured.iter().flat_map(|_| ["<unknown>".to_owned(), "<unknown>".to_owned()]);
        rows.push(std::iter::once(name.to_owned()).chain(unknown).collect());
    }
    print(rows, streams)
}

async fn top_pods(args: &Pods, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let shared = &args.shared;
    shared.check(!shared.selector.is_empty() || !args.field_selector.is_empty(), "selector")?;
    let own = factory.namespace()?;
    let namespace = (!args.all_namespaces).then_some(own.as_str());
    let params = ListParams::default().labels(shared.selector.as_str()).fields(args.field_selector.as_str());
    let mut found = metrics(factory, "pods", namespace, shared.name.as_deref(), params.clone()).await?;
    if found.is_empty() {
        let pods = factory.resource("pods").await?;
        let pods = resources::list_all(factory, &pods, Some(&own), params).await?;
        if !pods.is_empty() {
            return Err(why_missing(&pods));
        }
        match namespace {
            Some(namespace) => writeln!(streams.err, "No resources found in {namespace} namespace.")?,
            None => writeln!(streams.err, "No resources found")?,
        }
        return Ok(0);
    }
    found.sort_by(|a, b| {
        let key = |pod: &Value| {
            let namespace = if args.all_namespaces { values::namespace(pod) } else { "" };
            (namespace.to_owned(), values::name(pod).to_owned())
        };
        usage::order(&shared.sort_by, &Usage::of_pod(a), &Usage::of_pod(b)).then_with(|| key(a).cmp(&key(b)))
    });
    print(pod_rows(args, &found), streams)
}

/// Why there are no metrics of pods that exist.
fn why_missing(pods: &[Value]) -> crate::Error {
    let now = jiff::Timestamp::now();
    for pod in pods {
        let Ok(created) = values::text(pod, "/metadata/creationTimestamp").parse::<jiff::Timestamp>() else {
            continue;
        };
        let age = now.duration_since(created);
        if age.as_secs() > METRICS_DELAY_SECONDS {
            let seconds = age.as_secs();
            let age = format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60);
            let (namespace, name) = (values::namespace(pod), values::name(pod));
            return message(format!("Metrics not available for pod {namespace}/{name}, age: {age}"));
        }
    }
    message("metrics not available yet")
}

fn pod_rows(args: &Pods, metrics: &[Value]) -> Vec<Vec<String>> {
    let shared = &args.shared;
    let measured = shared.measured();
    let lead = |namespace: &str, pod: &str| -> Vec<String> {
        let namespace = args.all_namespaces.then(|| namespace.to_owned());
        namespace.into_iter().chain(args.containers.then(|| pod.to_owned())).collect()
    };
    let mut rows = Vec::new();
    let mut columns = 1 + measured.len();
    if !shared.no_headers {
        let mut headings = lead("NAMESPACE", "POD");
        headings.push("NAME".to_owned());
        headings.extend(measured.iter().map(|what| what.heading.to_owned()));
        columns = headings.len();
        rows.push(headings);
    }
    for pod in metrics {
        let mut lines: Vec<(&str, Usage)> = if args.containers {
            let containers = values::list(pod, "/containers").iter();
            containers.map(|container| (values::text(container, "/name"), Usage::of(container))).collect()
        } else {
            vec![(values::name(pod), Usage::of_pod(pod))]
        };
        lines.sort_by(|a, b| usage::order(&shared.sort_by, &a.1, &b.1).then_with(|| a.0.cmp(b.0)));
        for (name, usage) in lines {
            let mut row = lead(values::namespace(pod), values::name(pod));
            row.push(name.to_owned());
            row.extend(measured.iter().map(|what| usage.shown(what)));
            rows.push(row);
        }
    }
    if args.sum {
        let total = metrics.iter().map(Usage::of_pod).fold(Usage::default(), Usage::plus);
        let blank = |count: usize| vec![String::new(); count];
        let mut line = blank(columns.saturating_sub(2));
        line.extend(["________".to_owned(), "________".to_owned()]);
        rows.push(line);
        let mut row = blank(columns.saturating_sub(3) + 1);
        row.extend(measured.iter().map(|what| total.shown(what)));
        rows.push(row);
    }
    rows
}

/// Prints rows whose last cell is padded too, as upstream's is.
fn print(rows: Vec<Vec<String>>, streams: &mut Streams) -> Result<i32> {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|mut row| {
            row.push(String::new());
            row
        })
        .collect();
    write!(streams.out, "{}", tabs::render(&rows))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use client::discovery::{Discovered, Discovery};
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use crate::commands::testing;

    fn with_metrics() -> Discovery {
        let mut discovery = testing::discovery();
        for (kind, plural, namespaced) in [("NodeMetrics", "nodes", false), ("PodMetrics", "pods", true)] {
            discovery.resources.push(Discovered {
                resource: client::DynamicResource {
                    group: "metrics.k8s.io".into(),
                    version: "v1beta1".into(),
                    kind: kind.into(),
                    plural: plural.into(),
                    namespaced,
                },
                preferred_version: true,
                ..Discovered::default()
            });
        }
        discovery
    }

    #[tokio::test]
    async fn without_the_api_it_is_said() {
        let server = FakeServer::start().await.expect("a server");
        let (code, out, err) = testing::run(&server, &["top", "node"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (1, "", "error: Metrics API not available\n"));
        let (_, _, err) = testing::run(&server, &["top", "pod", "--sort-by=x"]).await;
        assert_eq!(err, "error: --sort-by accepts only cpu or memory\n");
    }

    #[tokio::test]
    async fn usage_is_shown_with_its_share() {
        let server = FakeServer::start().await.expect("a server");
        let nodes = json!({"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [
            {"metadata": {"name": "n"}, "usage": {"cpu": "250m", "memory": "1Gi"}}]});
        server.on(Method::GET, "/apis/metrics.k8s.io/v1beta1/nodes", Answer::json(200, &nodes));
        let list = json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": [
            {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "1", "memory": "4Gi"}}},
            {"metadata": {"name": "lost"}, "status": {"allocatable": {"cpu": "1"}}}]});
        server.on(Method::GET, "/api/v1/nodes", Answer::json(200, &list));
        let pod = |name: &str, cpu: &str| json!({"metadata": {"name": name, "namespace": "default"}, "containers": [{"name": "c", "usage": {"cpu": cpu, "memory": "10Mi"}}]});
        let pods = json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [pod("a", "1m"), pod("b", "2m")]});
        server.on(
            Method::GET,
            "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods",
            Answer::json(200, &pods),
        );
        let check = async |line: &[&str], expected: &str| {
            let (code, out, err) = testing::run_with_discovery(&server, line, "", with_metrics()).await;
            assert_eq!((code, out.as_str(), err.as_str()), (0, expected, ""), "{line:?}");
        };
        check(&["top", "node"], "NAME   CPU(cores)   CPU(%)      MEMORY(bytes)   MEMORY(%)   \nn      250m         25%         1024Mi          25%         \nlost   <unknown>    <unknown>   <unknown>       <unknown>   \n").await;
        check(&["top", "pod", "--sort-by=cpu"], "NAME   CPU(cores)   MEMORY(bytes)   \nb      2m           10Mi            \na      1m           10Mi            \n").await;
        check(&["top", "pod", "--sum", "--no-headers"], "a   1m         10Mi       \nb   2m         10Mi       \n    ________   ________   \n    3m         20Mi       \n".replace("a   1m", "a     1m").replace("b   2m", "b     2m").replace("    ___", "      ___").replace("    3m", "      3m").as_str()).await;
    }
}
