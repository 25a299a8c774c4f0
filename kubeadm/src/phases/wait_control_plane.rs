//! `wait-control-plane`: until the kubelet and the components of the control plane are healthy.

use std::path::Path;

use api_types::core::v1::Pod;
use machinery::{Message as _, codec::yaml};

use crate::{
    cluster::wait,
    constants,
    render::control_plane::COMPONENTS,
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["config", "kubeconfig", "dry-run", "cri-socket"];

pub fn phase() -> Phase<InitData> {
    Phase::step("wait-control-plane", "Wait for the control plane to start", FLAGS, |data| {
        Box::pin(run(data))
    })
}

async fn run(data: &mut InitData) -> anyhow::Result<()> {
    if data.is_dry_run() {
        print!("{}", data.files.describe());
        println!("[dryrun] Would wait for the kubelet and the control plane to be healthy");
        return Ok(());
    }
    println!(
        "[wait-control-plane] Waiting for the kubelet to boot up the control plane as static Pods from directory {:?}",
        constants::MANIFESTS_DIR
    );
    let timeouts = data.configuration.timeouts();
    let kubelet = &data.configuration.kubelet;
    let address = kubelet.text("healthzBindAddress").unwrap_or("127.0.0.1");
    let port = kubelet.fields.get("healthzPort").and_then(serde_json::Value::as_u64);
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(constants::KUBELET_HEALTHZ_PORT);
    let limit = timeouts.kubelet_health_check.unwrap_or_default().to_std();
    if let Err(error) = wait::kubelet(address, port, limit).await {
        print!("{KUBELET_HELP}");
        return Err(anyhow::Error::from(error).context("failed while waiting for the kubelet to start"));
    }
    let pods = static_pods(data)?;
    let checks = wait::health_checks(&pods, &data.configuration.init.local_api_endpoint.advertise_address);
    let limit = timeouts.control_plane_component_health_check.unwrap_or_default().to_std();
    if let Err(error) = wait::control_plane(&checks, &data.kubeconfig_path, limit).await {
        let socket = &data.configuration.init.node_registration.cri_socket;
        print!("{}", CONTROL_PLANE_HELP.replace("{socket}", socket));
        return Err(anyhow::Error::from(error).context("failed while waiting for the control plane to start"));
    }
    Ok(())
}

/// The pods as the manifests on disk say, which a user may have changed.
fn static_pods(data: &InitData) -> anyhow::Result<Vec<Pod>> {
    let mut pods = Vec::new();
    for (component, _) in COMPONENTS {
        let path = Path::new(constants::MANIFESTS_DIR).join(format!("{component}.yaml"));
        let text = data.files.read_text(&path)?;
        let text =
            text.ok_or_else(|| anyhow::anyhow!("failed to read manifest for {path:?}: it does not exist"))?;
        let value = yaml::from_str(&text)
            .map_err(|error| anyhow::anyhow!("failed to parse manifest {path:?}: {error}"))?;
        let pod = Pod::from_value(&value);
        pods.push(
            pod.map_err(|error| anyhow::anyhow!("failed to parse Pod object defined in {path:?}: {error}"))?,
        );
    }
    Ok(pods)
}

const KUBELET_HELP: &str = "
Unfortunately, an error has occurred, likely caused by:
	- The kubelet is not running
	- The kubelet is unhealthy due to a misconfiguration of the node in some way (required cgroups disabled)

If you are on a systemd-powered system, you can try to troubleshoot the error with the following commands:
	- 'systemctl status kubelet'
	- 'journalctl -xeu kubelet'
On a host where kube-supervisor runs the kubelet, its log is /var/log/kube-supervisor/kubelet.log
";

const CONTROL_PLANE_HELP: &str = "
A control plane component may have crashed or exited when started by the container runtime.
To troubleshoot, list all containers using your preferred container runtimes CLI.
Here is one example how you may list all running Kubernetes containers by using crictl:
	- 'crictl --runtime-endpoint {socket} ps -a | grep kube | grep -v pause'
	Once you have found the failing container, you can inspect its logs with:
	- 'crictl --runtime-endpoint {socket} logs CONTAINERID'
";
