//! The door against a scripted API server.

use std::time::Duration;

use api_types::authentication::v1::{TokenReview, TokenReviewStatus, UserInfo};
use api_types::authorization::v1::{SubjectAccessReview, SubjectAccessReviewStatus};
use client::fake::{Answer, FakeServer};
use http::{Method, Request};
use http_body_util::BodyExt as _;

use super::*;

const TOKENS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

fn reviewed(name: Option<&str>) -> Answer {
    let user = UserInfo { username: name.unwrap_or_default().to_owned(), ..Default::default() };
    let status = TokenReviewStatus { authenticated: name.is_some(), user, ..Default::default() };
    Answer::object(&TokenReview { status, ..Default::default() })
}

fn access(allowed: bool) -> Answer {
    let status = SubjectAccessReviewStatus { allowed, ..Default::default() };
    Answer::object(&SubjectAccessReview { status, ..Default::default() })
}

fn door(server: &FakeServer) -> Access {
    let (minute, client) = (Duration::from_secs(60), server.client().expect("client"));
    Access::new(
        vec![Arc::new(TokenWebhook::new(client.clone(), minute))],
        Arc::new(AccessReviews::new(client, minute, minute)),
        "n1".to_owned(),
    )
}

async fn check(door: &Access, path: &str, authorization: Option<&str>, expected: Result<(), (u16, &str)>) {
    let mut request = Request::builder().method(Method::GET).uri(path);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let (head, ()) = request.body(()).expect("request").into_parts();
    let got = match door.check(&head, &[]).await {
        Ok(()) => Ok(()),
        Err(reply) => {
            let status = reply.status().as_u16();
            let body = reply.into_body().collect().await.expect("body").to_bytes();
            Err((status, String::from_utf8(body.to_vec()).expect("text")))
        }
    };
    assert_eq!(got, expected.map_err(|(status, body)| (status, body.to_owned())), "{path} {authorization:?}");
}

#[tokio::test]
async fn tokens_are_reviewed_once() {
    let server = FakeServer::start().await.expect("server");
    server.on(Method::POST, TOKENS, reviewed(Some("jane")));
    server.on(Method::POST, ACCESS, access(true));
    let door = door(&server);
    for _ in 0..3 {
        check(&door, "/metrics", Some("Bearer secret"), Ok(())).await;
    }
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn who_is_unknown_is_not_let_in() {
    let server = FakeServer::start().await.expect("server");
    server.on(Method::POST, TOKENS, reviewed(None));
    let door = door(&server);
    let unauthorized = Err((401, "Unauthorized"));
    check(&door, "/pods", None, unauthorized).await;
    check(&door, "/pods", Some("Basic abc"), unauthorized).await;
    check(&door, "/pods", Some("bearer wrong"), unauthorized).await;
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_finer_permission_suffices() {
    let server = FakeServer::start().await.expect("server");
    server.on(Method::POST, TOKENS, reviewed(Some("jane")));
    server.on(Method::POST, ACCESS, access(false)).on(Method::POST, ACCESS, access(true));
    check(&door(&server), "/pods", Some("Bearer secret"), Ok(())).await;
}

#[tokio::test]
async fn who_may_not_is_told_what_is_missing() {
    let server = FakeServer::start().await.expect("server");
    server.on(Method::POST, TOKENS, reviewed(Some("jane")));
    server.on(Method::POST, ACCESS, access(false)).on(Method::POST, ACCESS, access(false));
    let message = "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])\n";
    check(&door(&server), "/pods", Some("Bearer secret"), Err((403, message))).await;
}

#[tokio::test]
async fn an_unknown_answer_is_no_permission() {
    let server = FakeServer::start().await.expect("server");
    server.on(Method::POST, TOKENS, reviewed(Some("jane")));
    server.on(Method::POST, ACCESS, Answer::bytes(500, "text/plain", "oops"));
    let message = "Authorization error (user=jane, verb=get, resource=nodes, subresource=metrics)";
    check(&door(&server), "/metrics", Some("Bearer secret"), Err((500, message))).await;
}
