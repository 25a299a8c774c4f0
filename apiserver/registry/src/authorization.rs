//! Resources of group `authorization.k8s.io`.

use crate::{
    Entry,
    reviews::{self, Review},
};
use api_types::authorization::v1::{
    LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview,
};

static LOCAL_SUBJECT: Review<LocalSubjectAccessReview> = Review::new();
static SELF_ACCESS: Review<SelfSubjectAccessReview> = Review::new();
static SELF_RULES: Review<SelfSubjectRulesReview> = Review::new();
static SUBJECT: Review<SubjectAccessReview> = Review::new();

/// The rows.
pub fn entries() -> [Entry; 4] {
    [
        reviews::entry(&LOCAL_SUBJECT),
        reviews::entry(&SELF_ACCESS),
        reviews::entry(&SELF_RULES),
        reviews::entry(&SUBJECT),
    ]
}
