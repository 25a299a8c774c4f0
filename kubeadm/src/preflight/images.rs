//! Sees to it that a node has its images: those in the installer's archives are imported, others pulled.

use std::{path::Path, time::Duration};

use super::Finding;
use crate::{
    constants,
    host::{
        container_runtime::ContainerRuntime,
        image_import::{Importer, archives_in, names_in},
    },
};

const CHECK: &str = "ImagePull";
/// containerd tells its CRI plugin about new images by an event, a moment later.
const NOTICE_LIMIT: Duration = Duration::from_secs(3);
const NOTICE_INTERVAL: Duration = Duration::from_millis(50);

/// What to bring and how.
pub struct Wanted<'a> {
    pub socket: &'a str,
    pub images: &'a [String],
    /// `Always`, `IfNotPresent` or `Never`.
    pub policy: &'a str,
    /// One pull after the other.
    pub serial: bool,
}

/// Imports those of the images that an archive has and the runtime has not.
pub async fn import_only(wanted: &Wanted<'_>) -> Vec<Finding> {
    let runtime = match ContainerRuntime::connect(wanted.socket).await {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::error(CHECK, component_base::run::error_chain(&error))],
    };
    let missing = absent(&runtime, wanted.images).await;
    if missing.is_empty() || wanted.policy == "Never" {
        return Vec::new();
    }
    import(wanted.socket, &missing)
        .await
        .err()
        .map(|message| Finding::warning(CHECK, message))
        .into_iter()
        .collect()
}

/// Brings the images; every image that cannot be had is a finding.
pub async fn ensure(wanted: &Wanted<'_>) -> Vec<Finding> {
    if wanted.policy == "Never" {
        return Vec::new();
    }
    let runtime = match ContainerRuntime::connect(wanted.socket).await {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::error(CHECK, component_base::run::error_chain(&error))],
    };
    let mut missing = absent(&runtime, wanted.images).await;
    let mut findings = Vec::new();
    if !missing.is_empty() {
        if let Err(message) = import(wanted.socket, &missing).await {
            findings.push(Finding::warning(CHECK, message));
        }
        missing = settle(&runtime, &missing).await;
    }
    let pulls: Vec<&String> =
        if wanted.policy == "Always" { wanted.images.iter().collect() } else { missing.iter().collect() };
    let pull = |image: &String| {
        let (runtime, image) = (runtime.clone(), image.clone());
        async move {
            let outcome = runtime.pull(&image).await;
            outcome.err().map(|error| Finding::error(CHECK, format!("failed to pull image {image}: {error}")))
        }
    };
    if wanted.serial {
        for image in pulls {
            findings.extend(pull(image).await);
        }
    } else {
        let outcomes = futures_util::future::join_all(pulls.into_iter().map(pull)).await;
        findings.extend(outcomes.into_iter().flatten());
    }
    findings
}

/// The images that are still missing once the runtime has noticed what was imported beside it.
async fn settle(runtime: &ContainerRuntime, images: &[String]) -> Vec<String> {
    let mut missing = absent(runtime, images).await;
    let deadline = tokio::time::Instant::now() + NOTICE_LIMIT;
    while !missing.is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(NOTICE_INTERVAL).await;
        missing = absent(runtime, &missing).await;
    }
    missing
}

async fn absent(runtime: &ContainerRuntime, images: &[String]) -> Vec<String> {
    let mut absent = Vec::new();
    for image in images {
        if !runtime.image_exists(image).await.unwrap_or(false) {
            absent.push(image.clone());
        }
    }
    absent
}

/// Imports those archives that hold a missing image.
async fn import(socket: &str, missing: &[String]) -> Result<(), String> {
    let text = |error: crate::host::image_import::ImportError| component_base::run::error_chain(&error);
    let mut useful = Vec::new();
    for archive in archives_in(Path::new(constants::IMAGE_ARCHIVES_DIR)).map_err(text)? {
        if names_in(&archive).map_err(text)?.iter().any(|name| missing.contains(name)) {
            useful.push(archive);
        }
    }
    if useful.is_empty() {
        return Ok(());
    }
    let importer = Importer::connect(socket).await.map_err(text)?;
    for archive in &useful {
        importer.import(archive, |_| Vec::new()).await.map_err(text)?;
    }
    importer.finish().await.map_err(text)
}
