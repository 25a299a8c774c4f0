//! Certificate signing requests.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::certificates::v1::CertificateSigningRequest;
use machinery::Time;
use machinery::field::ErrorList;
use rules::certificates::v1::certificate_signing_request::validation;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&CertificateSigningRequests).view("approval", &Approval).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct CertificateSigningRequests;

impl Strategy for CertificateSigningRequests {
    type Kind = CertificateSigningRequest;

    fn prepare_for_create(&self, context: &Context, object: &mut CertificateSigningRequest) {
        object.status = Default::default();
        let user = &context.user;
        let spec = &mut object.spec;
        spec.username = user.username.clone();
        spec.uid = user.uid.clone();
        spec.groups = user.groups.clone();
        spec.extra = user.extra.clone();
    }

    fn validate(&self, _context: &Context, object: &CertificateSigningRequest) -> ErrorList {
        validation::validate(object)
    }

    fn prepare_for_update(
        &self,
        _context: &Context,
        new: &mut CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) {
        new.spec = old.spec.clone();
        new.status = old.status.clone();
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn selectable_fields(&self, object: &CertificateSigningRequest) -> Vec<(&'static str, String)> {
        vec![("spec.signerName", object.spec.signer_name.clone())]
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"], &["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &CertificateSigningRequest, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = CertificateSigningRequest;

    fn prepare_for_update(
        &self,
        context: &Context,
        new: &mut CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) {
        new.spec = old.spec.clone();
        for type_ in ["Approved", "Denied"] {
            keep_conditions(new, old, type_);
        }
        set_times(new, old, context.now);
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"], &["status", "conditions"]]
    }
}

/// The `approval` view: conditions only.
pub struct Approval;

impl View for Approval {
    type Kind = CertificateSigningRequest;

    fn prepare_for_update(
        &self,
        context: &Context,
        new: &mut CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) {
        set_times(new, old, context.now);
        let conditions = std::mem::take(&mut new.status.conditions);
        new.spec = old.spec.clone();
        new.status = old.status.clone();
        new.status.conditions = conditions;
    }

    fn validate_update(
        &self,
        _context: &Context,
        new: &CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) -> ErrorList {
        validation::validate_approval_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"], &["status", "certificate"]]
    }
}

/// Signers send conditions back as they understood them; what was decided stays as it was written.
fn keep_conditions(new: &mut CertificateSigningRequest, old: &CertificateSigningRequest, type_: &str) {
    let before: Vec<_> =
        old.status.conditions.iter().filter(|condition| condition.type_ == type_).cloned().collect();
    let now: Vec<_> = new.status.conditions.iter_mut().filter(|condition| condition.type_ == type_).collect();
    if now.len() == before.len() {
        now.into_iter().zip(before).for_each(|(now, before)| *now = before);
    }
}

fn set_times(new: &mut CertificateSigningRequest, old: &CertificateSigningRequest, now: jiff::Timestamp) {
    for condition in &mut new.status.conditions {
        if condition.last_update_time.is_zero() {
            condition.last_update_time = Time::from(now);
        }
        if condition.last_transition_time.is_zero() {
            let same = old.status.conditions.iter().find(|before| {
                before.type_ == condition.type_
                    && before.status == condition.status
                    && !before.last_transition_time.is_zero()
            });
            condition.last_transition_time =
                same.map_or_else(|| Time::from(now), |before| before.last_transition_time);
        }
    }
}
