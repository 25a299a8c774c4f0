//! `kubectl set env`: variables of containers (`kubectl/pkg/cmd/set/set_env.go`).

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use super::changing::{Common, Outcome, Words, containers, pod_spec};
use super::references::{self, Sources};
use crate::error::message;
use crate::resources::Choice;
use crate::{Factory, Result, Streams, values};

/// Arguments of `set env`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME, then KEY=VALUE or KEY- ...
    pub resources: Vec<String>,
    #[command(flatten)]
    pub common: Common,
    /// The names of containers in the selected pod templates to change - may use wildcards
    #[arg(long = "containers", short = 'c', default_value = "*")]
    pub pattern: String,
    /// The name of a resource from which to inject environment variables
    #[arg(long, default_value = "")]
    pub from: String,
    /// Prefix to append to variable names
    #[arg(long, default_value = "")]
    pub prefix: String,
    /// Specify a key-value pair for an environment variable to set into each container
    #[arg(long, short = 'e', action = clap::ArgAction::Append)]
    pub env: Vec<String>,
    /// Comma-separated list of keys to import from specified resource
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub keys: Vec<String>,
    /// If true, display the environment and any changes in the standard format
    #[arg(long)]
    pub list: bool,
    /// If true, show secret or configmap references when listing variables
    #[arg(long)]
    pub resolve: bool,
    /// If true, allow environment to be overwritten, otherwise reject updates that overwrite
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub overwrite: bool,
}

const WORDS: Words =
    Words { done: "env updated", failed: "failed to patch env update to pod template:", even_unchanged: false };

/// Runs `set env`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    args.common.check()?;
    let is_env = |text: &String| text.ends_with('-') || text.find('=').is_some_and(|at| at > 0);
    let at = args.resources.iter().position(is_env).unwrap_or(args.resources.len());
    let (resources, changes) = args.resources.split_at(at);
    if !changes.iter().all(is_env) {
        return Err(message(format!(
            "all resources must be specified before environment changes: {}",
            args.resources.join(" ")
        )));
    }
    if args.common.files.is_empty() && resources.is_empty() {
        return Err(message(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        ));
    }
    if args.list && !args.common.change.output.is_empty() {
        return Err(message("--list and --output may not be specified together"));
    }
    if !args.keys.is_empty() && args.from.is_empty() {
        return Err(message("when specifying --keys, a configmap or secret must be provided with --from"));
    }
    let texts: Vec<&str> = args.env.iter().chain(changes).map(String::as_str).collect();
    let (mut wanted, removed) = parse(&texts, streams)?;
    if !args.from.is_empty() {
        wanted.extend(imported(&args, factory, streams).await?);
    }
    for variable in wanted.iter_mut().filter(|_| !args.prefix.is_empty()) {
        let name = format!("{}{}", args.prefix, values::text(variable, "/name"));
        variable["name"] = name.into();
    }
    let objects = args.common.objects(resources, factory, streams).await?;
    if args.list {
        for target in objects {
            list(&args, target.object().clone(), &wanted, &removed, factory, streams).await?;
        }
        return Ok(0);
    }
    let mut warnings = Vec::new();
    let outcome = args
        .common
        .write(objects, WORDS, factory, streams, |object| {
            let (kind, name) = (values::text(object, "/kind").to_owned(), values::name(object).to_owned());
            let chosen = containers(pod_spec(object)?, &args.pattern);
            if chosen.is_empty() {
                warnings.push(format!(
                    "Warning: {kind}/{name} does not have any containers matching {:?}",
                    args.pattern
                ));
            }
            for container in chosen {
                let present = values::list(container, "/env").to_vec();
                if !args.overwrite {
                    refuse_overwrites(&present, &wanted)?;
                }
                set(container, updated(&present, &wanted, &removed));
            }
            Ok(Outcome::Changed)
        })
        .await;
    for warning in warnings {
        writeln!(streams.err, "{warning}")?;
    }
    outcome
}

fn set(container: &mut Value, variables: Vec<Value>) {
    if let Some(container) = container.as_object_mut() {
        if variables.is_empty() {
            container.shift_remove("env");
        } else {
            container.insert("env".to_owned(), variables.into());
        }
    }
}

/// Variables to set and names to remove.
fn parse(texts: &[&str], streams: &mut Streams) -> Result<(Vec<Value>, Vec<String>)> {
    let variable = |name: &str, value: &str| match value {
        "" => json!({"name": name}),
        value => json!({"name": name, "value": value}),
    };
    let (mut wanted, mut removed, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for text in texts {
        if *text == "-" {
            let mut input = String::new();
            streams.input.read_to_string(&mut input)?;
            for line in input.lines() {
                let line = line.split('#').next().unwrap_or_default();
                wanted.extend(line.split_once('=').map(|(name, value)| variable(name, value)));
            }
        } else if let Some((name, value)) = text.split_once('=') {
            let problems = machinery::names::is_env_var_name(name);
            if !problems.is_empty() {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                return Err(message(format!("{name:?} is not a valid key name: {}", problems.join(";"))));
            }
            named.push(name);
            wanted.push(variable(name, value));
        } else if let Some(name) = text.strip_suffix('-') {
            removed.push(name.to_owned());
        } else {
            return Err(message(format!("unknown environment variable: {text}")));
        }
    }
    if removed.iter().any(|name| named.contains(&name.as_str())) {
        return Err(message("can not both modify and remove the same environment variable in the same command"));
    }
    Ok((wanted, removed))
}

/// Variables that refer to the keys of a secret or config map.
async fn imported(args: &Args, factory: &Factory, streams: &mut Streams) -> Result<Vec<Value>> {
    let from = [args.from.clone()];
    let choice = Choice { arguments: &from, verb: "set", ..Choice::default() };
    let (targets, errors) = choice.fetch(factory, streams).await?;
    if let Some(error) = crate::Error::from_list(errors) {
        return Err(error);
    }
    let mut found = Vec::new();
    for target in targets {
        let reference = match values::text(target.object(), "/kind") {
            "Secret" => "secretKeyRef",
            "ConfigMap" => "configMapKeyRef",
            _ => return Err(message("unsupported resource specified in --from")),
        };
        for (key, _) in values::entries(target.object(), "/data") {
            if !args.keys.is_empty() && !args.keys.iter().any(|wanted| wanted == key) {
                continue;
            }
            let name: String =
                key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
            let name = name.to_uppercase();
            if name != key {
                writeln!(streams.err, "Warning: key {key} transferred to {name}")?;
            }
            found.push(json!({"name": name, "valueFrom": {reference: {"name": target.name, "key": key}}}));
        }
    }
    Ok(found)
}

fn refuse_overwrites(present: &[Value], wanted: &[Value]) -> Result<()> {
    for variable in wanted {
        let name = values::text(variable, "/name");
        let known = present.iter().find(|known| values::text(known, "/name") == name);
        let differs =
            known.filter(|known| values::text(known, "/value") != values::text(variable, "/value"));
        if let Some(known) = differs {
            return Err(message(format!(
                "'{name}' already has a value ({}), and --overwrite is false",
                values::text(known, "/value")
            )));
        }
    }
    Ok(())
}

/// What is there, without what is removed, with what is wanted in the place of its name or at the end.
fn updated(present: &[Value], wanted: &[Value], removed: &[String]) -> Vec<Value> {
    let name = |variable: &Value| values::text(variable, "/name").to_owned();
    let mut covered: Vec<String> = removed.to_vec();
    let mut out = Vec::new();
    for known in present {
        if covered.contains(&name(known)) {
            continue;
        }
        match wanted.iter().find(|variable| name(variable) == name(known)) {
            Some(newer) => {
                covered.push(name(known));
                out.push(newer.clone());
            }
            None => out.push(known.clone()),
        }
    }
    for variable in wanted {
        if !covered.contains(&name(variable)) {
            covered.push(name(variable));
            out.push(variable.clone());
        }
    }
    out
}

/// Prints what the variables of an object would be.
async fn list(
    args: &Args,
    mut object: Value,
    wanted: &[Value],
    removed: &[String],
    factory: &Factory,
    streams: &mut Streams,
) -> Result<()> {
    let whole = object.clone();
    let (kind, name) = (values::text(&whole, "/kind"), values::name(&whole));
    let mut sources = Sources::default();
    let mut failures: Vec<(String, Vec<String>)> = Vec::new();
    for container in containers(pod_spec(&mut object)?, &args.pattern) {
        writeln!(streams.out, "# {kind} {name}, container {}", values::text(container, "/name"))?;
        for variable in updated(values::list(container, "/env"), wanted, removed) {
            let key = values::text(&variable, "/name");
            let Some(from) = variable.get("valueFrom") else {
                writeln!(streams.out, "{key}={}", values::text(&variable, "/value"))?;
                continue;
            };
            if args.resolve {
                match sources.value(from, &whole, container, factory).await {
                    Ok(value) => {
                        writeln!(streams.out, "{key}={value}")?;
                        continue;
                    }
                    Err(error) => {
                        let error = error.to_string();
                        match failures.iter_mut().find(|(known, _)| *known == error) {
                            Some((_, keys)) => keys.push(key.to_owned()),
                            None => failures.push((error, vec![key.to_owned()])),
                        }
                    }
                }
            }
            writeln!(streams.out, "# {key} from {}", references::shown(from))?;
        }
    }
    failures.sort();
    for (error, mut keys) in failures {
        keys.sort();
        writeln!(streams.err, "error retrieving reference for {}: {error}", keys.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_keep_their_places() {
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let present = [variable("A", "1"), variable("B", "2"), variable("A", "3")];
        let made = updated(&present, &[variable("C", "4"), variable("A", "5")], &["B".to_owned()]);
        assert_eq!(made, [variable("A", "5"), variable("C", "4")]);
    }

    #[test]
    fn variables_come_from_arguments_and_input() {
        let (mut streams, _, _) = Streams::buffers("X=1 # note\nnothing\n");
        let (wanted, removed) = parse(&["-", "Y=a=b", "Z-"], &mut streams).expect("sound");
        assert_eq!(wanted, [json!({"name": "X", "value": "1 "}), json!({"name": "Y", "value": "a=b"})]);
        assert_eq!(removed, ["Z"]);
        let refused = parse(&["Y=1", "Y-"], &mut streams).expect_err("both").report();
        assert!(refused.contains("can not both modify and remove"), "{refused}");
        assert!(parse(&["1 x=2"], &mut streams).is_err());
    }
}
