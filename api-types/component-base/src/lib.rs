//! What every program of this project has in common: start and stop, flags, configuration files,
//! logs, metrics, health, TLS and the small HTTPS server beside the real work.

pub mod config;
mod feature_table;
pub mod features;
pub mod flags;
pub mod health;
pub mod logs;
pub mod metrics;
mod process_metrics;
pub mod run;
pub mod server;
pub mod shutdown;
pub mod tls;
pub mod version;

pub use run::{Options, run};
pub use shutdown::Shutdown;

#[doc(hidden)]
pub use mimalloc;

/// Makes mimalloc the allocator of a binary: `component_base::global_allocator!();` in `main.rs`.
#[macro_export]
macro_rules! global_allocator {
    () => {
        #[global_allocator]
        static GLOBAL: $crate::mimalloc::MiMalloc = $crate::mimalloc::MiMalloc;
    };
}
