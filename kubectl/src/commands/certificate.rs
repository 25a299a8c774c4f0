//! `kubectl certificate`: approves and denies requests for certificates (`kubectl/pkg/cmd/certificates`).

use std::io::Write as _;

use client::WriteParams;
use serde_json::{Value, json};

use crate::error::message;
use crate::files::FileArgs;
use crate::print::ChangeArgs;
use crate::resources::{self, Choice, Target};
use crate::{Error, Factory, Result, Streams, values};

/// How often a request that changed meanwhile is decided again.
const RETRIES: usize = 10;

/// Arguments of `certificate`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// The decision.
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Approve a certificate signing request
    Approve(Decision),
    /// Deny a certificate signing request
    Deny(Decision),
}

/// Which requests.
#[derive(Clone, Debug, clap::Args)]
struct Decision {
    /// Names of requests
    names: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    /// Output format. One of: (json, yaml, name, go-template, go-template-file, jsonpath, jsonpath-file)
    #[arg(long, short = 'o', default_value = "")]
    output: String,
    /// Update the CSR even if it is already decided that way
    #[arg(long)]
    force: bool,
}

/// What a decision writes.
struct Condition {
    type_: &'static str,
    opposite: &'static str,
    done: &'static str,
    reason: &'static str,
    text: &'static str,
}

const APPROVED: Condition = Condition {
    type_: "Approved",
    opposite: "Denied",
    done: "approved",
    reason: "KubectlApprove",
    text: "This CSR was approved by kubectl certificate approve.",
};
const DENIED: Condition = Condition {
    type_: "Denied",
    opposite: "Approved",
    done: "denied",
    reason: "KubectlDeny",
    text: "This CSR was denied by kubectl certificate deny.",
};

/// Runs `certificate`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    match args.what {
        What::Approve(decision) => decide(&decision, &APPROVED, factory, streams).await,
        What::Deny(decision) => decide(&decision, &DENIED, factory, streams).await,
    }
}

async fn decide(
    decision: &Decision,
    condition: &Condition,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<i32> {
    if decision.names.is_empty() && decision.files.is_empty() {
        return Err(message("one or more CSRs must be specified as <name> or -f <filename>"));
    }
    let mut targets = Vec::new();
    if !decision.files.is_empty() {
        let choice = Choice { files: Some(&decision.files), verb: "certificate", ..Choice::default() };
        targets = choice.fetch(factory, streams).await.and_then(|(targets, errors)| {
            Error::from_list(errors).map_or(Ok(targets), Err)
        })?;
    }
    let found = factory.resource("certificatesigningrequests.certificates.k8s.io").await?;
    for name in &decision.names {
        let name = name.rsplit('/').next().unwrap_or(name);
        targets.push(resources::target(factory, found.clone(), name)?);
    }
    let change = ChangeArgs {
        dry_run: "none".to_owned(),
        output: decision.output.clone(),
        allow_missing_template_keys: true,
        ..ChangeArgs::default()
    };
    let mut errors = Vec::new();
    let mut any = false;
    for target in targets {
        match one(&target, condition, decision.force, factory).await {
            Ok(request) => {
                any = true;
                change.report(request, condition.done, streams)?;
            }
            Err(error) => errors.push(error),
        }
    }
    if !any && errors.is_empty() {
        writeln!(streams.out, "No resources found")?;
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

/// Decides one request; the request as it was.
async fn one(target: &Target, condition: &Condition, force: bool, factory: &Factory) -> Result<Value> {
    let resource = &target.found.resource;
    if (resource.group.as_str(), resource.kind.as_str())
        != ("certificates.k8s.io", "CertificateSigningRequest")
    {
        let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
        return Err(message(format!(
            "can only handle CertificateSigningRequest.certificates.k8s.io objects, got {}{group}",
            resource.kind
        )));
    }
    let api = target.api(factory)?;
    for attempt in 0..=RETRIES {
        let request = api.get(&target.name, "").await?;
        let mut decided = request.clone();
        let already = add(&mut decided, condition)?;
        if already && !force {
            return Ok(request);
        }
        match api.replace(&target.name, "approval", &decided, &WriteParams::default()).await {
            Ok(_) => return Ok(request),
            Err(error) if error.is_conflict() && attempt < RETRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(message(format!("{} changed at every attempt to decide it", target.shown())))
}

/// Adds the condition; whether it was there already.
fn add(request: &mut Value, condition: &Condition) -> Result<bool> {
    let known = values::list(request, "/status/conditions");
    let has = |type_: &str| known.iter().any(|condition| values::text(condition, "/type") == type_);
    if has(condition.opposite) {
        return Err(message(format!(
            "certificate signing request {:?} is already {}",
            values::name(request),
            condition.opposite
        )));
    }
    if has(condition.type_) {
        return Ok(true);
    }
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut list = known.to_vec();
    list.push(json!({"type": condition.type_, "status": "True", "reason": condition.reason,
        "message": condition.text, "lastUpdateTime": now}));
    values::map_at(request, &["status"]).insert("conditions".to_owned(), list.into());
    Ok(false)
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer, Received};
    use http::Method;

    use super::*;
    use crate::commands::testing;

    #[tokio::test]
    async fn requests_are_approved_once() {
        let server = FakeServer::start().await.expect("a server");
        let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/c";
        let request = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "c"}, "status": {}});
        server.on(Method::GET, path, Answer::json(200, &request));
        server.on(Method::PUT, &format!("{path}/approval"), Answer::json(200, &request));
        let (code, out, err) = testing::run(&server, &["certificate", "approve", "c"]).await;
        let expected = "certificatesigningrequest.certificates.k8s.io/c approved\n";
        assert_eq!((code, out.as_str(), err.as_str()), (0, expected, ""));
        let sent = server.received().last().map(Received::json).unwrap_or_default();
        assert_eq!(sent["status"]["conditions"][0]["reason"], json!("KubectlApprove"));
        let (code, _, err) = testing::run(&server, &["certificate", "deny"]).await;
        assert_eq!((code, err.as_str()), (1, "error: one or more CSRs must be specified as <name> or -f <filename>\n"));
    }

    #[test]
    fn a_decision_stands() {
        let mut request = json!({"metadata": {"name": "c"}, "status": {"conditions": [{"type": "Denied"}]}});
        assert_eq!(add(&mut request, &DENIED).ok(), Some(true));
        let error = add(&mut request, &APPROVED).expect_err("denied");
        assert_eq!(error.report(), "error: certificate signing request \"c\" is already Denied");
    }
}
