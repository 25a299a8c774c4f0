//! Access to any resource as JSON: custom resources, and kinds known only at run time.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use machinery::{GroupVersionKind, GroupVersionResource};
use serde_json::Value;

use crate::api::delete_request;
use crate::client::{Client, JSON};
use crate::error::Error;
use crate::list::List;
use crate::params::{DeleteParams, ListParams, Patch, PatchParams, WriteParams};
use crate::paths;
use crate::watch::{Codec, WatchStream};

/// Coordinates of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DynamicResource {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind of its objects.
    pub kind: String,
    /// Plural name, as in paths.
    pub plural: String,
    /// Objects live in a namespace.
    pub namespaced: bool,
}

impl DynamicResource {
    /// The coordinates of a kind this program is built with.
    pub fn of<T: machinery::Resource>() -> DynamicResource {
        DynamicResource {
            group: T::GROUP.to_owned(),
            version: T::VERSION.to_owned(),
            kind: T::KIND.to_owned(),
            plural: T::PLURAL.to_owned(),
            namespaced: T::NAMESPACED,
        }
    }

    /// `group/version`, or the version alone for core.
    pub fn api_version(&self) -> String {
        machinery::group::api_version(&self.group, &self.version)
    }

    /// Group, version and resource.
    pub fn group_version_resource(&self) -> GroupVersionResource {
        GroupVersionResource::new(self.group.clone(), self.version.clone(), self.plural.clone())
    }

    /// Group, version and kind.
    pub fn group_version_kind(&self) -> GroupVersionKind {
        GroupVersionKind::new(self.group.clone(), self.version.clone(), self.kind.clone())
    }
}

/// The objects of one resource, of one namespace or all.
#[derive(Clone, Debug)]
pub struct DynamicApi {
    client: Client,
    resource: DynamicResource,
    namespace: Option<String>,
}

impl DynamicApi {
    pub(crate) fn new(client: Client, resource: DynamicResource, namespace: Option<&str>) -> DynamicApi {
        let namespace =
            namespace.filter(|namespace| resource.namespaced && !namespace.is_empty()).map(str::to_owned);
        DynamicApi { client, resource, namespace }
    }

    /// Path of the collection.
    pub fn collection(&self) -> String {
        let DynamicResource { group, version, plural, .. } = &self.resource;
        paths::collection(group, version, plural, self.namespace.as_deref())
    }

    /// Path of an object, or of one of its subresources when `subresource` is not empty.
    pub fn path(&self, name: &str, subresource: &str) -> String {
        let separator = if subresource.is_empty() { "" } else { "/" };
        format!("{}/{}{separator}{subresource}", self.collection(), paths::escape(name))
    }

    /// What this is about.
    pub fn resource(&self) -> &DynamicResource {
        &self.resource
    }

    /// The object, or a subresource of it.
    pub async fn get(&self, name: &str, subresource: &str) -> Result<Value, Error> {
        self.exchange(Method::GET, &self.path(name, subresource), JSON, Bytes::new()).await
    }

    /// One page of the collection.
    pub async fn list(&self, params: &ListParams) -> Result<List<Value>, Error> {
        let path = format!("{}{}", self.collection(), params.to_query().text());
        let body = self.exchange_bytes(Method::GET, &path, JSON, Bytes::new()).await?;
        List::from_json_values(&body)
    }

    /// What happens after `resource_version`.
    pub async fn watch(
        &self,
        params: &ListParams,
        resource_version: &str,
    ) -> Result<WatchStream<Value>, Error> {
        let path = format!("{}{}", self.collection(), params.to_watch_query(resource_version).text());
        let request =
            request(Method::GET, &path, "application/json;stream=watch,application/json", Bytes::new())?;
        Ok(WatchStream::new(self.client.request(request).await?, Codec::dynamic()))
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value, params: &WriteParams) -> Result<Value, Error> {
        let path = format!("{}{}", self.collection(), params.to_query().text());
        self.exchange(Method::POST, &path, JSON, object.to_string().into()).await
    }

    /// Creates something below an object.
    pub async fn create_subresource(
        &self,
        name: &str,
        subresource: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        self.exchange(Method::POST, &self.path(name, subresource), JSON, body.to_string().into()).await
    }

    /// Replaces an object, or a subresource of it.
    pub async fn replace(
        &self,
        name: &str,
        subresource: &str,
        object: &Value,
        params: &WriteParams,
    ) -> Result<Value, Error> {
        let path = format!("{}{}", self.path(name, subresource), params.to_query().text());
        self.exchange(Method::PUT, &path, JSON, object.to_string().into()).await
    }

    /// Changes an object, or a subresource of it.
    pub async fn patch(
        &self,
        name: &str,
        subresource: &str,
        patch: &Patch,
        params: &PatchParams,
    ) -> Result<Value, Error> {
        let path = format!("{}{}", self.path(name, subresource), params.to_query().text());
        let mut request = request(Method::PATCH, &path, JSON, patch.value().to_string().into())?;
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(patch.content_type()));
        let (_, body) = self.client.request_bytes(request).await?;
        serde_json::from_slice(&body).map_err(|error| Error::decode("object", error))
    }

    /// Deletes an object; the answer is the object while it is going, or a `Status`.
    pub async fn delete(&self, name: &str, params: &DeleteParams) -> Result<Value, Error> {
        let request = delete_request(&self.path(name, ""), JSON, params)?;
        let (_, body) = self.client.request_bytes(request).await?;
        serde_json::from_slice(&body).map_err(|error| Error::decode("object", error))
    }

    /// Deletes all objects the selectors of `which` choose.
    pub async fn delete_collection(&self, params: &DeleteParams, which: &ListParams) -> Result<(), Error> {
        let path = format!("{}{}", self.collection(), which.to_query().text());
        self.client.request_bytes(delete_request(&path, JSON, params)?).await.map(drop)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        body: Bytes,
    ) -> Result<Value, Error> {
        let body = self.exchange_bytes(method, path, accept, body).await?;
        serde_json::from_slice(&body).map_err(|error| Error::decode("object", error))
    }

    async fn exchange_bytes(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        body: Bytes,
    ) -> Result<Bytes, Error> {
        Ok(self.client.request_bytes(request(method, path, accept, body)?).await?.1)
    }
}

fn request(method: Method, path: &str, accept: &'static str, body: Bytes) -> Result<Request<Bytes>, Error> {
    let mut builder = Request::builder().method(method).uri(path).header(ACCEPT, accept);
    if !body.is_empty() {
        builder = builder.header(CONTENT_TYPE, JSON);
    }
    builder.body(body).map_err(|error| Error::Request(format!("{path}: {error}")))
}
