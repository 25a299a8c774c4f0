//! What goes into files and API objects, computed from the configuration without touching anything.

pub mod addons;
pub mod addresses;
pub mod arguments;
pub mod control_plane;
pub mod encryption;
pub mod etcd;
pub mod images;
pub mod kubeconfig;
pub mod static_pod;
pub mod yaml;
