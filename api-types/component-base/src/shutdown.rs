//! One clone-able token that tells every task of a program to end.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// A request to stop, shared by all tasks of a component.
///
/// Clones share one state; a [`child`](Shutdown::child) stops with its parent but not the other way
/// round, which lets a component stop one part of itself (for instance when it loses leadership).
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// A token nobody has triggered yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// A token triggered by the first SIGTERM or SIGINT. A second signal ends the process at once
    /// with exit code 1, as upstream's signal handler does. Must be called inside a tokio runtime.
    pub fn on_signals() -> std::io::Result<Shutdown> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Shutdown::new();
        let trigger = shutdown.clone();
        tokio::spawn(async move {
            // Both receivers only read a counter, so dropping the losing branch loses no signal.
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "shutting down");
            trigger.trigger();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
        Ok(shutdown)
    }

    /// Asks everyone who holds this token, or a child of it, to stop. Calling it again does nothing.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Whether stopping has been asked for.
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns once stopping has been asked for. Safe to drop and call again.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// A token that stops with this one, and can be triggered alone.
    pub fn child(&self) -> Shutdown {
        Shutdown { token: self.token.child_token() }
    }

    /// Runs `work` until it is done (`Some`) or stopping is asked for (`None`, `work` is dropped).
    pub async fn run_until<F: Future>(&self, work: F) -> Option<F::Output> {
        self.token.run_until_cancelled(work).await
    }

    /// Sleeps for `duration`; false when stopping was asked for meanwhile.
    pub async fn sleep(&self, duration: std::time::Duration) -> bool {
        self.run_until(tokio::time::sleep(duration)).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_stops_with_its_parent_only() {
        let parent = Shutdown::new();
        let first = parent.child();
        let second = parent.child();
        first.trigger();
        assert!(first.is_triggered());
        assert!(!parent.is_triggered() && !second.is_triggered());
        parent.trigger();
        second.wait().await;
        assert!(second.is_triggered());
    }

    #[tokio::test]
    async fn work_is_abandoned_on_shutdown() {
        let shutdown = Shutdown::new();
        assert_eq!(shutdown.run_until(async { 7 }).await, Some(7));
        shutdown.trigger();
        assert_eq!(shutdown.run_until(std::future::pending::<u8>()).await, None);
        assert!(!shutdown.sleep(std::time::Duration::from_secs(3600)).await);
    }
}
