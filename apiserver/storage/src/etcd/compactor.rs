//! Periodic compaction of etcd's history, coordinated between API servers through one key, as upstream.
//!
//! Every server remembers the revision at its last turn and at the next turn tries to advance the logical
//! time in `compact_rev_key`. Only the one whose compare succeeds compacts, to the revision of its own
//! previous turn, so that about one interval of history stays available.

use std::time::Duration;

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};

use super::EtcdStorage;
use crate::error::StorageError;
use crate::storage::{Revision, Storage};

/// Upstream's key, outside the prefix.
const COMPACT_KEY: &str = "compact_rev_key";

/// Compacts every `interval` (upstream: 5 minutes) until the task is dropped.
pub async fn run_compactor(storage: EtcdStorage, interval: Duration) {
    let mut turn = Turn::default();
    loop {
        tokio::time::sleep(interval).await;
        match take_turn(&storage, turn).await {
            Ok(next) => turn = next,
            Err(error) => tracing::warn!(%error, "cannot compact etcd"),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Turn {
    /// The version of the key we believe in.
    time: i64,
    /// The revision to compact to at the next turn.
    revision: Revision,
}

async fn take_turn(storage: &EtcdStorage, turn: Turn) -> Result<Turn, StorageError> {
    let txn = Txn::new()
        .when([Compare::version(COMPACT_KEY, CompareOp::Equal, turn.time)])
        .and_then([TxnOp::put(COMPACT_KEY, turn.revision.to_string(), None)])
        .or_else([TxnOp::get(COMPACT_KEY, None)]);
    let response = storage.transaction("compact", txn).await?;
    let revision = super::header_revision(response.header());
    if !response.succeeded() {
        let time = response.op_responses().into_iter().find_map(|operation| match operation {
            TxnOpResponse::Get(get) => get.kvs().first().map(|pair| pair.version()),
            _ => None,
        });
        return Ok(Turn { time: time.unwrap_or(0), revision });
    }
    if turn.revision > 0 {
        match storage.compact(turn.revision).await {
            Ok(()) => tracing::info!(revision = turn.revision, "compacted etcd"),
            // Someone else was faster.
            Err(StorageError::Compacted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Turn { time: turn.time + 1, revision })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::test_server::TestServer;

    #[tokio::test]
    async fn one_of_two_servers_compacts_and_an_interval_of_history_stays() {
        let Some(server) = TestServer::start().await else { return };
        let (first, second) = (server.storage().await, server.storage().await);
        let mut turns = (Turn::default(), Turn::default());
        turns.0 = take_turn(&first, turns.0).await.unwrap();
        turns.1 = take_turn(&second, turns.1).await.unwrap();
        assert_eq!((turns.0.time, turns.1.time), (1, 1));
        let before = first.create("/registry/a", bytes::Bytes::from_static(b"1"), None).await.unwrap();
        turns.0 = take_turn(&first, turns.0).await.unwrap();
        turns.1 = take_turn(&second, turns.1).await.unwrap();
        assert_eq!((turns.0.time, turns.1.time), (2, 2));
        let query = crate::ListQuery { prefix: "/registry/", revision: before, ..Default::default() };
        assert_eq!(first.list(query).await.unwrap().items.len(), 1);
        turns.0 = take_turn(&first, turns.0).await.unwrap();
        take_turn(&second, turns.1).await.unwrap();
        assert!(matches!(first.list(query).await, Err(StorageError::Compacted { .. })));
    }
}
