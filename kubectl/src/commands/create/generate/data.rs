//! Config maps and secrets.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::CreateArgs;
use crate::error::message;
use crate::{Result, values};

/// Where data come from.
#[derive(Clone, Debug, clap::Args)]
pub struct Data {
    /// Name
    pub name: String,
    /// Specify a key and literal value to insert (i.e. mykey=somevalue)
    #[arg(long, action = clap::ArgAction::Append)]
    pub from_literal: Vec<String>,
    /// Key file can be specified using its file path, a directory, or key=path
    #[arg(long, action = clap::ArgAction::Append)]
    pub from_file: Vec<String>,
    /// Specify the path to a file to read lines of key=val pairs
    #[arg(long, action = clap::ArgAction::Append)]
    pub from_env_file: Vec<String>,
    /// The type of secret to create
    #[arg(long = "type", default_value = "")]
    pub secret_type: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Kinds of secrets.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Secret {
    /// Create a secret from a local file, directory, or literal value
    Generic(Data),
    /// Create a secret for use with a Docker registry
    DockerRegistry(Registry),
    /// Create a TLS secret
    Tls(Tls),
}

/// Access to a registry.
#[derive(Clone, Debug, clap::Args)]
pub struct Registry {
    /// Name
    pub name: String,
    /// Server location for Docker registry
    #[arg(long, default_value = "https://index.docker.io/v1/")]
    pub docker_server: String,
    /// Username for Docker registry authentication
    #[arg(long)]
    pub docker_username: String,
    /// Password for Docker registry authentication
    #[arg(long)]
    pub docker_password: String,
    /// Email for Docker registry
    #[arg(long, default_value = "")]
    pub docker_email: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Certificate and key.
#[derive(Clone, Debug, clap::Args)]
pub struct Tls {
    /// Name
    pub name: String,
    /// Path to PEM encoded public key certificate
    #[arg(long)]
    pub cert: String,
    /// Path to private key associated with given certificate
    #[arg(long)]
    pub key: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| message(format!("error reading {}: {error}", path.display())))
}

/// Keys and bytes of `--from-literal`, `--from-file` and `--from-env-file`.
fn sources(data: &Data) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for literal in &data.from_literal {
        let Some((key, value)) = literal.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(message(format!("invalid literal source {literal}, expected key=value")));
        };
        let value = value.trim_matches(|quote| quote == '"' || quote == '\'');
        found.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    for source in &data.from_file {
        let (key, path) = match source.split_once('=') {
            Some((key, path)) if !key.is_empty() && !path.is_empty() => (Some(key.to_owned()), Path::new(path)),
            Some(_) => return Err(message(format!("key name or file path for file source {source} is missing"))),
            None => (None, Path::new(source.as_str())),
        };
        let base = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if key.is_some() {
                return Err(message(format!("cannot give a key name for a directory path {}", path.display())));
            }
            let mut files: Vec<_> = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
            files.sort();
            for file in files.into_iter().filter(|file| file.is_file()) {
                found.push((base(&file), read(&file)?));
            }
        } else {
            found.push((key.unwrap_or_else(|| base(path)), read(path)?));
        }
    }
    for path in &data.from_env_file {
        let text = String::from_utf8(read(Path::new(path))?)
            .map_err(|_| message(format!("env file {path} contains invalid utf8 bytes")))?;
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None => (line, std::env::var(line).unwrap_or_default()),
            };
            found.push((key.to_owned(), value.into_bytes()));
        }
    }
    for (at, (key, _)) in found.iter().enumerate() {
        let valid = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !valid {
            return Err(message(format!("{key:?} is not a valid key name: a valid key must consist of alphanumeric characters, '-', '_' or '.'")));
        }
        if found[..at].iter().any(|(known, _)| known == key) {
            return Err(message(format!("cannot add key {key}, another key by that name already exists")));
        }
    }
    Ok(found)
}

/// A config map.
pub fn config_map(data: &Data) -> Result<Value> {
    if !data.secret_type.is_empty() {
        return Err(message("unknown flag: --type"));
    }
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": data.name}});
    for (key, bytes) in sources(data)? {
        match String::from_utf8(bytes) {
            Ok(text) => values::map_at(&mut object, &["data"]).insert(key, text.into()),
            Err(error) => {
                let encoded = STANDARD.encode(error.as_bytes());
                values::map_at(&mut object, &["binaryData"]).insert(key, encoded.into())
            }
        };
    }
    Ok(object)
}

/// A secret of the user's keys.
pub fn generic_secret(data: &Data) -> Result<Value> {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": data.name}});
    if !data.secret_type.is_empty() {
        object["type"] = data.secret_type.as_str().into();
    }
    for (key, bytes) in sources(data)? {
        values::map_at(&mut object, &["data"]).insert(key, STANDARD.encode(bytes).into());
    }
    Ok(object)
}

/// A secret for pulling images.
pub fn registry_secret(registry: &Registry) -> Value {
    let auth = STANDARD.encode(format!("{}:{}", registry.docker_username, registry.docker_password));
    let mut entry = json!({"username": registry.docker_username, "password": registry.docker_password});
    if !registry.docker_email.is_empty() {
        entry["email"] = registry.docker_email.as_str().into();
    }
    entry["auth"] = auth.into();
    let mut auths = Map::new();
    auths.insert(registry.docker_server.clone(), entry);
    let config = json!({"auths": auths}).to_string();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": registry.name},
        "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": STANDARD.encode(config)}})
}

/// A secret with a certificate and its key, which must fit.
pub fn tls_secret(tls: &Tls) -> Result<Value> {
    let file = |path: &str| {
        std::fs::read(path).map_err(|error| {
            let why = crate::files::go_io_error(&error);
            message(format!("Cannot read file {path}, open {path}: {why}"))
        })
    };
    let (certificate, key) = (file(&tls.cert)?, file(&tls.key)?);
    component_base::tls::server::certified_key(&certificate, &key)
        .map_err(|error| message(format!("failed to load key pair {error}")))?;
    Ok(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": tls.name}, "type": "kubernetes.io/tls",
        "data": {"tls.crt": STANDARD.encode(certificate), "tls.key": STANDARD.encode(key)}}))
}
