//! What commands that change objects share: sending a patch or showing what it would do.

use client::{Patch, PatchParams};
use machinery::patch::{json, merge, strategic};
use serde_json::Value;

use crate::error::message;
use crate::print::{ChangeArgs, DryRun};
use crate::resources::Target;
use crate::{Factory, Result, values};

/// `--validate`: the server's names of the modes.
pub fn parse_validation(text: &str) -> std::result::Result<String, String> {
    match text {
        "true" | "strict" => Ok("Strict".to_owned()),
        "warn" => Ok("Warn".to_owned()),
        "false" | "ignore" => Ok("Ignore".to_owned()),
        other => Err(format!(
            "invalid validate option {other:?}: must be one of: strict (or true), warn, ignore (or false)"
        )),
    }
}

/// What a patch makes of an object, without a server.
pub fn patch_locally(live: &Value, patch: &Patch) -> Result<Value> {
    let failed = |error: &dyn std::fmt::Display| message(error.to_string());
    match patch {
        Patch::Json(operations) => json::apply(live, operations).map_err(|error| failed(&error)),
        Patch::Merge(fields) => merge::apply(live.clone(), fields.clone()).map_err(|error| failed(&error)),
        Patch::Apply(_) => Err(message("an apply can only be tried by the server: use --dry-run=server")),
        Patch::Strategic(fields) => {
            let (group, version) = values::group_version(live);
            let kind = values::text(live, "/kind");
            let Some(facts) = api_types::facts::kind(group, version, kind) else {
                return Err(message(format!(
                    "strategic merge patch is not supported for {kind} of {group}/{version}: use --type merge"
                )));
            };
            strategic::apply(live.clone(), fields.clone(), facts.schema).map_err(|error| failed(&error))
        }
    }
}

/// Patches the target as `--dry-run` says; `live` is what a dry run of the client starts from.
pub async fn send_patch(
    target: &Target,
    live: &Value,
    patch: &Patch,
    subresource: &str,
    manager: &str,
    change: &ChangeArgs,
    factory: &Factory,
) -> Result<Value> {
    let mode = change.mode()?;
    if mode == DryRun::Client {
        return patch_locally(live, patch);
    }
    let params = PatchParams {
        dry_run: mode == DryRun::Server,
        field_manager: manager.to_owned(),
        ..PatchParams::default()
    };
    Ok(target.api(factory)?.patch(&target.name, subresource, patch, &params).await?)
}
