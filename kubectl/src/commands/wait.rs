//! `kubectl wait`: until objects are as wanted.

use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::error::message;
use crate::files::FileArgs;
use crate::print::jsonpath::JsonPath;
use crate::resources::{self, Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams, values};

/// Between two looks.
const POLL: Duration = Duration::from_millis(300);
/// What a negative timeout stands for: a week, as upstream.
const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Arguments of `wait`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME, TYPE/NAME, or TYPE with -l or --all
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// The condition to wait on, several are waited for in turn, the creation first: [create|delete|condition=name[=value]|jsonpath='{JSONPath expression}'=[JSONPath value]]
    #[arg(long = "for", action = clap::ArgAction::Append)]
    pub conditions: Vec<String>,
    /// The length of time to wait before giving up. Zero means check once, negative means wait for a week
    #[arg(long, default_value = "30s", allow_hyphen_values = true, value_parser = component_base::flags::parse_signed_nanoseconds)]
    pub timeout: i64,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Selector (field query) to filter on
    #[arg(long, default_value = "")]
    pub field_selector: String,
    /// Select all resources in the namespace of the specified resource types
    #[arg(long)]
    pub all: bool,
    /// If present, list the requested object(s) across all namespaces
    #[arg(long, short = 'A')]
    pub all_namespaces: bool,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq)]
enum Goal {
    Create,
    Delete,
    Condition(String, String),
    Path(JsonPath, Option<String>),
}

/// All that is waited for, the creation before anything else.
fn goals(texts: &[String]) -> Result<Vec<Goal>> {
    let mut goals = texts.iter().map(|text| goal(text)).collect::<Result<Vec<Goal>>>()?;
    if goals.is_empty() {
        return Err(message("unrecognized condition: []"));
    }
    goals.sort_by_key(|goal| *goal != Goal::Create);
    Ok(goals)
}

fn goal(text: &str) -> Result<Goal> {
    if text.eq_ignore_ascii_case("delete") {
        return Ok(Goal::Delete);
    }
    if text.eq_ignore_ascii_case("create") {
        return Ok(Goal::Create);
    }
    if let Some(condition) = text.strip_prefix("condition=") {
        let (name, value) = condition.split_once('=').unwrap_or((condition, "true"));
        return Ok(Goal::Condition(name.to_owned(), value.to_owned()));
    }
    if let Some(rest) = text.strip_prefix("jsonpath=") {
        let (path, value) = match rest.find("}=") {
            Some(at) => (&rest[..=at], Some(&rest[at + 2..])),
            None if rest.ends_with('}') || !rest.contains('=') => (rest, None),
            None => rest.split_once('=').map_or((rest, None), |(path, value)| (path, Some(value))),
        };
        let value = value.map(|value| value.trim_matches(['\'', '"']));
        if value == Some("") {
            return Err(message("jsonpath wait value cannot be empty"));
        }
        let path = JsonPath::parse_relaxed(path, true).map_err(|error| message(error.to_string()))?;
        return Ok(Goal::Path(path, value.map(str::to_owned)));
    }
    Err(message(format!("unrecognized condition: {text:?}")))
}

impl Goal {
    /// Whether an object that exists (or not) is as wanted.
    fn reached(&self, object: Option<&Value>) -> Result<bool> {
        let Some(object) = object else { return Ok(*self == Goal::Delete) };
        match self {
            Goal::Create => Ok(true),
            Goal::Delete => Ok(false),
            Goal::Condition(name, wanted) => {
                let conditions = values::list(object, "/status/conditions").iter();
                let found = conditions.into_iter().find(|condition| values::text(condition, "/type").eq_ignore_ascii_case(name));
                let Some(found) = found else { return Ok(false) };
                let (generation, observed) =
                    (values::number(object, "/metadata/generation"), values::number(found, "/observedGeneration"));
                let stale = observed.is_some_and(|observed| generation.is_some_and(|generation| observed < generation));
                Ok(!stale && values::text(found, "/status").eq_ignore_ascii_case(wanted))
            }
            Goal::Path(path, wanted) => {
                let found = path.find(object).map_err(|error| message(error.to_string()))?;
                match (found.as_slice(), wanted) {
                    ([], _) => Ok(false),
                    (_, None) => Ok(true),
                    ([one], Some(wanted)) => match one {
                        Value::Object(_) | Value::Array(_) => Err(message("jsonpath leads to a nested object or list which is not supported")),
                        value => Ok(values::plain(value).trim() == wanted),
                    },
                    _ => Err(message("given jsonpath expression matches more than one value")),
                }
            }
        }
    }
}

/// Runs `wait`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let goals = goals(&args.conditions)?;
    // The creation is waited for by finding the objects; alone it is also what is told.
    let first = if goals.contains(&Goal::Create) { Goal::Create } else { goals.first().cloned().unwrap_or(Goal::Create) };
    let deleting = goals.contains(&Goal::Delete);
    let timeout = u64::try_from(args.timeout).map_or(FOREVER, Duration::from_nanos);
    let deadline = tokio::time::Instant::now() + timeout;
    let choice = Choice {
        arguments: &args.resources,
        files: Some(&args.files),
        label_selector: &args.selector,
        field_selector: &args.field_selector,
        all: args.all,
        all_namespaces: args.all_namespaces,
        verb: "wait",
        ..Choice::default()
    };
    let targets = targets(&choice, &first, deadline, factory, streams).await?;
    if targets.is_empty() && !deleting {
        return Err(message("no matching resources found"));
    }
    let mut errors = Vec::new();
    for target in targets {
        for goal in &goals {
            match until(&target, goal, deadline, factory).await {
                // Nothing is said of what was not there to begin with.
                Ok(false) => {}
                Ok(true) => {
                    writeln!(streams.out, "{} condition met", target.shown())?;
                    streams.flush()?;
                }
                Err(error) => {
                    errors.push(error);
                    break;
                }
            }
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

async fn targets(choice: &Choice<'_>, goal: &Goal, deadline: tokio::time::Instant, factory: &Factory, streams: &mut Streams) -> Result<Vec<Target>> {
    let types = match choice.resolve(factory, streams).await? {
        Chosen::Named(named) => return Ok(named),
        Chosen::Types(types) => types,
    };
    let namespace = choice.list_namespace(factory)?;
    loop {
        let mut targets = Vec::new();
        for found in &types {
            let items = choice.list(factory, found, namespace.as_deref()).await?;
            targets.extend(items.into_iter().map(|item| resources::from_live(found, item)));
        }
        if !targets.is_empty() || *goal != Goal::Create || tokio::time::Instant::now() >= deadline {
            return Ok(targets);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn until(target: &Target, goal: &Goal, deadline: tokio::time::Instant, factory: &Factory) -> Result<bool> {
    // An object deleted and made again under its name is gone all the same.
    let mut uid: Option<String> = target.manifest.as_ref().map(|live| values::text(live, "/metadata/uid").to_owned());
    uid = uid.filter(|uid| !uid.is_empty());
    let mut seen = target.manifest.is_some();
    loop {
        let live = match target.get(factory).await {
            Ok(live) => Some(live),
            Err(error) if error.is_not_found() && matches!(goal, Goal::Delete | Goal::Create) => None,
            Err(error) => return Err(error),
        };
        if let (Goal::Delete, Some(live)) = (goal, &live) {
            let now = values::text(live, "/metadata/uid").to_owned();
            if *uid.get_or_insert_with(|| now.clone()) != now {
                return Ok(true);
            }
        }
        seen |= live.is_some();
        if goal.reached(live.as_ref())? {
            return Ok(seen);
        }
        if tokio::time::Instant::now() >= deadline {
            if *goal == Goal::Create {
                return Err(message("timed out waiting for the condition"));
            }
            return Err(message(format!("timed out waiting for the condition on {}/{}", target.found.resource.plural, target.name)));
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_creation_is_waited_for_first() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let found = goals(&texts(&["condition=Ready", "create"])).expect("sound goals");
        assert_eq!(found, [Goal::Create, Goal::Condition("Ready".to_owned(), "true".to_owned())]);
        let none = goals(&[]).expect_err("nothing to wait for");
        assert_eq!(none.to_string(), "unrecognized condition: []");
        assert!(goals(&texts(&["create", "whatever"])).is_err());
    }

    #[test]
    fn goals_are_read_and_judged() {
        let object = json!({"metadata": {"generation": 2}, "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Old", "status": "True", "observedGeneration": 1}]}});
        let check = |text: &str, expected: Option<bool>| {
            let reached = goal(text).and_then(|goal| goal.reached(Some(&object)));
            assert_eq!(reached.ok(), expected, "{text}");
        };
        check("condition=Ready", Some(true));
        check("condition=ready=false", Some(false));
        check("condition=Old", Some(false));
        check("condition=Other", Some(false));
        check("jsonpath={.status.phase}=Running", Some(true));
        check("jsonpath={.status.phase}", Some(true));
        check("jsonpath={.status.nothing}", Some(false));
        check("jsonpath={.status}=x", None);
        check("delete", Some(false));
        check("create", Some(true));
        check("whatever", None);
    }
}
