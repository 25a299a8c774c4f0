//! Counts and measures every call to the container runtime, by upstream's names of the operations.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use component_base::metrics::{Metrics, exponential_buckets};
use kubelet_core::ports::{
    ContainerConfig, ContainerResources, ContainerStatus, ContainerSummary, ContainerUsage, ExecOutput,
    ImageCredentials, ImageFilesystem, ImageSummary, Images, PodUsage, Runtime, RuntimeError, RuntimeEvents,
    RuntimeStatus, RuntimeVersion, SandboxConfig, SandboxStatus, SandboxSummary, StreamRequest,
};
use prometheus::{HistogramVec, IntCounterVec};

/// What is measured of calls to the runtime. Cheap to clone.
#[derive(Clone)]
pub struct OperationMetrics {
    /// By `operation_type`, as the two that follow.
    total: IntCounterVec,
    errors: IntCounterVec,
    seconds: HistogramVec,
    /// By `runtime_handler`.
    sandbox_seconds: HistogramVec,
    sandbox_errors: IntCounterVec,
}

impl OperationMetrics {
    /// Registers the metrics.
    pub fn register(metrics: &Metrics) -> OperationMetrics {
        let by_operation = &["operation_type"];
        OperationMetrics {
            total: metrics.int_counter(
                "kubelet_runtime_operations_total",
                "[ALPHA] Cumulative number of runtime operations by operation type.",
                by_operation,
            ),
            errors: metrics.int_counter(
                "kubelet_runtime_operations_errors_total",
                "[ALPHA] Cumulative number of runtime operation errors by operation type.",
                by_operation,
            ),
            seconds: metrics.histogram(
                "kubelet_runtime_operations_duration_seconds",
                "[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.",
                by_operation,
                &exponential_buckets(0.005, 2.5, 14),
            ),
            sandbox_seconds: metrics.histogram(
                "kubelet_run_podsandbox_duration_seconds",
                "[ALPHA] Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.",
                &["runtime_handler"],
                &super::DEFAULT_BUCKETS,
            ),
            sandbox_errors: metrics.int_counter(
                "kubelet_run_podsandbox_errors_total",
                "[ALPHA] Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.",
                &["runtime_handler"],
            ),
        }
    }

    async fn measure<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, RuntimeError>>,
    ) -> Result<T, RuntimeError> {
        self.total.with_label_values(&[operation]).inc();
        let begun = Instant::now();
        let outcome = call.await;
        self.seconds.with_label_values(&[operation]).observe(begun.elapsed().as_secs_f64());
        if outcome.is_err() {
            self.errors.with_label_values(&[operation]).inc();
        }
        outcome
    }
}

/// A runtime and its image store, measured.
pub struct Measured {
    runtime: Arc<dyn Runtime>,
    images: Arc<dyn Images>,
    metrics: OperationMetrics,
}

impl Measured {
    /// Measures these from now on.
    pub fn new(
        runtime: Arc<dyn Runtime>,
        images: Arc<dyn Images>,
        metrics: OperationMetrics,
    ) -> Arc<Measured> {
        Arc::new(Measured { runtime, images, metrics })
    }
}

#[async_trait]
impl Runtime for Measured {
    async fn version(&self) -> Result<RuntimeVersion, RuntimeError> {
        self.metrics.measure("version", self.runtime.version()).await
    }

    async fn status(&self) -> Result<RuntimeStatus, RuntimeError> {
        self.metrics.measure("status", self.runtime.status()).await
    }

    async fn list_sandboxes(&self) -> Result<Vec<SandboxSummary>, RuntimeError> {
        self.metrics.measure("list_podsandbox", self.runtime.list_sandboxes()).await
    }

    async fn sandbox_status(&self, sandbox_id: &str) -> Result<SandboxStatus, RuntimeError> {
        self.metrics.measure("podsandbox_status", self.runtime.sandbox_status(sandbox_id)).await
    }

    async fn run_sandbox(&self, config: &SandboxConfig, handler: &str) -> Result<String, RuntimeError> {
        let begun = Instant::now();
        let outcome = self.metrics.measure("run_podsandbox", self.runtime.run_sandbox(config, handler)).await;
        self.metrics.sandbox_seconds.with_label_values(&[handler]).observe(begun.elapsed().as_secs_f64());
        if outcome.is_err() {
            self.metrics.sandbox_errors.with_label_values(&[handler]).inc();
        }
        outcome
    }

    async fn stop_sandbox(&self, sandbox_id: &str) -> Result<(), RuntimeError> {
        self.metrics.measure("stop_podsandbox", self.runtime.stop_sandbox(sandbox_id)).await
    }

    async fn remove_sandbox(&self, sandbox_id: &str) -> Result<(), RuntimeError> {
        self.metrics.measure("remove_podsandbox", self.runtime.remove_sandbox(sandbox_id)).await
    }

    async fn list_containers(&self) -> Result<Vec<ContainerSummary>, RuntimeError> {
        self.metrics.measure("list_containers", self.runtime.list_containers()).await
    }

    async fn container_status(&self, container_id: &str) -> Result<ContainerStatus, RuntimeError> {
        self.metrics.measure("container_status", self.runtime.container_status(container_id)).await
    }

    async fn create_container(
        &self,
        sandbox_id: &str,
        config: &ContainerConfig,
        sandbox_config: &SandboxConfig,
    ) -> Result<String, RuntimeError> {
        let call = self.runtime.create_container(sandbox_id, config, sandbox_config);
        self.metrics.measure("create_container", call).await
    }

    async fn start_container(&self, container_id: &str) -> Result<(), RuntimeError> {
        self.metrics.measure("start_container", self.runtime.start_container(container_id)).await
    }

    async fn stop_container(&self, container_id: &str, grace: Duration) -> Result<(), RuntimeError> {
        self.metrics.measure("stop_container", self.runtime.stop_container(container_id, grace)).await
    }

    async fn remove_container(&self, container_id: &str) -> Result<(), RuntimeError> {
        self.metrics.measure("remove_container", self.runtime.remove_container(container_id)).await
    }

    async fn update_container_resources(
        &self,
        container_id: &str,
        resources: &ContainerResources,
    ) -> Result<(), RuntimeError> {
        let call = self.runtime.update_container_resources(container_id, resources);
        self.metrics.measure("update_container", call).await
    }

    async fn exec(
        &self,
        container_id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError> {
        self.metrics.measure("exec_sync", self.runtime.exec(container_id, command, timeout)).await
    }

    async fn reopen_container_log(&self, container_id: &str) -> Result<(), RuntimeError> {
        self.metrics.measure("reopen_container_log", self.runtime.reopen_container_log(container_id)).await
    }

    async fn stream_url(&self, request: &StreamRequest) -> Result<String, RuntimeError> {
        let operation = match request {
            StreamRequest::Exec { .. } => "exec",
            StreamRequest::Attach { .. } => "attach",
            StreamRequest::PortForward { .. } => "port_forward",
        };
        self.metrics.measure(operation, self.runtime.stream_url(request)).await
    }

    async fn container_usage(&self) -> Result<Vec<ContainerUsage>, RuntimeError> {
        self.metrics.measure("list_container_stats", self.runtime.container_usage()).await
    }

    async fn pod_usage(&self) -> Result<Option<Vec<PodUsage>>, RuntimeError> {
        self.metrics.measure("list_podsandbox_stats", self.runtime.pod_usage()).await
    }

    async fn update_pod_cidr(&self, pod_cidr: &str) -> Result<(), RuntimeError> {
        self.metrics.measure("update_runtime_config", self.runtime.update_pod_cidr(pod_cidr)).await
    }

    async fn events(&self) -> Result<Box<dyn RuntimeEvents>, RuntimeError> {
        self.metrics.measure("get_container_events", self.runtime.events()).await
    }
}

#[async_trait]
impl Images for Measured {
    async fn list(&self) -> Result<Vec<ImageSummary>, RuntimeError> {
        self.metrics.measure("list_images", self.images.list()).await
    }

    async fn status(&self, image: &str) -> Result<Option<ImageSummary>, RuntimeError> {
        self.metrics.measure("image_status", self.images.status(image)).await
    }

    async fn pull(
        &self,
        image: &str,
        credentials: Option<&ImageCredentials>,
        sandbox_config: Option<&SandboxConfig>,
        runtime_handler: &str,
    ) -> Result<String, RuntimeError> {
        let call = self.images.pull(image, credentials, sandbox_config, runtime_handler);
        self.metrics.measure("pull_image", call).await
    }

    async fn remove(&self, image_id: &str) -> Result<(), RuntimeError> {
        self.metrics.measure("remove_image", self.images.remove(image_id)).await
    }

    async fn filesystems(&self) -> Result<Vec<ImageFilesystem>, RuntimeError> {
        self.metrics.measure("image_fs_info", self.images.filesystems()).await
    }
}
