//! Operations on resources.

use serde_json::{Map, Value, json};

use super::definitions::{Definitions, Dialect, Source, gvk};
use crate::discovery::catalog::{ServedResource, ServedSubresource};

const ENCODINGS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAMS: [&str; 2] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// The kinds of patches that a kind takes; strategic ones follow the table.
fn patches(source: Source<'_>) -> Vec<&'static str> {
    let strategic = matches!(source, Source::Table(_));
    PATCHES.into_iter().filter(|name| strategic || !name.contains("strategic")).collect()
}

/// A query parameter: name, type, description.
type Parameter = (&'static str, &'static str, &'static str);

const PRETTY: Parameter = (
    "pretty",
    "string",
    "If 'true', then the output is pretty printed. Defaults to 'false' unless the user-agent indicates a browser or command-line HTTP tool (curl and wget).",
);
const DRY_RUN: Parameter = (
    "dryRun",
    "string",
    "When present, indicates that modifications should not be persisted. The only valid value is All.",
);
const FIELD_MANAGER: Parameter = (
    "fieldManager",
    "string",
    "A name associated with the actor or entity that is making these changes; less than 128 characters long and printable.",
);
const FIELD_VALIDATION: Parameter =
    ("fieldValidation", "string", "How unknown and duplicate fields are handled: Ignore, Warn or Strict.");
const FORCE: Parameter = (
    "force",
    "boolean",
    "Re-acquires fields owned by other people. Must be unset for non-apply patch requests.",
);

const LIST_PARAMETERS: [Parameter; 10] = [
    ("allowWatchBookmarks", "boolean", "Requests watch events with type \"BOOKMARK\"."),
    ("continue", "string", "Continues a list where its last page ended."),
    (
        "fieldSelector",
        "string",
        "Restricts the list of returned objects by their fields. Defaults to everything.",
    ),
    (
        "labelSelector",
        "string",
        "Restricts the list of returned objects by their labels. Defaults to everything.",
    ),
    ("limit", "integer", "The largest number of objects in one answer."),
    ("resourceVersion", "string", "Constrains which resource versions a request may be served from."),
    ("resourceVersionMatch", "string", "How resourceVersion is applied to lists."),
    ("sendInitialEvents", "boolean", "Begins a watch with synthetic events for the objects there are."),
    (
        "timeoutSeconds",
        "integer",
        "Limits the duration of the call, regardless of any activity or inactivity.",
    ),
    (
        "watch",
        "boolean",
        "Watches for changes and returns them as a stream of add, update and remove notifications.",
    ),
];
const DELETE_PARAMETERS: [Parameter; 4] = [
    DRY_RUN,
    (
        "gracePeriodSeconds",
        "integer",
        "The duration in seconds before the object should be deleted. Zero means delete immediately.",
    ),
    (
        "orphanDependents",
        "boolean",
        "Deprecated: use propagationPolicy. Should the dependent objects be orphaned.",
    ),
    (
        "propagationPolicy",
        "string",
        "Whether and how garbage collection will be performed: Orphan, Background or Foreground.",
    ),
];
const LOG_PARAMETERS: [Parameter; 9] = [
    (
        "container",
        "string",
        "The container for which to stream logs. Defaults to only container if there is one container in the pod.",
    ),
    ("follow", "boolean", "Follow the log stream of the pod. Defaults to false."),
    (
        "insecureSkipTLSVerifyBackend",
        "boolean",
        "Asks not to confirm the validity of the serving certificate of the backend it is connecting to.",
    ),
    (
        "limitBytes",
        "integer",
        "The number of bytes to read from the server before terminating the log output.",
    ),
    ("previous", "boolean", "Return previous terminated container logs. Defaults to false."),
    (
        "sinceSeconds",
        "integer",
        "A relative time in seconds before the current time from which to show logs.",
    ),
    ("sinceTime", "string", "An RFC 3339 time from which to show logs."),
    ("tailLines", "integer", "The number of lines from the end of the logs to show."),
    (
        "timestamps",
        "boolean",
        "Adds an RFC 3339 timestamp at the beginning of every line of log output. Defaults to false.",
    ),
];
const STREAM_PARAMETERS: [Parameter; 7] = [
    ("command", "string", "The remote command to execute."),
    (
        "container",
        "string",
        "Container in which to execute the command. Defaults to only container if there is only one container in the pod.",
    ),
    ("ports", "integer", "List of ports to forward. Required when using WebSockets."),
    ("stderr", "boolean", "Redirect the standard error stream of the pod for this call."),
    ("stdin", "boolean", "Redirect the standard input stream of the pod for this call. Defaults to false."),
    ("stdout", "boolean", "Redirect the standard output stream of the pod for this call."),
    ("tty", "boolean", "If true indicates that a tty will be allocated for the call. Defaults to false."),
];

/// What an operation is about.
pub struct Subject<'a> {
    /// API group.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// The resource.
    pub resource: &'a ServedResource,
    /// Where the schema of its objects comes from.
    pub schema: Source<'a>,
}

/// One operation before it is written in a dialect.
struct Operation {
    action: &'static str,
    summary: String,
    id: String,
    parameters: Vec<Parameter>,
    /// Schema and media types of the body.
    body: Option<(String, Vec<&'static str>)>,
    codes: &'static [u16],
    /// Schema of the answer; a string when empty.
    answer: String,
    streams: bool,
}

/// Adds the paths of a resource and its subresources.
pub fn add(
    paths: &mut Map<String, Value>,
    subject: &Subject<'_>,
    definitions: &mut Definitions,
    dialect: Dialect,
) {
    let Subject { group, version, resource, schema } = subject;
    let kind = definitions.add_source(*schema, group, version, &resource.kind);
    let list = if resource.verbs.iter().any(|verb| verb == "list") {
        definitions.add_list_of(*schema, group, version, &resource.kind)
    } else {
        String::new()
    };
    let base = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{base}{scope}/{}", resource.plural);
    let object = format!("{collection}/{{name}}");
    let write = Writer { dialect, subject };
    let scoped = if resource.namespaced { "Namespaced" } else { "" };
    let id = |verb: &str, place: &str| format!("{verb}{}{place}{}", tag_camel(group, version), resource.kind);

    let mut on_collection = Map::new();
    let mut on_object = Map::new();
    for verb in &resource.verbs {
        let operation =
            |action, summary: String, id, parameters: &[Parameter], answer: &str, codes| Operation {
                action,
                summary,
                id,
                parameters: parameters.to_vec(),
                body: None,
                codes,
                answer: answer.to_string(),
                streams: false,
            };
        let noun = &resource.kind;
        match verb.as_str() {
            "list" => {
                let mut list = operation(
                    "list",
                    format!("list or watch objects of kind {noun}"),
                    id("list", scoped),
                    &LIST_PARAMETERS,
                    &list,
                    &[200],
                );
                list.streams = true;
                write.put(&mut on_collection, "get", list);
            }
            "create" => {
                let parameters = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
                let mut create = operation(
                    "post",
                    format!("create {} {noun}", article(noun)),
                    id("create", scoped),
                    &parameters,
                    &kind,
                    &[200, 201, 202],
                );
                create.body = Some((kind.clone(), vec!["*/*"]));
                write.put(&mut on_collection, "post", create);
            }
            "deletecollection" => {
                let parameters = [&LIST_PARAMETERS[1..], &DELETE_PARAMETERS].concat();
                let place = format!("Collection{scoped}");
                let mut delete = operation(
                    "deletecollection",
                    format!("delete collection of {noun}"),
                    id("delete", &place),
                    &parameters,
                    STATUS,
                    &[200],
                );
                delete.body = Some((DELETE_OPTIONS.to_string(), vec!["*/*"]));
                write.put(&mut on_collection, "delete", delete);
            }
            "get" => {
                let get = operation(
                    "get",
                    format!("read the specified {noun}"),
                    id("read", scoped),
                    &[],
                    &kind,
                    &[200],
                );
                write.put(&mut on_object, "get", get);
            }
            "update" => {
                let parameters = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
                let mut update = operation(
                    "put",
                    format!("replace the specified {noun}"),
                    id("replace", scoped),
                    &parameters,
                    &kind,
                    &[200, 201],
                );
                update.body = Some((kind.clone(), vec!["*/*"]));
                write.put(&mut on_object, "put", update);
            }
            "patch" => {
                let parameters = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE];
                let mut patch = operation(
                    "patch",
                    format!("partially update the specified {noun}"),
                    id("patch", scoped),
                    &parameters,
                    &kind,
                    &[200, 201],
                );
                patch.body = Some((PATCH.to_string(), patches(*schema)));
                write.put(&mut on_object, "patch", patch);
            }
            "delete" => {
                let mut delete = operation(
                    "delete",
                    format!("delete {} {noun}", article(noun)),
                    id("delete", scoped),
                    &DELETE_PARAMETERS,
                    STATUS,
                    &[200, 202],
                );
                delete.body = Some((DELETE_OPTIONS.to_string(), vec!["*/*"]));
                write.put(&mut on_object, "delete", delete);
            }
            _ => {}
        }
    }
    write.finish(paths, &collection, on_collection, resource.namespaced, false);
    write.finish(paths, &object, on_object, resource.namespaced, true);
    if resource.namespaced && !list.is_empty() {
        let mut everywhere = Map::new();
        let operation = Operation {
            action: "list",
            summary: format!("list or watch objects of kind {}", resource.kind),
            id: format!("list{}{}ForAllNamespaces", tag_camel(group, version), resource.kind),
            parameters: LIST_PARAMETERS.to_vec(),
            body: None,
            codes: &[200],
            answer: list,
            streams: true,
        };
        write.put(&mut everywhere, "get", operation);
        write.finish(paths, &format!("{base}/{}", resource.plural), everywhere, false, false);
    }
    for subresource in &resource.subresources {
        write.subresource(paths, &object, subresource, definitions, &id("", scoped));
    }
}

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" }
}

/// `CoreV1`, `AppsV1`, `RbacAuthorizationV1`.
fn tag_camel(group: &str, version: &str) -> String {
    let group = if group.is_empty() { "core" } else { group.trim_end_matches(".k8s.io") };
    let capital = |word: &str| {
        let mut characters = word.chars();
        characters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + characters.as_str())
            .unwrap_or_default()
    };
    group.split('.').chain([version]).map(capital).collect()
}

/// `core_v1`, `apps_v1`, `rbacAuthorization_v1`.
fn tag(group: &str, version: &str) -> String {
    let camel = tag_camel(group, "");
    let mut characters = camel.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase().to_string()).unwrap_or_default();
    format!("{first}{}_{version}", characters.as_str())
}

struct Writer<'a> {
    dialect: Dialect,
    subject: &'a Subject<'a>,
}

impl Writer<'_> {
    fn subresource(
        &self,
        paths: &mut Map<String, Value>,
        object: &str,
        subresource: &ServedSubresource,
        definitions: &mut Definitions,
        id: &str,
    ) {
        let ServedSubresource { name, group, version, kind, verbs } = subresource;
        let subject = self.subject;
        let own = (subject.group, subject.version, subject.resource.kind.as_str()) == (group, version, kind);
        let source = match api_types::facts::kind(group, version, kind) {
            _ if own => Some(subject.schema),
            facts => facts.map(|facts| Source::Table(facts.schema)),
        };
        let schema =
            source.map(|source| definitions.add_source(source, group, version, kind)).unwrap_or_default();
        let streams = matches!(name.as_str(), "exec" | "attach" | "portforward" | "proxy");
        let answer = if streams || name == "log" { String::new() } else { schema.clone() };
        let capital = tag_camel(name, "");
        let mut operations = Map::new();
        for verb in verbs {
            let (method, action, parameters, codes): (_, _, Vec<Parameter>, &'static [u16]) =
                match verb.as_str() {
                    "get" if name == "log" => ("get", "get", LOG_PARAMETERS.to_vec(), &[200]),
                    "get" if streams => ("get", "connect", STREAM_PARAMETERS.to_vec(), &[200]),
                    "get" => ("get", "get", Vec::new(), &[200]),
                    "create" if streams => ("post", "connect", STREAM_PARAMETERS.to_vec(), &[200]),
                    "create" => {
                        ("post", "post", vec![DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION], &[200, 201, 202])
                    }
                    "update" => ("put", "put", vec![DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION], &[200, 201]),
                    "patch" => {
                        ("patch", "patch", vec![DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE], &[200, 201])
                    }
                    "delete" => ("delete", "connect", Vec::new(), &[200]),
                    _ => continue,
                };
            let body = match method {
                _ if streams => None,
                "post" | "put" => Some((schema.clone(), vec!["*/*"])),
                "patch" => Some((PATCH.to_string(), patches(subject.schema))),
                _ => None,
            };
            let operation = Operation {
                action,
                summary: format!("{action} {name} of the specified {}", self.subject.resource.kind),
                id: format!("{method}{id}{capital}"),
                parameters,
                body,
                codes,
                answer: answer.clone(),
                streams: false,
            };
            self.put_as(&mut operations, method, operation, gvk(group, version, kind));
        }
        self.finish(paths, &format!("{object}/{name}"), operations, self.subject.resource.namespaced, true);
    }

    fn put(&self, into: &mut Map<String, Value>, method: &str, operation: Operation) {
        let Subject { group, version, resource, .. } = self.subject;
        self.put_as(into, method, operation, gvk(group, version, &resource.kind));
    }

    fn put_as(&self, into: &mut Map<String, Value>, method: &str, operation: Operation, kind: Value) {
        let v2 = self.dialect == Dialect::V2;
        let mut parameters: Vec<Value> = operation.parameters.iter().map(|p| self.parameter(p)).collect();
        let mut produces: Vec<&str> = ENCODINGS.to_vec();
        if operation.streams {
            produces.extend(STREAMS);
        }
        let schema = match operation.answer.as_str() {
            "" => json!({"type": "string"}),
            name => self.dialect.reference(name),
        };
        let content = |types: &[&str], schema: &Value| -> Value {
            types
                .iter()
                .map(|media_type| (media_type.to_string(), json!({"schema": schema})))
                .collect::<Map<_, _>>()
                .into()
        };
        let mut responses = Map::new();
        for code in operation.codes {
            let description = match code {
                201 => "Created",
                202 => "Accepted",
                _ => "OK",
            };
            let response = if v2 {
                json!({"description": description, "schema": schema})
            } else {
                json!({"description": description, "content": content(&produces, &schema)})
            };
            responses.insert(code.to_string(), response);
        }
        responses.insert("401".into(), json!({"description": "Unauthorized"}));
        let Subject { group, version, .. } = self.subject;
        let mut written = json!({
            "tags": [tag(group, version)],
            "description": operation.summary,
            "operationId": operation.id,
            "responses": responses,
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": kind,
        });
        let Some(object) = written.as_object_mut() else { return };
        if let Some((schema, types)) = &operation.body {
            let reference = self.dialect.reference(schema);
            let required = method != "delete";
            if v2 {
                let mut body = json!({"name": "body", "in": "body", "schema": reference});
                if let Some(body) = body.as_object_mut().filter(|_| required) {
                    body.insert("required".into(), true.into());
                }
                parameters.push(body);
                object.insert("consumes".into(), json!(types));
            } else {
                let mut body = json!({"content": content(types, &reference)});
                if let Some(body) = body.as_object_mut().filter(|_| required) {
                    body.insert("required".into(), true.into());
                }
                object.insert("requestBody".into(), body);
            }
        }
        if v2 {
            object.entry("consumes").or_insert(json!(["*/*"]));
            object.insert("produces".into(), json!(produces));
            object.insert("schemes".into(), json!(["https"]));
        }
        if !parameters.is_empty() {
            object.insert("parameters".into(), parameters.into());
        }
        into.insert(method.to_string(), written);
    }

    fn parameter(&self, (name, ty, description): &Parameter) -> Value {
        if self.dialect == Dialect::V2 {
            json!({"name": name, "in": "query", "type": ty, "uniqueItems": true, "description": description})
        } else {
            json!({"name": name, "in": "query", "description": description, "schema": {"type": ty, "uniqueItems": true}})
        }
    }

    fn finish(
        &self,
        paths: &mut Map<String, Value>,
        path: &str,
        mut operations: Map<String, Value>,
        namespaced: bool,
        named: bool,
    ) {
        if operations.is_empty() {
            return;
        }
        let mut common = Vec::new();
        let mut in_path = |name: &str, description: &str| {
            common.push(if self.dialect == Dialect::V2 {
                json!({"name": name, "in": "path", "required": true, "type": "string", "uniqueItems": true, "description": description})
            } else {
                json!({"name": name, "in": "path", "required": true, "description": description, "schema": {"type": "string", "uniqueItems": true}})
            });
        };
        if named {
            in_path("name", &format!("name of the {}", self.subject.resource.kind));
        }
        if namespaced {
            in_path("namespace", "object name and auth scope, such as for teams and projects");
        }
        common.push(self.parameter(&PRETTY));
        operations.insert("parameters".into(), common.into());
        paths.insert(path.to_string(), operations.into());
    }
}
