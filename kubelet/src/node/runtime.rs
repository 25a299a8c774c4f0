//! Watches the state of the container runtime.

use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use kubelet_core::ports::RuntimeStatus;
use tokio::sync::Notify;

use crate::context::Context;

/// How often the runtime is asked.
const PERIOD: Duration = Duration::from_secs(5);

/// Asks the runtime for its state until shutdown; `changed` hears of every change.
pub async fn watch(context: Arc<Context>, changed: Arc<Notify>, shutdown: Shutdown) {
    loop {
        let status = context.ports.runtime.status().await.map_err(|error| error.to_string());
        let before = context.runtime_status.load();
        if **before != status {
            context.runtime_status.store(Arc::new(status));
            changed.notify_one();
        }
        drop(before);
        if !shutdown.sleep(PERIOD).await {
            return;
        }
    }
}

/// What keeps the node from being ready because of the runtime, in upstream's words.
pub fn errors(status: &Result<RuntimeStatus, String>) -> Vec<String> {
    let status = match status {
        Ok(status) => status,
        Err(error) => return vec![format!("container runtime is down: {error}")],
    };
    let mut errors = Vec::new();
    for (type_, what) in [
        ("RuntimeReady", "container runtime not ready"),
        ("NetworkReady", "container runtime network not ready"),
    ] {
        let found = status.conditions.iter().find(|condition| condition.type_ == type_);
        match found {
            Some(condition) if !condition.status => errors.push(format!(
                "{what}: {type_}=false reason:{} message:{}",
                condition.reason, condition.message
            )),
            Some(_) => {}
            None => errors.push(format!("{what}: {type_} condition is not set")),
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use kubelet_core::ports::RuntimeCondition;

    use super::*;

    #[test]
    fn reasons_as_users_know_them() {
        let condition = |type_: &str, status| RuntimeCondition {
            type_: type_.into(),
            status,
            reason: "NetworkPluginNotReady".into(),
            message: "cni plugin not initialized".into(),
        };
        let status = RuntimeStatus {
            conditions: vec![condition("RuntimeReady", true), condition("NetworkReady", false)],
            ..RuntimeStatus::default()
        };
        assert_eq!(
            errors(&Ok(status)),
            [
                "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni plugin \
              not initialized"
            ]
        );
        assert_eq!(errors(&Err("gone".into())), ["container runtime is down: gone"]);
    }
}
