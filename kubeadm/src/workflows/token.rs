//! `kubeadm token`: the tokens by which new nodes introduce themselves.

use std::path::PathBuf;

use api_types::core::v1::Secret;
use clap::{Arg, ArgMatches, Command};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    flags::{self, list_value, switch_value, text_value},
    init_data,
};
use crate::{
    cluster::{
        access::ClusterAccess,
        tokens::{self, ListedToken},
    },
    config::{
        self, defaults,
        tokens::{Token, parse_id, secret_name},
        v1beta4::BootstrapToken,
        validation,
    },
    constants,
    phases::show_join_command::join_command,
    render::yaml,
};

/// How long to try to reach the cluster.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

pub fn command() -> Command {
    let create = Command::new("create").about("Create bootstrap tokens on the server").arg(
        Arg::new("given-token").value_name("token").help("The token to create; a random one when absent"),
    );
    let create = flags::add(
        create,
        &[
            "config",
            "certificate-key",
            "description",
            "groups",
            "print-join-command",
            "ttl",
            "usages",
            "kubeconfig",
            "dry-run",
        ],
    );
    let list = flags::add(
        Command::new("list").about("List bootstrap tokens on the server"),
        &["kubeconfig", "output", "dry-run"],
    );
    let delete = Command::new("delete").about("Delete bootstrap tokens on the server").arg(
        Arg::new("ids").value_name("token-value").num_args(1..).required(true).help("Ids or whole tokens"),
    );
    let delete = flags::add(delete, &["kubeconfig", "dry-run"]);
    let generate = flags::add(
        Command::new("generate")
            .about("Generate and print a bootstrap token, but do not create it on the server"),
        &["dry-run"],
    );
    Command::new("token")
        .about("Manage bootstrap tokens")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([create, delete, generate, list])
}

pub async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("create", inner)) => create(inner).await,
        Some(("delete", inner)) => delete(inner).await,
        Some(("list", inner)) => list(inner).await,
        _ => {
            println!("{}", Token::generate());
            Ok(())
        }
    }
}

fn kubeconfig(matches: &ArgMatches) -> PathBuf {
    text_value(matches, "kubeconfig")
        .map_or_else(|| constants::kubeconfig_path(constants::ADMIN_KUBECONFIG), PathBuf::from)
}

fn cluster(matches: &ArgMatches) -> anyhow::Result<ClusterAccess> {
    if switch_value(matches, "dry-run") {
        return Ok(ClusterAccess::dry_run());
    }
    Ok(ClusterAccess::from_file(&kubeconfig(matches), LIMIT)?)
}

async fn create(matches: &ArgMatches) -> anyhow::Result<()> {
    let mut wanted = match text_value(matches, "config") {
        Some(path) => {
            let init = config::read_file(std::path::Path::new(&path))?.init.unwrap_or_default();
            init.bootstrap_tokens
        }
        None => Vec::new(),
    };
    if wanted.is_empty() {
        wanted.push(token_from_flags(matches)?);
    }
    let cluster = cluster(matches)?;
    for token in &mut wanted {
        if token.token.is_empty() {
            token.token = Token::generate().to_string();
        }
        defaults::bootstrap_token(token);
        check(token)?;
        tokens::store(&cluster, &tokens::to_secret(token, Timestamp::now())?, true).await?;
        if !switch_value(matches, "print-join-command") {
            println!("{}", token.token);
            continue;
        }
        let text = std::fs::read_to_string(kubeconfig(matches))?;
        let mut command = join_command(&text, &token.token)?.replace("\\\n\t", "");
        if let Some(key) = text_value(matches, "certificate-key") {
            command.push_str(&format!(" --control-plane --certificate-key {key}"));
        }
        println!("{command}");
    }
    Ok(())
}

fn token_from_flags(matches: &ArgMatches) -> anyhow::Result<BootstrapToken> {
    Ok(BootstrapToken {
        token: text_value(matches, "given-token").unwrap_or_default(),
        description: text_value(matches, "description").unwrap_or_default(),
        ttl: text_value(matches, "ttl").map(|ttl| init_data::duration("ttl", &ttl)).transpose()?,
        usages: list_value(matches, "usages"),
        groups: list_value(matches, "groups"),
        expires: None,
    })
}

fn check(token: &BootstrapToken) -> anyhow::Result<()> {
    token.token.parse::<Token>()?;
    for group in &token.groups {
        anyhow::ensure!(
            validation::is_bootstrap_group(group),
            "bootstrap group {group:?} is invalid (must match \\Asystem:bootstrappers:[a-z0-9:-]{{0,255}}[a-z0-9]\\z)"
        );
    }
    for usage in &token.usages {
        anyhow::ensure!(
            usage == "signing" || usage == "authentication",
            "invalid bootstrap token usage string: {usage:?}, valid usages: [signing authentication]"
        );
    }
    Ok(())
}

async fn delete(matches: &ArgMatches) -> anyhow::Result<()> {
    let cluster = cluster(matches)?;
    for given in matches.get_many::<String>("ids").into_iter().flatten() {
        let id = parse_id(given)?;
        cluster.delete::<Secret>(constants::KUBE_SYSTEM, &secret_name(&id)).await?;
        println!("bootstrap token {id:?} deleted");
    }
    Ok(())
}

async fn list(matches: &ArgMatches) -> anyhow::Result<()> {
    let cluster = cluster(matches)?;
    let listed = tokens::list(&cluster).await?;
    let now = Timestamp::now();
    match text_value(matches, "output").as_deref() {
        None | Some("text") => print!("{}", table(&listed, now)),
        Some("json") => {
            for token in &listed {
                println!("{}", serde_json::to_string_pretty(&document(token))?);
            }
        }
        Some("yaml") => print!("{}", yaml::documents(&listed.iter().map(document).collect::<Vec<_>>())),
        Some(other) => anyhow::bail!("invalid output format {other:?}: expected one of text, json, yaml"),
    }
    Ok(())
}

fn document(token: &ListedToken) -> Value {
    json!({
        "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
        "kind": "BootstrapToken",
        "token": token.token,
        "description": token.description,
        "expires": token.expires.map(|time| time.to_string()),
        "usages": token.usages,
        "groups": token.groups,
    })
}

fn table(listed: &[ListedToken], now: Timestamp) -> String {
    let mut rows =
        vec![["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"].map(str::to_owned)];
    rows.extend(listed.iter().map(|token| {
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        [
            token.token.clone(),
            token.expires.map_or_else(|| "<forever>".to_owned(), |time| remaining(time, now)),
            token.expires.map_or_else(|| "<never>".to_owned(), |time| time.to_string()),
            or(token.usages.join(","), "<none>"),
            or(token.description.clone(), "<none>"),
            or(token.groups.join(","), "<none>"),
        ]
    }));
    super::configs::align(&rows)
}

/// What is left of a token's life, as kubectl shows ages.
fn remaining(until: Timestamp, now: Timestamp) -> String {
    let seconds = until.as_second() - now.as_second();
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1..120 => format!("{}s", seconds.max(0)),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_shows_what_is_left() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let token = ListedToken {
            token: "abcdef.0123456789abcdef".to_owned(),
            expires: "2026-01-01T23:00:00Z".parse().ok(),
            usages: vec!["signing".to_owned()],
            description: String::new(),
            groups: Vec::new(),
        };
        let eternal = ListedToken { expires: None, ..token.clone() };
        let text = table(&[token, eternal], now);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("TOKEN                     TTL         EXPIRES"), "{text}");
        assert!(lines[1].contains("   23h         2026-01-01T23:00:00Z   signing   <none>"), "{text}");
        assert!(lines[2].contains("<forever>   <never>"), "{text}");
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }
}
