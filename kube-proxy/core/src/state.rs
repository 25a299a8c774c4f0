//! What is in the kernel, and the transaction that brings it to what should be there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::conntrack::{Stale, stale};
use crate::model::{Family, ServicePort};
use crate::render::{AffinityChains, Map, Rendered, SpreadChain, Target, render};
use crate::select::Here;

/// One element of a map or set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The map or set.
    pub map: Map,
    /// Key as the kernel compares it.
    pub key: Vec<u8>,
    /// What it maps to.
    pub target: Target,
}

/// What has to be done, in this order; each step leaves the rules consistent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Chains to make first.
    pub chains: Vec<SpreadChain>,
    /// Affinity chains to make or renew first.
    pub affinity: Vec<AffinityChains>,
    /// Elements to take out.
    pub remove: Vec<Element>,
    /// Elements to put in, in the same batch.
    pub add: Vec<Element>,
    /// Affinity chains that nothing leads to any more.
    pub drop_affinity: Vec<AffinityChains>,
    /// Connections to forget afterwards.
    pub stale: BTreeSet<Stale>,
}

impl Transaction {
    /// True when nothing has to be done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is in the table of one family.
#[derive(Debug, Default)]
pub struct State {
    services: HashMap<String, BTreeMap<String, (ServicePort, Rendered)>>,
    /// How many ports need an element; some are shared.
    users: HashMap<(Map, Vec<u8>), usize>,
    chains: BTreeSet<SpreadChain>,
}

impl State {
    /// Takes in the ports of changed Services, and says what has to be done for it.
    pub fn apply(
        &mut self,
        changed: &[(String, Vec<ServicePort>)],
        family: Family,
        here: &Here,
    ) -> Transaction {
        let mut transaction = Transaction::default();
        // Key → target before; what is put in again unchanged is left alone.
        let mut taken: BTreeMap<(Map, Vec<u8>), Target> = BTreeMap::new();
        let mut put: BTreeMap<(Map, Vec<u8>), Target> = BTreeMap::new();
        for (key, ports) in changed {
            let before = self.services.remove(key).unwrap_or_default();
            let mut after = BTreeMap::new();
            for port in ports.iter().filter(|port| port.family() == family) {
                let rendered = render(port, here);
                after.insert(port.name.clone(), (port.clone(), rendered));
            }
            for (name, (port, rendered)) in &before {
                let new = after.get(name);
                transaction.stale.extend(stale(Some(port), new.map(|(port, _)| port), here));
                let id = |rendered: &Rendered| rendered.affinity.as_ref().map(|a| a.id.clone());
                if let (Some(old), true) = (&rendered.affinity, id(rendered) != new.and_then(|(_, r)| id(r)))
                {
                    transaction.drop_affinity.push(old.clone());
                }
                for (key, target) in &rendered.elements {
                    self.release(key, target, &mut taken);
                }
            }
            for (name, (port, rendered)) in &after {
                let old = before.get(name);
                if old.is_none() {
                    transaction.stale.extend(stale(None, Some(port), here));
                }
                if rendered.affinity != old.and_then(|(_, r)| r.affinity.clone()) {
                    transaction.affinity.extend(rendered.affinity.clone());
                }
                for chain in &rendered.chains {
                    if self.chains.insert(*chain) {
                        transaction.chains.push(*chain);
                    }
                }
                for (key, target) in &rendered.elements {
                    let users = self.users.entry(key.clone()).or_default();
                    *users += 1;
                    if *users == 1 {
                        put.insert(key.clone(), target.clone());
                    }
                }
            }
            if !after.is_empty() {
                self.services.insert(key.clone(), after);
            }
        }
        put.retain(|key, target| match taken.get(key) {
            Some(before) if before == target => {
                taken.remove(key);
                false
            }
            _ => true,
        });
        transaction.remove = elements(taken);
        transaction.add = elements(put);
        transaction
    }

    fn release(
        &mut self,
        key: &(Map, Vec<u8>),
        target: &Target,
        taken: &mut BTreeMap<(Map, Vec<u8>), Target>,
    ) {
        let Some(users) = self.users.get_mut(key) else { return };
        *users -= 1;
        if *users == 0 {
            self.users.remove(key);
            taken.insert(key.clone(), target.clone());
        }
    }

    /// Ports whose health is asked for on a port of their own, with how many endpoints are on this node:
    /// (port, `namespace/name`, count).
    pub fn health_checks(&self) -> Vec<(u16, String, usize)> {
        let mut checks = BTreeMap::new();
        for (key, ports) in &self.services {
            for (port, _) in
                ports.values().filter(|(port, _)| port.external_local && port.health_check_node_port != 0)
            {
                let local = port.endpoints.iter().filter(|endpoint| endpoint.local && endpoint.ready).count();
                checks.insert(port.health_check_node_port, (key.clone(), local));
            }
        }
        checks.into_iter().map(|(port, (key, count))| (port, key, count)).collect()
    }

    /// Everything again, for a table that was made anew: (chains, affinity chains, elements).
    pub fn everything(&self) -> Transaction {
        let mut all = BTreeMap::new();
        let mut transaction =
            Transaction { chains: self.chains.iter().copied().collect(), ..Transaction::default() };
        for (_, rendered) in self.services.values().flat_map(BTreeMap::values) {
            transaction.affinity.extend(rendered.affinity.clone());
            all.extend(rendered.elements.clone());
        }
        transaction.add = elements(all);
        transaction
    }
}

fn elements(map: BTreeMap<(Map, Vec<u8>), Target>) -> Vec<Element> {
    map.into_iter().map(|((map, key), target)| Element { map, key, target }).collect()
}
