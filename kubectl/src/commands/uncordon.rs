//! `kubectl uncordon`: lets new pods come to nodes again.

use crate::{Factory, Result, Streams};

pub use super::cordon::Args;

/// Runs `uncordon`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    super::cordon::set(args, false, factory, streams).await
}
