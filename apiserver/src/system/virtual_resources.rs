//! Resources that are answered, not stored: access reviews, token reviews, self reviews and tokens.

use std::sync::Arc;

use apiserver_auth::authn::TokenAuthenticator;
use apiserver_auth::authz::Authorizer;
use machinery::object::Object;
use machinery::status::StatusError;

use super::reviews::{access, identity, rules};
use super::token_requests::TokenRequests;
use crate::chain::context::RequestContext;

/// What answers need.
pub struct VirtualResources {
    /// Decides access reviews.
    pub authorizer: Arc<dyn Authorizer>,
    /// Decides token reviews; `None` when no tokens are accepted.
    pub tokens: Option<Arc<dyn TokenAuthenticator>>,
    /// Audiences the server goes by.
    pub audiences: Vec<String>,
    /// Issues tokens of service accounts.
    pub token_requests: TokenRequests,
}

impl VirtualResources {
    /// Fills in and judges a TokenRequest for the service account `name`, before admission sees it.
    pub async fn prepare_token(
        &self,
        context: &RequestContext,
        name: &str,
        object: &mut Box<dyn Object>,
    ) -> Result<(), StatusError> {
        self.token_requests.prepare(context, name, object).await
    }

    /// Answers a posted object of the resource (or, for tokens, subresource) at
    /// (group, resource, subresource).
    pub async fn create(
        &self,
        context: &RequestContext,
        at: (&str, &str, &str),
        name: &str,
        object: Box<dyn Object>,
    ) -> Result<Box<dyn Object>, StatusError> {
        let authorizer = &*self.authorizer;
        match at {
            ("", "serviceaccounts", "token") => self.token_requests.issue(context, name, object).await,
            ("authorization.k8s.io", "subjectaccessreviews", "") => {
                access::subject(authorizer, typed(object)?).await
            }
            ("authorization.k8s.io", "localsubjectaccessreviews", "") => {
                access::local_subject(authorizer, typed(object)?, &context.info.namespace).await
            }
            ("authorization.k8s.io", "selfsubjectaccessreviews", "") => {
                access::self_subject(authorizer, typed(object)?, &context.user).await
            }
            ("authorization.k8s.io", "selfsubjectrulesreviews", "") => {
                rules::review(authorizer, typed(object)?, &context.user).await
            }
            ("authentication.k8s.io", "tokenreviews", "") => {
                identity::token_review(
                    self.tokens.as_deref(),
                    &self.audiences,
                    typed(object)?,
                    context.received,
                )
                .await
            }
            ("authentication.k8s.io", "selfsubjectreviews", "") => {
                Ok(identity::self_review(&context.user, context.received))
            }
            (group, resource, _) => Err(StatusError::method_not_supported(
                &machinery::GroupResource::new(group.to_string(), resource.to_string()),
                "create",
            )),
        }
    }
}

fn typed<T: machinery::Resource>(object: Box<dyn Object>) -> Result<T, StatusError> {
    super::typed::downcast(object)
}
