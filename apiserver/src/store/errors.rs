//! What storage failures look like to a client.

use apiserver_storage::StorageError;
use machinery::GroupResource;
use machinery::status::StatusError;

/// The message of a list or watch whose resourceVersion is gone; upstream's text.
const EXPIRED: &str = "The resourceVersion for the provided list is too old.";

/// Translates a failure that concerns the object `name` of `resource` (empty for collections).
pub fn status_of(error: &StorageError, resource: &GroupResource, name: &str) -> StatusError {
    match error {
        StorageError::NotFound { .. } => StatusError::not_found(resource, name),
        StorageError::KeyExists { .. } => StatusError::already_exists(resource, name),
        StorageError::Conflict { .. } => StatusError::conflict(resource, name, OPTIMISTIC_LOCK),
        StorageError::NotReady => StatusError::too_many_requests(error.to_string(), 1),
        StorageError::TooLarge { requested, current } => {
            StatusError::too_large_resource_version(*requested, *current, 1)
        }
        StorageError::TooOld { .. } => StatusError::expired(error.to_string()),
        StorageError::Compacted { .. } => StatusError::expired(EXPIRED),
        StorageError::Invalid(text) => StatusError::bad_request(text.clone()),
        StorageError::Corrupt { .. } | StorageError::Backend { .. } => StatusError::internal_error(error),
    }
}

/// Upstream's `OptimisticLockErrorMsg`.
pub const OPTIMISTIC_LOCK: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
