//! `kubectl create`: objects from files, or made from flags.

pub mod generate;
pub mod more;

use client::WriteParams;
use serde_json::Value;

use crate::error::message;
use crate::files::FileArgs;
use crate::print::{ChangeArgs, DryRun};
use crate::resources::{Choice, Chosen};
use crate::{Error, Factory, Result, Streams};

/// Arguments of `create`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub options: CreateArgs,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    #[command(subcommand)]
    pub what: Option<generate::What>,
}

/// Flags of every way to create.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CreateArgs {
    #[command(flatten)]
    pub change: ChangeArgs,
    /// If true, the configuration of current object will be saved in its annotation
    #[arg(long)]
    pub save_config: bool,
    /// Must be one of: strict (or true), warn, ignore (or false)
    #[arg(long, default_value = "strict", num_args = 0..=1, require_equals = true, default_missing_value = "strict", value_parser = super::parse_validation)]
    pub validate: String,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-create")]
    pub field_manager: String,
}

/// Runs `create`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if let Some(what) = args.what {
        return generate::run(what, factory, streams).await;
    }
    if args.files.is_empty() {
        return Err(message("must specify one of -f and -k"));
    }
    let choice = Choice { files: Some(&args.files), label_selector: &args.selector, ..Choice::default() };
    let Chosen::Named(targets) = choice.resolve(factory, streams).await? else { return Ok(0) };
    if targets.is_empty() {
        return Err(message("no objects passed to create"));
    }
    let mut errors = Vec::new();
    for target in targets {
        let object = target.object().clone();
        match send(&target.found, target.namespace.as_deref(), object, &args.options, factory).await {
            Ok(made) => args.options.change.report(made, "created", streams)?,
            Err(Error::Client(error)) => errors.push(annotated(error, &target.source)),
            Err(error) => errors.push(error),
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

/// Upstream's prefix for objects from files.
fn annotated(error: client::Error, source: &str) -> Error {
    match error {
        client::Error::Status(mut status) if status.reason() != "Invalid" => {
            status.status.message = format!("error when creating {source:?}: {}", status.status.message);
            Error::Client(client::Error::Status(status))
        }
        other => Error::Client(other),
    }
}

/// Creates one object, or pretends to.
pub async fn send(
    found: &client::discovery::Discovered,
    namespace: Option<&str>,
    mut object: Value,
    options: &CreateArgs,
    factory: &Factory,
) -> Result<Value> {
    if options.save_config {
        object = crate::apply::with_last_applied(&object);
    }
    let mode = options.change.mode()?;
    if mode == DryRun::Client {
        return Ok(object);
    }
    let params = WriteParams {
        dry_run: mode == DryRun::Server,
        field_manager: options.field_manager.clone(),
        field_validation: options.validate.clone(),
    };
    Ok(factory.client()?.dynamic(&found.resource, namespace).create(&object, &params).await?)
}

/// Creates a generated object in the namespace of the flags.
pub async fn generated(mut object: Value, options: &CreateArgs, factory: &Factory) -> Result<Value> {
    let api_version = crate::values::text(&object, "/apiVersion").to_owned();
    let kind = crate::values::text(&object, "/kind").to_owned();
    let Some(found) = factory.by_kind(&api_version, &kind).await? else {
        return Err(message(format!("no matches for kind {kind:?} in version {api_version:?}")));
    };
    let namespace = if found.resource.namespaced { Some(factory.namespace()?) } else { None };
    if let Some(namespace) = factory.explicit_namespace().filter(|_| found.resource.namespaced) {
        let metadata = crate::values::map_at(&mut object, &["metadata"]);
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    send(&found, namespace.as_deref(), object, options, factory).await
}

#[cfg(test)]
mod tests {
    use client::fake::FakeServer;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn generated_objects_are_upstreams() {
        let server = FakeServer::start().await.expect("a server");
        let check = async |line: &str, expected: &str| {
            let mut words: Vec<&str> = line.split(' ').collect();
            words.extend(["--dry-run=client", "-o", "yaml"]);
            let (code, out, err) = run(&server, &words).await;
            assert_eq!((code, out.as_str(), err.as_str()), (0, expected, ""), "{line}");
        };
        check("create namespace x", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\nspec: {}\nstatus: {}\n").await;
        check(
            "create configmap c --from-literal=a=1 -n y",
            "apiVersion: v1\ndata:\n  a: \"1\"\nkind: ConfigMap\nmetadata:\n  name: c\n  namespace: \"y\"\n",
        )
        .await;
        check(
            "create secret generic s --from-literal=a=b",
            "apiVersion: v1\ndata:\n  a: Yg==\nkind: Secret\nmetadata:\n  name: s\n",
        )
        .await;
        check("create serviceaccount a", "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n").await;
        check(
            "create deployment web --image=nginx:1 --replicas=2",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels:\n    app: web\n  name: web\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: web\n  strategy: {}\n  template:\n    metadata:\n      labels:\n        app: web\n    spec:\n      containers:\n      - image: nginx:1\n        name: nginx\n        resources: {}\nstatus: {}\n",
        )
        .await;
        check(
            "create rolebinding b --role=r --serviceaccount=x:y",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: b\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: r\nsubjects:\n- kind: ServiceAccount\n  name: \"y\"\n  namespace: x\n",
        )
        .await;
        check(
            "create service clusterip s --tcp=80:8080",
            "apiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    app: s\n  name: s\nspec:\n  ports:\n  - name: 80-8080\n    port: 80\n    protocol: TCP\n    targetPort: 8080\n  selector:\n    app: s\n  type: ClusterIP\nstatus:\n  loadBalancer: {}\n",
        )
        .await;
    }
}
