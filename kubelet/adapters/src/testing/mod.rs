//! For tests: archives and images made on the spot, and a private containerd; compiled by the feature `testing`.

pub mod containerd;
pub mod image;
pub mod tar;
