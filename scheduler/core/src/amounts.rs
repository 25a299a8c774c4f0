//! Amounts of resources as the scheduler counts them: whole numbers, no text.

use std::collections::BTreeMap;
use std::sync::Arc;

use machinery::Quantity;

/// Requested CPU, in thousandths, of a container that asks for none, when nodes are scored.
pub const DEFAULT_MILLI_CPU: i64 = 100;
/// Requested memory, in bytes, of a container that asks for none, when nodes are scored.
pub const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts of every resource of a pod or a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// How many pods a node takes; unused for pods.
    pub pods: i64,
    /// Every other resource, sorted by name.
    pub scalars: Vec<(Arc<str>, i64)>,
}

impl Amounts {
    /// Counts a list of quantities.
    pub fn from_list(list: &BTreeMap<String, Quantity>) -> Self {
        let mut amounts = Self::default();
        for (name, quantity) in list {
            match name.as_str() {
                "cpu" => amounts.milli_cpu = quantity.milli_value(),
                "memory" => amounts.memory = quantity.value(),
                "ephemeral-storage" => amounts.ephemeral_storage = quantity.value(),
                "pods" => amounts.pods = quantity.value(),
                _ => amounts.scalars.push((name.as_str().into(), quantity.value())),
            }
        }
        amounts
    }

    /// The amount of one resource.
    pub fn get(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.milli_cpu,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral_storage,
            "pods" => self.pods,
            _ => self.scalar(name),
        }
    }

    /// The amount of a resource other than CPU, memory, ephemeral storage and pods.
    pub fn scalar(&self, name: &str) -> i64 {
        self.scalars.binary_search_by(|(known, _)| (**known).cmp(name)).map_or(0, |at| self.scalars[at].1)
    }

    /// Adds `other` (`sign` 1) or takes it away (`sign` −1).
    pub fn change(&mut self, other: &Self, sign: i64) {
        self.milli_cpu += sign * other.milli_cpu;
        self.memory += sign * other.memory;
        self.ephemeral_storage += sign * other.ephemeral_storage;
        for (name, amount) in &other.scalars {
            match self.scalars.binary_search_by(|(known, _)| known.cmp(name)) {
                Ok(at) => self.scalars[at].1 += sign * amount,
                Err(at) => self.scalars.insert(at, (name.clone(), sign * amount)),
            }
        }
    }

    /// True when nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.milli_cpu == 0
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.scalars.iter().all(|(_, amount)| *amount == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect()
    }

    #[test]
    fn quantities_become_numbers() {
        let amounts =
            Amounts::from_list(&list(&[("cpu", "1500m"), ("memory", "1Gi"), ("example.com/gpu", "2")]));
        assert_eq!(
            (amounts.milli_cpu, amounts.memory, amounts.scalar("example.com/gpu")),
            (1500, 1 << 30, 2)
        );
        assert_eq!(amounts.scalar("example.com/other"), 0);
    }

    #[test]
    fn what_is_added_can_be_taken_away() {
        let one = Amounts::from_list(&list(&[("cpu", "1"), ("a/b", "3")]));
        let mut total = Amounts::from_list(&list(&[("cpu", "2"), ("c/d", "1")]));
        let before = total.clone();
        total.change(&one, 1);
        assert_eq!((total.milli_cpu, total.scalar("a/b"), total.scalar("c/d")), (3000, 3, 1));
        total.change(&one, -1);
        assert_eq!((total.milli_cpu, total.scalar("a/b")), (before.milli_cpu, 0));
    }
}
