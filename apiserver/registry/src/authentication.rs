//! Resources of group `authentication.k8s.io`.

use crate::{
    Entry,
    reviews::{self, Review},
};
use api_types::authentication::v1::{SelfSubjectReview, TokenReview};

static SELF_SUBJECT: Review<SelfSubjectReview> = Review::new();
static TOKEN: Review<TokenReview> = Review::new();

/// The rows.
pub fn entries() -> [Entry; 2] {
    [reviews::entry(&SELF_SUBJECT), reviews::entry(&TOKEN)]
}
