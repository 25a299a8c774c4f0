//! node-network.
