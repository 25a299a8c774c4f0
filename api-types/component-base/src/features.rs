//! Feature gates: upstream's names, defaults and stages, and the refusal of what is not built here.
//!
//! A gate may always be given the value it already has. Giving it the other value is accepted only
//! for the gates a component lists as switchable; every other request is refused with a message that
//! says why, so that no gate is taken and then ignored.

use std::collections::BTreeMap;

use crate::feature_table::TABLE;

/// How mature upstream calls a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Off by default, may go away.
    Alpha,
    /// On by default unless stated otherwise.
    Beta,
    /// Part of the product; the gate will be removed.
    Ga,
    /// Kept only so that an old behaviour can be had back.
    Deprecated,
}

impl Stage {
    /// Upstream's spelling, as in `--help` and the metric `kubernetes_feature_enabled`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Alpha => "ALPHA",
            Stage::Beta => "BETA",
            Stage::Ga => "",
            Stage::Deprecated => "DEPRECATED",
        }
    }
}

/// One row of the table of gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Upstream's name.
    pub name: &'static str,
    /// Value without any flag.
    pub default: bool,
    /// Maturity.
    pub stage: Stage,
    /// Whether upstream refuses any value but the default.
    pub locked: bool,
}

/// All gates known in v1.36, sorted by name.
pub fn all() -> &'static [Feature] {
    TABLE
}

/// Looks a gate up by upstream's name.
pub fn find(name: &str) -> Option<&'static Feature> {
    TABLE.binary_search_by(|feature| feature.name.cmp(name)).ok().and_then(|at| TABLE.get(at))
}

/// Why `--feature-gates` was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// An element without `=`.
    #[error("missing bool value for {0}")]
    MissingValue(String),
    /// A value that is not a boolean.
    #[error("invalid value of {name}={value}, err: {reason}")]
    InvalidValue {
        /// Gate.
        name: String,
        /// Text after `=`.
        value: String,
        /// Parser's message.
        reason: String,
    },
    /// A name v1.36 does not know.
    #[error("unrecognized feature gate: {0}")]
    Unknown(String),
    /// The gate is locked upstream.
    #[error("cannot set feature gate {name} to {value}, feature is locked to {}", !value)]
    Locked {
        /// Gate.
        name: String,
        /// Wanted value.
        value: bool,
    },
    /// Known, but this program has only the default behaviour.
    #[error(
        "cannot set feature gate {name} to {value}, this program implements only its default ({}); gates that can be set: {}",
        !value,
        list_or_none(switchable)
    )]
    NotImplemented {
        /// Gate.
        name: String,
        /// Wanted value.
        value: bool,
        /// The gates of this program that can be set.
        switchable: Vec<&'static str>,
    },
    /// Several of the above.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Many(Vec<FeatureError>),
}

fn list_or_none(names: &[&'static str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The gates in force in one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureGates {
    overridden: BTreeMap<&'static str, bool>,
}

impl FeatureGates {
    /// Reads `Name=true,Other=false`; `switchable` lists the gates the component honours both ways.
    pub fn parse(text: &str, switchable: &[&'static str]) -> Result<FeatureGates, FeatureError> {
        let mut wanted = BTreeMap::new();
        for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            let (name, value) =
                element.split_once('=').ok_or_else(|| FeatureError::MissingValue(element.to_owned()))?;
            let (name, value) = (name.trim(), value.trim());
            let parsed = crate::flags::parse_bool(value).map_err(|reason| FeatureError::InvalidValue {
                name: name.to_owned(),
                value: value.to_owned(),
                reason,
            })?;
            wanted.insert(name.to_owned(), parsed);
        }
        FeatureGates::from_map(&wanted, switchable)
    }

    /// The same from a configuration file's `featureGates` map; every bad entry is reported.
    pub fn from_map(
        wanted: &BTreeMap<String, bool>,
        switchable: &[&'static str],
    ) -> Result<FeatureGates, FeatureError> {
        let mut gates = FeatureGates::default();
        let mut refused = Vec::new();
        for (name, &value) in wanted {
            match find(name) {
                None if name == "AllAlpha" && !value => {}
                None if name == "AllBeta" && value => {}
                None if name == "AllAlpha" || name == "AllBeta" => {
                    refused.push(FeatureError::NotImplemented {
                        name: name.clone(),
                        value,
                        switchable: switchable.to_vec(),
                    });
                }
                None => refused.push(FeatureError::Unknown(name.clone())),
                Some(feature) if feature.default == value => {}
                Some(feature) if feature.locked => {
                    refused.push(FeatureError::Locked { name: name.clone(), value });
                }
                Some(feature) if switchable.contains(&feature.name) => {
                    gates.overridden.insert(feature.name, value);
                }
                Some(_) => refused.push(FeatureError::NotImplemented {
                    name: name.clone(),
                    value,
                    switchable: switchable.to_vec(),
                }),
            }
        }
        match refused.len() {
            0 => Ok(gates),
            1 => Err(refused.remove(0)),
            _ => Err(FeatureError::Many(refused)),
        }
    }

    /// Whether a gate is on; an unknown name is off.
    pub fn enabled(&self, name: &str) -> bool {
        self.overridden
            .get(name)
            .copied()
            .or_else(|| find(name).map(|feature| feature.default))
            .unwrap_or(false)
    }

    /// The gates whose value differs from the default.
    pub fn overridden(&self) -> impl Iterator<Item = (&'static str, bool)> + '_ {
        self.overridden.iter().map(|(name, value)| (*name, *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(TABLE.len() > 200);
    }

    #[test]
    fn gates_are_taken_or_refused() {
        const SWITCHABLE: &[&str] = &["AllowDNSOnlyNodeCSR"];
        let check = |text: &str, expected: Result<bool, &str>| {
            let actual = FeatureGates::parse(text, SWITCHABLE)
                .map(|gates| gates.enabled("AllowDNSOnlyNodeCSR"))
                .map_err(|error| error.to_string());
            assert_eq!(actual, expected.map_err(str::to_owned), "{text}");
        };
        check("", Ok(false));
        check("AllowDNSOnlyNodeCSR=true", Ok(true));
        check("AllowDNSOnlyNodeCSR=true,AnyVolumeDataSource=true", Ok(true));
        check("Nope=true", Err("unrecognized feature gate: Nope"));
        check("Nope", Err("missing bool value for Nope"));
        check(
            "AnyVolumeDataSource=maybe",
            Err(
                "invalid value of AnyVolumeDataSource=maybe, err: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
        );
        check(
            "AnyVolumeDataSource=false",
            Err("cannot set feature gate AnyVolumeDataSource to false, feature is locked to true"),
        );
        check(
            "AllAlpha=true",
            Err(
                "cannot set feature gate AllAlpha to true, this program implements only its default (false); gates that can be set: AllowDNSOnlyNodeCSR",
            ),
        );
    }
}
