//! The phases of `init` and, in a folder of their own, of `join`, each with upstream's name.

pub mod addon;
pub mod bootstrap_token;
pub mod certs;
pub mod control_plane;
pub mod etcd;
pub mod join;
pub mod kubeconfig;
pub mod kubelet_finalize;
pub mod kubelet_serving;
pub mod kubelet_start;
pub mod mark_control_plane;
pub mod patches;
pub mod preflight;
pub mod show_join_command;
pub mod upload_certs;
pub mod upload_config;
pub mod wait_control_plane;

use crate::workflows::{init_data::InitData, phase::Phase};

/// All phases, in the order in which `init` runs them.
pub fn all() -> Vec<Phase<InitData>> {
    vec![
        preflight::phase(),
        certs::phase(),
        kubeconfig::phase(),
        etcd::phase(),
        control_plane::phase(),
        kubelet_start::phase(),
        wait_control_plane::phase(),
        upload_config::phase(),
        upload_certs::phase(),
        mark_control_plane::phase(),
        bootstrap_token::phase(),
        kubelet_finalize::phase(),
        addon::phase(),
        show_join_command::phase(),
    ]
}
