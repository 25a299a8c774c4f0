//! `kubectl autoscale`: an autoscaler for a workload (`kubectl/pkg/cmd/autoscale`).

use serde_json::{Value, json};

use super::create::{self, CreateArgs};
use crate::error::message;
use crate::files::FileArgs;
use crate::print::{ChangeArgs, DryRun};
use crate::resources::{Choice, Target};
use crate::{Error, Factory, Result, Streams};

/// Arguments of `autoscale`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// The lower limit for the number of pods that can be set by the autoscaler
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    pub min: i32,
    /// The upper limit for the number of pods that can be set by the autoscaler. Required
    #[arg(long, allow_hyphen_values = true)]
    pub max: Option<i32>,
    /// The target average CPU utilization, as a percent of requested CPU. Deprecated: use --cpu
    #[arg(long, default_value_t = -1, allow_hyphen_values = true, hide = true)]
    pub cpu_percent: i32,
    /// Target CPU over all the pods: a percentage such as 70%, or a quantity such as 500m
    #[arg(long, default_value = "")]
    pub cpu: String,
    /// Target memory over all the pods: a percentage such as 60%, or a quantity such as 200Mi
    #[arg(long, default_value = "")]
    pub memory: String,
    /// The name for the newly created object
    #[arg(long, default_value = "")]
    pub name: String,
    /// If true, the configuration of current object will be saved in its annotation
    #[arg(long)]
    pub save_config: bool,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-autoscale")]
    pub field_manager: String,
}

/// Runs `autoscale`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let Some(max) = args.max else { return Err(message("required flag(s) \"max\" not set")) };
    if max < 1 {
        return Err(message(format!("--max=MAXPODS is required and must be at least 1, max: {max}")));
    }
    if max < args.min {
        return Err(message(format!(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {max}, min: {}",
            args.min
        )));
    }
    if args.cpu_percent > 0 && !args.cpu.is_empty() {
        return Err(message("--cpu-percent and --cpu are mutually exclusive"));
    }
    let metrics = metrics(&args)?;
    let choice =
        Choice { arguments: &args.resources, files: Some(&args.files), verb: "autoscale", ..Choice::default() };
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    if targets.is_empty() && errors.is_empty() {
        return Err(message("no objects passed to autoscale"));
    }
    let options = CreateArgs {
        change: args.change.clone(),
        save_config: args.save_config,
        validate: String::new(),
        field_manager: args.field_manager.clone(),
    };
    let word = if args.change.mode()? == DryRun::Client { "created" } else { "autoscaled" };
    for target in targets {
        if !target.found.subresources.iter().any(|name| name == "scale") {
            let resource = &target.found.resource;
            errors.push(message(format!(
                "cannot autoscale a {}: could not find scale subresource for {}/{}, Resource={} in discovery information",
                resource.kind, resource.group, resource.version, resource.plural
            )));
            continue;
        }
        match create::generated(autoscaler(&args, max, &target, &metrics), &options, factory).await {
            Ok(made) => args.change.report(made, word, streams)?,
            Err(error) => errors.push(error),
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

fn autoscaler(args: &Args, max: i32, target: &Target, metrics: &[Value]) -> Value {
    let name = if args.name.is_empty() { &target.name } else { &args.name };
    let mut object = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"maxReplicas": max, "scaleTargetRef": {"apiVersion": target.found.resource.api_version(),
            "kind": target.found.resource.kind, "name": target.name}},
        "status": {"currentMetrics": null, "desiredReplicas": 0}});
    if args.min > 0 {
        object["spec"]["minReplicas"] = args.min.into();
    }
    if !metrics.is_empty() {
        object["spec"]["metrics"] = json!(metrics);
    }
    object
}

fn metrics(args: &Args) -> Result<Vec<Value>> {
    let metric = |name: &str, target: Value| json!({"type": "Resource", "resource": {"name": name, "target": target}});
    let mut found = Vec::new();
    if args.cpu_percent > 0 {
        found.push(metric("cpu", json!({"type": "Utilization", "averageUtilization": args.cpu_percent})));
    }
    for (name, text, unit) in [("cpu", &args.cpu, "m"), ("memory", &args.memory, "Mi")] {
        if !text.is_empty() {
            found.push(metric(name, target(name, text.trim(), unit)?));
        }
    }
    Ok(found)
}

/// A percentage of what is requested, or a quantity; numbers alone count in `unit`.
fn target(name: &str, text: &str, unit: &str) -> Result<Value> {
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.parse::<i32>() {
            Ok(percent) if percent >= 0 => Ok(json!({"type": "Utilization", "averageUtilization": percent})),
            _ => Err(message(format!("invalid percentage value: {percent}"))),
        };
    }
    let quantity = match text.parse::<f64>() {
        Ok(number) => format!("{number}{unit}"),
        Err(_) => text.to_owned(),
    };
    let quantity: machinery::quantity::Quantity =
        quantity.parse().map_err(|_| message(format!("invalid resource {name} value: {text}")))?;
    Ok(json!({"type": "AverageValue", "averageValue": quantity.amount_or_zero().to_string()}))
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer, Received};
    use http::Method;

    use super::*;
    use crate::commands::testing;

    #[test]
    fn targets_are_percentages_or_quantities() {
        let check = |text: &str, unit: &str, expected: &str| {
            let shown = target("cpu", text, unit).map_or_else(|error| error.report(), |value| value.to_string());
            assert!(shown.contains(expected), "{shown}");
        };
        check("70%", "m", r#""averageUtilization":70"#);
        check("500", "m", r#""averageValue":"500m""#);
        check("200", "Mi", r#""averageValue":"200Mi""#);
        check("2Gi", "Mi", r#""averageValue":"2Gi""#);
        check("x%", "m", "error: invalid percentage value: x");
        check("lots", "m", "error: invalid resource cpu value: lots");
    }

    #[tokio::test]
    async fn a_workload_gets_an_autoscaler() {
        let server = FakeServer::start().await.expect("a server");
        let workload = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        server.on(Method::GET, "/apis/apps/v1/namespaces/default/deployments/web", Answer::json(200, &workload));
        let made = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}});
        let path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
        server.on(Method::POST, path, Answer::json(201, &made));
        let line = ["autoscale", "deploy", "web", "--min=2", "--max=5", "--cpu=80%"];
        let (code, out, err) = testing::run(&server, &line).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "horizontalpodautoscaler.autoscaling/web autoscaled\n", ""));
        let sent = server.received().last().map(Received::json).unwrap_or_default();
        assert_eq!(sent.pointer("/spec/scaleTargetRef/kind"), Some(&json!("Deployment")));
        let (code, _, err) = testing::run(&server, &["autoscale", "deploy", "web", "--max=0"]).await;
        assert_eq!((code, err.as_str()), (1, "error: --max=MAXPODS is required and must be at least 1, max: 0\n"));
    }
}
