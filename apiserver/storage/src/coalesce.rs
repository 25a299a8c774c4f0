//! One answer for many waiting requests: a question asked while an earlier one is under way is answered by
//! the next round, never by the running one.
//!
//! A consistent read needs to know what the store says *after* the read began. A round that had begun
//! before is therefore useless to it, but all requests that arrive during a round share the next.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::StorageError;

type Outcome<T> = Option<Result<T, StorageError>>;

/// Shares rounds of one question among its askers.
pub struct Coalesced<T> {
    rounds: Arc<Mutex<Rounds<T>>>,
}

struct Rounds<T> {
    /// The round that has not begun; askers wait for it.
    next: Option<watch::Receiver<Outcome<T>>>,
    next_sender: Option<watch::Sender<Outcome<T>>>,
    running: bool,
}

impl<T> Default for Coalesced<T> {
    fn default() -> Self {
        Coalesced { rounds: Arc::new(Mutex::new(Rounds { next: None, next_sender: None, running: false })) }
    }
}

impl<T: Clone + Send + Sync + 'static> Coalesced<T> {
    /// Waits for the outcome of a round that begins after this call. `ask` makes one round; it is used only
    /// when no other asker has started the runner yet.
    pub async fn ask<A, F>(&self, ask: A) -> Result<T, StorageError>
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let mut outcome = {
            let mut rounds = self.rounds.lock();
            let receiver = match &rounds.next {
                Some(receiver) => receiver.clone(),
                None => {
                    let (sender, receiver) = watch::channel(None);
                    rounds.next = Some(receiver.clone());
                    rounds.next_sender = Some(sender);
                    receiver
                }
            };
            if !rounds.running {
                rounds.running = true;
                tokio::spawn(run(self.rounds.clone(), ask));
            }
            receiver
        };
        let lost = || StorageError::Backend {
            operation: "confirm the revision",
            reason: "the server is shutting down".to_owned(),
            source: None,
            uncertain: false,
        };
        match outcome.wait_for(Option::is_some).await {
            Ok(value) => value.clone().unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }
}

/// Runs rounds until nobody waits. The runner is its own task so that a cancelled asker cannot take the
/// round of the others with it.
async fn run<T, A, F>(rounds: Arc<Mutex<Rounds<T>>>, ask: A)
where
    A: Fn() -> F,
    F: Future<Output = Result<T, StorageError>>,
{
    loop {
        let sender = {
            let mut rounds = rounds.lock();
            rounds.next = None;
            match rounds.next_sender.take() {
                Some(sender) => sender,
                None => {
                    rounds.running = false;
                    return;
                }
            }
        };
        let outcome = ask().await;
        sender.send_replace(Some(outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn a_round_under_way_does_not_answer_later_askers() {
        let coalesced = Arc::new(Coalesced::<u64>::default());
        let counter = Arc::new(AtomicU64::new(0));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let ask = |counter: Arc<AtomicU64>, gate: Arc<tokio::sync::Semaphore>| {
            move || {
                let (counter, gate) = (counter.clone(), gate.clone());
                async move {
                    let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                    if let Ok(permit) = gate.acquire().await {
                        permit.forget();
                    }
                    Ok(number)
                }
            }
        };
        let spawn = || {
            let (coalesced, ask) = (coalesced.clone(), ask(counter.clone(), gate.clone()));
            tokio::spawn(async move { coalesced.ask(ask).await })
        };
        let first = spawn();
        while counter.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let later: Vec<_> = (0..10).map(|_| spawn()).collect();
        tokio::task::yield_now().await;
        gate.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), 1);
        for task in later {
            assert_eq!(task.await.unwrap().unwrap(), 2);
        }
        assert_eq!(counter.load(Ordering::SeqCst), 2);
    }
}
