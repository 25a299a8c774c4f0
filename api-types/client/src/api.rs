//! Typed access to one resource, in protobuf.

use std::marker::PhantomData;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use machinery::Resource;
use machinery::meta::v1::PartialObjectMetadata;

use crate::client::{Client, JSON, PROTOBUF};
use crate::dynamic::DynamicResource;
use crate::error::Error;
use crate::list::List;
use crate::params::{DeleteParams, ListParams, Patch, PatchParams, WriteParams};
use crate::paths;
use crate::watch::{Codec, WatchStream, typed_from_json, typed_from_protobuf};

const ACCEPT_OBJECT: &str = "application/vnd.kubernetes.protobuf,application/json;q=0.9";
const ACCEPT_WATCH: &str =
    "application/vnd.kubernetes.protobuf;stream=watch,application/json;stream=watch;q=0.9";
const ACCEPT_METADATA: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1;q=0.9";
const ACCEPT_METADATA_LIST: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1;q=0.9";
const ACCEPT_METADATA_WATCH: &str = "application/vnd.kubernetes.protobuf;stream=watch;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;stream=watch;as=PartialObjectMetadata;g=meta.k8s.io;v=v1;q=0.9";

/// The objects of one kind, of one namespace or all.
pub struct Api<T> {
    client: Client,
    group: String,
    version: String,
    plural: String,
    namespace: Option<String>,
    metadata_only: bool,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Api<T> {
    fn clone(&self) -> Self {
        Api {
            client: self.client.clone(),
            group: self.group.clone(),
            version: self.version.clone(),
            plural: self.plural.clone(),
            namespace: self.namespace.clone(),
            metadata_only: self.metadata_only,
            kind: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Api<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Api").field("path", &self.collection()).finish_non_exhaustive()
    }
}

impl Api<PartialObjectMetadata> {
    pub(crate) fn metadata_of(client: Client, resource: &DynamicResource, namespace: Option<&str>) -> Self {
        Api {
            client,
            group: resource.group.clone(),
            version: resource.version.clone(),
            plural: resource.plural.clone(),
            namespace: namespace.filter(|namespace| !namespace.is_empty()).map(str::to_owned),
            metadata_only: true,
            kind: PhantomData,
        }
    }
}

impl<T> Api<T> {
    /// Path of the collection.
    pub fn collection(&self) -> String {
        paths::collection(&self.group, &self.version, &self.plural, self.namespace.as_deref())
    }

    /// Path of an object, or of one of its subresources when `subresource` is not empty.
    pub fn path(&self, name: &str, subresource: &str) -> String {
        let separator = if subresource.is_empty() { "" } else { "/" };
        format!("{}/{}{separator}{subresource}", self.collection(), paths::escape(name))
    }

    /// The client underneath.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The namespace, when it is one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }
}

impl<T: Resource> Api<T> {
    pub(crate) fn of_kind(client: Client, namespace: Option<&str>) -> Api<T> {
        Api {
            client,
            group: T::GROUP.to_owned(),
            version: T::VERSION.to_owned(),
            plural: T::PLURAL.to_owned(),
            namespace: namespace
                .filter(|namespace| T::NAMESPACED && !namespace.is_empty())
                .map(str::to_owned),
            metadata_only: false,
            kind: PhantomData,
        }
    }

    /// The object of that name.
    pub async fn get(&self, name: &str) -> Result<T, Error> {
        self.read(self.path(name, "")).await
    }

    /// A subresource of the object, as its own kind (`scale`).
    pub async fn get_subresource<R: Resource>(&self, name: &str, subresource: &str) -> Result<R, Error> {
        exchange(&self.client, Method::GET, &self.path(name, subresource), ACCEPT_OBJECT, None).await
    }

    /// The body of a GET below the object (`log`, `proxy/…`), as it is.
    pub async fn get_raw(&self, name: &str, subresource: &str) -> Result<Bytes, Error> {
        let request = request(Method::GET, &self.path(name, subresource), "*/*", None)?;
        Ok(self.client.request_bytes(request).await?.1)
    }

    async fn read(&self, path: String) -> Result<T, Error> {
        let accept = if self.metadata_only { ACCEPT_METADATA } else { ACCEPT_OBJECT };
        exchange(&self.client, Method::GET, &path, accept, None).await
    }

    /// One page of the collection.
    pub async fn list(&self, params: &ListParams) -> Result<List<T>, Error> {
        let path = format!("{}{}", self.collection(), params.to_query().text());
        let accept = if self.metadata_only { ACCEPT_METADATA_LIST } else { ACCEPT_OBJECT };
        let (head, body) = self.client.request_bytes(request(Method::GET, &path, accept, None)?).await?;
        if is_protobuf(&head) {
            let envelope =
                machinery::codec::protobuf::unwrap(&body).map_err(|error| Error::decode("list", error))?;
            List::from_protobuf(envelope.raw)
        } else {
            List::from_json(&body)
        }
    }

    /// The whole collection, page by page (500 objects, or `params.limit`).
    pub async fn list_all(&self, params: &ListParams) -> Result<List<T>, Error> {
        let mut params = params.clone();
        if params.limit == 0 {
            params.limit = 500;
        }
        let mut whole = self.list(&params).await?;
        while !whole.metadata.continue_.is_empty() {
            params.continue_token = std::mem::take(&mut whole.metadata.continue_);
            // A version may only be named for the first page.
            params.resource_version.clear();
            params.resource_version_match.clear();
            let mut next = self.list(&params).await?;
            whole.items.append(&mut next.items);
            whole.metadata = next.metadata;
        }
        Ok(whole)
    }

    /// What happens after `resource_version`.
    pub async fn watch(&self, params: &ListParams, resource_version: &str) -> Result<WatchStream<T>, Error> {
        let path = format!("{}{}", self.collection(), params.to_watch_query(resource_version).text());
        let accept = if self.metadata_only { ACCEPT_METADATA_WATCH } else { ACCEPT_WATCH };
        let request = request(Method::GET, &path, accept, None)?;
        Ok(WatchStream::new(self.client.request(request).await?, Codec::typed()))
    }

    /// Creates the object.
    pub async fn create(&self, object: &T) -> Result<T, Error> {
        self.create_with(object, &WriteParams::default()).await
    }

    /// Creates the object.
    pub async fn create_with(&self, object: &T, params: &WriteParams) -> Result<T, Error> {
        let path = format!("{}{}", self.collection(), params.to_query().text());
        exchange(&self.client, Method::POST, &path, ACCEPT_OBJECT, Some(object.to_protobuf_object())).await
    }

    /// Replaces the object by one with the same name; its resource version must be the newest, or empty.
    pub async fn replace(&self, object: &T) -> Result<T, Error> {
        self.replace_at(object, "", &WriteParams::default()).await
    }

    /// Replaces the status of the object.
    pub async fn replace_status(&self, object: &T) -> Result<T, Error> {
        self.replace_at(object, "status", &WriteParams::default()).await
    }

    /// Replaces the object or a subresource that is written as the whole object (`status`, `approval`).
    pub async fn replace_at(&self, object: &T, subresource: &str, params: &WriteParams) -> Result<T, Error> {
        let name = object.metadata().name.as_str();
        if name.is_empty() {
            return Err(Error::Request(format!("{} without a name cannot be replaced", T::KIND)));
        }
        let path = format!("{}{}", self.path(name, subresource), params.to_query().text());
        exchange(&self.client, Method::PUT, &path, ACCEPT_OBJECT, Some(object.to_protobuf_object())).await
    }

    /// Changes the object.
    pub async fn patch(&self, name: &str, patch: &Patch, params: &PatchParams) -> Result<T, Error> {
        self.patch_at(name, "", patch, params).await
    }

    /// Changes the status of the object.
    pub async fn patch_status(&self, name: &str, patch: &Patch, params: &PatchParams) -> Result<T, Error> {
        self.patch_at(name, "status", patch, params).await
    }

    /// Changes the object through a subresource.
    pub async fn patch_at(
        &self,
        name: &str,
        subresource: &str,
        patch: &Patch,
        params: &PatchParams,
    ) -> Result<T, Error> {
        let path = format!("{}{}", self.path(name, subresource), params.to_query().text());
        let accept = if self.metadata_only { ACCEPT_METADATA } else { ACCEPT_OBJECT };
        let mut request = request(Method::PATCH, &path, accept, None)?;
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(patch.content_type()));
        *request.body_mut() = patch.value().to_string().into();
        let (head, body) = self.client.request_bytes(request).await?;
        decode(&head, &body)
    }

    /// Deletes the object. `Some` is its state while it is going (finalizers, grace period), `None` when
    /// it is gone.
    pub async fn delete(&self, name: &str, params: &DeleteParams) -> Result<Option<T>, Error> {
        let accept = if self.metadata_only { ACCEPT_METADATA } else { ACCEPT_OBJECT };
        let request = delete_request(&self.path(name, ""), accept, params)?;
        let (head, body) = self.client.request_bytes(request).await?;
        if is_protobuf(&head) {
            let envelope =
                machinery::codec::protobuf::unwrap(&body).map_err(|error| Error::decode(T::KIND, error))?;
            return if envelope.kind == "Status" { Ok(None) } else { typed_from_protobuf(&body).map(Some) };
        }
        let value: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| Error::decode(T::KIND, error))?;
        if value["kind"] == "Status" {
            return Ok(None);
        }
        T::from_value(&value).map(Some).map_err(|error| Error::decode(T::KIND, error))
    }

    /// Deletes all objects the selectors of `which` choose.
    pub async fn delete_collection(&self, params: &DeleteParams, which: &ListParams) -> Result<(), Error> {
        let path = format!("{}{}", self.collection(), which.to_query().text());
        let request = delete_request(&path, ACCEPT_OBJECT, params)?;
        self.client.request_bytes(request).await.map(drop)
    }

    /// Creates something below the object: `binding`, `eviction`, `token`.
    pub async fn create_subresource<B: Resource, R: Resource>(
        &self,
        name: &str,
        subresource: &str,
        body: &B,
    ) -> Result<R, Error> {
        let path = self.path(name, subresource);
        exchange(&self.client, Method::POST, &path, ACCEPT_OBJECT, Some(body.to_protobuf_object())).await
    }

    /// Like [`Api::create_subresource`] for those that answer with a `Status` (`binding`, `eviction`).
    pub async fn create_below<B: Resource>(
        &self,
        name: &str,
        subresource: &str,
        body: &B,
    ) -> Result<(), Error> {
        let path = self.path(name, subresource);
        let request = request(Method::POST, &path, ACCEPT_OBJECT, Some(body.to_protobuf_object()))?;
        self.client.request_bytes(request).await.map(drop)
    }

    /// Replaces a subresource of another kind (`scale`).
    pub async fn replace_subresource<B: Resource>(
        &self,
        name: &str,
        subresource: &str,
        body: &B,
    ) -> Result<B, Error> {
        let path = self.path(name, subresource);
        exchange(&self.client, Method::PUT, &path, ACCEPT_OBJECT, Some(body.to_protobuf_object())).await
    }
}

fn is_protobuf(head: &http::response::Parts) -> bool {
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.starts_with(PROTOBUF))
}

fn decode<R: Resource>(head: &http::response::Parts, body: &[u8]) -> Result<R, Error> {
    if is_protobuf(head) { typed_from_protobuf(body) } else { typed_from_json(body) }
}

async fn exchange<R: Resource>(
    client: &Client,
    method: Method,
    path: &str,
    accept: &'static str,
    body: Option<Vec<u8>>,
) -> Result<R, Error> {
    let (head, body) = client.request_bytes(request(method, path, accept, body)?).await?;
    decode(&head, &body)
}

pub(crate) fn request(
    method: Method,
    path: &str,
    accept: &'static str,
    protobuf: Option<Vec<u8>>,
) -> Result<Request<Bytes>, Error> {
    let mut builder = Request::builder().method(method).uri(path).header(ACCEPT, accept);
    if protobuf.is_some() {
        builder = builder.header(CONTENT_TYPE, PROTOBUF);
    }
    builder
        .body(protobuf.map(Bytes::from).unwrap_or_default())
        .map_err(|error| Error::Request(format!("{path}: {error}")))
}

/// A DELETE with its options.
pub(crate) fn delete_request(
    path: &str,
    accept: &'static str,
    params: &DeleteParams,
) -> Result<Request<Bytes>, Error> {
    let mut request = request(Method::DELETE, path, accept, None)?;
    if let Some(body) = params.to_body() {
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(JSON));
        *request.body_mut() = body.into();
    }
    Ok(request)
}
