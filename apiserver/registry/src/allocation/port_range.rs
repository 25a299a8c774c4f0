//! The stored set of node ports that are taken.
//!
//! Source: `pkg/registry/core/service/portallocator`, `pkg/registry/core/service/allocator`.

use crate::objects::Pending;
use api_types::core::v1::RangeAllocation;
use apiserver_storage::{Storage, StorageError};
use machinery::{Message, codec::protobuf, object::Object, status::StatusError};
use parking_lot::Mutex;
use rand::RngExt;
use std::{ops::RangeInclusive, sync::Arc};

/// Why a port could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Someone has it.
    #[error("provided port is already allocated")]
    Taken,
    /// It is none of the node ports.
    #[error("provided port is not in the valid range. The range of valid ports is {0}")]
    OutOfRange(String),
    /// All are taken.
    #[error("range is full")]
    Full,
}

/// Which ports of a range are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    range: RangeInclusive<u16>,
    taken: Vec<bool>,
}

impl Ports {
    /// All free.
    pub fn new(range: RangeInclusive<u16>) -> Ports {
        let size = usize::from(*range.end()) + 1 - usize::from(*range.start());
        Ports { range, taken: vec![false; size] }
    }

    /// The range as upstream writes it.
    pub fn range(&self) -> String {
        format!("{}-{}", self.range.start(), self.range.end())
    }

    fn offset(&self, port: i32) -> Option<usize> {
        let port = u16::try_from(port).ok().filter(|port| self.range.contains(port))?;
        Some(usize::from(port - self.range.start()))
    }

    /// True when the port is taken.
    pub fn has(&self, port: i32) -> bool {
        self.offset(port).is_some_and(|offset| self.taken[offset])
    }

    /// Takes one port.
    pub fn take(&mut self, port: i32) -> Result<(), PortError> {
        let offset = self.offset(port).ok_or_else(|| PortError::OutOfRange(self.range()))?;
        if self.taken[offset] {
            return Err(PortError::Taken);
        }
        self.taken[offset] = true;
        Ok(())
    }

    /// Frees a port; ports outside of the range are ignored.
    pub fn release(&mut self, port: i32) {
        if let Some(offset) = self.offset(port) {
            self.taken[offset] = false;
        }
    }

    /// How many ports at the start are left to those who ask for certain ones, as long as others are free.
    pub fn reserved(&self) -> usize {
        let size = self.taken.len();
        if size <= 16 { 0 } else { (size / 32).clamp(16, 128) }
    }

    /// Takes any port, the upper part of the range first.
    pub fn take_any(&mut self, mut random: impl RngExt) -> Result<i32, PortError> {
        let reserved = self.reserved();
        let upper = self.taken.len() - reserved;
        let start = random.random_range(0..upper);
        let first = (0..upper).map(|step| reserved + (start + step) % upper);
        let free = first.chain(0..reserved).find(|offset| !self.taken[*offset]).ok_or(PortError::Full)?;
        self.taken[free] = true;
        Ok(i32::from(*self.range.start()) + i32::try_from(free).unwrap_or_default())
    }

    /// Every taken port.
    pub fn all(&self) -> impl Iterator<Item = i32> {
        let start = i32::from(*self.range.start());
        self.taken.iter().zip(start..).filter(|(taken, _)| **taken).map(|(_, port)| port)
    }

    /// As upstream stores it: one number, bit n for the port n of the range, big end first, without leading zeros.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0u8; self.taken.len().div_ceil(8)];
        let last = bytes.len() - 1;
        for (offset, _) in self.taken.iter().enumerate().filter(|(_, taken)| **taken) {
            bytes[last - offset / 8] |= 1 << (offset % 8);
        }
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        bytes.split_off(start)
    }

    /// From [`Ports::to_bytes`].
    pub fn from_bytes(range: RangeInclusive<u16>, bytes: &[u8]) -> Ports {
        let mut ports = Ports::new(range);
        for (index, byte) in bytes.iter().rev().enumerate() {
            for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
                if let Some(taken) = ports.taken.get_mut(index * 8 + bit) {
                    *taken = true;
                }
            }
        }
        ports
    }
}

/// What to do with the stored ports; called again with fresh ones when the write lost a race.
pub type Step<'a> = Box<dyn FnMut(&mut Ports) -> Result<(), StatusError> + Send + 'a>;

/// Ports kept at one place that several servers share.
pub trait SharedPorts: Send + Sync {
    /// The ports as they are.
    fn read(&self) -> Pending<'_, Result<Ports, StatusError>>;
    /// Changes them, as one step.
    fn change<'a>(&'a self, step: Step<'a>) -> Pending<'a, Result<(), StatusError>>;
}

/// Ports in the store, at upstream's key and in its form.
pub struct StoredPorts {
    storage: Arc<dyn Storage>,
    key: String,
    range: RangeInclusive<u16>,
}

impl StoredPorts {
    /// `root` is the prefix of all keys, `/registry` by default.
    pub fn new(storage: Arc<dyn Storage>, root: &str, range: RangeInclusive<u16>) -> StoredPorts {
        StoredPorts { storage, key: format!("{root}/ranges/servicenodeports"), range }
    }

    async fn load(&self) -> Result<(Ports, u64), StatusError> {
        let (found, _) = self.storage.get(&self.key).await.map_err(StatusError::internal_error)?;
        let Some(pair) = found else { return Ok((Ports::new(self.range.clone()), 0)) };
        let envelope = protobuf::unwrap(&pair.value).map_err(StatusError::internal_error)?;
        let stored = RangeAllocation::decode(envelope.raw).map_err(StatusError::internal_error)?;
        let ports = Ports::new(self.range.clone());
        if stored.range == ports.range() {
            return Ok((Ports::from_bytes(self.range.clone(), &stored.data), pair.revision));
        }
        // The server was given another range; ports that are in both stay taken.
        let mut moved = ports;
        let bounds = stored
            .range
            .split_once('-')
            .and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
        if let Some((low, high)) = bounds.filter(|(low, high)| low <= high) {
            for port in Ports::from_bytes(low..=high, &stored.data).all() {
                let _ = moved.take(port);
            }
        }
        Ok((moved, pair.revision))
    }

    async fn swap(&self, ports: &Ports, revision: u64) -> Result<bool, StatusError> {
        let allocation =
            RangeAllocation { range: ports.range(), data: ports.to_bytes(), ..RangeAllocation::default() };
        let bytes = protobuf::wrap("v1", "RangeAllocation", &allocation.encode());
        match self.storage.compare_and_swap(&self.key, revision, bytes.into(), None).await {
            Ok(_) => Ok(true),
            Err(StorageError::Conflict { .. } | StorageError::KeyExists { .. }) => Ok(false),
            Err(error) => Err(StatusError::internal_error(error)),
        }
    }
}

impl SharedPorts for StoredPorts {
    fn read(&self) -> Pending<'_, Result<Ports, StatusError>> {
        Box::pin(async move { Ok(self.load().await?.0) })
    }

    fn change<'a>(&'a self, mut step: Step<'a>) -> Pending<'a, Result<(), StatusError>> {
        Box::pin(async move {
            loop {
                let (mut ports, revision) = self.load().await?;
                let before = ports.clone();
                step(&mut ports)?;
                if ports == before && revision != 0 || self.swap(&ports, revision).await? {
                    return Ok(());
                }
            }
        })
    }
}

/// Ports in memory, for tests.
pub struct LocalPorts(Mutex<Ports>);

impl LocalPorts {
    /// All free.
    pub fn new(range: RangeInclusive<u16>) -> LocalPorts {
        LocalPorts(Mutex::new(Ports::new(range)))
    }
}

impl SharedPorts for LocalPorts {
    fn read(&self) -> Pending<'_, Result<Ports, StatusError>> {
        let ports = self.0.lock().clone();
        Box::pin(async move { Ok(ports) })
    }

    fn change<'a>(&'a self, mut step: Step<'a>) -> Pending<'a, Result<(), StatusError>> {
        let outcome = step(&mut self.0.lock());
        Box::pin(async move { outcome })
    }
}
