//! Strategies without their type parameter, so that one table can hold them all.
//!
//! The blanket implementations below are the only place where a `dyn Object` is turned back into its kind. A row
//! decodes objects with its own kind, so a mismatch means the caller mixed two rows up; it is answered with an
//! internal error (or left untouched) instead of a panic.

use std::borrow::Cow;

use crate::{
    columns::{Column, Row},
    context::Context,
    strategy::{GarbageCollection, ResetFields, Strategy, View},
};
use machinery::{
    Resource,
    field::{Error, ErrorList, Path},
    object::Object,
};

/// [`Strategy`] over `dyn Object`; see there for what each method means.
#[expect(missing_docs, reason = "each method repeats the one of Strategy")]
pub trait ErasedStrategy: Send + Sync {
    fn default(&self, object: &mut dyn Object);
    fn prepare_for_create(&self, context: &Context, object: &mut dyn Object);
    fn validate(&self, context: &Context, object: &dyn Object) -> ErrorList;
    fn warnings_on_create(&self, context: &Context, object: &dyn Object) -> Vec<String>;
    fn prepare_for_update(&self, context: &Context, new: &mut dyn Object, old: &dyn Object);
    fn validate_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> ErrorList;
    fn warnings_on_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> Vec<String>;
    fn canonicalize(&self, object: &mut dyn Object);
    fn allow_create_on_update(&self) -> bool;
    fn allow_unconditional_update(&self) -> bool;
    fn selectable_fields(&self, object: &dyn Object) -> Vec<(Cow<'static, str>, String)>;
    /// Names of the selectable fields, without an object.
    fn selectable_names(&self) -> Vec<Cow<'static, str>>;
    fn grace_period_seconds(
        &self,
        context: &Context,
        object: &dyn Object,
        requested: Option<i64>,
    ) -> Option<i64>;
    fn begin_termination(&self, context: &Context, object: &mut dyn Object) -> bool;
    fn is_held(&self, object: &dyn Object) -> bool;
    fn default_garbage_collection(&self) -> GarbageCollection;
    fn time_to_live_seconds(&self) -> Option<u64>;
    fn reset_fields(&self) -> ResetFields;
    fn columns(&self) -> &'static [Column];
    fn row(&self, object: &dyn Object, now: jiff::Timestamp) -> Row;
}

/// [`View`] over `dyn Object`.
#[expect(missing_docs, reason = "each method repeats the one of View")]
pub trait ErasedView: Send + Sync {
    fn prepare_for_update(&self, context: &Context, new: &mut dyn Object, old: &dyn Object);
    fn validate_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> ErrorList;
    fn warnings_on_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> Vec<String>;
    fn allow_unconditional_update(&self) -> bool;
    fn reset_fields(&self) -> ResetFields;
}

fn kind<K: Resource>(object: &dyn Object) -> Option<&K> {
    object.as_any().downcast_ref::<K>()
}

fn kind_mut<K: Resource>(object: &mut dyn Object) -> Option<&mut K> {
    object.as_any_mut().downcast_mut::<K>()
}

fn mismatch<K: Resource>() -> ErrorList {
    vec![Error::internal(&Path::nil(), format!("the object is not a {}", K::KIND))]
}

impl<S: Strategy> ErasedStrategy for S {
    fn default(&self, object: &mut dyn Object) {
        if let Some(object) = kind_mut::<S::Kind>(object) {
            Strategy::default(self, object);
        }
    }

    fn prepare_for_create(&self, context: &Context, object: &mut dyn Object) {
        if let Some(object) = kind_mut::<S::Kind>(object) {
            Strategy::prepare_for_create(self, context, object);
        }
    }

    fn validate(&self, context: &Context, object: &dyn Object) -> ErrorList {
        match kind::<S::Kind>(object) {
            Some(object) => Strategy::validate(self, context, object),
            None => mismatch::<S::Kind>(),
        }
    }

    fn warnings_on_create(&self, context: &Context, object: &dyn Object) -> Vec<String> {
        kind::<S::Kind>(object)
            .map(|object| Strategy::warnings_on_create(self, context, object))
            .unwrap_or_default()
    }

    fn prepare_for_update(&self, context: &Context, new: &mut dyn Object, old: &dyn Object) {
        if let (Some(new), Some(old)) = (kind_mut::<S::Kind>(new), kind::<S::Kind>(old)) {
            Strategy::prepare_for_update(self, context, new, old);
        }
    }

    fn validate_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> ErrorList {
        match (kind::<S::Kind>(new), kind::<S::Kind>(old)) {
            (Some(new), Some(old)) => Strategy::validate_update(self, context, new, old),
            _ => mismatch::<S::Kind>(),
        }
    }

    fn warnings_on_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> Vec<String> {
        match (kind::<S::Kind>(new), kind::<S::Kind>(old)) {
            (Some(new), Some(old)) => Strategy::warnings_on_update(self, context, new, old),
            _ => Vec::new(),
        }
    }

    fn canonicalize(&self, object: &mut dyn Object) {
        if let Some(object) = kind_mut::<S::Kind>(object) {
            Strategy::canonicalize(self, object);
        }
    }

    fn allow_create_on_update(&self) -> bool {
        Strategy::allow_create_on_update(self)
    }

    fn allow_unconditional_update(&self) -> bool {
        Strategy::allow_unconditional_update(self)
    }

    fn selectable_fields(&self, object: &dyn Object) -> Vec<(Cow<'static, str>, String)> {
        let fields = kind::<S::Kind>(object).map(|object| Strategy::selectable_fields(self, object));
        fields.unwrap_or_default().into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect()
    }

    fn selectable_names(&self) -> Vec<Cow<'static, str>> {
        let fields = Strategy::selectable_fields(self, &S::Kind::default());
        fields.into_iter().map(|(name, _)| Cow::Borrowed(name)).collect()
    }

    fn grace_period_seconds(
        &self,
        context: &Context,
        object: &dyn Object,
        requested: Option<i64>,
    ) -> Option<i64> {
        Strategy::grace_period_seconds(self, context, kind::<S::Kind>(object)?, requested)
    }

    fn begin_termination(&self, context: &Context, object: &mut dyn Object) -> bool {
        kind_mut::<S::Kind>(object).is_some_and(|object| Strategy::begin_termination(self, context, object))
    }

    fn is_held(&self, object: &dyn Object) -> bool {
        kind::<S::Kind>(object).is_some_and(|object| Strategy::is_held(self, object))
    }

    fn default_garbage_collection(&self) -> GarbageCollection {
        Strategy::default_garbage_collection(self)
    }

    fn time_to_live_seconds(&self) -> Option<u64> {
        Strategy::time_to_live_seconds(self)
    }

    fn reset_fields(&self) -> ResetFields {
        Strategy::reset_fields(self)
    }

    fn columns(&self) -> &'static [Column] {
        Strategy::columns(self)
    }

    fn row(&self, object: &dyn Object, now: jiff::Timestamp) -> Row {
        match kind::<S::Kind>(object) {
            Some(object) => Strategy::row(self, object, now),
            None => Row::default(),
        }
    }
}

impl<V: View> ErasedView for V {
    fn prepare_for_update(&self, context: &Context, new: &mut dyn Object, old: &dyn Object) {
        if let (Some(new), Some(old)) = (kind_mut::<V::Kind>(new), kind::<V::Kind>(old)) {
            View::prepare_for_update(self, context, new, old);
        }
    }

    fn validate_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> ErrorList {
        match (kind::<V::Kind>(new), kind::<V::Kind>(old)) {
            (Some(new), Some(old)) => View::validate_update(self, context, new, old),
            _ => mismatch::<V::Kind>(),
        }
    }

    fn warnings_on_update(&self, context: &Context, new: &dyn Object, old: &dyn Object) -> Vec<String> {
        match (kind::<V::Kind>(new), kind::<V::Kind>(old)) {
            (Some(new), Some(old)) => View::warnings_on_update(self, context, new, old),
            _ => Vec::new(),
        }
    }

    fn allow_unconditional_update(&self) -> bool {
        View::allow_unconditional_update(self)
    }

    fn reset_fields(&self) -> ResetFields {
        View::reset_fields(self)
    }
}
