//! `serviceaccounts/token`: issuing tokens bound to a pod, secret or node.

use std::sync::Arc;

use api_types::authentication::v1::{TokenRequest, TokenRequestStatus};
use api_types::core::v1::{Node, Pod, Secret, ServiceAccount};
use apiserver_auth::authn::service_account::claims::Reference;
use apiserver_auth::authn::service_account::issue::{
    Binding, EXTENDED_EXPIRATION_SECONDS, Issuer, Request, WARN_ONLY_EXPIRATION_SECONDS,
};
use machinery::field::{self, Path};
use machinery::object::Object;
use machinery::status::StatusError;
use machinery::{GroupKind, GroupResource, Resource, Time};

use super::typed::{Typed, downcast};
use crate::chain::context::RequestContext;

const DEFAULT_EXPIRATION_SECONDS: i64 = 60 * 60;
const SHORTEST_SECONDS: i64 = 10 * 60;
const LONGEST_SECONDS: i64 = 1 << 32;
const GROUP: &str = "authentication.k8s.io";

/// Issues tokens.
pub struct TokenRequests {
    /// The service accounts and what tokens are bound to.
    pub typed: Typed,
    /// Who signs; `None` when the server has no signing key.
    pub issuer: Option<Arc<Issuer>>,
    /// Audiences of tokens that ask for none.
    pub audiences: Vec<String>,
    /// Longest lifetime in seconds; 0 for no limit.
    pub max_expiration_seconds: i64,
    /// Whether tokens mounted by old clients live longer than they ask.
    pub extend_expiration: bool,
}

fn invalid(name: &str, errors: Vec<field::Error>) -> StatusError {
    StatusError::invalid(&GroupKind::new(GROUP, "TokenRequest"), name, &errors)
}

impl TokenRequests {
    /// Fills in what the request leaves open and judges it.
    pub async fn prepare(
        &self,
        context: &RequestContext,
        name: &str,
        object: &mut Box<dyn Object>,
    ) -> Result<(), StatusError> {
        let namespace = &context.info.namespace;
        let mut request: TokenRequest = downcast(object.clone_box())?;
        let meta = &mut request.metadata;
        let path = Path::new("metadata");
        if !meta.name.is_empty() && meta.name != name {
            let detail = "must match the service account name if specified";
            return Err(invalid(name, vec![field::Error::invalid(&path.child("name"), &meta.name, detail)]));
        }
        if !meta.namespace.is_empty() && meta.namespace != *namespace {
            let detail = "must match the service account namespace if specified";
            let error = field::Error::invalid(&path.child("namespace"), &meta.namespace, detail);
            return Err(invalid(name, vec![error]));
        }
        let account = self.account(namespace, name).await?;
        if !meta.uid.is_empty() && meta.uid != account.metadata.uid {
            let text = format!(
                "the UID in the token request ({}) does not match the UID of the service account ({})",
                meta.uid, account.metadata.uid
            );
            return Err(StatusError::conflict(&GroupResource::new(GROUP, "TokenRequest"), name, text));
        }
        meta.name = account.metadata.name;
        meta.namespace = account.metadata.namespace;
        meta.uid = account.metadata.uid;
        meta.creation_timestamp = Time { seconds: context.received.as_second(), nanos: 0 };
        if request.spec.audiences.is_empty() {
            request.spec.audiences = self.audiences.clone();
        }
        let seconds = *request.spec.expiration_seconds.get_or_insert(DEFAULT_EXPIRATION_SECONDS);
        request.status = TokenRequestStatus::default();
        let at = Path::new("spec").child("expirationSeconds");
        let detail = if seconds < SHORTEST_SECONDS {
            Some("may not specify a duration less than 10 minutes")
        } else if seconds > LONGEST_SECONDS {
            Some("may not specify a duration larger than 2^32 seconds")
        } else {
            None
        };
        if let Some(detail) = detail {
            return Err(invalid("", vec![field::Error::invalid(&at, seconds, detail)]));
        }
        *object = Box::new(request);
        Ok(())
    }

    /// Issues the token of a prepared request.
    pub async fn issue(
        &self,
        context: &RequestContext,
        name: &str,
        object: Box<dyn Object>,
    ) -> Result<Box<dyn Object>, StatusError> {
        let issuer = self.issuer.as_ref().ok_or_else(|| {
            StatusError::internal_error("this server has no signing key for service account tokens")
        })?;
        let namespace = &context.info.namespace;
        let mut request: TokenRequest = downcast(object)?;
        let account = self.account(namespace, name).await?;
        let (binding, bound_to_pod) = self.binding(namespace, name, &request).await?;

        let mut seconds = request.spec.expiration_seconds.unwrap_or(DEFAULT_EXPIRATION_SECONDS);
        let longest = self.max_expiration_seconds;
        if longest > 0 && seconds > longest {
            context
                .notes
                .warn(format!("requested expiration of {seconds} seconds shortened to {longest} seconds"));
            seconds = longest;
        }
        request.spec.expiration_seconds = Some(seconds);
        let for_the_api = request.spec.audiences.iter().all(|audience| self.audiences.contains(audience));
        let extends =
            self.extend_expiration && bound_to_pod && seconds == WARN_ONLY_EXPIRATION_SECONDS && for_the_api;
        let extended = match longest {
            0 => EXTENDED_EXPIRATION_SECONDS,
            longest => longest.min(EXTENDED_EXPIRATION_SECONDS),
        };
        let token_id = uuid::Uuid::new_v4().to_string();
        let wanted = Request {
            namespace: namespace.clone(),
            service_account: reference(&account),
            binding,
            audiences: request.spec.audiences.clone(),
            expiration_seconds: if extends { extended } else { seconds },
            warn_after_seconds: extends.then_some(seconds),
            token_id: token_id.clone(),
        };
        let now = jiff::Timestamp::now();
        let token = issuer
            .issue(&wanted, now)
            .map_err(|error| StatusError::internal_error(format!("failed to generate token: {error}")))?;
        request.status = TokenRequestStatus {
            token,
            expiration_timestamp: Time { seconds: now.as_second().saturating_add(seconds), nanos: 0 },
        };
        context
            .notes
            .annotate("authentication.kubernetes.io/issued-credential-id", format!("JTI={token_id}"));
        Ok(Box::new(request))
    }

    async fn account(&self, namespace: &str, name: &str) -> Result<ServiceAccount, StatusError> {
        self.found(namespace, name).await
    }

    async fn found<T: Resource>(&self, namespace: &str, name: &str) -> Result<T, StatusError> {
        let found = self.typed.get_live::<T>(namespace, name).await?;
        found.ok_or_else(|| StatusError::not_found(&GroupResource::new(T::GROUP, T::PLURAL), name))
    }

    async fn binding(
        &self,
        namespace: &str,
        account: &str,
        request: &TokenRequest,
    ) -> Result<(Binding, bool), StatusError> {
        let Some(wanted) = &request.spec.bound_object_ref else { return Ok((Binding::None, false)) };
        let group = wanted.api_version.split_once('/').map_or("", |(group, _)| group);
        let (binding, found) = match (group, wanted.kind.as_str()) {
            ("", "Pod") => {
                let pod: Pod = self.found(namespace, &wanted.name).await?;
                if pod.spec.service_account_name != account {
                    return Err(StatusError::bad_request(format!(
                        "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
                    )));
                }
                let node = self.node_of(&pod).await?;
                (Binding::Pod(reference(&pod), node), reference(&pod))
            }
            ("", "Node") => {
                let node: Node = self.found("", &wanted.name).await?;
                (Binding::Node(reference(&node)), reference(&node))
            }
            ("", "Secret") => {
                let secret: Secret = self.found(namespace, &wanted.name).await?;
                (Binding::Secret(reference(&secret)), reference(&secret))
            }
            _ => {
                let version = wanted.api_version.rsplit('/').next().unwrap_or_default();
                return Err(StatusError::bad_request(format!(
                    "cannot bind token to object of type {group}/{version}, Kind={}",
                    wanted.kind
                )));
            }
        };
        if !wanted.uid.is_empty() && wanted.uid != found.uid {
            let text = format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
                wanted.uid
            );
            let resource = GroupResource::new(group.to_string(), wanted.kind.clone());
            return Err(StatusError::conflict(&resource, &wanted.name, text));
        }
        let bound_to_pod = matches!(binding, Binding::Pod(..));
        Ok((binding, bound_to_pod))
    }

    /// The node of a pod; by name alone when the node is gone.
    async fn node_of(&self, pod: &Pod) -> Result<Option<Reference>, StatusError> {
        let name = &pod.spec.node_name;
        if name.is_empty() {
            return Ok(None);
        }
        let node: Option<Node> = self.typed.get("", name).await?;
        Ok(Some(match node {
            Some(node) => reference(&node),
            None => Reference { name: name.clone(), uid: String::new() },
        }))
    }
}

fn reference<T: Resource>(object: &T) -> Reference {
    let meta = object.metadata();
    Reference { name: meta.name.clone(), uid: meta.uid.clone() }
}
