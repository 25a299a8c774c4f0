//! Evicting pods, again where a disruption budget says later, and waiting until they are gone.

use std::cell::RefCell;
use std::io::Write as _;
use std::time::Duration;

use client::DeleteParams;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Args, choose, suffix};
use crate::commands::cordon::plain;
use crate::commands::go_duration;
use crate::{Factory, Result, Streams, values};

/// How the pods of one node are brought to leave.
pub struct Evicting<'a> {
    args: &'a Args,
    factory: &'a Factory,
    pods: client::discovery::Discovered,
    /// Whether the server evicts.
    supported: bool,
    /// Between two attempts that a budget forbade.
    pub retry: Duration,
    /// Between two looks at a pod that is going.
    poll: Duration,
}

impl<'a> Evicting<'a> {
    /// Finds out what the server can do.
    pub async fn new(args: &'a Args, factory: &'a Factory) -> Result<Evicting<'a>> {
        let pods = factory.resource("pods").await?;
        let supported = !args.disable_eviction && pods.subresources.iter().any(|name| name == "eviction");
        Ok(Evicting {
            args,
            factory,
            pods,
            supported,
            retry: Duration::from_secs(5),
            poll: Duration::from_secs(1),
        })
    }

    /// Evicts or deletes all pods at once and waits for them; what went wrong.
    pub async fn all(&self, pods: Vec<Value>, streams: &mut Streams) -> Vec<String> {
        let deadline = (!self.args.timeout.is_zero()).then(|| Instant::now() + self.args.timeout);
        // One task runs all of them: whoever writes has the streams for as long.
        let streams = RefCell::new(streams);
        let mut running: FuturesUnordered<_> =
            pods.iter().map(|pod| self.one(pod, deadline, &streams)).collect();
        let mut errors = Vec::new();
        while let Some(outcome) = running.next().await {
            errors.extend(outcome.err());
        }
        errors
    }

    fn api(&self, pod: &Value) -> std::result::Result<client::DynamicApi, String> {
        let client = self.factory.client().map_err(|error| plain(&error))?;
        Ok(client.dynamic(&self.pods.resource, Some(values::namespace(pod))))
    }

    async fn one(
        &self,
        pod: &Value,
        deadline: Option<Instant>,
        streams: &RefCell<&mut Streams>,
    ) -> std::result::Result<(), String> {
        let (namespace, name) = (values::namespace(pod), values::name(pod));
        let evicted = if self.supported {
            self.evict(pod, deadline, streams).await?
        } else {
            match self.api(pod)?.delete(name, &self.delete_params()).await {
                Ok(_) => true,
                Err(error) if error.is_not_found() => true,
                Err(error) => return Err(plain(&error.into())),
            }
        };
        if !evicted || self.args.dry_run == "server" {
            return Ok(());
        }
        self.gone(pod, deadline, streams).await.map_err(|error| {
            if self.supported {
                format!("error when waiting for pod {name:?} in namespace {namespace:?} to terminate: {error}")
            } else {
                error
            }
        })
    }

    fn delete_params(&self) -> DeleteParams {
        DeleteParams {
            dry_run: self.args.dry_run == "server",
            grace_period_seconds: (self.args.grace_period >= 0).then_some(self.args.grace_period),
            ..DeleteParams::default()
        }
    }

    /// Asks for the eviction until it is granted; false when the pod is gone already.
    async fn evict(
        &self,
        pod: &Value,
        deadline: Option<Instant>,
        streams: &RefCell<&mut Streams>,
    ) -> std::result::Result<bool, String> {
        let (namespace, name) = (values::namespace(pod), values::name(pod));
        let mut options = json!({});
        if self.args.grace_period >= 0 {
            options["gracePeriodSeconds"] = self.args.grace_period.into();
        }
        if self.args.dry_run == "server" {
            options["dryRun"] = json!(["All"]);
        }
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace}, "deleteOptions": options});
        let api = self.api(pod)?;
        let mut live = pod.clone();
        loop {
            let line = format!("evicting pod {namespace}/{name}{}", suffix(&self.args.dry_run));
            say(&mut streams.borrow_mut().out, &line)?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(format!(
                    "error when evicting pods/{name:?} -n {namespace:?}: global timeout reached: {}",
                    go_duration(self.args.timeout)
                ));
            }
            let Err(error) = api.create_subresource(name, "eviction", &body).await else { return Ok(true) };
            let going = !values::text(&live, "/metadata/deletionTimestamp").is_empty();
            let ending = error.is_forbidden() && error.is_namespace_terminating();
            let again = go_duration(self.retry);
            let text = if error.is_not_found() {
                return Ok(false);
            } else if error.is_too_many_requests() {
                format!(
                    "error when evicting pods/{name:?} -n {namespace:?} (will retry after {again}): {}",
                    plain(&error.into())
                )
            } else if ending && going {
                return Ok(true);
            } else if ending {
                format!(
                    "error when evicting pod {name:?} from terminating namespace {namespace:?} (will retry after {again}): {}",
                    plain(&error.into())
                )
            } else {
                return Err(format!(
                    "error when evicting pods/{name:?} -n {namespace:?}: {}",
                    plain(&error.into())
                ));
            };
            say(&mut streams.borrow_mut().err, &text)?;
            tokio::time::sleep(self.retry).await;
            if let Ok(fresh) = api.get(name, "").await {
                live = fresh;
            }
        }
    }

    /// Waits until the pod is gone, or given up.
    async fn gone(
        &self,
        pod: &Value,
        deadline: Option<Instant>,
        streams: &RefCell<&mut Streams>,
    ) -> std::result::Result<(), String> {
        let name = values::name(pod);
        let api = self.api(pod)?;
        let done = if self.supported { "evicted" } else { "deleted" };
        loop {
            match api.get(name, "").await {
                Err(error) if error.is_not_found() => break,
                Ok(live) if values::text(&live, "/metadata/uid") != values::text(pod, "/metadata/uid") => break,
                Ok(live) if choose::is_given_up(self.args, &live, jiff::Timestamp::now()) => {
                    let seconds = self.args.skip_wait_for_delete_timeout;
                    let line = format!(
                        "pod {name:?} has DeletionTimestamp older than {seconds} seconds, skipping"
                    );
                    return say(&mut streams.borrow_mut().out, &line);
                }
                Ok(_) => {}
                Err(error) => {
                    let failed = if self.supported { "eviction failed" } else { "deletion failed" };
                    let line = format!("pod/{name} {failed}{}", suffix(&self.args.dry_run));
                    say(&mut streams.borrow_mut().out, &line)?;
                    return Err(plain(&error.into()));
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let timeout = go_duration(self.args.timeout);
                return Err(if self.supported {
                    format!("global timeout reached: {timeout}")
                } else {
                    "context deadline exceeded".to_owned()
                });
            }
            tokio::time::sleep(self.poll).await;
        }
        say(&mut streams.borrow_mut().out, &format!("pod/{name} {done}{}", suffix(&self.args.dry_run)))
    }
}

fn say(out: &mut Box<dyn std::io::Write + Send>, line: &str) -> std::result::Result<(), String> {
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use machinery::GroupResource;
    use machinery::status::StatusError;

    use super::*;
    use crate::commands::testing::discovery;
    use crate::options::GlobalOptions;

    #[tokio::test]
    async fn a_budget_that_says_later_is_asked_again() {
        let server = FakeServer::start().await.expect("a server");
        let path = "/api/v1/namespaces/x/pods/p";
        let eviction = format!("{path}/eviction");
        let later = StatusError::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 0);
        server.on(Method::POST, &eviction, Answer::status(&later));
        server.on(Method::POST, &eviction, Answer::json(201, &json!({})));
        let pod = json!({"metadata": {"name": "p", "namespace": "x", "uid": "1"}});
        let missing = StatusError::not_found(&GroupResource::new("", "pods"), "p");
        server.on(Method::GET, path, Answer::json(200, &pod)).on(Method::GET, path, Answer::status(&missing));
        let factory = Factory::with_client(GlobalOptions::default(), server.client().expect("a client"), discovery());
        let matches = Args::augment_args(clap::Command::new("drain")).get_matches_from(["drain"]);
        let args = Args::from_arg_matches(&matches).expect("sound flags");
        let mut evicting = Evicting::new(&args, &factory).await.expect("a known server");
        evicting.retry = Duration::from_millis(1);
        let (mut streams, out, err) = Streams::buffers("");
        let errors = evicting.all(vec![pod], &mut streams).await;
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(out.text(), "evicting pod x/p\nevicting pod x/p\npod/p evicted\n");
        assert!(err.text().starts_with("error when evicting pods/\"p\" -n \"x\" (will retry after"), "{}", err.text());
    }
}
