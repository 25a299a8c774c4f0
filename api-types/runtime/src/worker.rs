//! Workers for the few loops that must talk to the server while they decide (deleting all content of a
//! namespace, following every resource there is); everything else is a [`Controller`](crate::Controller).

use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use futures_util::FutureExt as _;

use crate::queue::Queue;

/// How a key is to be treated after it was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Forget its failures; it is handled again when something changes.
    Done,
    /// Handle it again after a time.
    After(Duration),
    /// Handle it again soon, later the more often this happens.
    Retry,
}

/// Handles keys with `workers` tasks until `shutdown`; handling under way is finished.
pub async fn run<K, H, Work>(queue: Queue<K>, workers: usize, shutdown: Shutdown, handle: H)
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    H: Fn(K) -> Work + Send + Sync + 'static,
    Work: Future<Output = Next> + Send,
{
    let handle = Arc::new(handle);
    let tasks: Vec<_> = (0..workers.max(1))
        .map(|_| {
            let (queue, shutdown, handle) = (queue.clone(), shutdown.clone(), Arc::clone(&handle));
            tokio::spawn(async move {
                // Waiting for a key is safe to drop; handling one is not interrupted.
                while let Some(Some(key)) = shutdown.run_until(queue.get()).await {
                    // A panic is a bug in the handling of one key; the others must not wait for ever.
                    let handling = AssertUnwindSafe(async { handle(key.clone()).await });
                    match handling.catch_unwind().await.unwrap_or(Next::Retry) {
                        Next::Done => queue.forget(&key),
                        Next::After(delay) => {
                            queue.forget(&key);
                            queue.add_after(key.clone(), delay);
                        }
                        Next::Retry => {
                            queue.add_rate_limited(key.clone());
                        }
                    }
                    queue.done(&key);
                }
            })
        })
        .collect();
    shutdown.wait().await;
    queue.close();
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "worker died");
        }
    }
}

#[cfg(test)]
mod tests {
    use component_base::metrics::Metrics;
    use parking_lot::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keys_are_handled_as_asked() {
        let queue: Queue<&'static str> = Queue::new("test", &Metrics::new());
        for key in ["once", "later", "failing"] {
            queue.add(key);
        }
        let seen = Arc::<Mutex<Vec<&'static str>>>::default();
        let (log, shutdown) = (Arc::clone(&seen), Shutdown::new());
        let stop = shutdown.clone();
        run(queue, 1, shutdown, move |key| {
            let mut log = log.lock();
            log.push(key);
            let times = log.iter().filter(|seen| **seen == key).count();
            let next = match (key, times) {
                ("later", 1) => Next::After(Duration::from_secs(60)),
                ("failing", 1 | 2) => Next::Retry,
                ("later", _) => {
                    stop.trigger();
                    Next::Done
                }
                ("failing", 3) => {
                    drop(log);
                    panic!("a bug");
                }
                _ => Next::Done,
            };
            std::future::ready(next)
        })
        .await;
        assert_eq!(*seen.lock(), ["once", "later", "failing", "failing", "failing", "failing", "later"]);
    }
}
