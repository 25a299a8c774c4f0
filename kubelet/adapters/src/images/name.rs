//! Full names of images: registry, repository and tag or digest.

/// The name containerd keeps an image under: `busybox` is `docker.io/library/busybox:latest`.
pub fn normalized(name: &str) -> String {
    let with_registry = match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    };
    let last = with_registry.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { with_registry } else { format!("{with_registry}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expected: &str| assert_eq!(normalized(name), expected, "{name}");
        check("busybox", "docker.io/library/busybox:latest");
        check("busybox:1.35", "docker.io/library/busybox:1.35");
        check("library/busybox", "docker.io/library/busybox:latest");
        check("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10");
        check("localhost/x", "localhost/x:latest");
        check("host:5000/x@sha256:00", "host:5000/x@sha256:00");
    }
}
