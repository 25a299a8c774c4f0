//! Levels, versions and policies, and how the labels of a namespace say them.

use std::collections::BTreeMap;
use std::fmt;

use machinery::field::{self, ErrorList, Path};

/// Prefix of the labels of namespaces and of audit annotations.
pub(super) const PREFIX: &str = "pod-security.kubernetes.io/";
const LEVELS: &str = "must be one of privileged, baseline, restricted";
const VERSIONS: &str = "must be \"latest\" or \"v1.x\"";

/// How much is forbidden; a later one forbids more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Privileged,
    /// What is known to lead out of a pod.
    Baseline,
    /// Whatever is not hardened.
    Restricted,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        }
    }

    fn parse(text: &str) -> Result<Level, &'static str> {
        [Level::Privileged, Level::Baseline, Level::Restricted]
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or(LEVELS)
    }
}

/// The version of Kubernetes whose checks count; the order is that of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `v1.<minor>`
    Minor(u32),
    /// The newest checks.
    Latest,
}

impl Version {
    pub(super) fn parse(text: &str) -> Result<Version, &'static str> {
        if text == "latest" {
            return Ok(Version::Latest);
        }
        let minor = text.strip_prefix("v1.").ok_or(VERSIONS)?;
        let plain =
            minor.bytes().all(|byte| byte.is_ascii_digit()) && (minor == "0" || !minor.starts_with('0'));
        // Whatever cannot be counted is as new as can be.
        let number = minor.parse().map_err(|_| VERSIONS)?;
        if plain { Ok(Version::Minor(number)) } else { Err(VERSIONS) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Minor(minor) => write!(f, "v1.{minor}"),
            Version::Latest => f.write_str("latest"),
        }
    }
}

/// A level as of a version; prints as `restricted:latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// How much is forbidden.
    pub level: Level,
    /// As of which version.
    pub version: Version,
}

impl Standard {
    /// Everything goes.
    pub const PRIVILEGED: Standard = Standard { level: Level::Privileged, version: Version::Latest };

    /// Whether the two forbid the same: versions of privileged do not differ.
    fn is_equivalent(self, other: Standard) -> bool {
        self == other || self.level == Level::Privileged && other.level == Level::Privileged
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.level.name(), self.version)
    }
}

/// What is refused, what is written into the audit log, and what clients are warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Pods that break it are refused.
    pub enforce: Standard,
    /// Objects that break it are noted in the audit log.
    pub audit: Standard,
    /// Clients that make objects which break it are warned.
    pub warn: Standard,
}

impl Policy {
    /// Everything goes.
    pub const PRIVILEGED: Policy =
        Policy { enforce: Standard::PRIVILEGED, audit: Standard::PRIVILEGED, warn: Standard::PRIVILEGED };

    /// True when nothing is forbidden in any mode.
    pub fn is_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn].iter().all(|standard| standard.level == Level::Privileged)
    }

    /// True when both forbid the same in each mode.
    pub fn is_equivalent(&self, other: &Policy) -> bool {
        self.enforce.is_equivalent(other.enforce)
            && self.audit.is_equivalent(other.audit)
            && self.warn.is_equivalent(other.warn)
    }

    /// The policy of a namespace with these labels, and what is wrong with them. A wrong enforce level is
    /// taken for `restricted`, a wrong level of the other modes for `privileged`.
    pub fn of_labels(labels: &BTreeMap<String, String>, defaults: &Policy) -> (Policy, ErrorList) {
        let mut policy = *defaults;
        let mut errors = ErrorList::new();
        let enforced = read(labels, "enforce", &mut policy.enforce, Level::Restricted, &mut errors);
        read(labels, "audit", &mut policy.audit, Level::Privileged, &mut errors);
        read(labels, "warn", &mut policy.warn, Level::Privileged, &mut errors);
        // Who enforces more than is warned of by default is also warned of that.
        if enforced && !has(labels, "warn") && policy.enforce.level > policy.warn.level {
            policy.warn.level = policy.enforce.level;
            if !has(labels, "warn-version") {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, errors)
    }
}

/// Whether the label of this name is there.
pub(super) fn has(labels: &BTreeMap<String, String>, name: &str) -> bool {
    labels.contains_key(&format!("{PREFIX}{name}"))
}

/// Reads the two labels of a mode; true when there is a level and it is right.
fn read(
    labels: &BTreeMap<String, String>,
    mode: &str,
    standard: &mut Standard,
    wrong: Level,
    errors: &mut ErrorList,
) -> bool {
    let mut refuse = |label: &str, value: &str, rule: &str| {
        let path = Path::new("metadata").child("labels").key(label);
        errors.push(field::Error::invalid(&path, value, rule));
    };
    let mut right = false;
    let label = format!("{PREFIX}{mode}");
    if let Some(value) = labels.get(&label) {
        let level = Level::parse(value);
        right = level.is_ok();
        standard.level = level.unwrap_or_else(|rule| {
            refuse(&label, value, rule);
            wrong
        });
    }
    let label = format!("{PREFIX}{mode}-version");
    if let Some(value) = labels.get(&label) {
        standard.version = Version::parse(value).unwrap_or_else(|rule| {
            refuse(&label, value, rule);
            Version::Latest
        });
    }
    right
}

/// A level by its name, for the configuration.
pub(super) fn parse_level(text: &str) -> Result<Level, &'static str> {
    Level::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let check = |text: &str, expected: Option<Version>| {
            assert_eq!(Version::parse(text).ok(), expected, "{text}");
        };
        check("latest", Some(Version::Latest));
        check("v1.0", Some(Version::Minor(0)));
        check("v1.36", Some(Version::Minor(36)));
        for wrong in ["", "1.0", "v1.", "v1.01", "v2.0", "v1.+1", "v1.x", "v1.99999999999"] {
            check(wrong, None);
        }
    }

    #[test]
    fn labels_make_policies() {
        let check = |pairs: &[(&str, &str)], expected: [&str; 3], errors: &[&str]| {
            let labels =
                pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned())).collect();
            let (policy, found) = Policy::of_labels(&labels, &Policy::PRIVILEGED);
            let texts = [policy.enforce, policy.audit, policy.warn].map(|standard| standard.to_string());
            assert_eq!(texts, expected, "{pairs:?}");
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, errors, "{pairs:?}");
        };
        check(&[], ["privileged:latest"; 3], &[]);
        check(
            &[("enforce", "baseline"), ("enforce-version", "v1.20")],
            ["baseline:v1.20", "privileged:latest", "baseline:v1.20"],
            &[],
        );
        check(
            &[("enforce", "baseline"), ("warn", "privileged"), ("audit", "restricted")],
            ["baseline:latest", "restricted:latest", "privileged:latest"],
            &[],
        );
        check(
            &[("enforce", "strict"), ("audit", "x"), ("warn-version", "1.0")],
            ["restricted:latest", "privileged:latest", "privileged:latest"],
            &[
                "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of \
                 privileged, baseline, restricted",
                "metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: \"x\": must be one of \
                 privileged, baseline, restricted",
                "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"1.0\": must be \
                 \"latest\" or \"v1.x\"",
            ],
        );
    }
}
