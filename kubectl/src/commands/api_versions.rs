//! `kubectl api-versions`: the groups and versions the server serves.

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::error::message;
use crate::{Factory, Result, Streams};

/// Arguments of `api-versions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs `api-versions`.
pub async fn run(_: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let discovery = factory.discovery().await?;
    if let Some((_, reason)) = discovery.failed.iter().find(|(root, _)| root.starts_with('/')) {
        return Err(message(format!("couldn't get available api versions from server: {reason}")));
    }
    let versions: BTreeSet<String> =
        discovery.resources.iter().map(|found| found.resource.api_version()).collect();
    for version in versions {
        writeln!(streams.out, "{version}")?;
    }
    Ok(0)
}
