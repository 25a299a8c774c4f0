//! Registry credentials out of image pull secrets.

use std::sync::Arc;

use api_types::core::v1::Secret;
use base64::Engine;
use kubelet_core::ports::ImageCredentials;
use serde_json::Value;

/// The credentials that fit an image, the most specific first.
pub fn for_image(image: &str, secrets: &[Arc<Secret>]) -> Vec<ImageCredentials> {
    let mut found: Vec<(usize, ImageCredentials)> = Vec::new();
    for secret in secrets {
        let auths = match secret.type_.as_str() {
            "kubernetes.io/dockerconfigjson" => secret
                .data
                .get(".dockerconfigjson")
                .and_then(|data| serde_json::from_slice::<Value>(data).ok())
                .and_then(|config| config.get("auths").cloned()),
            "kubernetes.io/dockercfg" => {
                secret.data.get(".dockercfg").and_then(|data| serde_json::from_slice::<Value>(data).ok())
            }
            _ => None,
        };
        for (registry, auth) in auths.as_ref().and_then(Value::as_object).into_iter().flatten() {
            if let Some(length) = matches(registry, image) {
                found.push((length, credentials(registry, auth)));
            }
        }
    }
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, credentials)| credentials).collect()
}

fn credentials(registry: &str, auth: &Value) -> ImageCredentials {
    let text = |key: &str| auth.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut username = text("username");
    let mut password = text("password");
    // `auth` is both in one, and counts when they are missing.
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(text("auth").trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some((name, secret)) = decoded.as_deref().and_then(|pair| pair.split_once(':'))
        && username.is_empty()
    {
        username = name.to_owned();
        password = secret.trim_end_matches('\0').to_owned();
    }
    ImageCredentials {
        username,
        password,
        identity_token: text("identitytoken"),
        registry_token: text("registrytoken"),
        server_address: registry.to_owned(),
        auth: String::new(),
    }
}

/// Whether a registry entry fits an image; the length of what fits, to prefer the longer.
fn matches(registry: &str, image: &str) -> Option<usize> {
    let registry = registry.strip_prefix("https://").or(registry.strip_prefix("http://")).unwrap_or(registry);
    let registry = registry.trim_end_matches('/');
    let registry = registry.strip_suffix("/v1").or(registry.strip_suffix("/v2")).unwrap_or(registry);
    let (host, path) = registry.split_once('/').unwrap_or((registry, ""));
    let (image_host, image_path) = split_image(image);
    let is_hub = |host: &str| matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    let same_host = is_hub(host) && is_hub(&image_host) || host_matches(host, &image_host);
    let below = path.is_empty()
        || image_path
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']));
    (same_host && below).then_some(registry.len())
}

/// `*.example.com` matches one label; ports must be equal.
fn host_matches(pattern: &str, host: &str) -> bool {
    let split = |text: &str| match text.rsplit_once(':') {
        Some((name, port)) => (name.to_owned(), port.to_owned()),
        None => (text.to_owned(), String::new()),
    };
    let ((pattern, pattern_port), (host, host_port)) = (split(pattern), split(host));
    let (patterns, labels): (Vec<&str>, Vec<&str>) =
        (pattern.split('.').collect(), host.split('.').collect());
    pattern_port == host_port
        && patterns.len() == labels.len()
        && patterns.iter().zip(&labels).all(|(pattern, label)| match pattern.split_once('*') {
            Some((before, after)) => {
                label.len() >= before.len() + after.len()
                    && label.starts_with(before)
                    && label.ends_with(after)
            }
            None => pattern == label,
        })
}

/// Registry and path of an image; the hub when it names none.
fn split_image(image: &str) -> (String, String) {
    match image.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (first.to_owned(), rest.to_owned())
        }
        _ => ("docker.io".to_owned(), image.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(json: &str) -> Arc<Secret> {
        let mut secret = Secret { type_: "kubernetes.io/dockerconfigjson".into(), ..Secret::default() };
        secret.data = [(".dockerconfigjson".to_owned(), json.as_bytes().to_vec())].into();
        Arc::new(secret)
    }

    #[test]
    fn fits() {
        let check = |registry: &str, image: &str, expected: bool| {
            assert_eq!(matches(registry, image).is_some(), expected, "{registry} {image}");
        };
        check("https://index.docker.io/v1/", "nginx", true);
        check("reg.io", "reg.io/a/b:1", true);
        check("reg.io/a", "reg.io/a/b:1", true);
        check("reg.io/a", "reg.io/ab:1", false);
        check("*.reg.io", "x.reg.io/a", true);
        check("*.reg.io", "x.y.reg.io/a", false);
        check("reg.io:5000", "reg.io/a", false);
        check("reg.io", "nginx", false);
    }

    #[test]
    fn the_more_specific_comes_first() {
        let secrets = [secret(
            r#"{"auths":{"reg.io":{"username":"u","password":"p"},"reg.io/team":{"auth":"dGVhbTpzZWNyZXQ="}}}"#,
        )];
        let names: Vec<(String, String)> = for_image("reg.io/team/app", &secrets)
            .into_iter()
            .map(|found| (found.username, found.password))
            .collect();
        assert_eq!(names, [("team".into(), "secret".into()), ("u".into(), "p".into())]);
    }
}
