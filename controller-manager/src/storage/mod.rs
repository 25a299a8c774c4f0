//! Controllers of volumes and the claims on them.

pub(crate) mod pv_protection;
pub(crate) mod pvc_protection;

use machinery::Resource;

/// What the finalizer of an object in use calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// It has none, though it is not going.
    Add,
    /// It is going and waits for its users.
    Waits,
    /// It is as it should be.
    Nothing,
}

fn protection<T: Resource>(object: &T, finalizer: &str) -> Protection {
    let metadata = object.metadata();
    match (metadata.deletion_timestamp.is_some(), metadata.finalizers.iter().any(|held| held == finalizer)) {
        (false, false) => Protection::Add,
        (true, true) => Protection::Waits,
        _ => Protection::Nothing,
    }
}

/// The object with or without the finalizer.
fn with_finalizer<T: Resource>(object: &T, finalizer: &str, wanted: bool) -> T {
    let mut object = object.clone();
    let finalizers = &mut object.metadata_mut().finalizers;
    finalizers.retain(|held| held != finalizer);
    if wanted {
        finalizers.push(finalizer.to_owned());
    }
    object
}
