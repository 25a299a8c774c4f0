//! A request in, a response out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use component_base::metrics::Metrics;
use hickory_proto::op::{Header, HeaderCounts, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, Record};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use crate::answer::{Zone, answer};
use crate::forward::Forwarder;
use crate::question;
use crate::view::View;

/// Answers requests.
pub struct Handler {
    view: View,
    zone: Zone,
    forwarder: Forwarder,
    load_balance: bool,
    turn: AtomicUsize,
    requests: prometheus::IntCounterVec,
    responses: prometheus::IntCounterVec,
    duration: prometheus::HistogramVec,
}

/// What goes back.
struct Reply {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
}

impl Handler {
    /// Puts a handler together; metric names are those of CoreDNS, which dashboards know.
    pub fn new(view: View, zone: Zone, forwarder: Forwarder, load_balance: bool, metrics: &Metrics) -> Self {
        let buckets = prometheus::exponential_buckets(0.00025, 2.0, 16).unwrap_or_default();
        Self {
            view,
            zone,
            forwarder,
            load_balance,
            turn: AtomicUsize::new(0),
            requests: metrics.int_counter(
                "coredns_dns_requests_total",
                "Counter of DNS requests made per type.",
                &["type"],
            ),
            responses: metrics.int_counter(
                "coredns_dns_responses_total",
                "Counter of response status codes.",
                &["rcode"],
            ),
            duration: metrics.histogram(
                "coredns_dns_request_duration_seconds",
                "Histogram of the time (in seconds) each request took.",
                &[],
                &buckets,
            ),
        }
    }

    async fn reply(&self, request: &Request) -> Reply {
        let refuse = |code| Reply {
            code,
            authoritative: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
        };
        if request.metadata.op_code != OpCode::Query {
            return refuse(ResponseCode::NotImp);
        }
        let Ok(info) = request.request_info() else { return refuse(ResponseCode::FormErr) };
        let kind = info.query.query_type();
        self.requests.with_label_values(&[&kind.to_string()]).inc();
        let original = Query::query(info.query.name().into(), kind);
        let text = info.query.name().to_string().to_lowercase();
        let question = question::parse(text.trim_end_matches('.'), &self.zone.domain);
        let name: Name = info.query.name().into();
        match answer(&self.view, &self.zone, &name, &question, kind) {
            Some(mut found) => {
                if self.load_balance && found.answers.len() > 1 {
                    let turn = self.turn.fetch_add(1, Ordering::Relaxed) % found.answers.len();
                    found.answers.rotate_left(turn);
                }
                let empty = found.answers.is_empty();
                Reply {
                    code: found.code,
                    authoritative: true,
                    authorities: if empty {
                        self.zone.start_of_authority().into_iter().collect()
                    } else {
                        Vec::new()
                    },
                    answers: found.answers,
                    additionals: found.additionals,
                }
            }
            None => match self.forwarder.ask(&original, request.as_slice()).await {
                Some(message) => Reply {
                    code: message.metadata.response_code,
                    authoritative: false,
                    answers: message.answers,
                    authorities: message.authorities,
                    additionals: message.additionals,
                },
                None => refuse(ResponseCode::ServFail),
            },
        }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut respond: R,
    ) -> ResponseInfo {
        let started = Instant::now();
        let reply = self.reply(request).await;
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = reply.code;
        metadata.authoritative = reply.authoritative;
        metadata.recursion_available = true;
        self.responses.with_label_values(&[&format!("{:?}", reply.code).to_uppercase()]).inc();
        self.duration.with_label_values::<&str>(&[]).observe(started.elapsed().as_secs_f64());
        let response = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            &reply.answers,
            &reply.authorities,
            None,
            &reply.additionals,
        );
        match respond.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "a response could not be sent");
                Header { metadata, counts: HeaderCounts::default() }.into()
            }
        }
    }
}
