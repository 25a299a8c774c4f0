//! What the registry's own actions (eviction, allocation, bindings) need from the store, in their words.

use crate::{context::Context, entry::Entry};
use machinery::{meta::v1::DeleteOptions, object::Object, status::StatusError};
use std::{future::Future, pin::Pin};

/// A boxed future, for traits that are used as `dyn`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which object: a row of the table, a namespace (empty when cluster-scoped) and a name.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    /// Row of the resource.
    pub entry: &'static Entry,
    /// Namespace; empty for cluster-scoped resources.
    pub namespace: &'a str,
    /// Name of the object; ignored by `list` and `create`.
    pub name: &'a str,
}

/// Changes an object in place; called again with a fresh object when the write lost a race.
pub type Change<'a> = Box<dyn FnMut(&mut dyn Object) -> Result<(), StatusError> + Send + 'a>;

/// The store below strategies and admission: typed objects, resource versions checked, nothing else.
pub trait Objects: Send + Sync {
    /// The object, read from the store itself.
    fn get<'a>(&'a self, at: Address<'a>) -> Pending<'a, Result<Box<dyn Object>, StatusError>>;

    /// All objects of a namespace, or of all namespaces when it is empty, from the watch cache.
    fn list<'a>(&'a self, at: Address<'a>) -> Pending<'a, Result<Vec<Box<dyn Object>>, StatusError>>;

    /// Writes a new object; uid, creation time and name are the caller's.
    fn create<'a>(
        &'a self,
        context: &'a Context,
        at: Address<'a>,
        object: Box<dyn Object>,
    ) -> Pending<'a, Result<Box<dyn Object>, StatusError>>;

    /// Reads, changes and writes with the read resource version, again after a lost race.
    fn change<'a>(
        &'a self,
        context: &'a Context,
        at: Address<'a>,
        change: Change<'a>,
    ) -> Pending<'a, Result<Box<dyn Object>, StatusError>>;

    /// Deletes as the delete endpoint does: preconditions, graceful deletion, finalizers, dry run.
    fn delete<'a>(
        &'a self,
        context: &'a Context,
        at: Address<'a>,
        options: &'a DeleteOptions,
    ) -> Pending<'a, Result<(), StatusError>>;
}

/// Something taken for a write that must be kept when the write succeeds and given back when it fails.
pub trait Reservation: Send {
    /// The object was stored.
    fn keep<'a>(self: Box<Self>) -> Pending<'a, ()>;
    /// The object was not stored.
    fn give_back<'a>(self: Box<Self>) -> Pending<'a, ()>;
}

/// Work around a write that needs state outside the object: cluster IPs, node ports, escalation checks.
///
/// The store calls `begin_*` when metadata is filled in and the name generated, before the strategy prepares and validates
/// (what is allocated is validated too), then exactly one of [`Reservation::keep`] and [`Reservation::give_back`]; after a
/// failed write and on dry run `give_back`.
pub trait WriteHooks: Send + Sync {
    /// Before a create; may still change the object.
    fn begin_create<'a>(
        &'a self,
        context: &'a Context,
        object: &'a mut dyn Object,
    ) -> Pending<'a, Result<Option<Box<dyn Reservation>>, StatusError>>;

    /// Before an update of the resource itself (not of its subresources); may still change the object.
    fn begin_update<'a>(
        &'a self,
        context: &'a Context,
        new: &'a mut dyn Object,
        old: &'a dyn Object,
    ) -> Pending<'a, Result<Option<Box<dyn Reservation>>, StatusError>>;

    /// After the object is gone from the store.
    fn after_delete<'a>(&'a self, context: &'a Context, object: &'a dyn Object) -> Pending<'a, ()>;
}
