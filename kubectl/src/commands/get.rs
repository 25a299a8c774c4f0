//! `kubectl get`: objects as tables, data, or templates; once or as they change.

use std::io::Write as _;

use bytes::Bytes;
use client::discovery::Discovered;
use client::params::ListParams;
use futures_util::StreamExt as _;
use machinery::table::Table;
use serde_json::Value;

use crate::error::message;
use crate::files::FileArgs;
use crate::print::jsonpath::JsonPath;
use crate::print::table::TableOptions;
use crate::print::tabs::Columns;
use crate::print::{Format, table};
use crate::resources::{self, Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams, values};

/// Tables when the server can make them, else the list itself.
const ACCEPT_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

const NOTHING: &str = "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples";

/// Arguments of `get`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE[.VERSION][.GROUP] [NAME | -l label], or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Output format
    #[arg(long, short = 'o', default_value = "")]
    pub output: String,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Selector (field query) to filter on
    #[arg(long, default_value = "")]
    pub field_selector: String,
    /// If present, list the requested object(s) across all namespaces
    #[arg(long, short = 'A')]
    pub all_namespaces: bool,
    /// After listing/getting the requested object, watch for changes
    #[arg(long, short = 'w')]
    pub watch: bool,
    /// Watch for changes to the requested object(s), without listing/getting first
    #[arg(long)]
    pub watch_only: bool,
    /// Output watch event objects when --watch or --watch-only is used
    #[arg(long)]
    pub output_watch_events: bool,
    /// When printing, show all labels as the last column
    #[arg(long)]
    pub show_labels: bool,
    /// List of labels that are going to be presented as columns
    #[arg(long, short = 'L', value_delimiter = ',', action = clap::ArgAction::Append)]
    pub label_columns: Vec<String>,
    /// If present, list the resource type for the requested object(s)
    #[arg(long)]
    pub show_kind: bool,
    /// When using the default or custom-column output format, don't print headers
    #[arg(long)]
    pub no_headers: bool,
    /// If non-empty, sort list types using this field specification
    #[arg(long, default_value = "")]
    pub sort_by: String,
    /// If set to true, suppresses NotFound error for specific objects that do not exist
    #[arg(long)]
    pub ignore_not_found: bool,
    /// Return large lists in chunks rather than all at once. Pass 0 to disable
    #[arg(long, default_value_t = 500)]
    pub chunk_size: u32,
    /// If true, keep the managedFields when printing objects in JSON or YAML format
    #[arg(long)]
    pub show_managed_fields: bool,
    /// If true, ignore any errors in templates when a field or map key is missing
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub allow_missing_template_keys: bool,
    /// Raw URI to request from the server
    #[arg(long)]
    pub raw: Option<String>,
    /// If true, have the server return the appropriate table output
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub server_print: bool,
    /// If specified, gets the subresource of the requested object
    #[arg(long, default_value = "")]
    pub subresource: String,
}

/// Runs `get`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if let Some(path) = &args.raw {
        let request = http::Request::get(path.as_str())
            .header(http::header::ACCEPT, "*/*")
            .body(Bytes::new())
            .map_err(|error| message(error.to_string()))?;
        let (_, body) = factory.client()?.request_bytes(request).await?;
        streams.out.write_all(&body)?;
        return Ok(0);
    }
    if args.resources.is_empty() && args.files.is_empty() {
        return Err(Error::Plain(NOTHING.to_owned()));
    }
    let format = Format::parse(&args.output, args.allow_missing_template_keys, args.no_headers)?;
    let choice = Choice {
        arguments: &args.resources,
        files: Some(&args.files),
        label_selector: &args.selector,
        field_selector: &args.field_selector,
        all_namespaces: args.all_namespaces,
        types_mean_all: true,
        verb: "get",
        ..Choice::default()
    };
    let chosen = choice.resolve(factory, streams).await?;
    let get = Get { args: &args, factory, format: &format, namespace: choice.list_namespace(factory)? };
    if args.watch || args.watch_only {
        return get.watch(chosen, streams).await;
    }
    if format.is_structured() {
        get.objects(chosen, streams).await
    } else {
        get.tables(chosen, streams).await
    }
}

struct Get<'a> {
    args: &'a Args,
    factory: &'a Factory,
    format: &'a Format,
    namespace: Option<String>,
}

/// A table and where it can be followed from.
struct Shown {
    found: Discovered,
    table: Table,
}

impl Get<'_> {
    /// Prints objects as data.
    async fn objects(&self, chosen: Chosen, streams: &mut Streams) -> Result<i32> {
        let (mut objects, mut errors, mut single) = (Vec::new(), Vec::new(), false);
        match chosen {
            Chosen::Named(targets) => {
                single = targets.len() == 1;
                for target in targets {
                    let api = target.api(self.factory)?;
                    match api.get(&target.name, &self.args.subresource).await {
                        Ok(object) => objects.push(object),
                        Err(error) if error.is_not_found() && self.args.ignore_not_found => {}
                        Err(error) => errors.push(error.into()),
                    }
                }
                if objects.is_empty() {
                    return Error::from_list(errors).map_or(Ok(0), Err);
                }
            }
            Chosen::Types(types) => {
                for found in types {
                    match self.list(&found).await {
                        Ok(items) => objects.extend(items),
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        if !self.args.sort_by.is_empty() {
            sort_by(&mut objects, &self.args.sort_by, |object| object)?;
        }
        if !self.args.show_managed_fields {
            objects.iter_mut().for_each(values::without_managed_fields);
        }
        self.format.print_all(objects, single, streams)?;
        Error::from_list(errors).map_or(Ok(0), Err)
    }

    async fn list(&self, found: &Discovered) -> Result<Vec<Value>> {
        let params = ListParams::default().labels(&self.args.selector).fields(&self.args.field_selector);
        resources::list_all(self.factory, found, self.namespace.as_deref(), params).await
    }

    /// Prints the server's tables.
    async fn tables(&self, chosen: Chosen, streams: &mut Streams) -> Result<i32> {
        let (shown, errors) = self.fetch_tables(chosen).await?;
        let several = shown.len() > 1;
        let rows: usize = shown.iter().map(|shown| shown.table.rows.len()).sum();
        let all_namespaced = shown.iter().all(|shown| shown.found.resource.namespaced);
        let mut first = true;
        for Shown { found, mut table } in shown {
            if table.rows.is_empty() {
                continue;
            }
            if !self.args.sort_by.is_empty() {
                sort_by(&mut table.rows, &self.args.sort_by, |row| &row.object)?;
            }
            if !std::mem::replace(&mut first, false) && !self.args.no_headers {
                writeln!(streams.out)?;
            }
            let options = self.table_options(&found, several);
            write!(streams.out, "{}", Columns::default().render(&table::cells(&table, &options, true)))?;
        }
        if rows == 0 && errors.is_empty() && !self.args.ignore_not_found {
            streams.flush()?;
            match self.namespace.as_ref().filter(|_| all_namespaced) {
                Some(namespace) => writeln!(streams.err, "No resources found in {namespace} namespace.")?,
                None => writeln!(streams.err, "No resources found")?,
            }
        }
        Error::from_list(errors).map_or(Ok(0), Err)
    }

    fn table_options(&self, found: &Discovered, several: bool) -> TableOptions {
        TableOptions {
            wide: *self.format == Format::Wide,
            no_headers: self.args.no_headers,
            with_namespace: self.args.all_namespaces && found.resource.namespaced,
            kind: if several || self.args.show_kind { resources::type_shown(found) } else { String::new() },
            show_labels: self.args.show_labels,
            label_columns: self.args.label_columns.clone(),
            event: None,
        }
    }

    /// One table per type, in the order the types were named.
    async fn fetch_tables(&self, chosen: Chosen) -> Result<(Vec<Shown>, Vec<Error>)> {
        let (mut shown, mut errors): (Vec<Shown>, Vec<Error>) = (Vec::new(), Vec::new());
        match chosen {
            Chosen::Named(targets) => {
                for target in targets {
                    match self.table(&target.found, &self.path_of(&target)?).await {
                        Ok(table) => match shown.last_mut().filter(|last| last.found == target.found) {
                            Some(last) => last.table.rows.extend(table.rows),
                            None => shown.push(Shown { found: target.found, table }),
                        },
                        Err(error) if error.is_not_found() && self.args.ignore_not_found => {}
                        Err(error) => errors.push(error),
                    }
                }
            }
            Chosen::Types(types) => {
                for found in types {
                    match self.list_table(&found).await {
                        Ok(table) => shown.push(Shown { found, table }),
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        Ok((shown, errors))
    }

    fn path_of(&self, target: &Target) -> Result<String> {
        Ok(target.api(self.factory)?.path(&target.name, &self.args.subresource))
    }

    async fn list_table(&self, found: &Discovered) -> Result<Table> {
        let api = self.factory.client()?.dynamic(&found.resource, self.namespace.as_deref());
        let limit = if self.args.chunk_size == 0 { String::new() } else { self.args.chunk_size.to_string() };
        let mut whole: Option<Table> = None;
        let mut token = String::new();
        loop {
            let query = super::query(&[
                ("labelSelector", &self.args.selector),
                ("fieldSelector", &self.args.field_selector),
                ("limit", &limit),
                ("continue", &token),
            ]);
            let page = self.table(found, &format!("{}{query}", api.collection())).await;
            let page = page.map_err(|error| {
                resources::about_list(error, found, &self.args.selector, &self.args.field_selector)
            })?;
            token.clone_from(&page.metadata.continue_);
            match &mut whole {
                None => whole = Some(page),
                Some(whole) => {
                    whole.rows.extend(page.rows);
                    whole.metadata = page.metadata;
                }
            }
            if token.is_empty() {
                return Ok(whole.unwrap_or_default());
            }
        }
    }

    fn accept(&self) -> &'static str {
        if self.args.server_print { ACCEPT_TABLE } else { "application/json" }
    }

    /// GET of a path as a table; a server that makes none gets one with names and ages.
    async fn table(&self, found: &Discovered, path: &str) -> Result<Table> {
        let mut path = path.to_owned();
        if !self.args.sort_by.is_empty() {
            path.push_str(if path.contains('?') { "&includeObject=Object" } else { "?includeObject=Object" });
        }
        let request = http::Request::get(&path)
            .header(http::header::ACCEPT, self.accept())
            .body(Bytes::new())
            .map_err(|error| message(error.to_string()))?;
        let (_, body) = self.factory.client()?.request_bytes(request).await?;
        let value: Value = serde_json::from_slice(&body)?;
        if values::text(&value, "/kind") == "Table" {
            return Table::from_value(&value).map_err(|error| message(error.to_string()));
        }
        Ok(super::names_and_ages(found, value))
    }

    /// Prints what is there and then every change, until interrupted or the server ends the watch.
    async fn watch(&self, chosen: Chosen, streams: &mut Streams) -> Result<i32> {
        let (found, name, namespace) = match chosen {
            Chosen::Named(targets) => match <[Target; 1]>::try_from(targets) {
                Ok([target]) => (target.found, Some(target.name), target.namespace),
                Err(_) => {
                    return Err(message(
                        "watch is only supported on individual resources and resource collections - more than 1 resource was found",
                    ));
                }
            },
            Chosen::Types(types) => match <[Discovered; 1]>::try_from(types) {
                Ok([found]) => (found, None, self.namespace.clone()),
                Err(_) => {
                    return Err(message(
                        "you may only specify a single resource type",
                    ));
                }
            },
        };
        let mut follower = Follower {
            get: self,
            found: &found,
            columns: Columns::default(),
            last: Vec::new(),
            headed: false,
        };
        let api = self.factory.client()?.dynamic(&found.resource, namespace.as_deref());
        let fields = match &name {
            Some(name) => {
                // The watch goes over the collection; a name that does not exist is told at once.
                api.get(name, "").await?;
                format!("metadata.name={name}")
            }
            None => self.args.field_selector.clone(),
        };
        let query = |more: &[(&str, &str)]| {
            let mut pairs =
                vec![("labelSelector", self.args.selector.as_str()), ("fieldSelector", fields.as_str())];
            pairs.extend_from_slice(more);
            format!("{}{}", api.collection(), super::query(&pairs))
        };
        let version = if self.format.is_structured() {
            let listed = self.factory.client()?.get_json(&query(&[])).await?;
            if !self.args.watch_only {
                for item in values::list(&listed, "/items") {
                    follower.data("ADDED", with_kind(item.clone(), &found), streams)?;
                }
            }
            values::text(&listed, "/metadata/resourceVersion").to_owned()
        } else {
            let table = self.table(&found, &query(&[])).await?;
            let version = table.metadata.resource_version.clone();
            if !self.args.watch_only {
                follower.table("ADDED", table, streams)?;
            } else {
                follower.last = table.columns;
            }
            version
        };
        streams.flush()?;
        let path = query(&[("watch", "true"), ("resourceVersion", &version)]);
        let accept = if self.format.is_structured() { "application/json" } else { self.accept() };
        let mut lines = super::json_stream(self.factory.client()?, &path, accept).await?;
        let end = self.factory.options().timeout().map_err(message)?.map(|limit| tokio::time::Instant::now() + limit);
        loop {
            let next = match end {
                // `--request-timeout` ends a watch as it ends any request.
                Some(end) => tokio::time::timeout_at(end, lines.next()).await.unwrap_or_default(),
                None => lines.next().await,
            };
            let Some(event) = next else { break };
            let mut event = event?;
            let kind = values::text(&event, "/type").to_owned();
            let object = event.get_mut("object").map(Value::take).unwrap_or_default();
            match kind.as_str() {
                "BOOKMARK" => continue,
                "ERROR" => {
                    return Err(message(format!(
                        "an error on the server: {}",
                        values::text(&object, "/message")
                    )));
                }
                _ if self.format.is_structured() => follower.data(&kind, object, streams)?,
                _ => {
                    let table = if values::text(&object, "/kind") == "Table" {
                        Table::from_value(&object).map_err(|error| message(error.to_string()))?
                    } else {
                        super::names_and_ages(&found, object)
                    };
                    follower.table(&kind, table, streams)?;
                }
            }
            streams.flush()?;
        }
        Ok(0)
    }
}

fn with_kind(mut object: Value, found: &Discovered) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.entry("apiVersion").or_insert_with(|| found.resource.api_version().into());
        map.entry("kind").or_insert_with(|| found.resource.kind.as_str().into());
    }
    object
}

/// Prints the events of a watch, the headings once.
struct Follower<'g> {
    get: &'g Get<'g>,
    found: &'g Discovered,
    columns: Columns,
    last: Vec<machinery::table::ColumnDefinition>,
    headed: bool,
}

impl Follower<'_> {
    fn table(&mut self, event: &str, mut table: Table, streams: &mut Streams) -> Result<()> {
        if table.columns.is_empty() {
            table.columns.clone_from(&self.last);
        } else {
            self.last.clone_from(&table.columns);
        }
        let mut options = self.get.table_options(self.found, false);
        options.event = self.get.args.output_watch_events.then(|| event.to_owned());
        let rows = table::cells(&table, &options, !self.headed);
        self.headed |= !table.rows.is_empty();
        Ok(write!(streams.out, "{}", self.columns.render(&rows))?)
    }

    fn data(&mut self, event: &str, mut object: Value, streams: &mut Streams) -> Result<()> {
        if !self.get.args.show_managed_fields {
            values::without_managed_fields(&mut object);
        }
        if self.get.args.output_watch_events {
            object = serde_json::json!({"type": event, "object": object});
        }
        if *self.get.format == Format::Yaml && std::mem::replace(&mut self.headed, true) {
            writeln!(streams.out, "---")?;
        }
        if let (Format::Columns(columns, false), false) = (self.get.format, self.headed) {
            self.headed = true;
            let rows = [columns.headings(), columns.row(&object)?];
            return Ok(write!(streams.out, "{}", self.columns.render(&rows))?);
        }
        if let Format::Columns(columns, _) = self.get.format {
            return Ok(write!(streams.out, "{}", self.columns.render(&[columns.row(&object)?]))?);
        }
        self.get.format.print(&object, streams)
    }
}

/// Sorts by the value a path finds: numbers and quantities by amount, texts naturally.
fn sort_by<T>(items: &mut [T], path: &str, object: impl Fn(&T) -> &Value) -> Result<()> {
    let parsed = JsonPath::parse_relaxed(path, true).map_err(|error| message(error.to_string()))?;
    let mut found_any = items.is_empty();
    for item in items.iter() {
        found_any |= !parsed.find(object(item)).map_err(|error| message(error.to_string()))?.is_empty();
    }
    if !found_any {
        return Err(message(format!(
            "couldn't find any field with path {:?} in the list of objects",
            braced(path)
        )));
    }
    let key = |item: &T| {
        parsed.find(object(item)).ok().and_then(|found| found.first().map(|value| (*value).clone()))
    };
    items.sort_by(|a, b| compare(key(a).as_ref(), key(b).as_ref()));
    Ok(())
}

fn braced(path: &str) -> String {
    if path.starts_with('{') { path.to_owned() } else { format!("{{{path}}}") }
}

/// Absent values come first.
fn compare(a: Option<&Value>, b: Option<&Value>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default())
        }
        (Some(Value::String(a)), Some(Value::String(b))) => {
            let amounts = (machinery::Quantity::parse(a), machinery::Quantity::parse(b));
            match amounts {
                (Ok(a), Ok(b)) => a.compare(&b),
                _ => a.cmp(b),
            }
        }
        (Some(a), Some(b)) => values::plain(a).cmp(&values::plain(b)),
        (None, None) => std::cmp::Ordering::Equal,
        (None, Some(_)) => std::cmp::Ordering::Less,
        (Some(_), None) => std::cmp::Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use machinery::GroupResource;
    use machinery::status::StatusError;
    use serde_json::json;

    use crate::commands::testing::run;

    fn table(rows: &[(&str, &str)]) -> Answer {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, age)| json!({"cells": [name, age], "object": {"metadata": {"name": name, "namespace": "default"}}}))
            .collect();
        let columns = json!([{"name": "Name", "type": "string", "format": "name", "priority": 0},
            {"name": "Age", "type": "string", "format": "", "priority": 0}]);
        Answer::json(
            200,
            &json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "5"},
            "columnDefinitions": columns, "rows": rows}),
        )
    }

    #[tokio::test]
    async fn lists_are_tables() {
        let server = FakeServer::start().await.expect("a server");
        server.on(Method::GET, "/api/v1/namespaces/default/pods", table(&[("web-1", "5m"), ("b", "10s")]));
        server.on(Method::GET, "/api/v1/pods", table(&[("web-1", "5m")]));
        server.on(Method::GET, "/api/v1/namespaces/default/services", table(&[]));
        let (code, out, err) = run(&server, &["get", "po"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "NAME    AGE\nweb-1   5m\nb       10s\n", ""));
        let (_, out, _) = run(&server, &["get", "pods", "-A"]).await;
        assert_eq!(out, "NAMESPACE   NAME    AGE\ndefault     web-1   5m\n");
        let (_, out, _) = run(&server, &["get", "pods,svc"]).await;
        assert_eq!(out, "NAME        AGE\npod/web-1   5m\npod/b       10s\n");
        let (code, out, err) = run(&server, &["get", "svc"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "", "No resources found in default namespace.\n"));
    }

    #[tokio::test]
    async fn objects_print_as_data_and_failures_end_with_one() {
        let server = FakeServer::start().await.expect("a server");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "managedFields": []}});
        server.on(Method::GET, "/api/v1/namespaces/x/pods/a", Answer::json(200, &pod));
        let missing = StatusError::not_found(&GroupResource::new("", "pods"), "no");
        server.on(Method::GET, "/api/v1/namespaces/x/pods/no", Answer::status(&missing));
        let check = async |line: &[&str], expected: (i32, &str, &str)| {
            let (code, out, err) = run(&server, line).await;
            assert_eq!((code, out.as_str(), err.as_str()), expected, "{line:?}");
        };
        check(
            &["get", "pod", "a", "-n", "x", "-o", "yaml"],
            (0, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n", ""),
        )
        .await;
        check(&["get", "pod/a", "-n", "x", "-o", "name"], (0, "pod/a\n", "")).await;
        check(&["get", "pod", "a", "-n", "x", "-ojsonpath={.metadata.name}"], (0, "a", "")).await;
        check(
            &["get", "pod", "no", "-n", "x"],
            (1, "", "Error from server (NotFound): pods \"no\" not found\n"),
        )
        .await;
        check(&["get", "pod", "no", "-n", "x", "--ignore-not-found"], (0, "", "")).await;
        check(&["get", "nonsense"], (1, "", "error: the server doesn't have a resource type \"nonsense\"\n"))
            .await;
    }
}
