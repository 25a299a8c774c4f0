//! NodeResourcesBalancedAllocation: prefers nodes whose CPU and memory end up equally used.

use crate::framework::{Context, CycleState, MAX_NODE_SCORE, Plugin};
use crate::node::NodeInfo;

/// See the module.
#[derive(Debug)]
pub struct NodeResourcesBalancedAllocation;

/// 100 when all fractions are alike, 50 at worst.
fn balance(fractions: &[f64]) -> i64 {
    let count = fractions.len() as f64;
    let deviation = match fractions {
        [one, other] => (one - other).abs() / 2.0,
        [_, _, ..] => {
            let mean = fractions.iter().sum::<f64>() / count;
            (fractions.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / count).sqrt()
        }
        _ => 0.0,
    };
    ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
}

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn before_score(&self, context: Context<'_>, _: &mut CycleState, _: &[&NodeInfo]) -> bool {
        !context.pod.requests.is_empty()
    }

    fn score(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> i64 {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for name in &context.settings.balanced_resources {
            let has = node.allocatable.get(name);
            if has == 0 {
                continue;
            }
            let fraction = |taken: i64| (taken as f64 / has as f64).min(1.0);
            let taken = node.requested.get(name);
            without.push(fraction(taken));
            with.push(fraction(taken + context.pod.requests.get(name)));
        }
        let half = MAX_NODE_SCORE / 2;
        half + (half + balance(&with) - balance(&without)) / 2
    }
}
