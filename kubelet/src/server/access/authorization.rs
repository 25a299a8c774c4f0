//! Permissions as the API server sees them, or none asked for.

use std::time::{Duration, Instant};

use api_types::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use async_trait::async_trait;
use client::Client;

use super::remembered::Remembered;
use super::{Authorizer, NodeAttributes, User};

/// Everybody may everything (`authorization.mode: AlwaysAllow`).
#[derive(Clone, Copy, Debug)]
pub struct AlwaysAllow;

#[async_trait]
impl Authorizer for AlwaysAllow {
    async fn authorize(&self, _user: &User, _attributes: &NodeAttributes) -> Result<bool, String> {
        Ok(true)
    }
}

/// Asks the API server (`authorization.mode: Webhook`).
#[derive(Debug)]
pub struct AccessReviews {
    client: Client,
    allowed_time: Duration,
    denied_time: Duration,
    known: Remembered<(User, NodeAttributes), bool>,
}

impl AccessReviews {
    /// Asks through `client`; a yes holds for `allowed_time`, a no for `denied_time`.
    pub fn new(client: Client, allowed_time: Duration, denied_time: Duration) -> AccessReviews {
        AccessReviews { client, allowed_time, denied_time, known: Remembered::new() }
    }
}

#[async_trait]
impl Authorizer for AccessReviews {
    async fn authorize(&self, user: &User, attributes: &NodeAttributes) -> Result<bool, String> {
        let question = (user.clone(), attributes.clone());
        if let Some(known) = self.known.get(&question, Instant::now()) {
            return Ok(known);
        }
        let review = SubjectAccessReview { spec: spec(user, attributes), ..Default::default() };
        let answer = self.client.all::<SubjectAccessReview>().create(&review).await;
        let status = answer.map_err(|error| error.to_string())?.status;
        if !status.allowed && !status.evaluation_error.is_empty() {
            tracing::debug!(error = status.evaluation_error, "access was not fully evaluated");
        }
        let time = if status.allowed { self.allowed_time } else { self.denied_time };
        self.known.put(question, status.allowed, time, Instant::now());
        Ok(status.allowed)
    }
}

fn spec(user: &User, attributes: &NodeAttributes) -> SubjectAccessReviewSpec {
    SubjectAccessReviewSpec {
        resource_attributes: Some(Box::new(ResourceAttributes {
            verb: attributes.verb.to_owned(),
            version: "v1".to_owned(),
            resource: "nodes".to_owned(),
            subresource: attributes.subresource.to_owned(),
            name: attributes.node.clone(),
            ..Default::default()
        })),
        user: user.name.clone(),
        groups: user.groups.clone(),
        uid: user.uid.clone(),
        extra: user.extra.iter().cloned().collect(),
        ..Default::default()
    }
}
