//! The questions about a request, and the approval.

use api_types::authorization::v1::{ResourceAttributes, SubjectAccessReview};
use api_types::certificates::v1::CertificateSigningRequest;
use client::{Client, Error, WriteParams};

use super::plan::{Question, approved, questions, serving};
use super::serving::Owners;

/// Why a request is not approved now.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotApproved {
    #[error(transparent)]
    Call(#[from] Error),
    /// It may be later, when the node has told its addresses.
    #[error("{0}")]
    Names(String),
}

/// Approves in the name of the controller.
pub(super) struct Approver {
    pub client: Client,
    pub owners: Owners,
}

impl Approver {
    /// Approves the request when one of the questions about it is answered with yes.
    pub(super) async fn approve(&self, request: &CertificateSigningRequest) -> Result<(), NotApproved> {
        if let Some((parsed, question)) = serving(request) {
            // Where nodes have no right to this, requests wait for an administrator without a word.
            if !self.is_allowed(request, question.subresource).await? {
                return Ok(());
            }
            self.owners.check(request, &parsed).map_err(NotApproved::Names)?;
            return self.write(request, question).await;
        }
        for question in questions(request) {
            if self.is_allowed(request, question.subresource).await? {
                return self.write(request, question).await;
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        request: &CertificateSigningRequest,
        question: Question,
    ) -> Result<(), NotApproved> {
        let approved = approved(request, question.message);
        let api = self.client.all::<CertificateSigningRequest>();
        api.replace_at(&approved, "approval", &WriteParams::default()).await?;
        tracing::info!(request = request.metadata.name, question.message);
        Ok(())
    }

    async fn is_allowed(
        &self,
        request: &CertificateSigningRequest,
        subresource: &str,
    ) -> Result<bool, Error> {
        let mut review = SubjectAccessReview::default();
        review.spec.user.clone_from(&request.spec.username);
        review.spec.uid.clone_from(&request.spec.uid);
        review.spec.groups.clone_from(&request.spec.groups);
        review.spec.extra.clone_from(&request.spec.extra);
        review.spec.resource_attributes = Some(Box::new(ResourceAttributes {
            group: "certificates.k8s.io".to_owned(),
            version: "*".to_owned(),
            resource: "certificatesigningrequests".to_owned(),
            subresource: subresource.to_owned(),
            verb: "create".to_owned(),
            ..ResourceAttributes::default()
        }));
        Ok(self.client.all::<SubjectAccessReview>().create(&review).await?.status.allowed)
    }
}
