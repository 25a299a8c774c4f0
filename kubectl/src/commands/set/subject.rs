//! `kubectl set subject`: to whom a binding gives its role.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::changing::{Common, Outcome, Words};
use crate::error::message;
use crate::{Factory, Result, Streams, values};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Arguments of `set subject`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub common: Common,
    /// Usernames to bind to the role; here the flag names no credentials
    #[arg(long, action = clap::ArgAction::Append)]
    pub user: Vec<String>,
    /// Groups to bind to the role
    #[arg(long, action = clap::ArgAction::Append)]
    pub group: Vec<String>,
    /// Service accounts to bind to the role
    #[arg(long, action = clap::ArgAction::Append)]
    pub serviceaccount: Vec<String>,
}

const WORDS: Words = Words {
    done: "subjects updated",
    failed: "failed to patch subjects to rolebinding:",
    even_unchanged: false,
};

/// Runs `set subject`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let objects = args.common.objects(&args.resources, factory, streams).await?;
    args.common.check()?;
    let users = &args.user;
    if users.is_empty() && args.group.is_empty() && args.serviceaccount.is_empty() {
        return Err(message("you must specify at least one value of user, group or serviceaccount"));
    }
    for account in &args.serviceaccount {
        let parts: Vec<&str> = account.split(':').collect();
        match parts.as_slice() {
            ["", name] if !name.is_empty() => {
                let cluster_wide = |target: &crate::resources::Target| {
                    values::text(target.object(), "/kind") == "ClusterRoleBinding"
                };
                if objects.iter().any(cluster_wide) {
                    return Err(message(
                        "serviceaccount must be <namespace>:<name>, namespace must be specified",
                    ));
                }
            }
            [_, name] if !name.is_empty() => {}
            _ => return Err(message("serviceaccount must be <namespace>:<name>")),
        }
    }
    let wanted = subjects(users, &args.group, &args.serviceaccount, &factory.namespace()?);
    args.common
        .write(objects, WORDS, factory, streams, |object| {
            if !matches!(values::text(object, "/kind"), "RoleBinding" | "ClusterRoleBinding") {
                return Err(message("setting subjects is only supported for RoleBinding/ClusterRoleBinding"));
            }
            let mut list = values::list(object, "/subjects").to_vec();
            let known = list.len();
            for subject in &wanted {
                if !list.contains(subject) {
                    list.push(subject.clone());
                }
            }
            if list.len() == known {
                return Ok(Outcome::Nothing);
            }
            object["subjects"] = list.into();
            Ok(Outcome::Changed)
        })
        .await
}

fn subjects(users: &[String], groups: &[String], accounts: &[String], namespace: &str) -> Vec<Value> {
    let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
    let mut list = Vec::new();
    for (kind, names) in [("User", users), ("Group", groups)] {
        list.extend(
            sorted(names).into_iter().map(|name| json!({"apiGroup": GROUP, "kind": kind, "name": name})),
        );
    }
    for account in sorted(accounts) {
        let (own, name) = account.split_once(':').unwrap_or(("", &account));
        let own = if own.is_empty() { namespace } else { own };
        list.push(json!({"kind": "ServiceAccount", "name": name, "namespace": own}));
    }
    list
}
