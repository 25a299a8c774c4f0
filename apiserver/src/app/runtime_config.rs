//! `--runtime-config`: which of the API versions that this server has are switched off.

use apiserver_registry::Entry;
use component_base::flags::parse_bool;
use machinery::GroupVersionResource;

use crate::endpoints::Resources;

/// Switches by group and version or by resource; the last word about a resource counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    switches: Vec<(Scope, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    All,
    /// `api/ga`, `api/beta`, `api/alpha`.
    Stage(&'static str),
    Version(String, String),
    Resource(String, String, String),
}

impl RuntimeConfig {
    /// Reads `key=bool` elements. What would switch on something that does not exist here is refused.
    pub fn parse(elements: &[String]) -> Result<RuntimeConfig, String> {
        let mut switches = Vec::new();
        for element in elements.iter().filter(|element| !element.is_empty()) {
            let (key, value) = element.split_once('=').unwrap_or((element, "true"));
            let on = parse_bool(value).map_err(|reason| format!("{key}: {reason}"))?;
            let scope = scope(key)?;
            let known = apiserver_registry::all().iter().any(|entry| scope.covers(entry));
            match &scope {
                Scope::Version(..) | Scope::Resource(..) if on && !known => {
                    return Err(format!("{key} is not served by this server and cannot be switched on"));
                }
                _ => {}
            }
            switches.push((scope, on));
        }
        // Special words first, then versions, then single resources, as upstream applies them.
        switches.sort_by_key(|(scope, _)| match scope {
            Scope::All => 0,
            Scope::Stage(_) => 1,
            Scope::Version(..) => 2,
            Scope::Resource(..) => 3,
        });
        Ok(RuntimeConfig { switches })
    }

    /// Whether the row is served.
    pub fn serves(&self, entry: &Entry) -> bool {
        let last = self.switches.iter().rev().find(|(scope, _)| scope.covers(entry));
        last.is_none_or(|(_, on)| *on)
    }

    /// Stops serving what is switched off. Its objects stay stored.
    pub fn apply(&self, resources: &Resources) {
        for entry in apiserver_registry::all().iter().filter(|entry| !self.serves(entry)) {
            let facts = entry.facts;
            resources.remove(&GroupVersionResource::new(facts.group, facts.version, facts.plural));
        }
    }
}

impl Scope {
    fn covers(&self, entry: &Entry) -> bool {
        let facts = entry.facts;
        match self {
            Scope::All => true,
            Scope::Stage(stage) => *stage == stage_of(facts.version),
            Scope::Version(group, version) => facts.group == group && facts.version == version,
            Scope::Resource(group, version, resource) => {
                facts.group == group && facts.version == version && facts.plural == resource
            }
        }
    }
}

fn stage_of(version: &str) -> &'static str {
    if version.contains("alpha") {
        "alpha"
    } else if version.contains("beta") {
        "beta"
    } else {
        "ga"
    }
}

fn scope(key: &str) -> Result<Scope, String> {
    let parts: Vec<&str> = key.split('/').collect();
    Ok(match parts.as_slice() {
        ["api", "all"] => Scope::All,
        ["api", "ga"] => Scope::Stage("ga"),
        ["api", "beta"] => Scope::Stage("beta"),
        ["api", "alpha"] => Scope::Stage("alpha"),
        ["v1"] => Scope::Version(String::new(), "v1".to_string()),
        [group, version] => Scope::Version(group.to_string(), version.to_string()),
        [group, version, resource] => {
            Scope::Resource(group.to_string(), version.to_string(), resource.to_string())
        }
        _ => {
            return Err(format!(
                "unknown key {key:?}; expected api/all, <group>/<version> or <group>/<version>/<resource>"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RuntimeConfig, String> {
        RuntimeConfig::parse(&text.split(',').map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn switches() {
        let pods = apiserver_registry::find("", "v1", "pods").unwrap();
        assert!(parse("").unwrap().serves(pods));
        assert!(!parse("v1=false").unwrap().serves(pods));
        assert!(parse("v1=true,api/all=false").unwrap().serves(pods), "the finer word counts");
        assert!(!parse("api/ga=false").unwrap().serves(pods));
        assert!(parse("api/beta=true").unwrap().serves(pods));
        assert!(parse("nothing.example.com/v1=true").is_err());
        assert!(parse("nothing.example.com/v1=false").is_ok());
        assert!(parse("pods=true").is_err());
        assert!(parse("api/all=perhaps").is_err());
    }
}
