//! Output formats: `-o`.

pub mod columns;
pub mod jsonpath;
pub mod structured;
pub mod table;
pub mod tabs;

use std::io::Write as _;

use serde_json::{Value, json};

use crate::error::message;
use crate::{Result, Streams, values};
use columns::CustomColumns;
use jsonpath::JsonPath;

/// How objects are printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// For people: a table or a line.
    #[default]
    Human,
    /// The table with more columns.
    Wide,
    /// `kind/name`
    Name,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// A template of paths.
    JsonPath(JsonPath),
    /// What the paths find, as a JSON list.
    JsonPathAsJson(JsonPath),
    /// A Go template.
    GoTemplate(String),
    /// The user's columns; whether without headings.
    Columns(CustomColumns, bool),
}

const FORMATS: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,wide,yaml";

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| message(format!("error reading --template {path}, {error}")))
}

impl Format {
    /// Reads `-o`; `allow_missing` makes fields that templates name but objects lack empty.
    pub fn parse(output: &str, allow_missing: bool, no_headers: bool) -> Result<Format> {
        let (kind, argument) = output.split_once('=').unwrap_or((output, ""));
        let template = |text: &str| {
            if text.is_empty() {
                return Err(message("template format specified but no template given"));
            }
            let path = JsonPath::parse(text, allow_missing);
            path.map(Format::JsonPath)
                .map_err(|error| message(format!("error parsing jsonpath {text}, {error}")))
        };
        match kind {
            "" => Ok(Format::Human),
            "wide" => Ok(Format::Wide),
            "name" => Ok(Format::Name),
            "json" => Ok(Format::Json),
            "yaml" => Ok(Format::Yaml),
            "jsonpath" => template(argument),
            "jsonpath-as-json" => template(argument).map(|format| match format {
                Format::JsonPath(path) => Format::JsonPathAsJson(path),
                other => other,
            }),
            "jsonpath-file" => template(&read(argument)?),
            "go-template" | "template" if argument.is_empty() => {
                Err(message("template format specified but no template given"))
            }
            "go-template" | "template" => Ok(Format::GoTemplate(argument.to_owned())),
            "go-template-file" | "templatefile" => Ok(Format::GoTemplate(read(argument)?)),
            "custom-columns" => Ok(Format::Columns(CustomColumns::parse(argument)?, no_headers)),
            "custom-columns-file" => {
                Ok(Format::Columns(CustomColumns::parse_file(&read(argument)?)?, no_headers))
            }
            _ => Err(message(format!(
                "unable to match a printer suitable for the output format {output:?}, allowed formats are: {FORMATS}"
            ))),
        }
    }

    /// Whether the objects themselves are needed rather than the server's table.
    pub fn is_structured(&self) -> bool {
        !matches!(self, Format::Human | Format::Wide)
    }

    /// Prints objects: one as it is, several as a `List` where the format has none of its own.
    pub fn print_all(&self, objects: Vec<Value>, single: bool, streams: &mut Streams) -> Result<()> {
        match self {
            Format::Name => objects
                .iter()
                .try_for_each(|object| writeln!(streams.out, "{}", name_of(object)).map_err(Into::into)),
            Format::Columns(columns, no_headers) => {
                let mut rows =
                    if *no_headers || objects.is_empty() { Vec::new() } else { vec![columns.headings()] };
                for object in &objects {
                    rows.push(columns.row(object)?);
                }
                Ok(write!(streams.out, "{}", tabs::render(&rows))?)
            }
            _ => {
                let mut objects = objects;
                let whole = match (single, objects.pop()) {
                    (true, Some(object)) => object,
                    (_, last) => {
                        objects.extend(last);
                        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects})
                    }
                };
                self.print(&whole, streams)
            }
        }
    }

    /// Prints one object.
    pub fn print(&self, object: &Value, streams: &mut Streams) -> Result<()> {
        let out = &mut streams.out;
        match self {
            Format::Json => writeln!(out, "{}", structured::pretty_json(object))?,
            Format::Yaml => write!(out, "{}", structured::yaml(object))?,
            Format::JsonPath(path) => {
                let text = path
                    .render(object)
                    .map_err(|error| message(format!("error executing jsonpath: {error}")))?;
                write!(out, "{text}")?;
            }
            Format::JsonPathAsJson(path) => {
                let found = path
                    .find(object)
                    .map_err(|error| message(format!("error executing jsonpath: {error}")))?;
                let found: Value = found.into_iter().cloned().collect();
                writeln!(out, "{}", structured::pretty_json(&found))?;
            }
            Format::GoTemplate(template) => write!(out, "{}", go_template(template, object)?)?,
            Format::Columns(columns, _) => write!(out, "{}", tabs::render(&[columns.row(object)?]))?,
            Format::Human | Format::Wide | Format::Name => writeln!(out, "{}", name_of(object))?,
        }
        Ok(())
    }
}

fn go_template(template: &str, object: &Value) -> Result<String> {
    gtmpl_ng::template(template, to_template_value(object))
        .map_err(|error| message(format!("error executing template {template:?}: {error}")))
}

fn to_template_value(value: &Value) -> gtmpl_ng::Value {
    use gtmpl_ng::Value as Go;
    match value {
        Value::Null => Go::Nil,
        Value::Bool(flag) => Go::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Go::from(whole),
            (None, Some(float)) => Go::from(float),
            (None, None) => Go::Nil,
        },
        Value::String(text) => Go::String(text.clone()),
        Value::Array(items) => Go::Array(items.iter().map(to_template_value).collect()),
        Value::Object(map) => {
            Go::Map(map.iter().map(|(key, value)| (key.clone(), to_template_value(value))).collect())
        }
    }
}

/// `pod/web` or `deployment.apps/web`.
pub fn name_of(object: &Value) -> String {
    let (group, _) = values::group_version(object);
    let kind = values::text(object, "/kind").to_lowercase();
    let dot = if group.is_empty() { "" } else { "." };
    format!("{kind}{dot}{group}/{}", values::name(object))
}

/// `--dry-run`, `-o` and the like of commands that change objects.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ChangeArgs {
    /// Must be "none", "server", or "client"
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "unchanged", value_parser = ["none", "server", "client", "unchanged"], hide_possible_values = true)]
    pub dry_run: String,
    /// Output format. One of: (json, yaml, name, go-template, go-template-file, jsonpath, jsonpath-file)
    #[arg(long, short = 'o', default_value = "")]
    pub output: String,
    /// If true, keep the managedFields when printing objects in JSON or YAML format
    #[arg(long)]
    pub show_managed_fields: bool,
    /// If true, ignore any errors in templates when a field or map key is missing
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub allow_missing_template_keys: bool,
}

/// What `--dry-run` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// The change is made.
    None,
    /// Nothing is sent.
    Client,
    /// The server does everything but store.
    Server,
}

impl ChangeArgs {
    /// `--dry-run`
    pub fn mode(&self) -> Result<DryRun> {
        match self.dry_run.as_str() {
            "none" => Ok(DryRun::None),
            "client" => Ok(DryRun::Client),
            "server" => Ok(DryRun::Server),
            _ => Err(message(
                "--dry-run without a value is not supported: use --dry-run=client or --dry-run=server",
            )),
        }
    }

    /// `-o`
    pub fn format(&self) -> Result<Format> {
        Format::parse(&self.output, self.allow_missing_template_keys, false)
    }

    /// Says that `object` was `operation` (such as `created`), or prints it as `-o` asks.
    pub fn report(&self, mut object: Value, operation: &str, streams: &mut Streams) -> Result<()> {
        let format = self.format()?;
        match format {
            Format::Human | Format::Wide => {
                let suffix = match self.mode()? {
                    DryRun::None => "",
                    DryRun::Client => " (dry run)",
                    DryRun::Server => " (server dry run)",
                };
                writeln!(streams.out, "{} {operation}{suffix}", name_of(&object))?;
                Ok(())
            }
            _ => {
                if !self.show_managed_fields {
                    values::without_managed_fields(&mut object);
                }
                format.print(&object, streams)
            }
        }
    }
}
