//! `kubectl annotate`: sets and removes annotations.

use crate::{Factory, Result, Streams};

pub use super::label::Args;

/// Runs `annotate`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    super::label::run_with(&super::label::ANNOTATIONS, args, factory, streams).await
}
