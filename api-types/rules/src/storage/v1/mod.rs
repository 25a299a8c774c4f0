//! Rules of `storage.k8s.io` in version `v1`.

pub mod csi_driver;
pub mod storage_class;
