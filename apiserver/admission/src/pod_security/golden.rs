//! Upstream's own pods: every file of `k8s.io/pod-security-admission/test/testdata` passes or fails at the level
//! and version that its folder says. Runs when `POD_SECURITY_TESTDATA` names that folder.

use std::path::{Path, PathBuf};

use api_types::core::v1::Pod;
use machinery::Message;

use super::checks::{ALL, evaluate};
use super::levels::{Standard, Version, parse_level};
use super::subject::Subject;

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).expect("a name")
}

fn folder_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

/// A file is named after a check that its pod fails.
fn fails_its_check(file: &str, version: Version, subject: Subject<'_>) -> bool {
    let id = file.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let check = ALL.iter().find(|check| check.id.eq_ignore_ascii_case(id)).expect("a check");
    check.form(version).is_some_and(|check| check(subject).is_some())
}

#[test]
fn upstream_pods_are_judged_as_upstream_judges_them() {
    let Ok(root) = std::env::var("POD_SECURITY_TESTDATA") else { return };
    let mut count = 0;
    let mut wrong = Vec::new();
    for level in children(Path::new(&root)).iter().filter(|path| path.is_dir()) {
        for version in children(level) {
            let standard = Standard {
                level: parse_level(folder_name(level)).expect("a level"),
                version: Version::parse(folder_name(&version)).expect("a version"),
            };
            for (outcome, passes) in [("pass", true), ("fail", false)] {
                for file in children(&version.join(outcome)) {
                    count += 1;
                    let text = std::fs::read_to_string(&file).expect("a file");
                    let value: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
                    let mut pod = Pod::from_value(&value).expect("a pod");
                    rules::core::v1::pod::defaults::set(&mut pod);
                    let subject = Subject { annotations: &pod.metadata.annotations, spec: &pod.spec };
                    let findings = evaluate(standard, subject);
                    let right = if passes {
                        findings.is_empty()
                    } else {
                        !findings.is_empty() && fails_its_check(name(&file), standard.version, subject)
                    };
                    if !right {
                        wrong.push(format!("{standard} {outcome} {}: {findings:?}", name(&file)));
                    }
                }
            }
        }
    }
    assert!(count > 4000, "only {count} files in {root}");
    assert_eq!(wrong, Vec::<String>::new());
}
