//! `kubectl explain`: what the server's OpenAPI document says of a type and its fields.

mod schema;
mod wrap;

use std::io::Write as _;

use serde_json::Value;

use crate::error::message;
use crate::{Error, Factory, Result, Streams, values};
use schema::Document;

/// Arguments of `explain`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE[.FIELD]
    pub resource: Vec<String>,
    /// Print the fields of fields (Currently only 1 level deep)
    #[arg(long, short = 'R')]
    pub recursive: bool,
    /// Get different explanations for particular API version (API group/version)
    #[arg(long, default_value = "")]
    pub api_version: String,
    /// Format in which to render the schema (plaintext)
    #[arg(long, short = 'o', default_value = "plaintext")]
    pub output: String,
}

/// A type and the way to one of its fields.
struct Asked {
    group: String,
    version: String,
    plural: String,
    fields: Vec<String>,
}

/// Runs `explain`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let resource = match args.resource.as_slice() {
        [] => {
            return Err(message(
                "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list of supported resources.\n",
            ));
        }
        [one] => one,
        _ => return Err(message("We accept only this format: explain RESOURCE\n")),
    };
    let mut asked = resolve(resource, args.api_version.is_empty(), factory).await?;
    match args.output.as_str() {
        "plaintext" => {}
        "plaintext-openapiv2" => {
            return Err(message(
                "the format plaintext-openapiv2 is not supported by this kubectl: use --output=plaintext",
            ));
        }
        other => return Err(message(format!("unrecognized format: {other}"))),
    }
    if !args.api_version.is_empty() {
        let (group, version) = args.api_version.split_once('/').unwrap_or(("", &args.api_version));
        if version.contains('/') {
            return Err(message(format!("unexpected GroupVersion string: {}", args.api_version)));
        }
        (asked.group, asked.version) = (group.to_owned(), version.to_owned());
    }
    let document = fetch(&asked, factory).await?;
    let found = factory.discovery().await?.resources.iter().find(|found| {
        let resource = &found.resource;
        resource.plural == asked.plural && resource.group == asked.group && resource.version == asked.version
    });
    let not_found = || message(format!("GVR ({}) not found in OpenAPI schema", shown(&asked)));
    let kind = found.ok_or_else(not_found)?.resource.kind.clone();
    if !asked.group.is_empty() {
        writeln!(streams.out, "GROUP:      {}", asked.group)?;
    }
    writeln!(streams.out, "KIND:       {kind}\nVERSION:    {}\n", asked.version)?;
    let explained = Document::new(&document).explain(
        [&asked.group, &asked.version, &kind],
        &asked.fields,
        args.recursive,
    );
    write!(streams.out, "{}", explained.map_err(message)?)?;
    Ok(0)
}

/// `group/version, Resource=plural`, as Go shows it.
fn shown(asked: &Asked) -> String {
    format!("{}/{}, Resource={}", asked.group, asked.version, asked.plural)
}

/// Takes `pods.spec`, `deployments.apps.spec.replicas` and the like apart. Where a group may stand in the
/// argument, the type whose name and group it starts with is meant.
async fn resolve(argument: &str, with_group: bool, factory: &Factory) -> Result<Asked> {
    let argument = argument.strip_suffix('.').unwrap_or(argument);
    let (name, fields) = argument.split_once('.').unwrap_or((argument, ""));
    let lower = name.to_lowercase();
    let preferred = factory.discovery().await?.preferred(&[]);
    let by_prefix = preferred.iter().filter(|found| {
        found.resource.plural == lower || found.singular == lower || found.short_names.contains(&lower)
    });
    let by_prefix = by_prefix.filter(|_| with_group).find_map(|found| {
        let whole = crate::resources::resource_shown(found);
        let rest = argument.strip_prefix(&whole)?;
        (rest.is_empty() || rest.starts_with('.')).then_some((*found, rest))
    });
    let (found, fields) = match by_prefix {
        Some((found, rest)) => (found.clone(), rest.trim_start_matches('.')),
        None => {
            // Upstream does not say `error:` here.
            let found = factory.resource(name).await.map_err(|error| match error {
                Error::Message(text) => Error::Plain(text),
                other => other,
            })?;
            (found, fields)
        }
    };
    let fields: Vec<String> =
        fields.split('.').filter(|field| !field.is_empty()).map(str::to_owned).collect();
    if fields.iter().any(|field| field.contains(['[', ']', '{', '}', '*'])) {
        return Err(message("invalid jsonpath syntax, all nodes must be field nodes"));
    }
    let resource = found.resource;
    Ok(Asked { group: resource.group, version: resource.version, plural: resource.plural, fields })
}

/// The document of the group and version.
async fn fetch(asked: &Asked, factory: &Factory) -> Result<Value> {
    let client = factory.client()?;
    let index = client.get_json("/openapi/v3").await?;
    let key = match asked.group.as_str() {
        "" => format!("api/{}", asked.version),
        group => format!("apis/{group}/{}", asked.version),
    };
    let entry = index.get("paths").and_then(|paths| paths.get(&key));
    let url = entry.map(|entry| values::text(entry, "/serverRelativeURL")).unwrap_or_default();
    if url.is_empty() {
        return Err(message(format!("couldn't find resource for {:?}", shown(asked))));
    }
    Ok(client.get_json(url).await?)
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn a_type_and_its_fields() {
        let server = FakeServer::start().await.expect("a server");
        server.on(
            Method::GET,
            "/openapi/v3",
            Answer::json(
                200,
                &json!({"paths": {"apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=1"}}}),
            ),
        );
        let document = json!({"components": {"schemas": {
            "io.k8s.api.apps.v1.Deployment": {"description": "A deployment.", "type": "object", "properties": {
                "kind": {"type": "string", "description": "What it is."},
                "spec": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}], "description": "What is wanted."}},
                "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}]},
            "io.k8s.api.apps.v1.DeploymentSpec": {"type": "object", "required": ["names"], "properties": {
                "names": {"type": "array", "items": {"type": "string"}, "description": "Names."},
                "how": {"type": "string", "enum": ["", "A"]}}}}}});
        server.on(Method::GET, "/openapi/v3/apis/apps/v1", Answer::json(200, &document));
        let check = async |line: &[&str], expected: (i32, &str, &str)| {
            let (code, out, err) = run(&server, line).await;
            assert_eq!((code, out.as_str(), err.as_str()), expected, "{line:?}");
        };
        check(&["explain", "deploy"], (0, "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nDESCRIPTION:\n    A deployment.\n    \nFIELDS:\n  kind\t<string>\n    What it is.\n\n  spec\t<DeploymentSpec>\n    What is wanted.\n\n\n", "")).await;
        check(&["explain", "deployments.apps.spec.how"], (0, "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nFIELD: how <string>\nENUM:\n    \"\"\n    A\n\nDESCRIPTION:\n    <empty>\n\n", "")).await;
        check(&["explain", "deploy.spec", "--recursive"], (0, "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nFIELD: spec <DeploymentSpec>\n\n\nDESCRIPTION:\n    What is wanted.\n    \nFIELDS:\n  how\t<string>\n  enum: \"\", A\n  names\t<[]string> -required-\n\n", "")).await;
        check(
            &["explain", "deploy.nope"],
            (
                1,
                "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\n",
                "error: field \"nope\" does not exist\n",
            ),
        )
        .await;
        check(&["explain", "nope"], (1, "", "the server doesn't have a resource type \"nope\"\n")).await;
        check(
            &["explain", "deploy", "--api-version=apps/v2"],
            (1, "", "error: couldn't find resource for \"apps/v2, Resource=deployments\"\n"),
        )
        .await;
    }
}
