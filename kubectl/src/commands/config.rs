//! `kubectl config`: looks at and changes kubeconfig files.

use std::io::Write as _;

use base64::Engine as _;
use client::kubeconfig::{Cluster, Kubeconfig, NamedCluster, NamedContext, NamedUser, User};

use crate::error::message;
use crate::print::{structured, tabs};
use crate::{Factory, Result, Streams};

/// Arguments of `config`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Display merged kubeconfig settings or a specified kubeconfig file
    View(View),
    /// Describe one or many contexts
    GetContexts(GetContexts),
    /// Display clusters defined in the kubeconfig
    GetClusters,
    /// Display users defined in the kubeconfig
    GetUsers,
    /// Display the current-context
    CurrentContext,
    /// Set the current-context in a kubeconfig file
    #[command(visible_alias = "use")]
    UseContext(Name),
    /// Set a context entry in kubeconfig (--cluster, --user, --namespace)
    SetContext(SetContext),
    /// Set a cluster entry in kubeconfig (--server, --certificate-authority, --tls-server-name, --insecure-skip-tls-verify)
    SetCluster(SetEmbedded),
    /// Set a user entry in kubeconfig (--token, --username, --password, --client-certificate, --client-key)
    SetCredentials(SetEmbedded),
    /// Delete the specified context from the kubeconfig
    DeleteContext(Name),
    /// Delete the specified cluster from the kubeconfig
    DeleteCluster(Name),
    /// Delete the specified user from the kubeconfig
    DeleteUser(Name),
    /// Rename a context from the kubeconfig file
    RenameContext(Rename),
}

#[derive(Clone, Debug, clap::Args)]
struct View {
    /// Remove all information not used by current-context from the output
    #[arg(long)]
    minify: bool,
    /// Display raw byte data and sensitive data
    #[arg(long)]
    raw: bool,
    /// Flatten the resulting kubeconfig file into self-contained output
    #[arg(long)]
    flatten: bool,
    /// Output format
    #[arg(long, short = 'o', default_value = "yaml")]
    output: String,
}

#[derive(Clone, Debug, clap::Args)]
struct GetContexts {
    /// Names of contexts
    names: Vec<String>,
    /// Don't print headers
    #[arg(long)]
    no_headers: bool,
    /// Output format. One of: (name)
    #[arg(long, short = 'o', default_value = "", value_parser = ["", "name"])]
    output: String,
}

#[derive(Clone, Debug, clap::Args)]
struct Name {
    /// Name
    name: String,
}

#[derive(Clone, Debug, clap::Args)]
struct Rename {
    /// Present name
    old: String,
    /// New name
    new: String,
}

#[derive(Clone, Debug, clap::Args)]
struct SetContext {
    /// Name
    name: Option<String>,
    /// Modify the current context
    #[arg(long)]
    current: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct SetEmbedded {
    /// Name
    name: String,
    /// Put the contents of certificate files into the kubeconfig
    #[arg(long)]
    embed_certs: bool,
}

/// Runs `config`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let out = &mut streams.out;
    match args.what {
        What::View(view) => return show(&view, factory, streams),
        What::GetContexts(get) => return contexts(&get, factory, streams),
        What::GetClusters => {
            writeln!(out, "NAME")?;
            for named in factory.kubeconfig()?.clusters {
                writeln!(out, "{}", named.name)?;
            }
        }
        What::GetUsers => {
            writeln!(out, "NAME")?;
            for named in factory.kubeconfig()?.users {
                writeln!(out, "{}", named.name)?;
            }
        }
        What::CurrentContext => {
            let current = factory.kubeconfig()?.current_context;
            if current.is_empty() {
                return Err(message("current-context is not set"));
            }
            writeln!(out, "{current}")?;
        }
        What::UseContext(Name { name }) => {
            if factory.kubeconfig()?.context(&name).is_none() {
                return Err(message(format!("no context exists with the name: {name:?}")));
            }
            change(factory, |config| {
                config.current_context.clone_from(&name);
                Ok(())
            })?;
            writeln!(out, "Switched to context {name:?}.")?;
        }
        What::SetContext(set) => {
            let (name, new) = set_context(&set, factory)?;
            writeln!(out, "Context {name:?} {}.", if new { "created" } else { "modified" })?;
        }
        What::SetCluster(set) => {
            change(factory, |config| set_cluster(config, &set, factory))?;
            writeln!(out, "Cluster {:?} set.", set.name)?;
        }
        What::SetCredentials(set) => {
            change(factory, |config| set_user(config, &set, factory))?;
            writeln!(out, "User {:?} set.", set.name)?;
        }
        What::DeleteContext(Name { name }) => {
            let file = delete("context", &name, factory, |config| {
                let before = config.contexts.len();
                config.contexts.retain(|named| named.name != name);
                config.contexts.len() < before
            })?;
            writeln!(out, "deleted context {name} from {file}")?;
        }
        What::DeleteCluster(Name { name }) => {
            let file = delete("cluster", &name, factory, |config| {
                let before = config.clusters.len();
                config.clusters.retain(|named| named.name != name);
                config.clusters.len() < before
            })?;
            writeln!(out, "deleted cluster {name} from {file}")?;
        }
        What::DeleteUser(Name { name }) => {
            let file = delete("user", &name, factory, |config| {
                let before = config.users.len();
                config.users.retain(|named| named.name != name);
                config.users.len() < before
            })?;
            writeln!(out, "deleted user {name} from {file}")?;
        }
        What::RenameContext(Rename { old, new }) => {
            change(factory, |config| {
                if config.context(&new).is_some() {
                    return Err(message(format!("cannot rename the context {old:?}, the context {new:?} already exists")));
                }
                let Some(named) = config.contexts.iter_mut().find(|named| named.name == old) else {
                    return Err(message(format!("cannot rename the context {old:?}, it's not in the kubeconfig")));
                };
                named.name.clone_from(&new);
                if config.current_context == old {
                    config.current_context.clone_from(&new);
                }
                Ok(())
            })?;
            writeln!(out, "Context {old:?} renamed to {new:?}.")?;
        }
    }
    Ok(0)
}

/// Changes the file that entries without a file of their own live in.
fn change(factory: &Factory, edit: impl FnOnce(&mut Kubeconfig) -> Result<()>) -> Result<String> {
    let path = factory
        .loading_rules()
        .default_file()
        .ok_or_else(|| message("there is no kubeconfig file to change: set --kubeconfig, KUBECONFIG or HOME"))?;
    let mut config = if path.exists() { Kubeconfig::from_file(&path)? } else { Kubeconfig::new() };
    edit(&mut config)?;
    config.write(&path)?;
    Ok(path.display().to_string())
}

fn delete(what: &str, name: &str, factory: &Factory, remove: impl FnOnce(&mut Kubeconfig) -> bool) -> Result<String> {
    change(factory, |config| match remove(config) {
        true => Ok(()),
        false => Err(message(format!("cannot delete {what} {name}, not in the kubeconfig file"))),
    })
}

fn set_context(set: &SetContext, factory: &Factory) -> Result<(String, bool)> {
    let name = match (&set.name, set.current) {
        (Some(name), false) => name.clone(),
        (None, true) => factory.kubeconfig()?.current_context,
        _ => return Err(message("you must specify a non-empty context name or --current")),
    };
    if name.is_empty() {
        return Err(message("no current context is set"));
    }
    let mut new = false;
    let options = factory.options();
    change(factory, |config| {
        new = config.context(&name).is_none();
        if new {
            config.contexts.push(NamedContext { name: name.clone(), ..NamedContext::default() });
        }
        if let Some(named) = config.contexts.iter_mut().find(|named| named.name == name) {
            if let Some(cluster) = &options.cluster {
                named.context.cluster.clone_from(cluster);
            }
            if let Some(user) = &options.user {
                named.context.user.clone_from(user);
            }
            if options.namespace.is_some() {
                named.context.namespace.clone_from(&options.namespace);
            }
        }
        Ok(())
    })?;
    Ok((name, new))
}

/// A file, or its content in base64 when certificates are embedded.
fn file_or_data(path: &std::path::Path, embed: bool) -> Result<(Option<std::path::PathBuf>, Option<String>)> {
    if !embed {
        let absolute = std::path::absolute(path)?;
        return Ok((Some(absolute), None));
    }
    let content = std::fs::read(path).map_err(|error| message(format!("could not read {}: {error}", path.display())))?;
    Ok((None, Some(base64::engine::general_purpose::STANDARD.encode(content))))
}

fn set_cluster(config: &mut Kubeconfig, set: &SetEmbedded, factory: &Factory) -> Result<()> {
    let options = factory.options();
    if config.cluster(&set.name).is_none() {
        config.clusters.push(NamedCluster { name: set.name.clone(), ..NamedCluster::default() });
    }
    let Some(named) = config.clusters.iter_mut().find(|named| named.name == set.name) else { return Ok(()) };
    let cluster: &mut Cluster = &mut named.cluster;
    if let Some(server) = &options.server {
        cluster.server.clone_from(server);
    }
    if options.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&options.tls_server_name);
    }
    if options.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = true;
        (cluster.certificate_authority, cluster.certificate_authority_data) = (None, None);
    }
    if let Some(path) = &options.certificate_authority {
        (cluster.certificate_authority, cluster.certificate_authority_data) = file_or_data(path, set.embed_certs)?;
        cluster.insecure_skip_tls_verify = false;
    }
    Ok(())
}

fn set_user(config: &mut Kubeconfig, set: &SetEmbedded, factory: &Factory) -> Result<()> {
    let options = factory.options();
    if config.user(&set.name).is_none() {
        config.users.push(NamedUser { name: set.name.clone(), ..NamedUser::default() });
    }
    let Some(named) = config.users.iter_mut().find(|named| named.name == set.name) else { return Ok(()) };
    let user: &mut User = &mut named.user;
    if let Some(path) = &options.client_certificate {
        (user.client_certificate, user.client_certificate_data) = file_or_data(path, set.embed_certs)?;
    }
    if let Some(path) = &options.client_key {
        (user.client_key, user.client_key_data) = file_or_data(path, set.embed_certs)?;
    }
    if options.token.is_some() {
        user.token.clone_from(&options.token);
        (user.username, user.password) = (None, None);
    }
    if options.username.is_some() {
        user.username.clone_from(&options.username);
        user.token = None;
    }
    if options.password.is_some() {
        user.password.clone_from(&options.password);
        user.token = None;
    }
    Ok(())
}

fn contexts(get: &GetContexts, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let config = factory.kubeconfig()?;
    let missing = get.names.iter().filter(|name| config.context(name).is_none());
    let missing: Vec<_> = missing.map(|name| message(format!("context {name} not found"))).collect();
    let ended = |missing| crate::Error::from_list(missing).map_or(Ok(0), Err);
    let mut shown: Vec<_> =
        config.contexts.iter().filter(|named| get.names.is_empty() || get.names.contains(&named.name)).collect();
    shown.sort_by(|a, b| a.name.cmp(&b.name));
    if get.output == "name" {
        for named in shown {
            writeln!(streams.out, "{}", named.name)?;
        }
        return ended(missing);
    }
    let mut rows = Vec::new();
    if !get.no_headers {
        rows.push(["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"].map(str::to_owned).to_vec());
    }
    rows.extend(shown.into_iter().map(|named| {
        let mark = if named.name == config.current_context { "*" } else { "" };
        let namespace = named.context.namespace.clone().unwrap_or_default();
        vec![mark.to_owned(), named.name.clone(), named.context.cluster.clone(), named.context.user.clone(), namespace]
    }));
    write!(streams.out, "{}", tabs::render(&rows))?;
    ended(missing)
}

fn show(view: &View, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let mut config = factory.kubeconfig()?;
    if view.minify {
        let name = factory.options().context.clone().unwrap_or_else(|| config.current_context.clone());
        let Some(context) = config.context(&name).cloned() else {
            return Err(message(if name.is_empty() {
                "cannot locate context: current-context must exist in order to minify".to_owned()
            } else {
                format!("cannot locate context {name}")
            }));
        };
        config.contexts.retain(|named| named.name == name);
        config.clusters.retain(|named| named.name == context.cluster);
        config.users.retain(|named| named.name == context.user);
        config.current_context = name;
    }
    let redacted = |text: &mut Option<String>, with: &str| {
        if let Some(text) = text.as_mut().filter(|text| !text.is_empty()) {
            with.clone_into(text);
        }
    };
    for NamedCluster { cluster, .. } in &mut config.clusters {
        if let (true, Some(path)) = (view.flatten, cluster.certificate_authority.take_if(|_| view.flatten)) {
            cluster.certificate_authority_data = file_or_data(&path, true)?.1;
        }
        if !view.raw && !view.flatten {
            redacted(&mut cluster.certificate_authority_data, "DATA+OMITTED");
        }
    }
    for NamedUser { user, .. } in &mut config.users {
        if let Some(path) = user.client_certificate.take_if(|_| view.flatten) {
            user.client_certificate_data = file_or_data(&path, true)?.1;
        }
        if let Some(path) = user.client_key.take_if(|_| view.flatten) {
            user.client_key_data = file_or_data(&path, true)?.1;
        }
        if !view.raw {
            redacted(&mut user.token, "REDACTED");
            redacted(&mut user.password, "REDACTED");
            if !view.flatten {
                redacted(&mut user.client_certificate_data, "DATA+OMITTED");
                redacted(&mut user.client_key_data, "DATA+OMITTED");
            }
        }
    }
    let mut value = serde_json::to_value(&config)?;
    // Lists of nothing are written as upstream writes them.
    for list in ["clusters", "contexts", "users"] {
        if value.get(list).and_then(serde_json::Value::as_array).is_some_and(Vec::is_empty) {
            value[list] = serde_json::Value::Null;
        }
    }
    match crate::print::Format::parse(&view.output, true, false)? {
        crate::print::Format::Yaml => write!(streams.out, "{}", structured::yaml(&value))?,
        format => format.print(&value, streams)?,
    }
    Ok(0)
}
