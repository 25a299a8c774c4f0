//! Any object of the API behind one dyn-safe trait.

use std::any::Any;
use std::fmt;

use crate::group::GroupVersionKind;
use crate::message::Resource;
use crate::meta::v1::ObjectMeta;
use crate::schema;

/// An object whose kind is known only at run time; every [`Resource`] is one.
pub trait Object: Any + Send + Sync + fmt::Debug {
    /// The object's metadata.
    fn meta(&self) -> &ObjectMeta;
    /// The object's metadata, to change.
    fn meta_mut(&mut self) -> &mut ObjectMeta;
    /// Group, version and kind.
    fn kind(&self) -> GroupVersionKind;
    /// Plain protobuf.
    fn encode(&self) -> Vec<u8>;
    /// Row of the table of facts.
    fn schema(&self) -> &'static schema::Message;
    /// A copy.
    fn clone_box(&self) -> Box<dyn Object>;
    /// For downcasting.
    fn as_any(&self) -> &dyn Any;
    /// For downcasting.
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// For downcasting by value.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Resource> Object for T {
    fn meta(&self) -> &ObjectMeta {
        self.metadata()
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.metadata_mut()
    }
    fn kind(&self) -> GroupVersionKind {
        GroupVersionKind::new(T::GROUP, T::VERSION, T::KIND)
    }
    fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
    fn schema(&self) -> &'static schema::Message {
        T::SCHEMA
    }
    fn clone_box(&self) -> Box<dyn Object> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl dyn Object {
    /// The typed object, if it is a `T`.
    pub fn downcast_ref<T: Resource>(&self) -> Option<&T> {
        self.as_any().downcast_ref()
    }

    /// The typed object, if it is a `T`, to change.
    pub fn downcast_mut<T: Resource>(&mut self) -> Option<&mut T> {
        self.as_any_mut().downcast_mut()
    }
}

impl Clone for Box<dyn Object> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}
