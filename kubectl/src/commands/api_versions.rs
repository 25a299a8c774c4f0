//! `kubectl api-versions`: the groups and versions the server serves.

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::{Factory, Result, Streams};

/// Arguments of `api-versions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs `api-versions`.
pub async fn run(_: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let discovery = factory.discovery().await?;
    let versions: BTreeSet<String> =
        discovery.resources.iter().map(|found| found.resource.api_version()).collect();
    for version in versions {
        writeln!(streams.out, "{version}")?;
    }
    Ok(0)
}
