//! The numbers: what the apiserver costs for each kind of request, how long a pod takes to run, and what the
//! components weigh at rest. It can be pointed at any apiserver, so that two can be compared in one run.

mod measure;
mod pods;
mod processes;
mod requests;

use anyhow::{Context, Result};
use client::{Client, Config};
use component_base::Shutdown;
use component_base::logs::LoggingOptions;

/// Flags of bench.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "bench", about = "Measures a cluster")]
pub struct Options {
    /// Kubeconfig of the cluster
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", default_value = "/etc/kubernetes/admin.conf")]
    pub kubeconfig: String,
    /// Name of the apiserver's program, whose CPU is counted
    #[arg(long, value_name = "PROGRAM", default_value = "kube-apiserver")]
    pub apiserver: String,
    /// Objects to make and read
    #[arg(long, value_name = "NUMBER", default_value_t = 2000)]
    pub objects: usize,
    /// Requests under way at once
    #[arg(long, value_name = "NUMBER", default_value_t = 32)]
    pub clients: usize,
    /// Watchers of every change
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub watchers: usize,
    /// Pods to start one after the other; 0 leaves that out
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub pods: usize,
    /// Image of those pods, which must be on the node
    #[arg(long, value_name = "IMAGE", default_value = "registry.k8s.io/pause:3.10.2")]
    pub image: String,
    /// Logging.
    #[command(flatten)]
    pub logging: LoggingOptions,
}

impl component_base::Options for Options {
    fn logging(&self) -> &LoggingOptions {
        &self.logging
    }
}

/// Measures everything and prints one line a number.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<()> {
    let config = Config::from_kubeconfig_file(&options.kubeconfig)
        .with_context(|| format!("failed to read {}", options.kubeconfig))?;
    let client = Client::new(config.with_user_agent(component_base::version::user_agent("bench")))?;
    println!("memory at rest");
    processes::print_memory(&options.apiserver);
    println!("\nrequests: {} objects, {} at once", options.objects, options.clients);
    let measured = requests::run(&client, &options);
    if let Some(result) = shutdown.run_until(measured).await {
        result?;
    }
    if options.pods > 0 {
        println!("\npods: {} one after the other, image present", options.pods);
        if let Some(result) = shutdown.run_until(pods::run(&client, &options)).await {
            result?;
        }
    }
    println!("\nmemory afterwards");
    processes::print_memory(&options.apiserver);
    Ok(())
}
