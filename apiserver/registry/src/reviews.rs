//! Reviews: questions that are posted and answered, never stored. The server that answers them also judges them.

use crate::{Entry, Strategy};
use machinery::Resource;
use std::marker::PhantomData;

/// Strategy of a review: nothing is filled in and nothing refused before the answer.
pub struct Review<K>(PhantomData<K>);

impl<K> Review<K> {
    /// For kind `K`.
    pub const fn new() -> Review<K> {
        Review(PhantomData)
    }
}

impl<K> Default for Review<K> {
    fn default() -> Self {
        Review::new()
    }
}

impl<K: Resource> Strategy for Review<K> {
    type Kind = K;
}

/// The row of a review.
pub fn entry<K: Resource>(strategy: &'static Review<K>) -> Entry {
    Entry::computed(strategy)
}
