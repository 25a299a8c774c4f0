//! The questions about a request, and the approval.

use api_types::authorization::v1::{ResourceAttributes, SubjectAccessReview};
use api_types::certificates::v1::CertificateSigningRequest;
use client::{Client, Error, WriteParams};

use super::plan::{approved, questions};

/// Approves in the name of the controller.
pub(super) struct Approver {
    pub client: Client,
}

impl Approver {
    /// Approves the request when one of the questions about it is answered with yes.
    pub(super) async fn approve(&self, request: &CertificateSigningRequest) -> Result<(), Error> {
        for question in questions(request) {
            if self.is_allowed(request, question.subresource).await? {
                let approved = approved(request, question.message);
                let api = self.client.all::<CertificateSigningRequest>();
                api.replace_at(&approved, "approval", &WriteParams::default()).await?;
                tracing::info!(request = request.metadata.name, question.message);
                return Ok(());
            }
        }
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
