//! The storage users have: etcd 3.4, 3.5 or 3.6 over gRPC, with mutual TLS.
//!
//! ```text
//! reads and writes ── client ──► etcd          one HTTP/2 connection, multiplexed
//! watch(prefix)    ── watch::run, one task per prefix, reconnects where it stopped
//! confirm(prefix)  ── etcd with reliable progress: header revision, then a progress request
//!                  └─ older etcd: header revision, then the change marker (see `marker`)
//! ```

mod compactor;
mod connect;
mod lease;
mod marker;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use etcd_client::{Client, Compare, CompareOp, GetOptions, KvClient, PutOptions, Txn, TxnOp, TxnOpResponse};
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use compactor::run_compactor;
pub use connect::{EtcdOptions, EtcdTls};

use crate::coalesce::Coalesced;
use crate::error::StorageError;
use crate::storage::{Confirmation, KeyValue, ListPage, ListQuery, Revision, Storage, WatchStream};

/// No answer within this time is a failure; upstream's request timeout is 60 s, of which this leaves room
/// for a retry by the client.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A page of a full list aims at so many bytes, to keep the memory of start-up small.
const PAGE_BYTES: usize = 2 << 20;
/// The first page of a full list, before the size of the objects is known.
const FIRST_PAGE: usize = 500;
/// No page asks for more keys than this.
const LARGEST_PAGE: usize = 10_000;
/// Any key will do to read the header revision; this is the one upstream's health check reads.
const HEALTH_KEY: &str = "/registry/health";

/// A connection to an etcd cluster. Clones share everything.
#[derive(Clone)]
pub struct EtcdStorage {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    kv: KvClient,
    leases: lease::LeaseBuckets,
    header: Arc<Coalesced<Revision>>,
    progress: Progress,
    /// Wakes the watch of a prefix to request progress.
    watches: Mutex<HashMap<String, Arc<Notify>>>,
}

/// How a watch that sees no events learns that it is up to date.
enum Progress {
    /// The server answers progress requests in order with events (etcd 3.4.31, 3.5.13, 3.6 and later).
    Requests,
    /// It does not; changes of all keys are watched instead.
    Marker(marker::ChangeMarker),
}

impl EtcdStorage {
    /// Connects, finds out what the servers can do, and fails when none answers.
    pub async fn connect(options: &EtcdOptions) -> Result<Self, StorageError> {
        let connected = connect::connect(options).await?;
        let client = connected.client;
        let kv = client.kv_client().max_decoding_message_size(usize::MAX);
        let header = Arc::new(Coalesced::default());
        let progress = if connected.reliable_progress {
            Progress::Requests
        } else {
            let start = read_revision(kv.clone()).await?;
            Progress::Marker(marker::ChangeMarker::start(client.clone(), start))
        };
        let leases = lease::LeaseBuckets::new(client.lease_client());
        let watches = Mutex::default();
        Ok(EtcdStorage { shared: Arc::new(Shared { client, kv, leases, header, progress, watches }) })
    }

    async fn transaction(
        &self,
        operation: &'static str,
        txn: Txn,
    ) -> Result<etcd_client::TxnResponse, StorageError> {
        let mut kv = self.shared.kv.clone();
        deadline(operation, true, kv.txn(txn)).await
    }

    async fn put_options(&self, ttl: Option<Duration>) -> Result<Option<PutOptions>, StorageError> {
        match ttl {
            None => Ok(None),
            Some(ttl) => Ok(Some(PutOptions::new().with_lease(self.shared.leases.lease_for(ttl).await?))),
        }
    }

    /// One range request.
    async fn range(
        &self,
        query: &ListQuery<'_>,
        start: Vec<u8>,
        limit: usize,
        revision: Revision,
    ) -> Result<(ListPage, bool), StorageError> {
        let options = GetOptions::new()
            .with_range(prefix_end(query.prefix.as_bytes()))
            .with_limit(limit as i64)
            .with_revision(revision as i64);
        let mut kv = self.shared.kv.clone();
        let mut response = deadline("list", false, kv.get(start, Some(options)))
            .await
            .map_err(|error| with_requested_revision(error, revision))?;
        let items: Vec<KeyValue> = response.take_kvs().into_iter().map(key_value).collect();
        let remaining = (response.count().max(0) as u64).saturating_sub(items.len() as u64);
        let revision = if revision != 0 { revision } else { header_revision(response.header()) };
        Ok((ListPage { items, revision, remaining }, response.more()))
    }
}

async fn read_revision(mut kv: KvClient) -> Result<Revision, StorageError> {
    let options = GetOptions::new().with_keys_only();
    let response = deadline("read the revision", false, kv.get(HEALTH_KEY, Some(options))).await?;
    Ok(header_revision(response.header()))
}

fn header_revision(header: Option<&etcd_client::ResponseHeader>) -> Revision {
    header.map_or(0, |header| header.revision().max(0) as Revision)
}

/// The end of the range of all keys that start with `prefix`.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

fn key_value(pair: etcd_client::KeyValue) -> KeyValue {
    let revision = pair.mod_revision().max(0) as Revision;
    let (key, value) = pair.into_key_value();
    // Keys of ours are UTF-8; others may share the server, and nobody looks at their values.
    let key =
        String::from_utf8(key).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    KeyValue { key, value: Bytes::from(value), revision, stale: false }
}

/// Waits for an answer, within the time limit, in the error words of this crate.
async fn deadline<T>(
    operation: &'static str,
    writes: bool,
    call: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, StorageError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(backend_error(operation, writes, error)),
        Err(_) => Err(StorageError::Backend {
            operation,
            reason: format!("no answer from etcd within {} s", REQUEST_TIMEOUT.as_secs()),
            source: None,
            uncertain: writes,
        }),
    }
}

fn backend_error(operation: &'static str, writes: bool, error: etcd_client::Error) -> StorageError {
    let reason = match &error {
        etcd_client::Error::GRpcStatus(status) if status.message().contains("has been compacted") => {
            return StorageError::Compacted { requested: 0, compacted: 0 };
        }
        etcd_client::Error::GRpcStatus(status) if status.message().contains("future revision") => {
            return StorageError::TooLarge { requested: 0, current: 0 };
        }
        etcd_client::Error::GRpcStatus(status) => status.message().to_owned(),
        other => other.to_string(),
    };
    StorageError::Backend { operation, reason, source: Some(Arc::new(error)), uncertain: writes }
}

/// etcd's compaction errors do not repeat what was asked for.
fn with_requested_revision(error: StorageError, revision: Revision) -> StorageError {
    match error {
        StorageError::Compacted { compacted, .. } => {
            StorageError::Compacted { requested: revision, compacted }
        }
        StorageError::TooLarge { current, .. } => StorageError::TooLarge { requested: revision, current },
        other => other,
    }
}

/// The value a failed condition found, from the `get` in the transaction's else branch.
fn found_instead(response: &etcd_client::TxnResponse) -> Option<KeyValue> {
    for operation in response.op_responses() {
        if let TxnOpResponse::Get(mut get) = operation {
            return get.take_kvs().into_iter().next().map(key_value);
        }
    }
    None
}

#[async_trait]
impl Storage for EtcdStorage {
    async fn create(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<Revision, StorageError> {
        let put = TxnOp::put(key, value, self.put_options(ttl).await?);
        let txn = Txn::new().when([Compare::mod_revision(key, CompareOp::Equal, 0)]).and_then([put]);
        let response = self.transaction("create", txn).await?;
        if response.succeeded() {
            return Ok(header_revision(response.header()));
        }
        Err(StorageError::KeyExists { key: key.to_owned(), revision: 0 })
    }

    async fn get(&self, key: &str) -> Result<(Option<KeyValue>, Revision), StorageError> {
        let mut kv = self.shared.kv.clone();
        let mut response = deadline("get", false, kv.get(key, None)).await?;
        let revision = header_revision(response.header());
        Ok((response.take_kvs().into_iter().next().map(key_value), revision))
    }

    async fn list(&self, query: ListQuery<'_>) -> Result<ListPage, StorageError> {
        let mut start = query.start.unwrap_or(query.prefix).as_bytes().to_vec();
        if query.limit > 0 {
            return Ok(self.range(&query, start, query.limit, query.revision).await?.0);
        }
        let mut all = ListPage { revision: query.revision, ..ListPage::default() };
        let mut limit = FIRST_PAGE;
        loop {
            let (page, more) = self.range(&query, start, limit, all.revision).await?;
            all.revision = page.revision;
            let bytes: usize = page.items.iter().map(|item| item.value.len()).sum();
            let average = bytes / page.items.len().max(1) + 1;
            limit = (PAGE_BYTES / average).clamp(1, LARGEST_PAGE);
            let last = page.items.last().map(|item| item.key.clone());
            all.items.extend(page.items);
            match last {
                Some(last) if more => start = [last.as_bytes(), b"\0"].concat(),
                _ => return Ok(all),
            }
        }
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Revision, StorageError> {
        let put = TxnOp::put(key, value, self.put_options(ttl).await?);
        let txn = Txn::new()
            .when([Compare::mod_revision(key, CompareOp::Equal, expected as i64)])
            .and_then([put])
            .or_else([TxnOp::get(key, None)]);
        let response = self.transaction("update", txn).await?;
        if response.succeeded() {
            return Ok(header_revision(response.header()));
        }
        let current = found_instead(&response).map(Box::new);
        Err(StorageError::Conflict { key: key.to_owned(), expected, current })
    }

    async fn delete(&self, key: &str, expected: Option<Revision>) -> Result<Revision, StorageError> {
        let Some(expected) = expected else {
            let mut kv = self.shared.kv.clone();
            let response = deadline("delete", true, kv.delete(key, None)).await?;
            let revision = header_revision(response.header());
            return match response.deleted() {
                0 => Err(StorageError::NotFound { key: key.to_owned(), revision }),
                _ => Ok(revision),
            };
        };
        let txn = Txn::new()
            .when([Compare::mod_revision(key, CompareOp::Equal, expected as i64)])
            .and_then([TxnOp::delete(key, None)])
            .or_else([TxnOp::get(key, None)]);
        let response = self.transaction("delete", txn).await?;
        // Revision 0 stands for "absent", which etcd would happily "delete".
        if response.succeeded() && expected != 0 {
            return Ok(header_revision(response.header()));
        }
        let current = found_instead(&response).map(Box::new);
        Err(StorageError::Conflict { key: key.to_owned(), expected, current })
    }

    async fn watch(&self, prefix: &str, from: Revision, previous: bool) -> Result<WatchStream, StorageError> {
        let wake = Arc::new(Notify::new());
        self.shared.watches.lock().insert(prefix.to_owned(), wake.clone());
        let from = if from == 0 { self.current_revision().await? + 1 } else { from };
        let range = watch::Range { key: prefix.as_bytes().to_vec(), end: prefix_end(prefix.as_bytes()) };
        Ok(watch::open(self.shared.client.watch_client(), range, from, previous, wake))
    }

    fn track(&self, prefix: &str) {
        if let Progress::Marker(marker) = &self.shared.progress {
            marker.track(prefix);
        }
    }

    async fn confirm(&self, prefix: &str) -> Result<Confirmation, StorageError> {
        let revision = self.current_revision().await?;
        match &self.shared.progress {
            Progress::Marker(marker) => {
                let reach = marker.last_change(prefix, revision).await?;
                Ok(Confirmation { revision, reach })
            }
            Progress::Requests => Ok(Confirmation { revision, reach: revision }),
        }
    }

    fn request_progress(&self, prefix: &str) {
        if let (Progress::Requests, Some(wake)) =
            (&self.shared.progress, self.shared.watches.lock().get(prefix))
        {
            wake.notify_one();
        }
    }

    async fn current_revision(&self) -> Result<Revision, StorageError> {
        let kv = self.shared.kv.clone();
        self.shared.header.ask(move || read_revision(kv.clone())).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StorageError> {
        let mut kv = self.shared.kv.clone();
        deadline("compact", true, kv.compact(revision as i64, None))
            .await
            .map_err(|error| with_requested_revision(error, revision))?;
        Ok(())
    }

    async fn count(&self, prefix: &str) -> Result<u64, StorageError> {
        let options = GetOptions::new().with_range(prefix_end(prefix.as_bytes())).with_count_only();
        let mut kv = self.shared.kv.clone();
        Ok(deadline("count", false, kv.get(prefix, Some(options))).await?.count().max(0) as u64)
    }
}

#[cfg(test)]
pub(crate) mod test_server;
