//! Objects from files, folders and standard input (`-f`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use machinery::codec::yaml;
use serde_json::Value;

use crate::error::message;
use crate::{Result, Streams};

/// Extensions read in folders.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// `-f`, `-R` and `-k`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FileArgs {
    /// Filename, directory, or - for standard input, of the resources
    #[arg(long, short = 'f', value_delimiter = ',', action = clap::ArgAction::Append)]
    pub filename: Vec<String>,
    /// Process the directory used in -f, --filename recursively
    #[arg(long, short = 'R')]
    pub recursive: bool,
    /// Kustomize directories are not supported: build them first and use -f -
    #[arg(long, short = 'k', value_parser = refuse_kustomize)]
    pub kustomize: Option<String>,
}

fn refuse_kustomize(path: &str) -> std::result::Result<String, String> {
    Err(format!(
        "kustomize is not part of this kubectl: run 'kustomize build {path}' and pipe its output to '-f -'"
    ))
}

/// An object and the file it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The object.
    pub object: Value,
    /// File, or `STDIN`.
    pub source: String,
}

impl FileArgs {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.filename.is_empty()
    }

    /// Reads every object; lists are taken apart.
    pub fn read(&self, streams: &mut Streams) -> Result<Vec<Manifest>> {
        let mut manifests = Vec::new();
        let mut stdin_used = false;
        for name in &self.filename {
            if name == "-" {
                if std::mem::replace(&mut stdin_used, true) {
                    return Err(message("standard input cannot be used for multiple arguments"));
                }
                let mut text = String::new();
                streams.input.read_to_string(&mut text)?;
                parse_into(&text, "STDIN", &mut manifests)?;
            } else if name.starts_with("http://") || name.starts_with("https://") {
                return Err(message(format!(
                    "reading manifests from a URL is not supported: download {name} and pass the file"
                )));
            } else {
                for path in paths(Path::new(name), self.recursive)? {
                    let text = std::fs::read_to_string(&path).map_err(|error| {
                        message(format!("error reading {:?}: {error}", path.display().to_string()))
                    })?;
                    parse_into(&text, &path.display().to_string(), &mut manifests)?;
                }
            }
        }
        Ok(manifests)
    }
}

/// The files a path stands for: itself, or those of a folder in the order of their names.
fn paths(path: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    let shown = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => message(format!("the path {shown:?} does not exist")),
        _ => message(format!("the path {shown:?} cannot be accessed: {error}")),
    })?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    walk(path, recursive, &mut found)?;
    if found.is_empty() {
        return Err(message(format!(
            "error reading [{shown}]: recognized file extensions are [.json .yaml .yml]"
        )));
    }
    Ok(found)
}

fn walk(folder: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if recursive {
                walk(&path, true, found)?;
            }
        } else if path
            .extension()
            .and_then(|name| name.to_str())
            .is_some_and(|name| EXTENSIONS.contains(&name))
        {
            found.push(path);
        }
    }
    Ok(())
}

/// The objects of a text.
pub fn parse(text: &str, source: &str) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    parse_into(text, source, &mut manifests)?;
    Ok(manifests)
}

/// Parses the documents of a text, JSON or YAML, and takes lists apart.
fn parse_into(text: &str, source: &str, out: &mut Vec<Manifest>) -> Result<()> {
    let mut add = |value: Value| add_object(value, source, out);
    if text.trim_start().starts_with('{') {
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            add(value.map_err(|error| message(format!("error parsing {source}: {error}")))?)?;
        }
        return Ok(());
    }
    for document in yaml::split_documents(text) {
        let value = yaml::from_str(document).map_err(|error| {
            message(format!("error parsing {source}: error converting YAML to JSON: {error}"))
        })?;
        if !value.is_null() {
            add(value)?;
        }
    }
    Ok(())
}

fn add_object(mut value: Value, source: &str, out: &mut Vec<Manifest>) -> Result<()> {
    let invalid = |what: &str| {
        message(format!(
            "error validating {source:?}: error validating data: {what}; if you choose to ignore these errors, turn validation off with --validate=false"
        ))
    };
    let kind = crate::values::text(&value, "/kind").to_owned();
    match (kind.is_empty(), crate::values::text(&value, "/apiVersion").is_empty()) {
        (false, false) => {}
        (true, true) => return Err(invalid("[apiVersion not set, kind not set]")),
        (true, false) => return Err(invalid("kind not set")),
        (false, true) => return Err(invalid("apiVersion not set")),
    }
    if kind.ends_with("List") && value.get("items").is_some_and(Value::is_array) {
        let items = value.get_mut("items").map(Value::take);
        if let Some(Value::Array(items)) = items {
            return items.into_iter().try_for_each(|item| add_object(item, source, out));
        }
    }
    out.push(Manifest { object: value, source: source.to_owned() });
    Ok(())
}

/// Why reading or writing failed, as Go words it.
pub fn go_io_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_are_taken_apart() {
        let mut found = Vec::new();
        let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n# nothing\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n";
        parse_into(text, "STDIN", &mut found).expect("sound");
        let names: Vec<_> = found.iter().map(|manifest| crate::values::name(&manifest.object)).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(parse_into("metadata: {}\n", "x", &mut Vec::new()).is_err());
    }
}
