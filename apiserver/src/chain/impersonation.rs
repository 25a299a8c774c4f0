//! Station: acting as somebody else, when the requester may.

use std::collections::BTreeMap;

use apiserver_auth::UserInfo;
use apiserver_auth::authn::request_header::percent_decode;
use apiserver_auth::authz::{Attributes, Authorizer};
use apiserver_auth::user::{
    ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, service_account_groups, split_service_account_username,
};
use http::HeaderMap;
use machinery::status::StatusError;

use super::respond;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA_PREFIX: &str = "impersonate-extra-";
const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";

/// One thing the requester wants to be, as a resource on which `impersonate` must be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    ServiceAccount { namespace: String, name: String },
    User(String),
    Group(String),
    Extra { key: String, value: String },
    Uid(String),
}

/// The user to go on with: the impersonated one, or `None` when the request does not ask for it. The
/// headers that asked are removed.
pub async fn apply(
    authorizer: &dyn Authorizer,
    requester: &UserInfo,
    headers: &mut HeaderMap,
) -> Result<Option<UserInfo>, StatusError> {
    let wishes = wishes(headers)?;
    if wishes.is_empty() {
        return Ok(None);
    }
    for wish in &wishes {
        check(authorizer, requester, wish).await?;
    }
    let user = become_user(wishes);
    tracing::debug!(requester = requester.username, user = user.username, "impersonation");
    headers.remove(USER);
    headers.remove(GROUP);
    headers.remove(UID);
    let extras: Vec<_> = headers.keys().filter(|n| n.as_str().starts_with(EXTRA_PREFIX)).cloned().collect();
    for name in extras {
        headers.remove(name);
    }
    Ok(Some(user))
}

fn wishes(headers: &HeaderMap) -> Result<Vec<Wish>, StatusError> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut wishes = Vec::new();
    let username = headers.get(USER).map(text).unwrap_or_default();
    if !username.is_empty() {
        wishes.push(match split_service_account_username(&username) {
            Some((namespace, name)) => {
                Wish::ServiceAccount { namespace: namespace.to_string(), name: name.to_string() }
            }
            None => Wish::User(username.clone()),
        });
    }
    wishes.extend(headers.get_all(GROUP).iter().map(|value| Wish::Group(text(value))));
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA_PREFIX) {
            wishes.push(Wish::Extra { key: percent_decode(key), value: text(value) });
        }
    }
    if let Some(uid) = headers.get(UID).map(text).filter(|uid| !uid.is_empty()) {
        wishes.push(Wish::Uid(uid));
    }
    if username.is_empty() && !wishes.is_empty() {
        return Err(StatusError::bad_request(format!("requested {wishes:?} without impersonating a user")));
    }
    Ok(wishes)
}

async fn check(authorizer: &dyn Authorizer, requester: &UserInfo, wish: &Wish) -> Result<(), StatusError> {
    let base = |group, resource| Attributes {
        api_version: "",
        ..Attributes::resource(requester, "impersonate", group, resource)
    };
    let attributes = match wish {
        Wish::ServiceAccount { namespace, name } => {
            Attributes { namespace, name, ..base("", "serviceaccounts") }
        }
        Wish::User(name) => Attributes { name, ..base("", "users") },
        Wish::Group(name) => Attributes { name, ..base("", "groups") },
        Wish::Extra { key, value } => Attributes {
            api_version: "v1",
            subresource: key,
            name: value,
            ..base(AUTHENTICATION_GROUP, "userextras")
        },
        Wish::Uid(name) => Attributes { api_version: "v1", name, ..base(AUTHENTICATION_GROUP, "uids") },
    };
    let decision = authorizer.authorize(&attributes).await;
    if decision.is_allowed() { Ok(()) } else { Err(respond::forbidden(&attributes, &decision.reason)) }
}

fn become_user(wishes: Vec<Wish>) -> UserInfo {
    let names_groups = wishes.iter().any(|wish| matches!(wish, Wish::Group(_)));
    let mut user = UserInfo::default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for wish in wishes {
        match wish {
            Wish::ServiceAccount { namespace, name } => {
                user.username = apiserver_auth::user::service_account_username(&namespace, &name);
                if !names_groups {
                    user.groups = service_account_groups(&namespace);
                }
            }
            Wish::User(name) => user.username = name,
            Wish::Group(name) => user.groups.push(name),
            Wish::Extra { key, value } => extra.entry(key).or_default().push(value),
            Wish::Uid(uid) => user.uid = uid,
        }
    }
    user.extra = extra;
    let added = if user.is_anonymous() {
        (!user.in_group(ALL_UNAUTHENTICATED)).then_some(ALL_UNAUTHENTICATED)
    } else {
        (!user.in_group(ALL_AUTHENTICATED) && !user.in_group(ALL_UNAUTHENTICATED))
            .then_some(ALL_AUTHENTICATED)
    };
    user.groups.extend(added.map(str::to_string));
    user
}

#[cfg(test)]
mod tests {
    use apiserver_auth::authz::always::{AlwaysAllow, AlwaysDeny};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    async fn ask(pairs: &[(&str, &str)]) -> Result<Option<UserInfo>, String> {
        let mut headers = headers(pairs);
        let outcome = apply(&AlwaysAllow, &UserInfo::new("admin", ["g"]), &mut headers).await;
        if matches!(outcome, Ok(Some(_))) {
            assert!(headers.is_empty(), "{headers:?}");
        }
        outcome.map_err(|error| error.status.message)
    }

    #[tokio::test]
    async fn users_are_built_from_headers() {
        assert_eq!(ask(&[]).await, Ok(None));
        let plain =
            ask(&[("Impersonate-User", "jane"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")]);
        assert_eq!(plain.await, Ok(Some(UserInfo::new("jane", ["a", "b", "system:authenticated"]))));
        let account = ask(&[("Impersonate-User", "system:serviceaccount:ns:bot")]).await.unwrap().unwrap();
        let groups = ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"];
        assert_eq!(account.groups, groups);
        let anonymous = ask(&[("Impersonate-User", "system:anonymous")]).await.unwrap().unwrap();
        assert_eq!(anonymous.groups, ["system:unauthenticated"]);
        let extra = [("Impersonate-User", "j"), ("Impersonate-Extra-a%2fb", "1"), ("Impersonate-Uid", "u")];
        let user = ask(&extra).await.unwrap().unwrap();
        assert_eq!(user.extra.get("a/b"), Some(&vec!["1".to_string()]));
        assert_eq!(user.uid, "u");
    }

    #[tokio::test]
    async fn groups_without_a_user_are_a_bad_request() {
        assert!(
            ask(&[("Impersonate-Group", "a")]).await.unwrap_err().ends_with("without impersonating a user")
        );
    }

    #[tokio::test]
    async fn each_wish_must_be_allowed() {
        let mut headers = headers(&[("Impersonate-User", "jane")]);
        let error = apply(&AlwaysDeny, &UserInfo::new("x", ["g"]), &mut headers).await.unwrap_err();
        let expected = r#"users "jane" is forbidden: User "x" cannot impersonate resource "users" in API group "" at the cluster scope: Everything is forbidden."#;
        assert_eq!(error.status.message, expected);
    }
}
