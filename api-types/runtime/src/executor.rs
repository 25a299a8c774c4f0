//! Runs the actions of plans: the only place where controllers' decisions become requests.

use std::sync::Arc;

use bytes::Bytes;
use client::{Client, Error};
use component_base::metrics::Metrics;
use futures_util::StreamExt as _;
use http::Method;
use machinery::meta::v1::ObjectMeta;
use machinery::object::Object;
use machinery::wire::{BYTES, Reader};
use machinery::{Message as _, Resource as _};

use crate::events::Recorder;
use crate::key::ObjectKey;
use crate::plan::{Action, Guard, Kind, Note, Outcome, Target, Verb};

/// Deletes and updates of one stage under way at once.
const PARALLEL: usize = 64;
/// The first batch of creates; each batch that goes well doubles the next, so that a quota or a webhook
/// that refuses everything is asked once and not a thousand times (upstream's slow start).
const FIRST_BATCH: usize = 1;

/// What a write promises about the caches: until it holds, they are behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The cache of the kind reaches this version.
    Version(Kind, u64),
    /// The object is gone from the cache, or is seen going.
    Gone(Kind, ObjectKey, String),
}

/// What became of the actions.
#[derive(Debug, Default)]
pub struct Executed {
    /// For the controller's conclusion.
    pub outcome: Outcome,
    /// To be waited for before the key is planned again.
    pub promises: Vec<Promise>,
    /// Something changed meanwhile: plan again quietly.
    pub conflict: bool,
    /// First failure that is worth reporting.
    pub error: Option<Error>,
}

/// Sends requests in the name of one controller; clones share it.
#[derive(Clone)]
pub struct Executor {
    client: Client,
    recorder: Recorder,
    actions: prometheus::IntCounterVec,
    controller: Arc<str>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Executor").field("controller", &self.controller).finish_non_exhaustive()
    }
}

enum Sent {
    Done(Option<Promise>),
    /// The precondition failed or the object changed: the next plan will know better.
    Conflict,
    Failed(Error),
}

impl Executor {
    /// For the controller of that name.
    pub fn new(controller: &str, client: Client, recorder: Recorder, metrics: &Metrics) -> Executor {
        let actions = metrics.int_counter(
            "controller_actions_total",
            "Requests made by controllers by verb and result",
            &["controller", "verb", "result"],
        );
        Executor { client, recorder, actions, controller: Arc::from(controller) }
    }

    /// The client requests are made with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Says notes.
    pub fn say(&self, notes: Vec<Note>) {
        for note in notes {
            self.recorder.event(note.regarding, note.kind, &note.reason, &note.message);
        }
    }

    /// Runs stage after stage; the first stage with a failure is the last.
    pub async fn run(&self, stages: Vec<Vec<Action>>) -> Executed {
        let mut executed = Executed::default();
        let mut stages = stages.into_iter();
        for (number, stage) in stages.by_ref().enumerate() {
            self.stage(stage, &mut executed).await;
            if executed.conflict || executed.error.is_some() {
                executed.outcome.failed_stage = Some(number);
                break;
            }
        }
        executed.outcome.skipped += stages.map(|stage| stage.len()).sum::<usize>();
        executed
    }

    async fn stage(&self, actions: Vec<Action>, executed: &mut Executed) {
        let (creates, others): (Vec<Action>, Vec<Action>) =
            actions.into_iter().partition(|action| matches!(action.verb, Verb::Create { .. }));
        let mut sent =
            futures_util::stream::iter(others.into_iter().map(|action| self.act(action))).buffered(PARALLEL);
        while let Some(sent) = sent.next().await {
            executed.take(sent);
        }
        let mut creates = creates.into_iter();
        let mut size = FIRST_BATCH;
        while creates.len() > 0 {
            let batch: Vec<Action> = creates.by_ref().take(size).collect();
            let results =
                futures_util::future::join_all(batch.into_iter().map(|action| self.act(action))).await;
            results.into_iter().for_each(|sent| executed.take(sent));
            if executed.conflict || executed.error.is_some() {
                executed.outcome.skipped += creates.len();
                return;
            }
            size *= 2;
        }
    }

    async fn act(&self, action: Action) -> Sent {
        let Action { verb, on_success, success_as_it_stands, on_failure, existing_is_done, guard } = action;
        let verb_name = match &verb {
            Verb::Create { .. } => "create",
            Verb::Replace { .. } => "update",
            Verb::Patch { .. } => "patch",
            Verb::Delete { .. } => "delete",
            Verb::Post { .. } => "post",
        };
        let deletes = matches!(verb, Verb::Delete { .. });
        let creates = matches!(verb, Verb::Create { .. });
        let outcome = match guard {
            Some(guard) if !self.holds(&guard).await => {
                self.actions.with_label_values(&[&*self.controller, verb_name, "guarded"]).inc();
                return Sent::Conflict;
            }
            _ => self.send(&verb).await,
        };
        let (result, sent) = match outcome {
            Ok((name, promise)) => {
                if let Some(note) = on_success {
                    let detail = if success_as_it_stands { "" } else { name.as_str() };
                    let message = format!("{}{detail}", note.message);
                    self.recorder.event(note.regarding, note.kind, &note.reason, &message);
                }
                ("success", Sent::Done(promise))
            }
            Err(error) if error.is_not_found() && (deletes || !creates) => ("gone", Sent::Done(None)),
            Err(error) if error.is_already_exists() && existing_is_done => ("exists", Sent::Done(None)),
            // Nothing can be made in a namespace that is going; its end is near anyway.
            Err(error) if error.is_namespace_terminating() => ("terminating", Sent::Done(None)),
            Err(error) if error.is_conflict() => ("conflict", Sent::Conflict),
            Err(error) => {
                if let Some(note) = on_failure {
                    let message = format!("{}{error}", note.message);
                    self.recorder.event(note.regarding, note.kind, &note.reason, &message);
                }
                ("error", Sent::Failed(error))
            }
        };
        self.actions.with_label_values(&[&self.controller, verb_name, result]).inc();
        sent
    }

    async fn holds(&self, guard: &Guard) -> bool {
        let (Guard::Alive(target) | Guard::Gone(target)) = guard;
        let resource = target.kind.to_dynamic();
        let namespace = Some(target.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let found = self.client.metadata(&resource, namespace).get(&target.name).await;
        let same = |uid: &str| target.uid.is_empty() || uid == target.uid;
        match (guard, found) {
            (Guard::Alive(_), Ok(found)) => {
                same(&found.metadata.uid) && found.metadata.deletion_timestamp.is_none()
            }
            (Guard::Gone(_), Ok(found)) => !same(&found.metadata.uid),
            (Guard::Gone(_), Err(error)) if error.is_not_found() => true,
            (_, Err(error)) => {
                tracing::debug!(%error, kind = target.kind.kind, name = target.name, "object cannot be confirmed");
                false
            }
        }
    }

    /// Sends one request. The result is the object's name and what the caches will show.
    async fn send(&self, verb: &Verb) -> Result<(String, Option<Promise>), Error> {
        match verb {
            Verb::Create { kind, object } => {
                let path = collection(*kind, &object.meta().namespace);
                self.write(Method::POST, &path, *kind, object.as_ref()).await
            }
            Verb::Replace { kind, subresource, object } => {
                let path = object_path(*kind, &object.meta().namespace, &object.meta().name, subresource);
                self.write(Method::PUT, &path, *kind, object.as_ref()).await
            }
            Verb::Post { target, subresource, object } => {
                let path = object_path(target.kind, &target.namespace, &target.name, subresource);
                let (_, body) =
                    self.client.request_bytes(protobuf(Method::POST, &path, object.as_ref())?).await?;
                drop(body);
                Ok((target.name.clone(), None))
            }
            Verb::Patch { target, subresource, patch } => {
                let path = object_path(target.kind, &target.namespace, &target.name, subresource);
                let request = http::Request::patch(&path)
                    .header(http::header::ACCEPT, client::PROTOBUF)
                    .header(http::header::CONTENT_TYPE, patch.content_type())
                    .body(Bytes::from(patch.value().to_string()));
                let request = request.map_err(|error| Error::Request(format!("{path}: {error}")))?;
                let (_, body) = self.client.request_bytes(request).await?;
                let metadata = metadata(&body)?;
                Ok((metadata.name.clone(), version(target.kind, &metadata)))
            }
            Verb::Delete { target, params } => self.delete(target, params).await,
        }
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        kind: Kind,
        object: &dyn Object,
    ) -> Result<(String, Option<Promise>), Error> {
        let (_, body) = self.client.request_bytes(protobuf(method, path, object)?).await?;
        let metadata = metadata(&body)?;
        Ok((metadata.name.clone(), version(kind, &metadata)))
    }

    async fn delete(
        &self,
        target: &Target,
        params: &client::DeleteParams,
    ) -> Result<(String, Option<Promise>), Error> {
        let mut params = params.clone();
        if params.uid.is_none() && !target.uid.is_empty() {
            params.uid = Some(target.uid.clone());
        }
        let path = object_path(target.kind, &target.namespace, &target.name, "");
        let mut request = http::Request::delete(&path).header(http::header::ACCEPT, client::PROTOBUF);
        let body = params.to_body().unwrap_or_default();
        if !body.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, client::JSON);
        }
        let request =
            request.body(Bytes::from(body)).map_err(|error| Error::Request(format!("{path}: {error}")))?;
        let (_, answer) = self.client.request_bytes(request).await?;
        // The answer is the object while it is going, or a Status when it is gone.
        let metadata = metadata(&answer).unwrap_or_default();
        let promise = match version(target.kind, &metadata) {
            Some(promise) if metadata.name == target.name => promise,
            _ => Promise::Gone(
                target.kind,
                ObjectKey::new(&target.namespace, &target.name),
                target.uid.clone(),
            ),
        };
        Ok((target.name.clone(), Some(promise)))
    }
}

impl Executed {
    fn take(&mut self, sent: Sent) {
        match sent {
            Sent::Done(promise) => {
                self.outcome.done += 1;
                self.promises.extend(promise);
            }
            Sent::Conflict => self.conflict = true,
            Sent::Failed(error) => {
                self.outcome.errors.push(error.to_string());
                self.error.get_or_insert(error);
            }
        }
    }

    /// Adds what became of a later run.
    pub(crate) fn merge(&mut self, later: Executed) {
        self.promises.extend(later.promises);
        self.conflict |= later.conflict;
        if self.error.is_none() {
            self.error = later.error;
        }
    }
}

fn collection(kind: Kind, namespace: &str) -> String {
    let base = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    if namespace.is_empty() {
        format!("{base}/{}", kind.plural)
    } else {
        format!("{base}/namespaces/{namespace}/{}", kind.plural)
    }
}

fn object_path(kind: Kind, namespace: &str, name: &str, subresource: &str) -> String {
    let separator = if subresource.is_empty() { "" } else { "/" };
    format!("{}/{name}{separator}{subresource}", collection(kind, namespace))
}

fn protobuf(method: Method, path: &str, object: &dyn Object) -> Result<http::Request<Bytes>, Error> {
    let kind = object.kind();
    let body = machinery::codec::protobuf::wrap(&kind.api_version(), &kind.kind, &object.encode());
    http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::ACCEPT, client::PROTOBUF)
        .header(http::header::CONTENT_TYPE, client::PROTOBUF)
        .body(Bytes::from(body))
        .map_err(|error| Error::Request(format!("{path}: {error}")))
}

/// The metadata of any object: field 1 of its protobuf.
fn metadata(body: &[u8]) -> Result<ObjectMeta, Error> {
    let bad = |message: String| Error::Decode { what: "object metadata", message };
    if body.starts_with(b"{") {
        let object = machinery::meta::v1::PartialObjectMetadata::from_json(body)
            .map_err(|error| bad(error.to_string()))?;
        return Ok(object.metadata().clone());
    }
    let envelope = machinery::codec::protobuf::unwrap(body).map_err(|error| bad(error.to_string()))?;
    let mut reader = Reader::new(envelope.raw);
    while let Some((number, wire)) = reader.tag().map_err(|error| bad(error.to_string()))? {
        if (number, wire) == (1, BYTES) {
            let bytes = reader.bytes().map_err(|error| bad(error.to_string()))?;
            return ObjectMeta::decode(bytes).map_err(|error| bad(error.to_string()));
        }
        reader.skip(wire).map_err(|error| bad(error.to_string()))?;
    }
    Ok(ObjectMeta::default())
}

fn version(kind: Kind, metadata: &ObjectMeta) -> Option<Promise> {
    metadata.resource_version.parse().ok().map(|version| Promise::Version(kind, version))
}
