//! Station: what is written down about a request.

pub mod event;
pub mod log_file;
pub mod policy;

use std::sync::Arc;

use apiserver_auth::UserInfo;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use machinery::Message;
use machinery::codec::{json, protobuf};
use machinery::meta::v1::Status;
use machinery::status::StatusError;
use prometheus::IntCounter;
use serde_json::{Value, json};

use self::event::{Event, ObjectReference, drop_managed_fields, micro_time};
use self::log_file::LogFile;
use self::policy::{Decision, Level, Policy, Stage};
use super::body::{Body, boxed, full};
use super::context::RequestContext;
use super::{attend, authorization, respond};

/// Bodies beyond this are not written down; no object is larger.
const BODY_LIMIT: usize = 3 * 1024 * 1024;
const USER_AGENT_LENGTH: usize = 1024;

/// The audit log and its policy.
pub struct Audit {
    policy: Policy,
    log: LogFile,
    /// Whether a request fails when its first event cannot be written.
    strict: bool,
    events: IntCounter,
    errors: IntCounter,
}

impl Audit {
    /// Writes to `log` what `policy` wants. `strict` refuses requests whose arrival cannot be written.
    pub fn new(
        policy: Policy,
        log: LogFile,
        strict: bool,
        metrics: &component_base::metrics::Metrics,
    ) -> Self {
        let count =
            |name: &str, help: &str| metrics.int_counter(name, help, &[]).with_label_values::<&str>(&[]);
        Audit {
            policy,
            log,
            strict,
            events: count(
                "apiserver_audit_event_total",
                "Counter of audit events generated and sent to the audit backend.",
            ),
            errors: count(
                "apiserver_audit_requests_rejected_total",
                "Counter of apiserver requests rejected due to an error in audit logging backend.",
            ),
        }
    }

    /// Begins the record of a request; `None` when the policy wants none. Reads the body when it is to
    /// be written down, so the request comes back with a body that can still be read.
    pub async fn begin(
        self: &Arc<Self>,
        request: Request<Body>,
        context: &RequestContext,
    ) -> Result<(Request<Body>, Option<Record>), Response<Body>> {
        let Some(mut record) = self.record(&request, context) else { return Ok((request, None)) };
        if record.write(Stage::RequestReceived).is_err() && self.strict {
            self.errors.inc();
            record.done = true;
            let error = StatusError::internal_error("failed to store audit event");
            return Err(respond::error(request.headers(), &error));
        }
        if record.decision.level < Level::Request || !context.info.is_resource_request {
            return Ok((request, Some(record)));
        }
        let (parts, body) = request.into_parts();
        let (seen, body) = peek(body).await;
        if let Some(object) = seen.and_then(|bytes| decode_object(&parts.headers, &bytes)) {
            record.request_object(object);
        }
        Ok((Request::from_parts(parts, body), Some(record)))
    }

    /// Writes down a request whose sender could not be identified.
    pub fn failed_authentication(self: &Arc<Self>, request: &Request<Body>, context: &RequestContext) {
        let Some(mut record) = self.record(request, context) else { return };
        let text = "Authentication failed";
        record.event.response_status =
            Some(json!({"metadata": {}, "status": "Failure", "message": text, "code": 401}));
        record.done = true;
        let _ = record.write(Stage::ResponseStarted);
    }

    fn record(self: &Arc<Self>, request: &Request<Body>, context: &RequestContext) -> Option<Record> {
        let info = &*context.info;
        let attributes = authorization::attributes(info, &context.user, &[]);
        let decision = self.policy.decide(&attributes);
        if decision.level == Level::None {
            return None;
        }
        let uri = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let mut event =
            Event::new(decision.level, &context.audit_id, uri, &info.verb, &context.user, context.received);
        event.source_ips = source_addresses(request.headers(), context.source);
        event.user_agent = user_agent(request.headers());
        event.object_ref = info.is_resource_request.then(|| ObjectReference {
            resource: info.resource.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
            api_group: info.api_group.clone(),
            api_version: info.api_version.clone(),
            subresource: info.subresource.clone(),
            ..ObjectReference::default()
        });
        Some(Record { audit: self.clone(), decision, event, notes: context.notes.clone(), done: false })
    }
}

/// The record of one request. Dropped before its end, it tells that the client has gone or that
/// handling panicked.
pub struct Record {
    audit: Arc<Audit>,
    decision: Decision,
    event: Event,
    notes: super::context::Notes,
    done: bool,
}

impl Record {
    /// Notes whom the requester acts as.
    pub fn impersonated(&mut self, user: &UserInfo) {
        self.event.impersonated_user = Some(user.into());
    }

    fn request_object(&mut self, mut object: Value) {
        if let Some(reference) = &mut self.event.object_ref {
            let metadata = object.get("metadata");
            let text = |key: &str| {
                metadata.and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or_default().to_string()
            };
            for (field, key) in [
                (&mut reference.name, "name"),
                (&mut reference.namespace, "namespace"),
                (&mut reference.uid, "uid"),
                (&mut reference.resource_version, "resourceVersion"),
            ] {
                if field.is_empty() {
                    *field = text(key);
                }
            }
        }
        if self.decision.omit_managed_fields {
            drop_managed_fields(&mut object);
        }
        self.event.request_object = Some(object);
    }

    /// Ends the record with the response; the last line is written when its body is sent.
    pub async fn finish(mut self, response: Response<Body>, context: &RequestContext) -> Response<Body> {
        let code = response.status().as_u16();
        self.event.response_status = Some(json!({"metadata": {}, "code": code}));
        if context.info.is_long_running() {
            let _ = self.write(Stage::ResponseStarted);
            return attend(response, move || self.complete());
        }
        let wants_body = self.decision.level == Level::RequestResponse && context.info.is_resource_request;
        if !wants_body && code < 400 {
            return attend(response, move || self.complete());
        }
        let (parts, body) = response.into_parts();
        let (seen, body) = peek(body).await;
        if let Some(mut object) = seen.and_then(|bytes| decode_object(&parts.headers, &bytes)) {
            if object.get("kind").and_then(Value::as_str) == Some("Status") {
                self.event.response_status = Some(status_without_kind(&object));
            }
            if self.decision.omit_managed_fields {
                drop_managed_fields(&mut object);
            }
            if wants_body {
                self.event.response_object = Some(object);
            }
        }
        attend(Response::from_parts(parts, body), move || self.complete())
    }

    fn complete(mut self) {
        self.done = true;
        let _ = self.write(Stage::ResponseComplete);
    }

    fn write(&mut self, stage: Stage) -> std::io::Result<()> {
        if self.decision.omit_stages.contains(&stage) {
            return Ok(());
        }
        self.event.stage = stage;
        self.event.stage_timestamp = micro_time(jiff::Timestamp::now());
        self.event.annotations = self.notes.annotations();
        let mut line = serde_json::to_vec(&self.event).map_err(std::io::Error::other)?;
        line.push(b'\n');
        let outcome = self.audit.log.write(&line);
        match &outcome {
            Ok(()) => self.audit.events.inc(),
            Err(error) => tracing::error!(%error, "writing the audit log failed"),
        }
        outcome
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let stage = if std::thread::panicking() {
            let text = "APIServer panic'd";
            self.event.response_status = Some(
                json!({"metadata": {}, "status": "Failure", "message": text, "reason": "InternalError", "code": 500}),
            );
            Stage::Panic
        } else {
            let text = "Connection closed early";
            let status = json!({"metadata": {}, "status": "Success", "message": text, "code": 200});
            self.event.response_status.get_or_insert(status);
            Stage::ResponseComplete
        };
        let _ = self.write(stage);
    }
}

/// The whole body when it is within the limit, and a body that gives the same once more.
async fn peek(mut body: Body) -> (Option<Bytes>, Body) {
    let mut frames = Vec::new();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let failed = frame.is_err();
        if let Some(data) = frame.as_ref().ok().and_then(|frame| frame.data_ref()) {
            bytes.extend_from_slice(data);
        }
        frames.push(frame);
        if failed || bytes.len() > BODY_LIMIT {
            let again = stream::iter(frames).chain(BodyStream::new(body));
            return (None, boxed(StreamBody::new(again)));
        }
    }
    let whole = bytes.freeze();
    (Some(whole.clone()), full(whole))
}

/// The object in a body, in JSON form.
fn decode_object(headers: &HeaderMap, bytes: &[u8]) -> Option<Value> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.contains("protobuf") {
        return if bytes.is_empty() { None } else { serde_yaml::from_slice(bytes).ok() };
    }
    let envelope = protobuf::unwrap(bytes).ok()?;
    let (group, version) = envelope.api_version.split_once('/').unwrap_or(("", envelope.api_version));
    let kind = Some((envelope.api_version, envelope.kind));
    if envelope.kind == "Status" {
        return json::try_protobuf_to_value(Status::SCHEMA, envelope.raw, kind).ok();
    }
    let facts = api_types::facts::kind(group, version, envelope.kind)?;
    json::try_protobuf_to_value(facts.schema, envelope.raw, kind).ok()
}

fn status_without_kind(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(fields) = status.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
        fields.insert("metadata".into(), json!({}));
    }
    status
}

/// The client's address as proxies report it, then the peer's.
fn source_addresses(headers: &HeaderMap, peer: std::net::IpAddr) -> Vec<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parse = |text: &str| text.trim().parse::<std::net::IpAddr>().ok();
    let mut addresses: Vec<std::net::IpAddr> =
        header("x-forwarded-for").split(',').filter_map(parse).collect();
    if addresses.is_empty() {
        addresses.extend(parse(header("x-real-ip")));
    }
    if addresses.last() != Some(&peer) {
        addresses.push(peer);
    }
    addresses.iter().map(ToString::to_string).collect()
}

fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut agent = agent.unwrap_or_default();
    if agent.len() > USER_AGENT_LENGTH {
        let end = (0..=USER_AGENT_LENGTH).rev().find(|at| agent.is_char_boundary(*at)).unwrap_or(0);
        agent.truncate(end);
        agent.push_str("...TRUNCATED");
    }
    agent
}
