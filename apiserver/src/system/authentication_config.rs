//! The ConfigMaps from which others learn how this server authenticates.

use std::collections::BTreeMap;

use api_types::core::v1::ConfigMap;
use machinery::meta::v1::ObjectMeta;
use machinery::status::StatusError;

use super::typed::Typed;

const NAMESPACE: &str = "kube-system";
const AUTHENTICATION: &str = "extension-apiserver-authentication";
const TOKEN_TRACKING: &str = "kube-apiserver-legacy-service-account-token-tracking";

/// What an extension server must know to trust the same clients and the same front proxy.
#[derive(Clone, Debug, Default)]
pub struct AuthenticationFacts {
    /// Bundle of client authorities.
    pub client_ca: Option<String>,
    /// Bundle of front proxy authorities and the headers that count under them.
    pub front_proxy: Option<FrontProxyFacts>,
}

/// How a front proxy speaks.
#[derive(Clone, Debug, Default)]
pub struct FrontProxyFacts {
    /// PEM bundle.
    pub ca: String,
    /// Allowed common names.
    pub allowed_names: Vec<String>,
    /// Headers with the user name.
    pub username_headers: Vec<String>,
    /// Headers with the uid.
    pub uid_headers: Vec<String>,
    /// Headers with groups.
    pub group_headers: Vec<String>,
    /// Prefixes of headers with extra fields.
    pub extra_headers_prefix: Vec<String>,
}

fn data(facts: &AuthenticationFacts) -> BTreeMap<String, String> {
    let mut data = BTreeMap::new();
    if let Some(ca) = &facts.client_ca {
        data.insert("client-ca-file".to_string(), ca.clone());
    }
    if let Some(proxy) = &facts.front_proxy {
        let list = |values: &[String]| serde_json::json!(values).to_string();
        data.insert("requestheader-client-ca-file".into(), proxy.ca.clone());
        data.insert("requestheader-allowed-names".into(), list(&proxy.allowed_names));
        data.insert("requestheader-username-headers".into(), list(&proxy.username_headers));
        if !proxy.uid_headers.is_empty() {
            data.insert("requestheader-uid-headers".into(), list(&proxy.uid_headers));
        }
        data.insert("requestheader-group-headers".into(), list(&proxy.group_headers));
        data.insert("requestheader-extra-headers-prefix".into(), list(&proxy.extra_headers_prefix));
    }
    data
}

fn config_map(name: &str, data: BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: name.into(), namespace: NAMESPACE.into(), ..ObjectMeta::default() },
        data,
        ..ConfigMap::default()
    }
}

/// Writes what differs. Bundles of other servers of the cluster stay beside ours, so that clients trust
/// both while certificates are rolled.
pub async fn publish(typed: &Typed, facts: &AuthenticationFacts) -> Result<(), StatusError> {
    let wanted = data(facts);
    let existing: Option<ConfigMap> = typed.get(NAMESPACE, AUTHENTICATION).await?;
    let Some(existing) = existing else {
        typed.create_if_absent(config_map(AUTHENTICATION, wanted)).await?;
        return Ok(());
    };
    let merged = merge(&existing.data, &wanted);
    if merged == existing.data {
        return Ok(());
    }
    typed
        .update::<ConfigMap>(NAMESPACE, AUTHENTICATION, |object| object.data = merge(&object.data, &wanted))
        .await?;
    Ok(())
}

fn merge(existing: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut merged = existing.clone();
    for (key, value) in wanted {
        let entry = merged.entry(key.clone()).or_default();
        *entry = match serde_json::from_str::<Vec<String>>(value) {
            Ok(ours) => {
                let mut all: Vec<String> = serde_json::from_str(entry).unwrap_or_default();
                all.extend(ours.into_iter().filter(|value| !all.contains(value)).collect::<Vec<_>>());
                serde_json::json!(all).to_string()
            }
            Err(_) if entry.contains(value.trim()) => continue,
            Err(_) if entry.is_empty() => value.clone(),
            Err(_) => format!("{}\n{value}", entry.trim_end()),
        };
    }
    merged
}

/// Notes since when the use of legacy tokens is recorded; the controller that removes unused ones waits
/// from there.
pub async fn start_token_tracking(typed: &Typed) -> Result<(), StatusError> {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let data = BTreeMap::from([("since".to_string(), today)]);
    typed.create_if_absent(config_map(TOKEN_TRACKING, data)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[track_caller]
    fn check(existing: &str, wanted: &str, expected: &str) {
        let merged = merge(&map(&[("k", existing), ("other", "x")]), &map(&[("k", wanted)]));
        assert_eq!(merged, map(&[("k", expected), ("other", "x")]));
        assert_eq!(merge(&merged, &map(&[("k", wanted)])), merged, "the second time changes nothing");
    }

    #[test]
    fn values_of_several_servers_are_joined() {
        check("", "A\n", "A\n");
        check("A\n", "A\n", "A\n");
        check("A\n", "B\n", "A\nB\n");
        check(r#"["a"]"#, r#"["b","a"]"#, r#"["a","b"]"#);
    }
}
