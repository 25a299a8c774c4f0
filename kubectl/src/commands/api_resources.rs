//! `kubectl api-resources`: what the server serves.

use std::io::Write as _;

use client::discovery::Discovered;

use crate::error::message;
use crate::print::tabs;
use crate::resources::resource_shown;
use crate::{Factory, Result, Streams};

/// Arguments of `api-resources`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Limit to resources in the specified API group
    #[arg(long)]
    pub api_group: Option<String>,
    /// If false, non-namespaced resources will be returned, otherwise namespaced resources
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub namespaced: Option<bool>,
    /// Limit to resources that support the specified verbs
    #[arg(long, value_delimiter = ',')]
    pub verbs: Vec<String>,
    /// Limit to resources that belong to the specified categories
    #[arg(long, value_delimiter = ',')]
    pub categories: Vec<String>,
    /// Output format. One of: (wide, name)
    #[arg(long, short = 'o', default_value = "")]
    pub output: String,
    /// When using the default or wide output format, don't print headers
    #[arg(long)]
    pub no_headers: bool,
    /// If non-empty, sort list of resources using specified field: name or kind
    #[arg(long, default_value = "", value_parser = ["", "name", "kind"])]
    pub sort_by: String,
}

/// Runs `api-resources`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if !["", "wide", "name"].contains(&args.output.as_str()) {
        return Err(message(format!("--output {} is not available", args.output)));
    }
    let discovery = factory.discovery().await?;
    let mut found: Vec<&Discovered> = discovery.preferred(&[]);
    found.retain(|found| {
        args.api_group.as_ref().is_none_or(|group| *group == found.resource.group)
            && args.namespaced.is_none_or(|namespaced| namespaced == found.resource.namespaced)
            && args.verbs.iter().all(|verb| found.verbs.contains(verb))
            && args.categories.iter().all(|category| found.categories.contains(category))
    });
    match args.sort_by.as_str() {
        "kind" => found.sort_by(|a, b| a.resource.kind.cmp(&b.resource.kind)),
        "name" => found.sort_by(|a, b| a.resource.plural.cmp(&b.resource.plural)),
        _ => found.sort_by(|a, b| {
            (&a.resource.group, &a.resource.plural).cmp(&(&b.resource.group, &b.resource.plural))
        }),
    }
    if args.output == "name" {
        for found in found {
            writeln!(streams.out, "{}", resource_shown(found))?;
        }
    } else {
        let wide = args.output == "wide";
        let mut rows = Vec::new();
        if !args.no_headers {
            let headings = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "VERBS", "CATEGORIES"];
            rows.push(headings.iter().take(if wide { 7 } else { 5 }).map(|text| (*text).to_owned()).collect());
        }
        rows.extend(found.into_iter().map(|found| row(found, wide)));
        write!(streams.out, "{}", tabs::render(&rows))?;
    }
    match discovery.failed.first() {
        None => Ok(0),
        Some((group_version, reason)) => {
            Err(message(format!("unable to retrieve the complete list of server APIs: {group_version}: {reason}")))
        }
    }
}

fn row(found: &Discovered, wide: bool) -> Vec<String> {
    let mut row = vec![
        found.resource.plural.clone(),
        found.short_names.join(","),
        found.resource.api_version(),
        found.resource.namespaced.to_string(),
        found.resource.kind.clone(),
    ];
    if wide {
        row.push(found.verbs.join(","));
        row.push(found.categories.join(","));
    }
    row
}
