//! The table of everything the server answers to.

use http::Method;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/healthz` and its single checks.
    Healthz,
    /// Metrics of the kubelet itself.
    Metrics,
    /// Resource use of containers in cAdvisor's series.
    CadvisorMetrics,
    /// Resource use for metrics-server.
    ResourceMetrics,
    /// Outcomes of probes.
    ProbeMetrics,
    /// The summary API.
    StatsSummary,
    /// Pods of this node as the kubelet knows them.
    Pods,
    /// Pods as the runtime knows them.
    RunningPods,
    /// The configuration in force.
    Configz,
    /// A container's log.
    ContainerLogs,
    /// Files of `/var/log`.
    NodeLogs,
    /// A command without streams.
    Run,
    /// A command with streams.
    Exec,
    /// Streams of the main process.
    Attach,
    /// Connections to ports of a pod.
    PortForward,
    /// Freezing a container to disk.
    Checkpoint,
    /// Go's profiler, which this program has not.
    Profiling,
    /// Changing log levels.
    DebugFlags,
}

/// One row: methods, path, page.
#[derive(Debug)]
pub struct Route {
    /// Methods the page has.
    pub methods: &'static [Method],
    /// Segments; `{name}` stands for any, a last `*` for the rest.
    pub path: &'static str,
    /// What it leads to.
    pub page: Page,
    /// Only there with `enableDebuggingHandlers`.
    pub debugging: bool,
    /// Answers for as long as somebody listens.
    pub long_running: bool,
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const BOTH: &[Method] = &[Method::GET, Method::POST];
const WRITE: &[Method] = &[Method::GET, Method::PUT];

const fn plain(path: &'static str, page: Page) -> Route {
    Route { methods: GET, path, page, debugging: false, long_running: false }
}

const fn debugging(methods: &'static [Method], path: &'static str, page: Page) -> Route {
    Route { methods, path, page, debugging: true, long_running: false }
}

const fn streaming(methods: &'static [Method], path: &'static str, page: Page) -> Route {
    Route { methods, path, page, debugging: true, long_running: true }
}

/// All rows.
pub const ROUTES: &[Route] = &[
    plain("/healthz", Page::Healthz),
    plain("/healthz/{check}", Page::Healthz),
    plain("/metrics", Page::Metrics),
    plain("/metrics/cadvisor", Page::CadvisorMetrics),
    plain("/metrics/resource", Page::ResourceMetrics),
    plain("/metrics/probes", Page::ProbeMetrics),
    plain("/stats/summary", Page::StatsSummary),
    plain("/pods", Page::Pods),
    debugging(GET, "/runningpods", Page::RunningPods),
    debugging(GET, "/configz", Page::Configz),
    streaming(GET, "/containerLogs/{namespace}/{pod}/{container}", Page::ContainerLogs),
    debugging(GET, "/logs/*", Page::NodeLogs),
    debugging(POST, "/run/{namespace}/{pod}/{container}", Page::Run),
    debugging(POST, "/run/{namespace}/{pod}/{uid}/{container}", Page::Run),
    streaming(BOTH, "/exec/{namespace}/{pod}/{container}", Page::Exec),
    streaming(BOTH, "/exec/{namespace}/{pod}/{uid}/{container}", Page::Exec),
    streaming(BOTH, "/attach/{namespace}/{pod}/{container}", Page::Attach),
    streaming(BOTH, "/attach/{namespace}/{pod}/{uid}/{container}", Page::Attach),
    streaming(BOTH, "/portForward/{namespace}/{pod}", Page::PortForward),
    streaming(BOTH, "/portForward/{namespace}/{pod}/{uid}", Page::PortForward),
    debugging(POST, "/checkpoint/{namespace}/{pod}/{container}", Page::Checkpoint),
    debugging(GET, "/debug/pprof/*", Page::Profiling),
    debugging(WRITE, "/debug/flags/v", Page::DebugFlags),
];

/// A request's place in the table.
#[derive(Debug)]
pub struct Found {
    /// The row.
    pub route: &'static Route,
    /// What stands in the path for the names.
    pub parameters: Parameters,
}

/// Parameters of a path, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    values: Vec<(&'static str, String)>,
}

impl Parameters {
    /// A parameter; empty when the path has none of that name.
    pub fn get(&self, name: &str) -> &str {
        self.values
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    /// The pod's uid, where the path has one.
    pub fn uid(&self) -> Option<&str> {
        Some(self.get("uid")).filter(|uid| !uid.is_empty())
    }
}

/// Why a request has no place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// No row has the path.
    Path,
    /// Rows have the path, but not with this method.
    Method,
}

/// Looks a request up.
pub fn find(method: &Method, path: &str) -> Result<Found, NotFound> {
    let mut path_known = false;
    for route in ROUTES {
        let Some(parameters) = matched(route.path, path) else { continue };
        if route.methods.contains(method) {
            return Ok(Found { route, parameters });
        }
        path_known = true;
    }
    Err(if path_known { NotFound::Method } else { NotFound::Path })
}

fn matched(pattern: &'static str, path: &str) -> Option<Parameters> {
    let mut parameters = Parameters::default();
    // A slash at the end changes nothing.
    let mut segments = path.trim_matches('/').split('/');
    for expected in pattern.trim_matches('/').split('/') {
        if expected == "*" {
            let rest: Vec<&str> = segments.collect();
            parameters.values.push(("*", super::query::decoded(&rest.join("/"), false)));
            return Some(parameters);
        }
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if segment.is_empty() => return None,
            Some(name) => parameters.values.push((name, super::query::decoded(segment, false))),
            None if expected == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = Result<(Page, &'a [(&'a str, &'a str)]), NotFound>;

    fn check(method: Method, path: &str, expected: Expected<'_>) {
        match (find(&method, path), expected) {
            (Ok(found), Ok((page, parameters))) => {
                assert_eq!(found.route.page, page, "{path}");
                for (name, value) in parameters {
                    assert_eq!(found.parameters.get(name), *value, "{path}: {name}");
                }
            }
            (got, expected) => assert_eq!(got.map(|found| found.route.page).err(), expected.err(), "{path}"),
        }
    }

    #[test]
    fn paths() {
        check(Method::GET, "/healthz", Ok((Page::Healthz, &[])));
        check(Method::GET, "/healthz/syncloop", Ok((Page::Healthz, &[("check", "syncloop")])));
        check(Method::GET, "/runningpods/", Ok((Page::RunningPods, &[])));
        check(Method::GET, "/metrics/cadvisor", Ok((Page::CadvisorMetrics, &[])));
        check(
            Method::POST,
            "/exec/ns/p/c",
            Ok((Page::Exec, &[("pod", "p"), ("container", "c"), ("uid", "")])),
        );
        check(Method::GET, "/exec/ns/p/u/c", Ok((Page::Exec, &[("uid", "u"), ("container", "c")])));
        check(Method::GET, "/portForward/ns/p/u", Ok((Page::PortForward, &[("uid", "u")])));
        check(Method::GET, "/logs/", Ok((Page::NodeLogs, &[("*", "")])));
        check(Method::GET, "/logs/pods/a%20b", Ok((Page::NodeLogs, &[("*", "pods/a b")])));
        check(Method::POST, "/pods", Err(NotFound::Method));
        check(Method::GET, "/run/ns/p/c", Err(NotFound::Method));
        check(Method::GET, "/containerLogs/ns/p", Err(NotFound::Path));
        check(Method::GET, "/", Err(NotFound::Path));
        check(Method::GET, "/exec/ns//c", Err(NotFound::Path));
    }
}
