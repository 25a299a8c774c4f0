//! ImageLocality: prefers nodes that have the pod's images already.

use crate::framework::{Context, CycleState, MAX_NODE_SCORE, Plugin};
use crate::node::NodeInfo;

const MEGABYTE: i64 = 1024 * 1024;
/// Images smaller than this together do not matter.
const LEAST: i64 = 23 * MEGABYTE;
/// Images larger than this, for each container, make no further difference.
const MOST_PER_CONTAINER: i64 = 1000 * MEGABYTE;

/// See the module.
#[derive(Debug)]
pub struct ImageLocality;

/// The name under which nodes report an image: with a tag.
fn normalized(image: &str) -> String {
    let after_path = image.rsplit('/').next().unwrap_or(image);
    if after_path.contains(':') || image.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        "ImageLocality"
    }

    fn before_score(&self, _: Context<'_>, _: &mut CycleState, feasible: &[&NodeInfo]) -> bool {
        feasible.iter().any(|node| !node.images.is_empty())
    }

    fn score(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> i64 {
        let nodes = context.cluster.nodes().len().max(1) as f64;
        let mut sum = 0;
        for image in &context.pod.images {
            let image = normalized(image);
            if let Some(size) = node.images.get(&image) {
                // An image on few nodes counts less, lest they all get the same pods.
                sum += (*size as f64 * context.cluster.image_nodes(&image) as f64 / nodes) as i64;
            }
        }
        let most = MOST_PER_CONTAINER * context.pod.containers as i64;
        MAX_NODE_SCORE * (sum.clamp(LEAST, most.max(LEAST)) - LEAST) / (most - LEAST).max(1)
    }
}
