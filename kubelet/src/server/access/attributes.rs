//! What a request to this node asks to do, in the words of RBAC.

use http::Method;

/// A verb on a subresource of the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeAttributes {
    /// API verb; empty for methods that have none.
    pub verb: &'static str,
    /// Below `nodes`.
    pub subresource: &'static str,
    /// Name of the node.
    pub node: String,
}

const VERBS: [(Method, &str); 5] = [
    (Method::POST, "create"),
    (Method::GET, "get"),
    (Method::PUT, "update"),
    (Method::PATCH, "patch"),
    (Method::DELETE, "delete"),
];

/// Paths with a permission finer than `nodes/proxy`, which includes it.
const FINE: [(&str, &str); 4] =
    [("/pods", "pods"), ("/healthz", "healthz"), ("/configz", "configz"), ("/runningpods", "pods")];

/// Paths that `nodes/proxy` does not cover.
const APART: [(&str, &str); 6] = [
    ("/stats", "stats"),
    ("/metrics", "metrics"),
    ("/logs", "log"),
    ("/checkpoint", "checkpoint"),
    ("/statusz", "statusz"),
    ("/flagz", "configz"),
];

/// The permissions of which one suffices, the finest first.
pub fn attributes(method: &Method, path: &str, node: &str) -> Vec<NodeAttributes> {
    let verb = VERBS.iter().find(|(known, _)| known == method).map(|(_, verb)| *verb).unwrap_or_default();
    let look = |table: &[(&str, &'static str)]| {
        table.iter().find(|(prefix, _)| is_below(path, prefix)).map(|(_, subresource)| *subresource)
    };
    let fine = look(&FINE);
    let broad = look(&APART).unwrap_or("proxy");
    let all = fine.into_iter().chain([broad]);
    all.map(|subresource| NodeAttributes { verb, subresource, node: node.to_owned() }).collect()
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, path: &str, verb: &str, subresources: &[&str]) {
        let all = attributes(&method, path, "n1");
        assert!(all.iter().all(|one| one.verb == verb && one.node == "n1"), "{path}");
        assert_eq!(all.iter().map(|one| one.subresource).collect::<Vec<_>>(), subresources, "{path}");
    }

    #[test]
    fn permissions_by_path() {
        check(Method::GET, "/pods", "get", &["pods", "proxy"]);
        check(Method::GET, "/runningpods/", "get", &["pods", "proxy"]);
        check(Method::GET, "/healthz/syncloop", "get", &["healthz", "proxy"]);
        check(Method::GET, "/configz", "get", &["configz", "proxy"]);
        check(Method::GET, "/metrics/cadvisor", "get", &["metrics"]);
        check(Method::GET, "/stats/summary", "get", &["stats"]);
        check(Method::GET, "/logs/", "get", &["log"]);
        check(Method::POST, "/exec/ns/pod/container", "create", &["proxy"]);
        check(Method::POST, "/checkpoint/ns/pod/container", "create", &["checkpoint"]);
        check(Method::OPTIONS, "/podsomething", "", &["proxy"]);
    }
}
