//! Images that come from files instead of registries.
//!
//! CRI can only pull. An OCI image layout in a tar file is put into containerd's content store directly, in the
//! namespace its CRI plugin reads, which then shows the image like a pulled one.

mod archive;
mod containerd;
mod layout;
mod name;
mod tar;

pub use archive::image_names;
pub use containerd::{ImportError, ImportedImage, import_archive};
pub use name::normalized;
