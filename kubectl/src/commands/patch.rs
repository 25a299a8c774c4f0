//! `kubectl patch`: changes fields of an object.

use client::Patch;
use machinery::codec::yaml;

use super::send_patch;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::ChangeArgs;
use crate::resources::Choice;
use crate::{Error, Factory, Result, Streams};

/// Arguments of `patch`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// The patch to be applied to the resource JSON file
    #[arg(long, short = 'p', default_value = "")]
    pub patch: String,
    /// A file containing a patch to be applied to the resource
    #[arg(long)]
    pub patch_file: Option<std::path::PathBuf>,
    /// The type of patch being provided
    #[arg(long = "type", default_value = "strategic", value_parser = ["json", "merge", "strategic"])]
    pub patch_type: String,
    /// If specified, patch the subresource of the requested object
    #[arg(long, default_value = "")]
    pub subresource: String,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-patch")]
    pub field_manager: String,
}

/// Runs `patch`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let text = match (&args.patch_file, args.patch.is_empty()) {
        (Some(_), false) => return Err(message("cannot specify --patch and --patch-file together")),
        (Some(path), true) => std::fs::read_to_string(path)
            .map_err(|error| message(format!("unable to read patch file: {error}")))?,
        (None, true) => return Err(message("must specify --patch or --patch-file containing the contents of the patch")),
        (None, false) => args.patch.clone(),
    };
    let value = yaml::from_str(&text).map_err(|error| message(format!("unable to parse {text:?}: {error}")))?;
    let patch = match args.patch_type.as_str() {
        "json" => Patch::Json(value),
        "merge" => Patch::Merge(value),
        _ => Patch::Strategic(value),
    };
    let choice = Choice { arguments: &args.resources, files: Some(&args.files), verb: "patch", ..Choice::default() };
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    for target in targets {
        let live = target.object();
        match send_patch(&target, live, &patch, &args.subresource, &args.field_manager, &args.change, factory).await {
            Ok(object) => {
                let operation = if object == *live { "patched (no change)" } else { "patched" };
                args.change.report(object, operation, streams)?;
            }
            Err(error) => errors.push(error),
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}
