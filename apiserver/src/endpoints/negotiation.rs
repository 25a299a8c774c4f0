//! Content negotiation: which encoding and which shape a response has, and how a body is encoded.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use machinery::status::StatusError;

use super::query::Query;
use crate::chain::respond::wants_indentation;

/// `application/json`.
pub const JSON: &str = "application/json";
/// `application/yaml`.
pub const YAML: &str = "application/yaml";
/// `application/vnd.kubernetes.protobuf`.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// An encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Kubernetes protobuf.
    Protobuf,
}

impl Encoding {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Encoding::Json => JSON,
            Encoding::Yaml => YAML,
            Encoding::Protobuf => PROTOBUF,
        }
    }
}

/// What the objects of a response are turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// They stay as they are.
    Object,
    /// Rows of a table.
    Table,
    /// Metadata only, of one object.
    Metadata,
    /// Metadata only, of a list.
    MetadataList,
}

/// The outcome of negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// The encoding.
    pub encoding: Encoding,
    /// The shape.
    pub shape: Shape,
    /// Version of `meta.k8s.io` for the shapes that are not objects.
    pub meta_version: &'static str,
    /// Whether to indent JSON.
    pub pretty: bool,
}

/// One range of an Accept header.
struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

/// Parses an Accept header, best first: by quality, then by how specific the range is, then as written.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header
        .split(',')
        .filter_map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let (kind, subtype) = match pieces.next()? {
                "" => return None,
                "*" => ("*", "*"),
                range => range.split_once('/')?,
            };
            let mut clause =
                Clause { kind: kind.trim(), subtype: subtype.trim(), quality: 1.0, parameters: Vec::new() };
            for piece in pieces {
                let Some((name, value)) = piece.split_once('=') else { continue };
                let (name, value) = (name.trim(), value.trim().trim_matches('"'));
                if name == "q" {
                    clause.quality = value.parse().unwrap_or(1.0);
                } else {
                    clause.parameters.push((name, value));
                }
            }
            Some(clause)
        })
        .collect();
    let specific = |clause: &Clause<'_>| (clause.kind != "*") as u8 + (clause.subtype != "*") as u8;
    clauses.sort_by(|left, right| {
        right.quality.total_cmp(&left.quality).then_with(|| specific(right).cmp(&specific(left)))
    });
    clauses
}

const ALL: [(Encoding, &str); 3] =
    [(Encoding::Json, "json"), (Encoding::Yaml, "yaml"), (Encoding::Protobuf, "vnd.kubernetes.protobuf")];

/// Finds the first acceptable output. `protobuf` says whether the kind has that form; `streams` whether the
/// response is a watch.
pub fn output(
    headers: &HeaderMap,
    query: &Query,
    protobuf: bool,
    streams: bool,
) -> Result<Output, StatusError> {
    let header = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = query.get("pretty").filter(|value| !value.is_empty());
    let pretty = match asked {
        Some(value) => matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        None => wants_indentation(headers),
    };
    let default = Output { encoding: Encoding::Json, shape: Shape::Object, meta_version: "v1", pretty };
    if header.is_empty() {
        return Ok(default);
    }
    let available = || ALL.into_iter().filter(|(encoding, _)| protobuf || *encoding != Encoding::Protobuf);
    for clause in clauses(header) {
        let wanted = clause.kind == "*" || clause.kind == "application";
        for (encoding, subtype) in available() {
            if !wanted || (clause.subtype != "*" && clause.subtype != subtype) {
                continue;
            }
            if streams && encoding == Encoding::Yaml {
                continue;
            }
            if let Some(output) = accept(&clause, encoding, default) {
                return Ok(output);
            }
        }
    }
    let names: Vec<String> = available()
        .filter(|(encoding, _)| !(streams && *encoding == Encoding::Yaml))
        .map(|(encoding, _)| {
            let suffix = if streams { ";stream=watch" } else { "" };
            format!("{}{suffix}", encoding.media_type())
        })
        .collect();
    Err(StatusError::not_acceptable(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn accept(clause: &Clause<'_>, encoding: Encoding, default: Output) -> Option<Output> {
    let mut output = Output { encoding, ..default };
    let (mut kind, mut group, mut version) = (None, None, None);
    for (name, value) in &clause.parameters {
        match *name {
            "as" => kind = Some(*value),
            "g" => group = Some(*value),
            "v" => version = Some(*value),
            "stream" if !value.is_empty() && (*value != "watch" || encoding == Encoding::Yaml) => {
                return None;
            }
            "sv" if !value.is_empty() => return None,
            "pretty" => output.pretty |= *value == "1",
            _ => {}
        }
    }
    if kind.is_none() && group.is_none() && version.is_none() {
        return Some(output);
    }
    if group != Some("meta.k8s.io") {
        return None;
    }
    output.meta_version = match version {
        Some("v1") => "v1",
        Some("v1beta1") => "v1beta1",
        _ => return None,
    };
    output.shape = match kind {
        // Tables have cells of any type, which protobuf cannot say.
        Some("Table") if encoding != Encoding::Protobuf => Shape::Table,
        Some("PartialObjectMetadata") => Shape::Metadata,
        Some("PartialObjectMetadataList") => Shape::MetadataList,
        _ => return None,
    };
    Some(output)
}

/// The encoding of a request body by its Content-Type; JSON when there is none.
pub fn input(headers: &HeaderMap, protobuf: bool) -> Result<Encoding, StatusError> {
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type.is_empty() {
        return Ok(Encoding::Json);
    }
    let available = ALL.into_iter().filter(|(encoding, _)| protobuf || *encoding != Encoding::Protobuf);
    let names: Vec<&str> = available.clone().map(|(encoding, _)| encoding.media_type()).collect();
    available
        .map(|(encoding, _)| encoding)
        .find(|encoding| encoding.media_type() == media_type)
        .ok_or_else(|| StatusError::unsupported_media_type(&names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[track_caller]
    fn check(accept: &str, streams: bool, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        let shown = match output(&headers, &Query::default(), true, streams) {
            Ok(output) => format!("{:?} {:?} {}", output.encoding, output.shape, output.meta_version),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn outputs() {
        check("*/*", false, "Json Object v1");
        check("application/vnd.kubernetes.protobuf", false, "Protobuf Object v1");
        check("application/yaml", false, "Yaml Object v1");
        check(
            "application/json;q=0.5, application/vnd.kubernetes.protobuf;q=0.9",
            false,
            "Protobuf Object v1",
        );
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            false,
            "Json Table v1",
        );
        check(
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            false,
            "Protobuf MetadataList v1",
        );
        check(
            "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json",
            false,
            "Json Object v1",
        );
        check("application/json;stream=watch", true, "Json Object v1");
        check(
            "text/html",
            false,
            "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        );
        check(
            "application/yaml",
            true,
            "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
        );
    }
}
