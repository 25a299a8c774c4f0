//! Kubernetes versions: which ones this kubeadm can install, and how two compare.

use std::{cmp::Ordering, fmt, str::FromStr};

use super::v1beta4::ClusterConfiguration;
use crate::constants;

/// `v1.36.0-rc.1+build` in its parts; builds do not take part in comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
    pub pre_release: String,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum VersionError {
    #[error("couldn't parse Kubernetes version {given:?}: expected a semantic version such as \"v1.36.0\"")]
    Form { given: String },
    #[error(
        "this version of kubeadm only supports deploying clusters with the control plane version >= {minimum}. Current version: {given}"
    )]
    TooOld { minimum: Version, given: String },
    #[error(
        "the version label {given:?} would have to be looked up on the Internet, which this kubeadm does not do: give a version such as \"{}\"",
        constants::KUBERNETES_VERSION
    )]
    Label { given: String },
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let form = || VersionError::Form { given: text.to_owned() };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let bare = bare.split('+').next().unwrap_or(bare);
        let (numbers, pre_release) = bare.split_once('-').unwrap_or((bare, ""));
        let mut parts = numbers.split('.').map(|part| part.parse::<u32>());
        let mut next = || parts.next().and_then(Result::ok).ok_or_else(form);
        let version =
            Self { major: next()?, minor: next()?, patch: next()?, pre_release: pre_release.to_owned() };
        if parts.next().is_some() {
            return Err(form());
        }
        Ok(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "v{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre_release.is_empty() {
            write!(out, "-{}", self.pre_release)?;
        }
        Ok(())
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.pre_release.is_empty(), other.pre_release.is_empty()) {
                // A pre-release comes before its release.
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                _ => compare_pre_releases(&self.pre_release, &other.pre_release),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By semver: identifier by identifier, numbers below words, fewer below more.
fn compare_pre_releases(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Fills in and checks the version of the control plane. The labels `stable` and `stable-1` mean the release
/// this kubeadm belongs to; other labels are refused.
pub fn normalize(cluster: &mut ClusterConfiguration) -> Result<(), VersionError> {
    let given = cluster.kubernetes_version.as_str();
    if given.is_empty() || given == "stable-1" || given == "stable" || given == "stable-1.36" {
        cluster.kubernetes_version = constants::KUBERNETES_VERSION.to_owned();
        return Ok(());
    }
    if given.contains('/') || given.starts_with("stable") || given.starts_with("latest") {
        return Err(VersionError::Label { given: given.to_owned() });
    }
    let version: Version = given.parse()?;
    let own: Version = constants::KUBERNETES_VERSION.parse()?;
    let minimum = Version { minor: own.minor.saturating_sub(1), patch: 0, pre_release: String::new(), ..own };
    if version < minimum {
        return Err(VersionError::TooOld { minimum, given: given.to_owned() });
    }
    if !given.starts_with('v') {
        cluster.kubernetes_version = format!("v{given}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, expected: Result<&str, &str>) {
        let mut cluster =
            ClusterConfiguration { kubernetes_version: given.to_owned(), ..ClusterConfiguration::default() };
        let outcome = normalize(&mut cluster).map_err(|error| error.to_string());
        match expected {
            Ok(version) => assert_eq!((outcome, cluster.kubernetes_version.as_str()), (Ok(()), version)),
            Err(part) => assert!(outcome.as_ref().is_err_and(|e| e.contains(part)), "{given}: {outcome:?}"),
        }
    }

    #[test]
    fn versions_are_completed_and_checked() {
        check("", Ok("v1.36.0"));
        check("stable-1", Ok("v1.36.0"));
        check("v1.36.2", Ok("v1.36.2"));
        check("1.35.1", Ok("v1.35.1"));
        check("v1.34.9", Err("only supports deploying clusters with the control plane version >= v1.35.0"));
        check("ci/latest", Err("looked up on the Internet"));
        check("1.36", Err("couldn't parse"));
        check("v1.x.0", Err("couldn't parse"));
    }

    #[test]
    fn versions_compare_as_semver_says() {
        let ordered = [
            "v1.35.9",
            "v1.36.0-alpha.1",
            "v1.36.0-alpha.2",
            "v1.36.0-alpha.10",
            "v1.36.0-beta.0",
            "v1.36.0",
            "v1.36.1",
        ];
        let versions: Vec<Version> = ordered.iter().map(|text| text.parse().expect(text)).collect();
        assert!(versions.is_sorted());
        assert_eq!("v1.36.0+ours".parse::<Version>(), "1.36.0".parse());
    }
}
