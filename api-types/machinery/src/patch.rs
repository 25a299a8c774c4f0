//! Patches of the API: JSON patch, JSON merge patch, strategic merge patch, and server-side apply.

pub mod apply;
mod go_text;
pub mod json;
pub mod merge;
pub mod shape;
pub mod strategic;
#[cfg(test)]
pub(crate) mod testing;
