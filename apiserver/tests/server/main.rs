//! A whole server in this process, on a memory store, asked over TLS.

mod access;
mod admission;
mod audit;
mod conversations;
mod identity;
mod paths;
mod support;
mod system;
