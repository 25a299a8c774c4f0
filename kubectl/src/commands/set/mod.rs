//! `kubectl set`: common changes to fields of objects (`kubectl/pkg/cmd/set`).

mod changing;
mod env;
mod image;
mod references;
mod requirements;
mod selector;
mod service_account;
mod subject;

use crate::{Factory, Result, Streams};
pub use changing::difference;

/// Arguments of `set`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is set.
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Update environment variables on a pod template
    Env(env::Args),
    /// Update the image of a pod template
    Image(image::Args),
    /// Update resource requests/limits on objects with pod templates
    Resources(requirements::Args),
    /// Set the selector on a resource
    Selector(selector::Args),
    /// Update the service account of a resource
    #[command(name = "serviceaccount", visible_alias = "sa")]
    ServiceAccount(service_account::Args),
    /// Update the user, group, or service account in a role binding or cluster role binding
    Subject(subject::Args),
}

/// Runs `set`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    match args.what {
        What::Env(args) => env::run(args, factory, streams).await,
        What::Image(args) => image::run(args, factory, streams).await,
        What::Resources(args) => requirements::run(args, factory, streams).await,
        What::Selector(args) => selector::run(args, factory, streams).await,
        What::ServiceAccount(args) => service_account::run(args, factory, streams).await,
        What::Subject(args) => subject::run(args, factory, streams).await,
    }
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer, Received};
    use http::Method;
    use serde_json::{Value, json};

    use crate::commands::testing::{run, run_with_input};

    const PATH: &str = "/apis/apps/v1/namespaces/default/deployments/web";

    fn deployment() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"template": {"spec": {
                "containers": [{"name": "a", "image": "x:1", "env": [{"name": "OLD", "value": "1"}]}, {"name": "b", "image": "y:1"}],
                "initContainers": [{"name": "i", "image": "z:1"}]}}}})
    }

    /// Runs a command on the deployment: exit code, output, errors, and the patch that was sent.
    async fn on_deployment(line: &str) -> (i32, String, String, Value) {
        let server = FakeServer::start().await.expect("a server");
        server.on(Method::GET, PATH, Answer::json(200, &deployment()));
        server.on(Method::PATCH, PATH, Answer::json(200, &deployment()));
        let words: Vec<&str> = line.split(' ').collect();
        let (code, out, err) = run(&server, &words).await;
        let sent = server.received().into_iter().find(|request| request.method == Method::PATCH);
        (code, out, err, sent.as_ref().map(Received::json).unwrap_or_default())
    }

    fn spec(patch: &Value) -> Value {
        patch.pointer("/spec/template/spec").cloned().unwrap_or_default()
    }

    #[tokio::test]
    async fn images_are_set_by_container() {
        let (code, out, err, patch) = on_deployment("set image deploy/web a=x:2 i=z:2").await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "deployment.apps/web image updated\n", ""));
        let containers = patch.pointer("/spec/template/spec/containers").cloned();
        assert_eq!(containers, Some(json!([{"name": "a", "image": "x:2"}])));
        let (_, _, _, patch) = on_deployment("set image deploy/web *=q:1").await;
        assert_eq!(spec(&patch)["initContainers"], json!([{"name": "i", "image": "q:1"}]));
        let (code, _, err, _) = on_deployment("set image deploy/web c=x:2").await;
        assert_eq!((code, err.as_str()), (1, "error: unable to find container named \"c\"\n"));
        let (code, _, err, _) = on_deployment("set image deploy/web").await;
        assert_eq!((code, err.as_str()), (1, "error: at least one image update is required\n"));
    }

    #[tokio::test]
    async fn variables_are_added_replaced_removed_and_listed() {
        let (code, out, err, patch) = on_deployment("set env deploy/web -c a NEW=2 OLD-").await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "deployment.apps/web env updated\n", ""));
        let env = spec(&patch).pointer("/containers/0/env").cloned().unwrap_or_default();
        assert!(env.to_string().contains(r#"{"name":"NEW","value":"2"}"#), "{env}");
        assert!(env.to_string().contains(r#""$patch":"delete""#), "{env}");
        let (code, out, _, _) = on_deployment("set env deploy/web --list").await;
        let expected = "# Deployment web, container a\nOLD=1\n# Deployment web, container b\n# Deployment web, container i\n";
        assert_eq!((code, out.as_str()), (0, expected));
        let (code, _, err, _) = on_deployment("set env deploy/web OLD=2 --overwrite=false").await;
        let expected = "error: deployments/web 'OLD' already has a value (1), and --overwrite is false\n";
        assert_eq!((code, err.as_str()), (1, expected));
    }

    #[tokio::test]
    async fn requirements_and_accounts_are_set() {
        let (code, out, _, patch) = on_deployment("set resources deploy/web -c=b --limits=cpu=200m,memory=64Mi").await;
        assert_eq!((code, out.as_str()), (0, "deployment.apps/web resource requirements updated\n"));
        assert_eq!(spec(&patch)["containers"], json!([{"name": "b", "resources": {"limits": {"cpu": "200m", "memory": "64Mi"}}}]));
        let (code, _, err, _) = on_deployment("set resources deploy/web").await;
        assert_eq!(code, 1);
        assert!(err.starts_with("error: you must specify an update to requests or limits"), "{err}");
        let (code, out, _, patch) = on_deployment("set sa deploy web robot").await;
        assert_eq!((code, out.as_str()), (0, "deployment.apps/web serviceaccount updated\n"));
        assert_eq!(spec(&patch), json!({"serviceAccountName": "robot"}));
    }

    #[tokio::test]
    async fn selectors_of_services_and_subjects_of_bindings_are_set() {
        let server = FakeServer::start().await.expect("a server");
        let path = "/api/v1/namespaces/default/services/s";
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"a": "1"}}});
        server.on(Method::GET, path, Answer::json(200, &service)).on(Method::PATCH, path, Answer::json(200, &service));
        let (code, out, err) = run(&server, &["set", "selector", "service", "s", "b=2"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "service/s selector updated\n", ""));
        let sent = server.received().last().map(Received::json).unwrap_or_default();
        assert_eq!(sent, json!({"spec": {"selector": {"a": null, "b": "2"}}}));

        let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: r}\nroleRef: {kind: Role, name: x, apiGroup: rbac.authorization.k8s.io}\n";
        let line = ["set", "subject", "-f", "-", "--local", "--user=b", "--user=a", "--serviceaccount=n:s", "-o", "jsonpath={.subjects}"];
        let (code, out, err) = run_with_input(&server, &line, binding).await;
        let group = "rbac.authorization.k8s.io";
        let expected = format!(
            r#"[{{"apiGroup":"{group}","kind":"User","name":"a"}},{{"apiGroup":"{group}","kind":"User","name":"b"}},{{"kind":"ServiceAccount","name":"s","namespace":"n"}}]"#
        );
        assert_eq!((code, out, err.as_str()), (0, expected, ""));
    }
}
