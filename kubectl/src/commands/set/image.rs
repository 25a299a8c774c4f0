//! `kubectl set image`: other images for containers.

use super::changing::{Common, Outcome, Words, pod_spec};
use crate::commands::pairs;
use crate::error::message;
use crate::{Error, Factory, Result, Streams, values};

/// Arguments of `set image`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME, then CONTAINER=IMAGE ...
    pub resources: Vec<String>,
    #[command(flatten)]
    pub common: Common,
}

const WORDS: Words = Words {
    done: "image updated",
    failed: "failed to patch image update to pod template:",
    even_unchanged: false,
};

/// Runs `set image`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let (resources, images) = pairs::split(&args.resources, "image")?;
    let images = pairs::parse(images, "image")?;
    let objects = args.common.objects(resources, factory, streams).await?;
    args.common.check()?;
    if images.is_empty() {
        return Err(message("at least one image update is required"));
    }
    if images.len() > 1 && images.iter().any(|(name, _)| name == "*") {
        return Err(message(
            "all containers are already specified by *, but saw more than one container_name=container_image pairs",
        ));
    }
    args.common
        .write(objects, WORDS, factory, streams, |object| {
            let spec = pod_spec(object)?;
            let missing = set(spec, &images);
            Ok(if missing.is_empty() { Outcome::Changed } else { Outcome::ChangedBut(missing) })
        })
        .await
}

/// Sets the images; an error for each name no container has.
fn set(spec: &mut serde_json::Value, images: &[(String, String)]) -> Vec<Error> {
    let mut missing = Vec::new();
    for (name, image) in images {
        let mut found = false;
        for list in ["containers", "initContainers"] {
            let containers = spec.get_mut(list).and_then(serde_json::Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                if name == "*" || values::text(container, "/name") == name {
                    found = true;
                    container["image"] = image.as_str().into();
                }
            }
        }
        if !found {
            missing.push(message(format!("error: unable to find container named {name:?}")));
        }
    }
    missing
}
