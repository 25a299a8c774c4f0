//! Edits with scripts in the place of an editor.

use client::fake::{Answer, FakeServer, Received};
use http::Method;
use machinery::status::StatusError;
use machinery::{GroupKind, field};

use super::*;
use crate::commands::testing::discovery;
use crate::options::GlobalOptions;

const PATH: &str = "/api/v1/namespaces/default/configmaps/a";

fn config_map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}, "metadata": {"name": "a", "namespace": "default", "uid": "1"}})
}

/// Runs a session whose editor is `sed` with a script.
async fn edit(server: &FakeServer, words: &[&str]) -> (i32, String, String) {
    let client = server.client().expect("a client");
    let factory = Factory::with_client(GlobalOptions::default(), client, discovery());
    let command = <Args as clap::Args>::augment_args(clap::Command::new("edit"));
    let args = <Args as clap::FromArgMatches>::from_arg_matches(&command.get_matches_from(["edit"])).expect("flags");
    let found = factory.resource("configmaps").await.expect("known");
    let targets = vec![crate::resources::from_live(&found, config_map())];
    let (mut streams, out, err) = Streams::buffers("");
    let session = Session { args: &args, factory: &factory, editor: Editor::of(words), targets };
    let outcome = session.run(&mut streams).await;
    let code = match &outcome {
        Ok(code) => *code,
        Err(error) => {
            writeln!(streams.err, "{}", error.report()).expect("memory");
            error.exit_code()
        }
    };
    (code, out.text(), err.text())
}

/// Removes the file an output names, as a user would after a failure.
fn remove_copy(err: &str) {
    let path = err.split(['"', ' ', '`']).find(|word| word.contains("kubectl-edit-"));
    if let Some(path) = path {
        std::fs::remove_file(path).expect("the copy is there");
    }
}

#[tokio::test]
async fn without_a_change_nothing_is_sent() {
    let server = FakeServer::start().await.expect("a server");
    let (code, out, err) = edit(&server, &["true"]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "Edit cancelled, no changes made.\n"));
    let (code, _, err) = edit(&server, &["sed", "-i", "d"]).await;
    assert_eq!((code, err.as_str()), (0, "Edit cancelled, saved file was empty.\n"));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn changes_are_patched() {
    let server = FakeServer::start().await.expect("a server");
    server.on(Method::PATCH, PATH, Answer::json(200, &config_map()));
    let (code, out, err) = edit(&server, &["sed", "-i", "s/k: v/k: w/"]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "configmap/a edited\n", ""));
    let sent = server.received().last().map(Received::json);
    assert_eq!(sent, Some(json!({"data": {"k": "w"}})));
}

#[tokio::test]
async fn what_is_invalid_is_shown_again() {
    let server = FakeServer::start().await.expect("a server");
    let path = field::Path::new("data");
    let errors = [field::Error::required(&path, "")];
    let invalid = StatusError::invalid(&GroupKind::new("", "ConfigMap"), "a", &errors);
    server.on(Method::PATCH, PATH, Answer::status(&invalid));
    // The second pass changes nothing more.
    let (code, _, err) = edit(&server, &["sed", "-i", "s/k: v/k: w/"]).await;
    assert_eq!(code, 1);
    assert!(err.starts_with("error: configmaps \"a\" is invalid\nA copy of your changes has been stored to"), "{err}");
    assert!(err.ends_with("error: Edit cancelled, no valid changes were saved.\n"), "{err}");
    remove_copy(&err);
}

#[tokio::test]
async fn what_the_server_refuses_is_kept() {
    let server = FakeServer::start().await.expect("a server");
    let refused = StatusError::bad_request("no");
    server.on(Method::PATCH, PATH, Answer::status(&refused));
    let (code, _, err) = edit(&server, &["sed", "-i", "s/k: v/k: w/"]).await;
    assert_eq!(code, 1);
    assert!(err.starts_with("error: configmaps \"a\" could not be patched: no\nYou can run `kubectl replace -f "), "{err}");
    remove_copy(&err);
    let (code, _, err) = edit(&server, &["false"]).await;
    assert_eq!((code, err.as_str()), (1, "error: there was a problem with the editor \"false\"\n"));
    let (code, _, err) = edit(&server, &["sed", "-i", "s/name: a/name: b/"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("error: At least one of apiVersion, kind and name was changed"), "{err}");
    remove_copy(&err);
}
