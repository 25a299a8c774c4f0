//! Controllers of Services: who answers behind them.

pub(crate) mod endpointslice;
mod members;
