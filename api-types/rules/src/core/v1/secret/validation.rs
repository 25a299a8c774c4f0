//! Validation of secrets.

use crate::{meta, report::Report};
use api_types::core::v1::Secret;
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// Most bytes all values of a secret or config map may have together.
pub const MAX_SIZE: usize = 1024 * 1024;

/// A secret.
pub fn validate(secret: &Secret) -> ErrorList {
    let mut errors =
        meta::validate(&secret.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    let data = Path::new("data");
    for key in secret.data.keys() {
        errors.invalid_each(&data.key(key), key, names::is_config_map_key(key));
    }
    if secret.data.values().map(Vec::len).sum::<usize>() > MAX_SIZE {
        errors.too_long(&data, MAX_SIZE);
    }
    let present = |key: &str| secret.data.contains_key(key);
    match secret.type_.as_str() {
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            if secret.metadata.annotations.get(key).is_none_or(String::is_empty) {
                errors.required(&Path::of(&["metadata", "annotations"]).key(key), "");
            }
        }
        "kubernetes.io/dockercfg" => json_object(secret, ".dockercfg", &mut errors),
        "kubernetes.io/dockerconfigjson" => json_object(secret, ".dockerconfigjson", &mut errors),
        "kubernetes.io/basic-auth" if !present("username") && !present("password") => {
            errors.required(&data.key("username"), "");
            errors.required(&data.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if secret.data.get("ssh-privatekey").is_none_or(Vec::is_empty) => {
            errors.required(&data.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if !present(key) {
                    errors.required(&data.key(key), "");
                }
            }
        }
        _ => {}
    }
    errors
}

fn json_object(secret: &Secret, key: &str, errors: &mut ErrorList) {
    let path = Path::new("data").key(key);
    match secret.data.get(key) {
        None => errors.required(&path, ""),
        Some(bytes) => {
            if let Err(error) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes) {
                errors.invalid(&path, "<secret contents redacted>", error.to_string());
            }
        }
    }
}

/// A changed secret.
pub fn validate_update(new: &Secret, old: &Secret) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.unchanged(&Path::new("type"), &new.type_, &old.type_, &new.type_);
    if old.immutable == Some(true) {
        let message = "field is immutable when `immutable` is set";
        if new.immutable != Some(true) {
            errors.forbidden(&Path::new("immutable"), message);
        }
        if new.data != old.data {
            errors.forbidden(&Path::new("data"), message);
        }
    }
    errors.extend(validate(new));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(type_: &str, data: &[(&str, &str)], expected: &[&str]) {
        let mut secret = Secret { type_: type_.into(), ..Default::default() };
        secret.metadata.name = "s".into();
        secret.metadata.namespace = "n".into();
        secret.data = data.iter().map(|(key, value)| (key.to_string(), value.as_bytes().to_vec())).collect();
        let fields: Vec<String> = validate(&secret).into_iter().map(|error| error.field).collect();
        assert_eq!(fields, expected, "{type_} {data:?}");
    }

    #[test]
    fn each_type_has_its_keys() {
        check("Opaque", &[("a", "b")], &[]);
        check("Opaque", &[("..", "b")], &["data[..]"]);
        check("kubernetes.io/tls", &[("tls.crt", "")], &["data[tls.key]"]);
        check("kubernetes.io/dockerconfigjson", &[(".dockerconfigjson", "{}")], &[]);
        check("kubernetes.io/dockerconfigjson", &[(".dockerconfigjson", "[")], &["data[.dockerconfigjson]"]);
        check("kubernetes.io/dockercfg", &[], &["data[.dockercfg]"]);
        check("kubernetes.io/basic-auth", &[], &["data[username]", "data[password]"]);
        check("kubernetes.io/ssh-auth", &[("ssh-privatekey", "")], &["data[ssh-privatekey]"]);
        check(
            "kubernetes.io/service-account-token",
            &[],
            &["metadata.annotations[kubernetes.io/service-account.name]"],
        );
    }

    #[test]
    fn immutable_stays() {
        let mut old = Secret { immutable: Some(true), ..Default::default() };
        old.metadata.name = "s".into();
        old.metadata.namespace = "n".into();
        old.metadata.resource_version = "1".into();
        let mut new = old.clone();
        new.immutable = None;
        new.data.insert("a".into(), vec![1]);
        let fields: Vec<String> = validate_update(&new, &old).into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["immutable", "data"]);
    }
}
