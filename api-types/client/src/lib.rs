//! How every component talks to the API server.

pub mod spdy;
