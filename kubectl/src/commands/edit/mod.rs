//! `kubectl edit`: objects in the user's editor, then patched (`kubectl/pkg/cmd/util/editor/editoptions.go`).

mod editor;
mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use client::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{scratch, set};
use crate::error::message;
use crate::files::FileArgs;
use crate::print::{ChangeArgs, structured};
use crate::resources::{Choice, Target, resource_shown};
use crate::{Error, Factory, Result, Streams, files, values};
use editor::Editor;
use text::Reason;

/// Arguments of `edit`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Output format, also that of the edited file. One of: (json, yaml)
    #[arg(long, short = 'o', default_value = "")]
    pub output: String,
    /// If true, keep the managedFields when printing objects in JSON or YAML format
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Output the patch if the resource is edited
    #[arg(long)]
    pub output_patch: bool,
    /// Defaults to the line ending native to your platform
    #[arg(long)]
    pub windows_line_endings: bool,
    /// If true, the configuration of current object will be saved in its annotation
    #[arg(long)]
    pub save_config: bool,
    /// Must be one of: strict (or true), warn, ignore (or false)
    #[arg(long, default_value = "strict", num_args = 0..=1, require_equals = true, default_missing_value = "strict", value_parser = super::parse_validation)]
    pub validate: String,
    /// If specified, edit will operate on the subresource of the requested object
    #[arg(long, default_value = "")]
    pub subresource: String,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-edit")]
    pub field_manager: String,
}

/// Runs `edit`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let choice = Choice {
        arguments: &args.resources,
        files: Some(&args.files),
        types_mean_all: true,
        verb: "edit",
        ..Choice::default()
    };
    let (mut targets, errors) = choice.fetch(factory, streams).await?;
    if let Some(error) = Error::from_list(errors) {
        return Err(error);
    }
    if targets.is_empty() {
        return Err(message("edit cancelled, no objects found"));
    }
    for target in &mut targets {
        if !args.subresource.is_empty() {
            target.manifest = Some(target.api(factory)?.get(&target.name, &args.subresource).await?);
        }
        target.manifest.iter_mut().for_each(values::without_managed_fields);
    }
    Session { args: &args, factory, editor: Editor::from_environment(), targets }.run(streams).await
}

/// What one look at the edited file led to.
#[derive(Default)]
struct Results {
    reasons: Vec<Reason>,
    retryable: bool,
    not_found: bool,
}

struct Session<'a> {
    args: &'a Args,
    factory: &'a Factory,
    editor: Editor,
    targets: Vec<Target>,
}

impl Session<'_> {
    /// Opens the editor until everything is written or nothing is left to do.
    async fn run(&self, streams: &mut Streams) -> Result<i32> {
        let mut results = Results::default();
        // The text of the last pass, when it could not be used, and its file.
        let mut failed: Option<String> = None;
        let mut kept: Option<PathBuf> = None;
        loop {
            let body = match &failed {
                Some(text) => text::without_header(text),
                None => self.print(),
            };
            let header = if self.args.output == "json" { String::new() } else { text::header(&results.reasons) };
            let mut original = format!("{header}{body}");
            if self.args.windows_line_endings {
                original = original.replace('\n', "\r\n");
            }
            let extension = if self.args.output == "json" { ".json" } else { ".yaml" };
            streams.flush()?;
            let file = scratch::file("kubectl-edit-", extension, &original)?;
            if let Err(error) = self.editor.open(&file) {
                // Nobody could have changed this one; the one before may be worth something.
                let _ = std::fs::remove_file(&file);
                return preserved(error, kept.as_deref(), streams);
            }
            let edited = match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) => return preserved(error.into(), Some(&file), streams),
            };
            if let Some(before) = kept.take() {
                // It is replaced by the new one.
                let _ = std::fs::remove_file(before);
            }
            if failed.as_ref().is_some_and(|before| text::meaning(before) == text::meaning(&edited)) {
                let error = message("Edit cancelled, no valid changes were saved.");
                return preserved(error, Some(&file), streams);
            }
            let cancelled = if failed.is_none() && text::meaning(&original) == text::meaning(&edited) {
                Some("Edit cancelled, no changes made.")
            } else if !text::has_lines(&edited) {
                Some("Edit cancelled, saved file was empty.")
            } else {
                None
            };
            if let Some(note) = cancelled {
                std::fs::remove_file(&file)?;
                writeln!(streams.err, "{note}")?;
                return Ok(0);
            }
            results = Results::default();
            match files::parse(&edited, "edited-file") {
                Err(error) => {
                    let Some(first) = self.targets.first() else { return Err(error) };
                    let name = format!("{} {:?}", resource_shown(&first.found), first.name);
                    let mut reason = Reason::new(format!("{name} was not valid"));
                    reason.details.push(format!(
                        "<nil>: Invalid value: \"The edited file failed validation\": {}",
                        cut(&error)
                    ));
                    results.reasons.push(reason);
                    writeln!(streams.err, "error: {name} is invalid")?;
                }
                Ok(manifests) => {
                    let objects = manifests.into_iter().map(|manifest| manifest.object).collect();
                    if let Err(error) = self.write(objects, &mut results, streams).await {
                        return preserved(error, Some(&file), streams);
                    }
                    if results.retryable {
                        writeln!(
                            streams.err,
                            "You can run `kubectl replace -f {}` to try this update again.",
                            file.display()
                        )?;
                        return Err(Error::Exit(1));
                    }
                    if results.not_found {
                        let file = file.display().to_string();
                        writeln!(
                            streams.err,
                            "The edits you made on deleted resources have been saved to {file:?}"
                        )?;
                        return Err(Error::Exit(1));
                    }
                    if results.reasons.is_empty() {
                        std::fs::remove_file(&file)?;
                        return Ok(0);
                    }
                }
            }
            failed = Some(edited);
            kept = Some(file);
        }
    }

    /// The objects as the editor shows them.
    fn print(&self) -> String {
        let objects: Vec<Value> = self.targets.iter().map(|target| target.object().clone()).collect();
        let whole = match <[Value; 1]>::try_from(objects) {
            Ok([one]) => one,
            Err(several) => json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": several}),
        };
        if self.args.output == "json" {
            format!("{}\n", structured::pretty_json(&whole))
        } else {
            structured::yaml(&whole)
        }
    }

    /// Patches what was changed; refusals of the server go to the results.
    async fn write(&self, objects: Vec<Value>, results: &mut Results, streams: &mut Streams) -> Result<()> {
        let namespace = self.factory.namespace()?;
        let change = ChangeArgs {
            dry_run: "none".to_owned(),
            output: self.args.output.clone(),
            show_managed_fields: self.args.show_managed_fields,
            allow_missing_template_keys: true,
        };
        for mut object in objects {
            let uid = values::text(&object, "/metadata/uid").to_owned();
            let original =
                self.targets.iter().find(|target| values::text(target.object(), "/metadata/uid") == uid);
            let Some(target) = original else {
                let name = values::name(&object);
                return Err(message(format!("no original object found for {name:?}: its metadata.uid was changed")));
            };
            let own = values::namespace(&object).to_owned();
            if target.namespace.is_some() && own != namespace {
                if !own.is_empty() {
                    return Err(message(format!(
                        "the namespace from the provided object {own:?} does not match the namespace {namespace:?}. You must pass '--namespace={own}' to perform this operation."
                    )));
                }
                values::map_at(&mut object, &["metadata"])
                    .insert("namespace".to_owned(), namespace.as_str().into());
            }
            if self.args.save_config {
                object = crate::apply::with_last_applied(&object);
            }
            let before = target.object();
            if before == &object {
                change.report(object, "skipped", streams)?;
                continue;
            }
            if ["/apiVersion", "/kind", "/metadata/name"].iter().any(|key| before.pointer(key) != object.pointer(key)) {
                return Err(message("At least one of apiVersion, kind and name was changed"));
            }
            let patch = set::difference(before, &object)?;
            if self.args.output_patch {
                writeln!(streams.out, "Patch: {}", structured::compact_json(patch.value()))?;
            }
            match self.send(target, &patch).await {
                Ok(made) => change.report(made, "edited", streams)?,
                Err(error) => {
                    let line = refused(&error, target, results);
                    writeln!(streams.err, "{line}")?;
                }
            }
        }
        Ok(())
    }

    async fn send(&self, target: &Target, patch: &Patch) -> std::result::Result<Value, Error> {
        let params = PatchParams {
            field_manager: self.args.field_manager.clone(),
            field_validation: self.args.validate.clone(),
            ..PatchParams::default()
        };
        Ok(target.api(self.factory)?.patch(&target.name, &self.args.subresource, patch, &params).await?)
    }
}

/// Sorts a refusal into those to edit again, to try again, and to give up; the line to print.
fn refused(error: &Error, target: &Target, results: &mut Results) -> String {
    let (resource, name) = (resource_shown(&target.found), &target.name);
    match error.status() {
        Some(status) if status.reason() == "Invalid" => {
            let mut reason = Reason::new(format!("{resource} {name:?} was not valid"));
            let causes = status.status.details.iter().flat_map(|details| &details.causes);
            reason.details = causes.map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            results.reasons.push(reason);
            format!("error: {resource} {name:?} is invalid")
        }
        Some(status) if status.is_not_found() => {
            results.not_found = true;
            format!("error: {resource} {name:?} could not be found on the server")
        }
        status => {
            results.retryable = true;
            let text = status.map_or_else(|| error.to_string(), |status| status.status.message.clone());
            format!("error: {resource} {name:?} could not be patched: {text}")
        }
    }
}

/// What is wrong with a text, without where it was read from.
fn cut(error: &Error) -> String {
    let text = error.report();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.find("yaml: ").and_then(|at| text.get(at..)).unwrap_or(text).to_owned()
}

/// Says where the user's work is before a failure ends the command.
fn preserved(error: Error, file: Option<&Path>, streams: &mut Streams) -> Result<i32> {
    if let Some(file) = file.filter(|file| file.exists()) {
        let file = file.display().to_string();
        writeln!(streams.err, "A copy of your changes has been stored to {file:?}")?;
    }
    Err(error)
}

#[cfg(test)]
mod tests;
