//! The scheduling framework: what a plugin may decide, and what it decides on.
//!
//! Extension points and plugin names are upstream's (`k8s.io/kube-scheduler/framework`). A plugin is
//! stateless; what it works out for one pod is kept in the [`CycleState`].

use std::borrow::Cow;

use crate::cluster::{Cluster, ClusterEvent};
use crate::node::NodeInfo;
use crate::plugins::inter_pod_affinity::AffinityState;
use crate::plugins::pod_topology_spread::SpreadState;
use crate::pod::PodInfo;

/// Best score of a node from one plugin.
pub const MAX_NODE_SCORE: i64 = 100;

/// Text of a reason; most are fixed.
pub type Reason = Cow<'static, str>;

/// What a plugin says of a pod, or of a pod on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits.
    Fits,
    /// It does not fit now; taking pods away might help.
    Unschedulable(Vec<Reason>),
    /// It does not fit, and taking pods away cannot help.
    Unresolvable(Vec<Reason>),
}

impl Verdict {
    /// It does not fit now, for one fixed reason.
    pub fn unschedulable(reason: &'static str) -> Self {
        Self::Unschedulable(vec![Cow::Borrowed(reason)])
    }

    /// It cannot fit, for one fixed reason.
    pub fn unresolvable(reason: &'static str) -> Self {
        Self::Unresolvable(vec![Cow::Borrowed(reason)])
    }

    /// True when it fits.
    pub fn fits(&self) -> bool {
        *self == Self::Fits
    }

    /// Why it does not fit.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Fits => &[],
            Self::Unschedulable(reasons) | Self::Unresolvable(reasons) => reasons,
        }
    }
}

/// What the first look at a pod (upstream's PreFilter) leaves to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstLook {
    /// Ask the plugin about every node.
    Filter,
    /// The plugin has nothing to say about this pod.
    Skip,
    /// Only these nodes can fit.
    Only(Vec<String>),
    /// No node can fit.
    Reject(Verdict),
}

/// What plugins worked out about the pod of one scheduling cycle.
#[derive(Clone, Debug, Default)]
pub struct CycleState {
    /// Of PodTopologySpread.
    pub spread: Option<SpreadState>,
    /// Of InterPodAffinity.
    pub affinity: Option<AffinityState>,
}

/// Settings of a profile that plugins read (`pluginConfig`).
#[derive(Clone, Debug)]
pub struct PluginSettings {
    /// `InterPodAffinityArgs.hardPodAffinityWeight`.
    pub hard_pod_affinity_weight: i64,
    /// `InterPodAffinityArgs.ignorePreferredTermsOfExistingPods`.
    pub ignore_preferred_terms_of_existing_pods: bool,
    /// `NodeResourcesFitArgs.scoringStrategy.type`.
    pub fit_strategy: FitStrategy,
    /// Resources that NodeResourcesFit scores, with weights.
    pub fit_resources: Vec<(String, i64)>,
    /// Resources that NodeResourcesBalancedAllocation scores.
    pub balanced_resources: Vec<String>,
    /// `PodTopologySpreadArgs.defaultingType: System`.
    pub system_default_spread: bool,
}

impl Default for PluginSettings {
    fn default() -> Self {
        let both = || ["cpu", "memory"].map(str::to_owned);
        Self {
            hard_pod_affinity_weight: 1,
            ignore_preferred_terms_of_existing_pods: false,
            fit_strategy: FitStrategy::LeastAllocated,
            fit_resources: both().map(|name| (name, 1)).to_vec(),
            balanced_resources: both().to_vec(),
            system_default_spread: true,
        }
    }
}

/// How NodeResourcesFit scores.
#[derive(Clone, Debug, PartialEq)]
pub enum FitStrategy {
    /// Prefer nodes with the most room.
    LeastAllocated,
    /// Prefer nodes with the least room.
    MostAllocated,
    /// Points of (utilization in percent, score of 0 to 10), rising in utilization.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// What every extension point is given.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The pod to place.
    pub pod: &'a PodInfo,
    /// Nodes and the pods on them.
    pub cluster: &'a Cluster,
    /// Settings of the profile.
    pub settings: &'a PluginSettings,
}

/// One plugin; every extension point has a default that says nothing.
pub trait Plugin: Sync + std::fmt::Debug {
    /// Upstream's name.
    fn name(&self) -> &'static str;

    /// PreEnqueue: why the pod must not be tried at all.
    fn gate(&self, _pod: &PodInfo) -> Option<String> {
        None
    }

    /// PreFilter: work out once what filtering needs.
    fn first_look(&self, _context: Context<'_>, _state: &mut CycleState) -> FirstLook {
        FirstLook::Skip
    }

    /// PreFilterExtensions.AddPod and RemovePod: what changes when `other` comes to or leaves `node`.
    fn pod_changes(
        &self,
        _c: Context<'_>,
        _s: &mut CycleState,
        _other: &PodInfo,
        _node: &NodeInfo,
        _sign: i64,
    ) {
    }

    /// Filter: does the pod fit on the node?
    fn filter(&self, _context: Context<'_>, _state: &CycleState, _node: &NodeInfo) -> Verdict {
        Verdict::Fits
    }

    /// PreScore: work out once what scoring needs; false when the plugin has no scores to give.
    fn before_score(&self, _context: Context<'_>, _state: &mut CycleState, _feasible: &[&NodeInfo]) -> bool {
        false
    }

    /// Score: how good is the node?
    fn score(&self, _context: Context<'_>, _state: &CycleState, _node: &NodeInfo) -> i64 {
        0
    }

    /// NormalizeScore: brings the scores of all feasible nodes into 0 to [`MAX_NODE_SCORE`].
    fn normalize(
        &self,
        _context: Context<'_>,
        _state: &CycleState,
        _nodes: &[&NodeInfo],
        _scores: &mut [i64],
    ) {
    }

    /// Queueing hint: can the event make a pod fit that this plugin rejected?
    fn hint(&self, _pod: &PodInfo, _event: &ClusterEvent) -> bool {
        false
    }
}

/// Upstream's `DefaultNormalizeScore`: the best score becomes 100; with `reverse` the best is lowest.
pub fn normalize_by_maximum(scores: &mut [i64], reverse: bool) {
    let most = scores.iter().copied().max().unwrap_or(0);
    for score in scores {
        if most > 0 {
            *score = *score * MAX_NODE_SCORE / most;
        }
        if reverse {
            *score = if most > 0 { MAX_NODE_SCORE - *score } else { MAX_NODE_SCORE };
        }
    }
}

/// The plugins of one scheduler name, in order, with the weights of their scores.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `spec.schedulerName` of the pods it places.
    pub scheduler_name: String,
    /// Plugins and weights.
    pub plugins: Vec<(&'static dyn Plugin, i64)>,
    /// How many of the nodes are looked for before the search ends; 0 adapts to their number.
    pub percentage_of_nodes_to_score: i64,
    /// Settings of the plugins.
    pub settings: PluginSettings,
    /// The DefaultPreemption plugin is on.
    pub preemption: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            scheduler_name: "default-scheduler".to_owned(),
            plugins: crate::plugins::all().iter().map(|row| (row.plugin, row.weight)).collect(),
            percentage_of_nodes_to_score: 0,
            settings: PluginSettings::default(),
            preemption: true,
        }
    }
}
