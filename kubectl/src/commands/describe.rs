//! `kubectl describe`: objects for people, with what belongs to them and their events.

use std::io::Write as _;

use jiff::tz::TimeZone;

use crate::describe::{self, gather};
use crate::error::message;
use crate::files::FileArgs;
use crate::resources::{Choice, Target};
use crate::{Error, Factory, Result, Streams};

/// Arguments of `describe`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE [NAME_PREFIX | -l label], or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// If present, list the requested object(s) across all namespaces
    #[arg(long, short = 'A')]
    pub all_namespaces: bool,
    /// If true, display events related to the described object; by default for a single object only
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = component_base::flags::parse_bool)]
    pub show_events: Option<bool>,
    /// Return large lists in chunks rather than all at once. Pass 0 to disable
    #[arg(long, default_value_t = 500)]
    pub chunk_size: u32,
}

/// Runs `describe`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if args.resources.is_empty() && args.files.is_empty() {
        return Err(message(
            "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported resources.",
        ));
    }
    let choice = choice(&args, &args.resources);
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    let single = targets.len() <= 1 && errors.is_empty();
    let events = args.show_events.unwrap_or(single);
    if let ([error], [kind, prefix], true) =
        (errors.as_slice(), args.resources.as_slice(), targets.is_empty())
        && error.is_not_found()
    {
        if with_prefix(&args, kind, prefix, events, factory, streams).await? {
            return Ok(0);
        }
        return Error::from_list(errors).map_or(Ok(0), Err);
    }
    if targets.is_empty() && errors.is_empty() {
        match choice.list_namespace(factory)? {
            Some(namespace) => writeln!(streams.err, "No resources found in {namespace} namespace.")?,
            None => writeln!(streams.err, "No resources found")?,
        }
    }
    let mut first = true;
    for target in &targets {
        match text(target, events, args.chunk_size, factory).await {
            Ok(text) => {
                let gap = if std::mem::replace(&mut first, false) { "" } else { "\n\n" };
                write!(streams.out, "{gap}{text}")?;
            }
            Err(error) => errors.push(error),
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

fn choice<'a>(args: &'a Args, arguments: &'a [String]) -> Choice<'a> {
    Choice {
        arguments,
        files: Some(&args.files),
        label_selector: &args.selector,
        all_namespaces: args.all_namespaces,
        types_mean_all: true,
        verb: "describe",
        ..Choice::default()
    }
}

/// Describes every object of a type whose name starts with `prefix`; whether there was any.
async fn with_prefix(
    args: &Args,
    kind: &str,
    prefix: &str,
    events: bool,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<bool> {
    let kinds = [kind.to_owned()];
    let (targets, errors) = choice(args, &kinds).fetch(factory, streams).await?;
    if let Some(error) = Error::from_list(errors) {
        return Err(error);
    }
    let mut any = false;
    for target in targets.iter().filter(|target| target.name.starts_with(prefix)) {
        writeln!(streams.out, "{}", text(target, events, args.chunk_size, factory).await?)?;
        any = true;
    }
    Ok(any)
}

async fn text(target: &Target, events: bool, chunk: u32, factory: &Factory) -> Result<String> {
    let around = gather::gather(target, factory, events, chunk).await?;
    describe::text(target.object(), &around, jiff::Timestamp::now(), TimeZone::system())
}
