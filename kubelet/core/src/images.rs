//! Images: their names, whether to pull, what users read when it fails, and which ones to delete.

pub mod garbage;

use std::time::Duration;

use crate::ports::RuntimeError;

/// The reasons a container waits with because of its image.
pub mod reason {
    pub const BACK_OFF: &str = "ImagePullBackOff";
    pub const INSPECT: &str = "ImageInspectError";
    pub const PULL: &str = "ErrImagePull";
    pub const NEVER_PULL: &str = "ErrImageNeverPull";
    pub const INVALID_NAME: &str = "InvalidImageName";
    pub const REGISTRY_UNAVAILABLE: &str = "RegistryUnavailable";
    pub const SIGNATURE: &str = "SignatureValidationFailed";
}

/// What to do about a container's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullDecision {
    /// It is there. The message is that of the `Pulled` event.
    UsePresent {
        message: String,
    },
    Pull,
    /// It is missing and may not be pulled.
    Refuse {
        message: String,
    },
}

/// Decides by pull policy and presence.
pub fn decide(policy: &str, image: &str, present: bool) -> PullDecision {
    match (policy, present) {
        ("Never", false) => PullDecision::Refuse {
            message: format!("Container image {image:?} is not present with pull policy of Never"),
        },
        ("Never" | "IfNotPresent", true) => PullDecision::UsePresent {
            message: format!(
                "Container image {image:?} already present on machine and can be accessed by the pod"
            ),
        },
        ("", true) => PullDecision::UsePresent {
            message: format!(
                "Container image {image:?} already present on machine and can be accessed by the pod"
            ),
        },
        // Always; and what is missing.
        _ => PullDecision::Pull,
    }
}

/// The name with the tag `latest` when it has neither tag nor digest, or why it is no image name.
pub fn with_default_tag(image: &str) -> Result<String, String> {
    let refuse = |rule: &str| Err(format!("couldn't parse image name {image:?}: {rule}"));
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    if let Some(digest) = digest {
        let valid = digest.split_once(':').is_some_and(|(algorithm, hex)| {
            !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if !valid {
            return refuse("invalid reference format");
        }
    }
    // A colon after the last slash begins a tag; before it, a port.
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let tag_valid = tag.is_none_or(|tag| {
        let body = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        !tag.is_empty() && tag.len() <= 128 && tag.bytes().all(body) && !tag.starts_with(['.', '-'])
    });
    let mut components = path.split('/').peekable();
    let first_is_host = path.contains('/')
        && path.split('/').next().is_some_and(|first| first.contains(['.', ':']) || first == "localhost");
    if first_is_host {
        components.next();
    }
    for component in components {
        if component.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return refuse("invalid reference format: repository name must be lowercase");
        }
        let body = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !component.bytes().all(body) || !edge(component.bytes().next()) || !edge(component.bytes().last())
        {
            return refuse("invalid reference format");
        }
    }
    if !tag_valid || path.is_empty() {
        return refuse("invalid reference format");
    }
    Ok(if tag.is_none() && digest.is_none() { format!("{image}:latest") } else { image.to_owned() })
}

/// The reason and message a container waits with after a failed pull.
pub fn pull_failure(image: &str, error: &RuntimeError) -> (&'static str, String) {
    let special = [
        (reason::REGISTRY_UNAVAILABLE, "because the registry is unavailable"),
        (reason::SIGNATURE, "because the signature validation failed"),
    ];
    for (reason, text) in special {
        if let Some(rest) = error.message.strip_prefix(reason) {
            return (reason, format!("image pull failed for {image} {text}{rest}"));
        }
    }
    (reason::PULL, error.to_string())
}

/// The message of a container whose pull waits; `failure` is what the last pull ended with.
pub fn back_off_message(image: &str, failure: Option<&str>) -> String {
    match failure {
        Some(failure) => format!("Back-off pulling image {image:?}: {failure}"),
        None => format!("Back-off pulling image {image:?}"),
    }
}

/// The message of the `Pulled` event after a pull.
pub fn pulled_message(image: &str, pull: Duration, with_waiting: Duration, size_bytes: u64) -> String {
    format!(
        "Successfully pulled image {image:?} in {} ({} including waiting). Image size: {size_bytes} bytes.",
        go_duration(pull),
        go_duration(with_waiting)
    )
}

/// A length of time as Go prints it, to the millisecond: `1.5s`, `250ms`, `2m3s`.
pub fn go_duration(length: Duration) -> String {
    let millis = length.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (seconds, fraction) = (millis / 1000, millis % 1000);
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{}", format!("{fraction:03}").trim_end_matches('0'))
    };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::RuntimeErrorCode;

    #[test]
    fn pull_policies() {
        let check = |policy: &str, present: bool, expected: &str| {
            let word = match decide(policy, "img", present) {
                PullDecision::UsePresent { .. } => "use",
                PullDecision::Pull => "pull",
                PullDecision::Refuse { .. } => "refuse",
            };
            assert_eq!(word, expected, "{policy} {present}");
        };
        check("Always", true, "pull");
        check("IfNotPresent", true, "use");
        check("IfNotPresent", false, "pull");
        check("Never", true, "use");
        check("Never", false, "refuse");
    }

    #[test]
    fn names() {
        let check = |image: &str, expected: Result<&str, &str>| {
            let expected = expected
                .map(str::to_owned)
                .map_err(|rule| format!("couldn't parse image name {image:?}: {rule}"));
            assert_eq!(with_default_tag(image), expected);
        };
        let digest = format!("a/b@sha256:{}", "0".repeat(64));
        check("nginx", Ok("nginx:latest"));
        check("nginx:1.2", Ok("nginx:1.2"));
        check("localhost:5000/a/b", Ok("localhost:5000/a/b:latest"));
        check(&digest, Ok(&digest));
        check("Reg.io/a", Ok("Reg.io/a:latest"));
        check("Nginx", Err("invalid reference format: repository name must be lowercase"));
        check("a b", Err("invalid reference format"));
        check("", Err("invalid reference format"));
        check("a:", Err("invalid reference format"));
        check("a@sha256:zz", Err("invalid reference format"));
    }

    #[test]
    fn failures() {
        let error = |message: &str| RuntimeError::new(RuntimeErrorCode::Unknown, message);
        assert_eq!(
            pull_failure("img", &error("no such host")),
            ("ErrImagePull", "rpc error: code = Unknown desc = no such host".to_owned())
        );
        assert_eq!(
            pull_failure("img", &error("RegistryUnavailable: down")),
            (
                "RegistryUnavailable",
                "image pull failed for img because the registry is unavailable: down".to_owned()
            )
        );
    }

    #[test]
    fn durations() {
        let check =
            |millis: u64, expected: &str| assert_eq!(go_duration(Duration::from_millis(millis)), expected);
        check(0, "0s");
        check(250, "250ms");
        check(1500, "1.5s");
        check(123_000, "2m3s");
        check(3_600_001, "1h0m0.001s");
    }
}
