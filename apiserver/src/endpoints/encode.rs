//! The encodings of cached objects, made once and shared by every list and watch that needs them.

use std::sync::Arc;

use apiserver_storage::cacher::CachedObject;
use bytes::Bytes;
use machinery::codec::protobuf;
use machinery::status::StatusError;

use super::resource::ServedResource;

/// Which encoding of which version; see [`CachedObject::encoding`].
fn form(resource: &ServedResource, encoding: u32) -> u32 {
    resource.version_index * 4 + encoding
}

const FORM_JSON: u32 = 0;
const FORM_PROTOBUF: u32 = 1;
const FORM_METADATA: u32 = 2;

/// JSON with `kind` and `apiVersion` in front.
pub fn json(resource: &ServedResource, object: &CachedObject) -> Result<Bytes, StatusError> {
    object.encoding(form(resource, FORM_JSON), |object| {
        resource.codec.json(object.value()).map(Bytes::from).map_err(StatusError::internal_error)
    })
}

/// Plain protobuf. For the stored version it is a part of the stored bytes.
pub fn raw_protobuf(resource: &ServedResource, object: &CachedObject) -> Result<Bytes, StatusError> {
    if resource.version_index == 0 {
        let raw = protobuf::unwrap(object.value()).map_err(StatusError::internal_error)?.raw;
        return Ok(object.value().slice_ref(raw));
    }
    object.encoding(form(resource, FORM_PROTOBUF), |object| {
        let raw = resource.codec.protobuf(object.value()).map_err(StatusError::internal_error)?;
        Ok(Bytes::from(raw.into_owned()))
    })
}

/// Plain protobuf of the metadata alone.
pub fn metadata(resource: &ServedResource, object: &CachedObject) -> Result<Bytes, StatusError> {
    object.encoding(form(resource, FORM_METADATA), |object| {
        resource.codec.metadata(object.value()).map(Bytes::from).map_err(StatusError::internal_error)
    })
}

/// The objects of a list, in order.
pub type Objects = Vec<Arc<CachedObject>>;
