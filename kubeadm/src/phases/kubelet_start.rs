//! `kubelet-start`: the kubelet's configuration, then the kubelet.

use std::path::Path;

use serde_json::{Value, json};

use super::{kubelet_serving, patches::Patches};
use crate::{
    config::{Configuration, component::KUBELET_API_VERSION, host_facts, v1beta4::NodeRegistration},
    constants,
    host::{files::Files, init_system},
    render::{
        arguments::{arg, to_command},
        yaml,
    },
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["config", "image-repository", "cri-socket", "node-name", "patches", "dry-run"];
const MODE: u32 = 0o644;

pub fn phase() -> Phase<InitData> {
    Phase::step("kubelet-start", "Write kubelet settings and (re)start the kubelet", FLAGS, |data| {
        Box::pin(async move { run(data) })
    })
}

fn run(data: &mut InitData) -> anyhow::Result<()> {
    if !data.is_dry_run() {
        init_system::try_stop_kubelet();
    }
    let node = data.configuration.init.node_registration.clone();
    // The taints of a control-plane node come with the phase that marks it.
    write_environment(&mut data.files, &node, false)?;
    write_instance_config(&mut data.files, &node)?;
    let patches = Patches::load(data.patches_dir.as_deref())?;
    write_config(&mut data.files, &kubelet_document(&data.configuration), &node, &patches)?;
    kubelet_serving::write(data)?;
    if !data.is_dry_run() {
        println!("[kubelet-start] Starting the kubelet");
        init_system::try_start_kubelet();
    }
    Ok(())
}

/// The cluster's kubelet configuration as a document.
pub fn kubelet_document(configuration: &Configuration) -> Value {
    configuration.kubelet.to_value(KUBELET_API_VERSION, "KubeletConfiguration")
}

/// Writes the flags that the kubelet's unit hands over.
pub fn write_environment(files: &mut Files, node: &NodeRegistration, taints: bool) -> anyhow::Result<()> {
    let path = Path::new(constants::KUBELET_DIR).join(constants::KUBELET_ENVIRONMENT_FILE);
    println!("[kubelet-start] Writing kubelet environment file with flags to file {path:?}");
    let mut flags = Vec::new();
    if taints && let Some(taints) = node.taints.as_ref().filter(|taints| !taints.is_empty()) {
        let texts: Vec<String> = taints.iter().map(|taint| taint.to_flag()).collect();
        flags.push(arg("register-with-taints", texts.join(",")));
    }
    if host_facts::hostname().is_ok_and(|hostname| hostname != node.name) {
        flags.push(arg("hostname-override", node.name.as_str()));
    }
    let line = to_command(flags, &node.kubelet_extra_args).join(" ");
    let text = format!("{}={line:?}\n", constants::KUBELET_ENVIRONMENT_VARIABLE);
    files.write(&path, text.as_bytes(), MODE)?;
    Ok(())
}

/// Writes what of the configuration belongs to this node alone.
pub fn write_instance_config(files: &mut Files, node: &NodeRegistration) -> anyhow::Result<()> {
    let path = Path::new(constants::KUBELET_DIR).join(constants::KUBELET_INSTANCE_CONFIG_FILE);
    println!("[kubelet-start] Writing kubelet configuration to file {path:?}");
    let text = yaml::document(&json!({"containerRuntimeEndpoint": node.cri_socket}));
    files.write(&path, text.as_bytes(), MODE)?;
    Ok(())
}

/// Writes the kubelet's configuration: the cluster's, the user's patches, and what belongs to this node.
pub fn write_config(
    files: &mut Files,
    document: &Value,
    node: &NodeRegistration,
    patches: &Patches,
) -> anyhow::Result<()> {
    let path = Path::new(constants::KUBELET_DIR).join(constants::KUBELET_CONFIG_FILE);
    println!("[kubelet-start] Writing kubelet configuration to file {path:?}");
    let mut value = patches.apply("kubeletconfiguration", document.clone(), None)?;
    value["containerRuntimeEndpoint"] = json!(node.cri_socket);
    files.write(&path, yaml::document(&value).as_bytes(), MODE)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::control_plane::tests::configuration;

    #[test]
    fn the_kubelet_is_told_what_belongs_to_its_node() {
        let mut configuration = configuration();
        let node = &mut configuration.init.node_registration;
        node.cri_socket = "unix:///run/x.sock".to_owned();
        node.name = "another-name".to_owned();
        node.taints = Some(vec![crate::config::v1beta4::Taint {
            key: "k".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Default::default()
        }]);
        node.kubelet_extra_args = vec![arg("v", "4")];
        let node = node.clone();
        let mut files = Files::dry_run();
        write_environment(&mut files, &node, true).expect("planned");
        write_instance_config(&mut files, &node).expect("planned");
        write_config(&mut files, &kubelet_document(&configuration), &node, &Patches::default())
            .expect("planned");
        let text = |name: &str| {
            files
                .read_text(&Path::new(constants::KUBELET_DIR).join(name))
                .expect("readable")
                .expect("planned")
        };
        assert_eq!(
            text("kubeadm-flags.env"),
            "KUBELET_KUBEADM_ARGS=\"--hostname-override=another-name --register-with-taints=k:NoSchedule --v=4\"\n"
        );
        assert_eq!(text("instance-config.yaml"), "containerRuntimeEndpoint: unix:///run/x.sock\n");
        let config = text("config.yaml");
        assert!(config.contains("containerRuntimeEndpoint: unix:///run/x.sock\n"), "{config}");
        assert!(config.contains("kind: KubeletConfiguration\n") && config.contains("staticPodPath:"));
    }
}
