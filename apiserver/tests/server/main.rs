//! A whole server in this process, on a memory store, asked over TLS.

mod access;
mod admission;
mod audit;
mod conversations;
mod custom;
mod identity;
mod limits;
mod paths;
mod stations;
mod support;
mod system;
mod webhooks;
