//! What is done once after the start, and what goes on until the end; each with its check in `/readyz`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use component_base::Shutdown;
use component_base::health::{Endpoint, Health};
use machinery::status::StatusError;

/// Between two attempts of something that must succeed once.
const RETRY: Duration = Duration::from_millis(500);

/// Starts hooks and loops.
#[derive(Clone)]
pub struct Hooks {
    health: Health,
    shutdown: Shutdown,
}

impl Hooks {
    /// Checks go to `health`; everything ends with `shutdown`.
    pub fn new(health: Health, shutdown: Shutdown) -> Hooks {
        Hooks { health, shutdown }
    }

    fn check(&self, name: &str) -> Arc<AtomicBool> {
        self.health.add_flag(&format!("poststarthook/{name}"), &Endpoint::ALL, "not finished")
    }

    /// Repeats `work` until it succeeds once; the server is not ready before.
    pub fn once<F, W>(&self, name: &'static str, work: F)
    where
        F: Fn() -> W + Send + 'static,
        W: Future<Output = Result<(), StatusError>> + Send,
    {
        let finished = self.check(name);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            loop {
                match work().await {
                    Ok(()) => break finished.store(true, Ordering::Release),
                    Err(error) => tracing::warn!(hook = name, %error, "hook failed, it will be tried again"),
                }
                if !shutdown.sleep(RETRY).await {
                    break;
                }
            }
        });
    }

    /// Repeats `work` every `period` until the end, sooner after a failure. The server is ready after the
    /// first success.
    pub fn every<F, W>(&self, name: &'static str, period: Duration, work: F)
    where
        F: Fn() -> W + Send + 'static,
        W: Future<Output = Result<(), StatusError>> + Send,
    {
        let finished = self.check(name);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            loop {
                let pause = match work().await {
                    Ok(()) => {
                        finished.store(true, Ordering::Release);
                        period
                    }
                    Err(error) => {
                        tracing::warn!(hook = name, %error, "loop failed, it will be tried again");
                        RETRY.min(period)
                    }
                };
                if !shutdown.sleep(pause).await {
                    break;
                }
            }
        });
    }
}
