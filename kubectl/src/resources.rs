//! Which objects a command is about: by type and name, by selector, or from files
//! (`cli-runtime/pkg/resource/builder.go`).

use client::discovery::Discovered;
use client::params::ListParams;
use serde_json::Value;

use crate::error::message;
use crate::files::FileArgs;
use crate::{Error, Factory, Result, Streams, values};

/// One object by name, perhaps with its manifest.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its resource.
    pub found: Discovered,
    /// Where it lives; none for cluster-wide ones.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The manifest, when it came from a file.
    pub manifest: Option<Value>,
    /// File it is from; empty for arguments.
    pub source: String,
}

/// What arguments choose.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// Objects by name.
    Named(Vec<Target>),
    /// All objects of types, but for selectors.
    Types(Vec<Discovered>),
}

/// How a command lets objects be chosen.
#[derive(Clone, Debug, Default)]
pub struct Choice<'a> {
    /// Positional arguments.
    pub arguments: &'a [String],
    /// `-f`.
    pub files: Option<&'a FileArgs>,
    /// `-l`
    pub label_selector: &'a str,
    /// `--field-selector`
    pub field_selector: &'a str,
    /// `--all`
    pub all: bool,
    /// `-A`
    pub all_namespaces: bool,
    /// Types without names mean all objects of the types, as for `get`.
    pub types_mean_all: bool,
    /// The name in use for messages, such as `get`.
    pub verb: &'a str,
}

const NOTHING: &str = "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'";

impl Choice<'_> {
    /// Finds the types and names. Objects by name are not asked for yet.
    pub async fn resolve(&self, factory: &Factory, streams: &mut Streams) -> Result<Chosen> {
        let selecting = !self.label_selector.is_empty() || !self.field_selector.is_empty();
        if self.all && selecting {
            return Err(message("setting 'all' parameter but found a non empty selector. "));
        }
        if let Some(files) = self.files.filter(|files| !files.is_empty()) {
            if !self.arguments.is_empty() {
                return Err(message(
                    "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well",
                ));
            }
            let manifests = files.read(streams)?;
            return Ok(Chosen::Named(from_manifests(factory, manifests, self.label_selector).await?));
        }
        let Some(first) = self.arguments.first() else {
            return Err(message(if self.verb == "get" || self.verb == "describe" {
                "Required resource not specified.".to_owned()
            } else {
                NOTHING.to_owned()
            }));
        };
        if self.arguments.iter().any(|argument| argument.contains('/')) {
            if selecting || self.all {
                return Err(message(
                    "selectors and the all flag cannot be used when passing resource/name arguments",
                ));
            }
            return Ok(Chosen::Named(self.slashed(factory).await?));
        }
        let types = types(factory, first).await?;
        let names = &self.arguments[1..];
        if names.is_empty() {
            if selecting || self.all || self.types_mean_all {
                return Ok(Chosen::Types(types));
            }
            return Err(message("resource(s) were provided, but no name was specified"));
        }
        if selecting {
            return Err(message("name cannot be provided when a selector is specified"));
        }
        if self.all {
            return Err(message("name cannot be provided when the all flag is specified"));
        }
        if self.all_namespaces && types.iter().any(|found| found.resource.namespaced) {
            return Err(message("a resource cannot be retrieved by name across all namespaces"));
        }
        let mut targets = Vec::new();
        for found in &types {
            for name in names {
                targets.push(target(factory, found.clone(), name)?);
            }
        }
        Ok(Chosen::Named(targets))
    }

    async fn slashed(&self, factory: &Factory) -> Result<Vec<Target>> {
        let mut targets = Vec::new();
        for argument in self.arguments {
            let Some((kind, name)) = argument.split_once('/') else {
                return Err(message(format!(
                    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl {0} resource/<resource_name>' instead of 'kubectl {0} resource resource/<resource_name>'",
                    self.verb
                )));
            };
            if name.contains('/') {
                return Err(message("arguments in resource/name form may not have more than one slash"));
            }
            if kind.is_empty() || name.is_empty() || kind.contains(',') {
                return Err(message("arguments in resource/name form must have a single resource and name"));
            }
            let found = factory.resource(kind).await?;
            if self.all_namespaces && found.resource.namespaced {
                return Err(message("a resource cannot be retrieved by name across all namespaces"));
            }
            targets.push(target(factory, found, name)?);
        }
        Ok(targets)
    }

    /// The namespace lists are limited to.
    pub fn list_namespace(&self, factory: &Factory) -> Result<Option<String>> {
        if self.all_namespaces { Ok(None) } else { factory.namespace().map(Some) }
    }

    /// Resolves and asks the server for every chosen object. Failures of single objects are returned beside
    /// those found.
    pub async fn fetch(&self, factory: &Factory, streams: &mut Streams) -> Result<(Vec<Target>, Vec<Error>)> {
        let chosen = self.resolve(factory, streams).await?;
        let (mut targets, mut errors) = (Vec::new(), Vec::new());
        match chosen {
            Chosen::Named(named) => {
                for mut target in named {
                    match target.get(factory).await {
                        Ok(live) => {
                            target.manifest = Some(live);
                            targets.push(target);
                        }
                        Err(error) => errors.push(error),
                    }
                }
            }
            Chosen::Types(types) => {
                let namespace = self.list_namespace(factory)?;
                for found in types {
                    match self.list(factory, &found, namespace.as_deref()).await {
                        Ok(items) => targets.extend(items.into_iter().map(|item| from_live(&found, item))),
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        Ok((targets, errors))
    }

    /// The objects of a type the selectors choose.
    pub async fn list(
        &self,
        factory: &Factory,
        found: &Discovered,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>> {
        let params = ListParams::default().labels(self.label_selector).fields(self.field_selector);
        list_all(factory, found, namespace, params).await
    }
}

/// Every page of a list.
pub async fn list_all(
    factory: &Factory,
    found: &Discovered,
    namespace: Option<&str>,
    params: ListParams,
) -> Result<Vec<Value>> {
    list_in_chunks(factory, found, namespace, params, 500).await
}

/// Every page of a list, pages being of `chunk` objects; 0 for one page.
pub async fn list_in_chunks(
    factory: &Factory,
    found: &Discovered,
    namespace: Option<&str>,
    mut params: ListParams,
    chunk: u32,
) -> Result<Vec<Value>> {
    let api = factory.client()?.dynamic(&found.resource, namespace);
    let mut items = Vec::new();
    params.limit = chunk;
    loop {
        let page = api.list(&params).await.map_err(|error| {
            about_list(error.into(), found, &params.label_selector, &params.field_selector)
        })?;
        for mut item in page.items {
            if let Some(map) = item.as_object_mut() {
                map.entry("apiVersion").or_insert_with(|| found.resource.api_version().into());
                map.entry("kind").or_insert_with(|| found.resource.kind.as_str().into());
            }
            items.push(item);
        }
        params.continue_token = page.metadata.continue_.clone();
        if params.continue_token.is_empty() {
            return Ok(items);
        }
    }
}

/// Says of a refused list what was to be listed.
pub fn about_list(mut error: Error, found: &Discovered, labels: &str, fields: &str) -> Error {
    if let Error::Client(client::Error::Status(status)) = &mut error
        && ["BadRequest", "NotFound"].contains(&status.reason())
    {
        let resource = format!(
            "{}/{}, Resource={}",
            found.resource.group, found.resource.version, found.resource.plural
        );
        let told = &status.status.message;
        status.status.message = if labels.is_empty() && fields.is_empty() {
            format!("Unable to list {resource:?}: {told}")
        } else {
            format!(
                "Unable to find {resource:?} that match label selector {labels:?}, field selector {fields:?}: {told}"
            )
        };
    }
    error
}

/// The target a live object is.
pub fn from_live(found: &Discovered, object: Value) -> Target {
    Target {
        found: found.clone(),
        namespace: Some(values::namespace(&object).to_owned()).filter(|namespace| !namespace.is_empty()),
        name: values::name(&object).to_owned(),
        manifest: Some(object),
        source: String::new(),
    }
}

impl Target {
    /// The API of its resource and namespace.
    pub fn api(&self, factory: &Factory) -> Result<client::DynamicApi> {
        Ok(factory.client()?.dynamic(&self.found.resource, self.namespace.as_deref()))
    }

    /// Asks the server for it.
    pub async fn get(&self, factory: &Factory) -> Result<Value> {
        Ok(self.api(factory)?.get(&self.name, "").await?)
    }

    /// `pod/web` or `deployment.apps/web`.
    pub fn shown(&self) -> String {
        format!("{}/{}", type_shown(&self.found), self.name)
    }

    /// The object as it was fetched or written.
    pub fn object(&self) -> &Value {
        static NULL: Value = Value::Null;
        self.manifest.as_ref().unwrap_or(&NULL)
    }
}

/// `pod` or `deployment.apps`.
pub fn type_shown(found: &Discovered) -> String {
    let kind = found.resource.kind.to_lowercase();
    if found.resource.group.is_empty() { kind } else { format!("{kind}.{}", found.resource.group) }
}

/// `pods` or `deployments.apps`.
pub fn resource_shown(found: &Discovered) -> String {
    let plural = &found.resource.plural;
    if found.resource.group.is_empty() {
        plural.clone()
    } else {
        format!("{plural}.{}", found.resource.group)
    }
}

/// A target by name in the namespace of the flags.
pub fn target(factory: &Factory, found: Discovered, name: &str) -> Result<Target> {
    let namespace = if found.resource.namespaced { Some(factory.namespace()?) } else { None };
    Ok(Target { found, namespace, name: name.to_owned(), manifest: None, source: String::new() })
}

/// The types of a comma-separated list; categories such as `all` stand for theirs.
pub async fn types(factory: &Factory, list: &str) -> Result<Vec<Discovered>> {
    let mut types: Vec<Discovered> = Vec::new();
    for argument in list.split(',') {
        if argument.is_empty() {
            return Err(message("arguments must consist of a resource or a resource and name"));
        }
        let category: Vec<Discovered> = factory
            .discovery()
            .await?
            .preferred(&["list"])
            .into_iter()
            .filter(|found| found.categories.iter().any(|category| category == argument))
            .cloned()
            .collect();
        if category.is_empty() {
            types.push(factory.resource(argument).await?);
        } else {
            types.extend(category);
        }
    }
    let mut seen = std::collections::HashSet::new();
    types.retain(|found| seen.insert(found.resource.clone()));
    Ok(types)
}

/// Targets of manifests; those whose labels the selector does not match are left out.
pub async fn from_manifests(
    factory: &Factory,
    manifests: Vec<crate::files::Manifest>,
    label_selector: &str,
) -> Result<Vec<Target>> {
    let selector = machinery::selectors::labels::Selector::parse(label_selector).map_err(|error| {
        message(format!("the provided selector {label_selector:?} is not valid: {error}"))
    })?;
    let (mut targets, mut errors) = (Vec::new(), Vec::new());
    for manifest in manifests {
        if !label_selector.is_empty() {
            let labels: std::collections::BTreeMap<String, String> =
                values::entries(&manifest.object, "/metadata/labels")
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), values::plain(value)))
                    .collect();
            if !selector.matches(&labels) {
                continue;
            }
        }
        match from_manifest(factory, manifest).await {
            Ok(target) => targets.push(target),
            Err(error) => errors.push(error),
        }
    }
    match Error::from_list(errors) {
        Some(error) => Err(error),
        None => Ok(targets),
    }
}

async fn from_manifest(factory: &Factory, manifest: crate::files::Manifest) -> Result<Target> {
    let crate::files::Manifest { mut object, source } = manifest;
    let (api_version, kind) = (values::text(&object, "/apiVersion"), values::text(&object, "/kind"));
    let Some(found) = factory.by_kind(api_version, kind).await? else {
        return Err(message(format!(
            "resource mapping not found for name: {:?} namespace: {:?} from {source:?}: no matches for kind {kind:?} in version {api_version:?}\nensure CRDs are installed first",
            values::name(&object),
            values::namespace(&object),
        )));
    };
    let own = values::namespace(&object).to_owned();
    let namespace = if found.resource.namespaced {
        match factory.explicit_namespace() {
            Some(wanted) if !own.is_empty() && own != wanted => {
                return Err(message(format!(
                    "the namespace from the provided object {own:?} does not match the namespace {wanted:?}. You must pass '--namespace={own}' to perform this operation."
                )));
            }
            _ if !own.is_empty() => Some(own),
            _ => Some(factory.namespace()?),
        }
    } else {
        None
    };
    if let Some(namespace) = &namespace {
        values::map_at(&mut object, &["metadata"]).insert("namespace".to_owned(), namespace.as_str().into());
    }
    let name = values::name(&object).to_owned();
    Ok(Target { found, namespace, name, manifest: Some(object), source })
}
