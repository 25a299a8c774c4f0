//! `kubectl __complete`: what may come next on a command line, one candidate a line and a directive at the end.

use std::io::Write as _;

use clap::{ArgAction, Command, FromArgMatches as _};
use client::params::ListParams;

use crate::options::GlobalOptions;
use crate::{Factory, Result, Streams, resources, values};

/// The shell may offer files.
const FILES: u8 = 0;
/// The shell must not offer files.
const NO_FILES: u8 = 4;

/// Arguments of `__complete`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The words after `kubectl`, the last being the one to complete
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// What a place on a command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Files,
    Nothing,
    Types,
    Namespaces,
    Contexts,
    Clusters,
    Users,
    /// Names of one type.
    Names(&'static str),
    /// Types first, then names of the type.
    TypesThenNames,
    /// Types of workloads first, then names.
    WorkloadsThenNames,
}

/// What commands take after their flags.
const POSITIONALS: &[(&str, Wanted)] = &[
    ("get", Wanted::TypesThenNames),
    ("describe", Wanted::TypesThenNames),
    ("delete", Wanted::TypesThenNames),
    ("edit", Wanted::TypesThenNames),
    ("label", Wanted::TypesThenNames),
    ("annotate", Wanted::TypesThenNames),
    ("patch", Wanted::TypesThenNames),
    ("wait", Wanted::TypesThenNames),
    ("expose", Wanted::TypesThenNames),
    ("autoscale", Wanted::WorkloadsThenNames),
    ("scale", Wanted::WorkloadsThenNames),
    ("rollout", Wanted::WorkloadsThenNames),
    ("explain", Wanted::Types),
    ("logs", Wanted::Names("pods")),
    ("exec", Wanted::Names("pods")),
    ("attach", Wanted::Names("pods")),
    ("port-forward", Wanted::Names("pods")),
    ("debug", Wanted::Names("pods")),
    ("cordon", Wanted::Names("nodes")),
    ("uncordon", Wanted::Names("nodes")),
    ("drain", Wanted::Names("nodes")),
    ("top pod", Wanted::Names("pods")),
    ("top node", Wanted::Names("nodes")),
    ("config use-context", Wanted::Contexts),
    ("config delete-context", Wanted::Contexts),
    ("config rename-context", Wanted::Contexts),
    ("config delete-cluster", Wanted::Clusters),
    ("config delete-user", Wanted::Users),
    ("cp", Wanted::Files),
    ("kustomize", Wanted::Files),
];

/// What flags take.
const FLAGS: &[(&str, Wanted)] = &[
    ("namespace", Wanted::Namespaces),
    ("context", Wanted::Contexts),
    ("cluster", Wanted::Clusters),
    ("user", Wanted::Users),
    ("filename", Wanted::Files),
    ("kustomize", Wanted::Files),
    ("kubeconfig", Wanted::Files),
    ("certificate-authority", Wanted::Files),
    ("client-certificate", Wanted::Files),
    ("client-key", Wanted::Files),
];

/// Runs `__complete`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let (last, words) = match args.words.split_last() {
        Some((last, words)) => (last.as_str(), words),
        None => ("", [].as_slice()),
    };
    let (candidates, directive) = candidates(words, last, factory).await;
    for (candidate, about) in candidates {
        match about.as_str() {
            "" => writeln!(streams.out, "{candidate}")?,
            about => writeln!(streams.out, "{candidate}\t{about}")?,
        }
    }
    writeln!(streams.out, ":{directive}")?;
    Ok(0)
}

type Candidates = Vec<(String, String)>;

/// Where the line stands: the command, its words that are no flags, and the flag that awaits its value.
struct Place {
    command: Command,
    path: String,
    positionals: Vec<String>,
    awaiting: Option<String>,
}

/// Follows the words through the tree of commands.
fn place(words: &[String]) -> Place {
    let mut command = crate::app::command();
    command.build();
    let (mut path, mut positionals, mut awaiting) = (String::new(), Vec::new(), None);
    for word in words {
        if awaiting.take().is_some() {
            continue;
        }
        if let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty() && *flag != "-") {
            if !word.contains('=') {
                awaiting = takes_value(&command, flag);
            }
            continue;
        }
        match command.find_subcommand(word).filter(|_| positionals.is_empty()).cloned() {
            Some(next) => {
                path = if path.is_empty() {
                    next.get_name().to_owned()
                } else {
                    format!("{path} {}", next.get_name())
                };
                command = next;
            }
            None => positionals.push(word.clone()),
        }
    }
    Place { command, path, positionals, awaiting }
}

/// The long name of a flag whose value is the next word.
fn takes_value(command: &Command, flag: &str) -> Option<String> {
    let argument = match flag.strip_prefix('-') {
        Some(long) => command.get_arguments().find(|argument| argument.get_long() == Some(long)),
        None => {
            let short = flag.chars().last();
            command.get_arguments().find(|argument| argument.get_short() == short)
        }
    }?;
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let next_word = takes && !argument.is_require_equals_set();
    next_word.then(|| argument.get_long().unwrap_or_default().to_owned())
}

async fn candidates(words: &[String], last: &str, factory: &Factory) -> (Candidates, u8) {
    let place = place(words);
    let own = of_words(words);
    let factory = own.as_ref().unwrap_or(factory);
    if let Some(flag) = &place.awaiting {
        let wanted =
            FLAGS.iter().find(|(name, _)| name == flag).map_or(Wanted::Nothing, |(_, wanted)| *wanted);
        return offered(wanted, &[], last, factory).await;
    }
    if let Some((flag, value)) = last.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
        let wanted =
            FLAGS.iter().find(|(name, _)| *name == flag).map_or(Wanted::Nothing, |(_, wanted)| *wanted);
        let (found, directive) = offered(wanted, &[], value, factory).await;
        return (
            found.into_iter().map(|(value, about)| (format!("--{flag}={value}"), about)).collect(),
            directive,
        );
    }
    if last.starts_with('-') {
        let flags = place.command.get_arguments().filter(|argument| !argument.is_hide_set());
        let flags = flags.filter_map(|argument| {
            let about = argument.get_help().map(ToString::to_string).unwrap_or_default();
            Some((format!("--{}", argument.get_long()?), about))
        });
        return (matching(flags.collect(), last), NO_FILES);
    }
    let subcommands: Candidates = place
        .command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| {
            (command.get_name().to_owned(), command.get_about().map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    if place.positionals.is_empty() && !subcommands.is_empty() {
        return (matching(subcommands, last), NO_FILES);
    }
    let named = |path: &str| POSITIONALS.iter().find(|(name, _)| *name == path).map(|(_, wanted)| *wanted);
    let verb = place.path.split(' ').next().unwrap_or_default();
    let wanted = named(&place.path).or_else(|| named(verb)).unwrap_or(Wanted::Nothing);
    offered(wanted, &place.positionals, last, factory).await
}

/// A factory for the global flags among the words; none when they have none or are not sound.
fn of_words(words: &[String]) -> Option<Factory> {
    let line = std::iter::once("kubectl".to_owned()).chain(words.iter().cloned());
    let matches = crate::app::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    let options = GlobalOptions::from_arg_matches(&matches).ok()?;
    Some(Factory::new(options)).filter(|factory| {
        let options = factory.options();
        options.namespace.is_some()
            || options.context.is_some()
            || options.kubeconfig.is_some()
            || options.server.is_some()
            || options.cluster.is_some()
            || options.user.is_some()
    })
}

async fn offered(wanted: Wanted, before: &[String], last: &str, factory: &Factory) -> (Candidates, u8) {
    // A server that does not answer has nothing to offer; completion is no place for its failures.
    let found = match wanted {
        Wanted::Files => return (Vec::new(), FILES),
        Wanted::Nothing => Vec::new(),
        Wanted::Types => types(factory).await.unwrap_or_default(),
        Wanted::Namespaces => names("namespaces", factory).await.unwrap_or_default(),
        Wanted::Names(_) if !before.is_empty() => Vec::new(),
        Wanted::Names(kind) => names(kind, factory).await.unwrap_or_default(),
        Wanted::Contexts | Wanted::Clusters | Wanted::Users => {
            of_kubeconfig(wanted, factory).unwrap_or_default()
        }
        Wanted::TypesThenNames | Wanted::WorkloadsThenNames => match (before.first(), last.split_once('/')) {
            (None, Some((kind, _))) => {
                let found = names(kind, factory).await.unwrap_or_default();
                found.into_iter().map(|name| format!("{kind}/{name}")).collect()
            }
            (Some(kind), _) if !kind.contains('/') => {
                let found = names(kind, factory).await.unwrap_or_default();
                found.into_iter().filter(|name| !before.contains(name)).collect()
            }
            (None, None) if wanted == Wanted::WorkloadsThenNames => {
                ["deployment", "daemonset", "statefulset"].map(str::to_owned).to_vec()
            }
            (None, None) => types(factory).await.unwrap_or_default(),
            _ => Vec::new(),
        },
    };
    (matching(found.into_iter().map(|name| (name, String::new())).collect(), last), NO_FILES)
}

fn matching(mut candidates: Candidates, last: &str) -> Candidates {
    candidates.retain(|(candidate, _)| candidate.starts_with(last));
    candidates.sort();
    candidates.dedup();
    candidates
}

async fn types(factory: &Factory) -> Result<Vec<String>> {
    let discovery = factory.discovery().await?;
    Ok(discovery.preferred(&["list"]).into_iter().map(resources::resource_shown).collect())
}

async fn names(kind: &str, factory: &Factory) -> Result<Vec<String>> {
    let found = factory.resource(kind).await?;
    let namespace = if found.resource.namespaced { Some(factory.namespace()?) } else { None };
    let list = resources::list_all(factory, &found, namespace.as_deref(), ListParams::default()).await?;
    Ok(list.iter().map(|object| values::name(object).to_owned()).collect())
}

fn of_kubeconfig(wanted: Wanted, factory: &Factory) -> Result<Vec<String>> {
    let config = factory.kubeconfig()?;
    Ok(match wanted {
        Wanted::Contexts => config.contexts.iter().map(|context| context.name.clone()).collect(),
        Wanted::Clusters => config.clusters.iter().map(|cluster| cluster.name.clone()).collect(),
        _ => config.users.iter().map(|user| user.name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn what_may_come_next() {
        let server = FakeServer::start().await.expect("a server");
        let list = |kind: &str, names: &[&str]| {
            let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
            Answer::json(200, &json!({"kind": kind, "apiVersion": "v1", "metadata": {}, "items": items}))
        };
        server.on(Method::GET, "/api/v1/namespaces/default/pods", list("PodList", &["web-1", "web-2", "db"]));
        server.on(Method::GET, "/api/v1/namespaces", list("NamespaceList", &["default", "kube-system"]));
        let check = async |line: &[&str], expected: &str| {
            let line: Vec<&str> = std::iter::once("__complete").chain(line.iter().copied()).collect();
            let (code, out, _) = run(&server, &line).await;
            assert_eq!((code, out.as_str()), (0, expected), "{line:?}");
        };
        check(&["rollout", "und"], "undo\tUndo a previous rollout\n:4\n").await;
        check(&["get", "pod", "web"], "web-1\nweb-2\n:4\n").await;
        check(&["get", "pod", "web-1", "w"], "web-2\n:4\n").await;
        check(&["get", "pod/d"], "pod/db\n:4\n").await;
        check(&["logs", "d"], "db\n:4\n").await;
        check(&["get", "storagec"], "storageclasses.storage.k8s.io\n:4\n").await;
        check(&["get", "pods", "--namespace", "kube"], "kube-system\n:4\n").await;
        check(&["get", "-n", "kube"], "kube-system\n:4\n").await;
        check(&["apply", "-f", ""], ":0\n").await;
        check(&["scale", "stat"], "statefulset\n:4\n").await;
    }
}
