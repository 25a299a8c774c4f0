//! `kubectl version`: of this program and of the server.

use std::io::Write as _;

use serde_json::json;

use crate::error::message;
use crate::print::structured;
use crate::{Factory, Result, Streams, values};

/// Version of the kustomize that upstream's kubectl carries; part of its output format.
const KUSTOMIZE: &str = "none";

/// Arguments of `version`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// If true, shows client version only (no server required)
    #[arg(long)]
    pub client: bool,
    /// One of 'yaml' or 'json'
    #[arg(long, short = 'o', default_value = "")]
    pub output: String,
}

/// Runs `version`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let own = serde_json::to_value(component_base::version::Info::current())?;
    let (server, failure) = if args.client {
        (None, None)
    } else {
        match server_version(factory).await {
            Ok(version) => (Some(version), None),
            Err(error) => (None, Some(error)),
        }
    };
    match args.output.as_str() {
        "" => {
            writeln!(streams.out, "Client Version: {}", values::text(&own, "/gitVersion"))?;
            writeln!(streams.out, "Kustomize Version: {KUSTOMIZE}")?;
            if let Some(server) = &server {
                writeln!(streams.out, "Server Version: {}", values::text(server, "/gitVersion"))?;
            }
        }
        "json" | "yaml" => {
            let mut all = json!({"clientVersion": own, "kustomizeVersion": KUSTOMIZE});
            if let (Some(server), Some(map)) = (server, all.as_object_mut()) {
                map.insert("serverVersion".to_owned(), server);
            }
            if args.output == "json" {
                writeln!(streams.out, "{}", structured::pretty_json(&all).replace("    ", "  "))?;
            } else {
                write!(streams.out, "{}", structured::yaml(&all))?;
            }
        }
        _ => return Err(message("--output must be 'yaml' or 'json'")),
    }
    failure.map_or(Ok(0), Err)
}

async fn server_version(factory: &Factory) -> Result<serde_json::Value> {
    Ok(client::discovery::server_version(factory.client()?).await?)
}
