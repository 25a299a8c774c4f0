//! `kubectl auth`: who one is and what one may do.

use std::io::Write as _;

use client::WriteParams;
use serde_json::{Value, json};

use crate::error::message;
use crate::print::tabs;
use crate::{Factory, Result, Streams, values};

/// Arguments of `auth`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Check whether an action is allowed
    CanI(CanI),
    /// Check self subject attributes
    #[command(name = "whoami")]
    WhoAmI(WhoAmI),
}

#[derive(Clone, Debug, clap::Args)]
struct CanI {
    /// VERB [TYPE | TYPE/NAME | NONRESOURCEURL]
    words: Vec<String>,
    /// If true, prints all allowed actions
    #[arg(long)]
    list: bool,
    /// If true, suppress output and just return the exit code
    #[arg(long, short = 'q')]
    quiet: bool,
    /// SubResource such as pod/log or deployment/scale
    #[arg(long, default_value = "")]
    subresource: String,
    /// If true, check the specified action in all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// If true, prints allowed actions without headers
    #[arg(long)]
    no_headers: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct WhoAmI {
    /// Output format
    #[arg(long, short = 'o', default_value = "")]
    output: String,
}

/// Runs `auth`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    match args.what {
        What::CanI(can) if can.list => list(&can, factory, streams).await,
        What::CanI(can) => can_i(&can, factory, streams).await,
        What::WhoAmI(who) => who_am_i(&who, factory, streams).await,
    }
}

async fn review(resource: &str, body: &Value, factory: &Factory) -> Result<Value> {
    let found = factory.resource(resource).await?;
    Ok(factory.client()?.dynamic(&found.resource, None).create(body, &WriteParams::default()).await?)
}

async fn can_i(can: &CanI, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let [verb, object] = can.words.as_slice() else {
        return Err(message("you must specify two arguments: verb resource or verb resource/resourceName."));
    };
    let mut spec = json!({});
    if object.starts_with('/') {
        spec["nonResourceAttributes"] = json!({"path": object, "verb": verb});
    } else {
        let (kind, name) = object.split_once('/').unwrap_or((object, ""));
        let namespace = if can.all_namespaces { String::new() } else { factory.namespace()? };
        let (group, plural) = match factory.resource(kind).await {
            Ok(found) => (found.resource.group, found.resource.plural),
            Err(_) => {
                if kind != "*" {
                    writeln!(streams.err, "Warning: the server doesn't have a resource type '{kind}'\n")?;
                }
                (if kind == "*" { "*".to_owned() } else { String::new() }, kind.to_owned())
            }
        };
        spec["resourceAttributes"] = json!({"namespace": namespace, "verb": verb, "group": group, "resource": plural,
            "subresource": can.subresource, "name": name});
    }
    let body =
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec});
    let answer = review("selfsubjectaccessreviews.authorization.k8s.io", &body, factory).await?;
    let allowed = values::flag(&answer, "/status/allowed");
    if !can.quiet {
        let (reason, problem) =
            (values::text(&answer, "/status/reason"), values::text(&answer, "/status/evaluationError"));
        let mut line = if allowed { "yes".to_owned() } else { "no".to_owned() };
        if !allowed && !reason.is_empty() {
            line.push_str(&format!(" - {reason}"));
        }
        if !allowed && !problem.is_empty() {
            line.push_str(&format!(" - {problem}"));
        }
        writeln!(streams.out, "{line}")?;
    }
    Ok(i32::from(!allowed))
}

async fn list(can: &CanI, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if !can.words.is_empty() {
        return Err(message("list option must be specified with no arguments"));
    }
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": factory.namespace()?}});
    let answer = review("selfsubjectrulesreviews.authorization.k8s.io", &body, factory).await?;
    let rules =
        ["/status/resourceRules", "/status/nonResourceRules"].map(|pointer| values::list(&answer, pointer));
    let mut rows = Vec::new();
    if !can.no_headers {
        rows.push(["Resources", "Non-Resource URLs", "Resource Names", "Verbs"].map(str::to_owned).to_vec());
    }
    rows.extend(crate::describe::roles::rows(&json!({"rules": rules.concat()})).into_iter().map(Vec::from));
    write!(streams.out, "{}", tabs::render(&rows))?;
    Ok(0)
}

async fn who_am_i(who: &WhoAmI, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = review("selfsubjectreviews.authentication.k8s.io", &body, factory).await?;
    let format = crate::print::Format::parse(&who.output, true, false)?;
    if format.is_structured() {
        format.print(&answer, streams)?;
        return Ok(0);
    }
    let mut rows = vec![vec!["ATTRIBUTE".to_owned(), "VALUE".to_owned()]];
    let brackets =
        |list: &[Value]| format!("[{}]", list.iter().map(values::plain).collect::<Vec<_>>().join(" "));
    let mut add = |name: &str, value: String| {
        if !value.is_empty() && value != "[]" {
            rows.push(vec![name.to_owned(), value]);
        }
    };
    add("Username", values::text(&answer, "/status/userInfo/username").to_owned());
    add("UID", values::text(&answer, "/status/userInfo/uid").to_owned());
    add("Groups", brackets(values::list(&answer, "/status/userInfo/groups")));
    for (key, value) in values::entries(&answer, "/status/userInfo/extra") {
        add(&format!("Extra: {key}"), brackets(values::list(value, "")));
    }
    write!(streams.out, "{}", tabs::render(&rows))?;
    Ok(0)
}
