//! Containers of a pod or of a template for pods.

use serde_json::Value;

use super::Page;
use super::environment;
use super::read::{go_list, host_port, number, or_none, present, scalar, scalar_or};
use crate::values;

/// Writes the containers at `pointer` with what `statuses` says of them. Templates are indented by `space`.
pub fn describe(
    label: &str,
    spec: &Value,
    pointer: &str,
    statuses: &[Value],
    pod: Option<&Value>,
    space: &str,
    page: &mut Page,
) {
    let containers = values::list(spec, pointer);
    let none = if containers.is_empty() { " <none>" } else { "" };
    page.line(0, &format!("{space}{label}:{none}"));
    for container in containers {
        let name = values::text(container, "/name");
        let status = statuses.iter().find(|status| values::text(status, "/name") == name);
        page.line(1, &format!("{}{name}:", if space.is_empty() { "" } else { " " }));
        basics(container, status, page);
        for (label, pointer) in [("Command", "/command"), ("Args", "/args")] {
            let words = values::list(container, pointer);
            if !words.is_empty() {
                page.line(2, &format!("{label}:"));
            }
            for word in words {
                values::plain(word).split('\n').for_each(|line| page.line(3, line));
            }
        }
        if let Some(status) = status {
            state("State", status.pointer("/state").unwrap_or(&Value::Null), page);
            if let Some(last) = status.pointer("/lastState").filter(|last| present(last, "/terminated")) {
                state("Last State", last, page);
            }
            environment::readiness(status, page);
        }
        resources(container, "/resources", 2, page);
        let probes =
            [("Liveness", "/livenessProbe"), ("Readiness", "/readinessProbe"), ("Startup", "/startupProbe")];
        for (label, pointer) in probes {
            if let Some(found) = container.pointer(pointer).filter(|found| !found.is_null()) {
                page.field(2, label, probe(found));
            }
        }
        environment::sources(container, page);
        environment::variables(container, pod, page);
        mounts(container, page);
    }
}

fn basics(container: &Value, status: Option<&Value>, page: &mut Page) {
    if let Some(status) = status {
        page.field(2, "Container ID", values::text(status, "/containerID"));
    }
    page.field(2, "Image", values::text(container, "/image"));
    if let Some(status) = status {
        page.field(2, "Image ID", values::text(status, "/imageID"));
    }
    for (one, several, pointer) in
        [("Port", "Ports", "/containerPort"), ("Host Port", "Host Ports", "/hostPort")]
    {
        let ports = values::list(container, "/ports").iter().map(|port| {
            let text = format!("{}/{}", number(port, pointer), values::text(port, "/protocol"));
            match values::text(port, "/name") {
                "" => text,
                name => format!("{text} ({name})"),
            }
        });
        let ports = ports.collect::<Vec<_>>().join(", ");
        page.field(2, if ports.contains(',') { several } else { one }, or_none(&ports));
    }
    if let Some(kind) = scalar(container, "/securityContext/seccompProfile/type") {
        page.field(2, "SeccompProfile", &kind);
        if kind == "Localhost" {
            let profile = values::text(container, "/securityContext/seccompProfile/localhostProfile");
            page.field(3, "LocalhostProfile", profile);
        }
    }
}

fn state(label: &str, state: &Value, page: &mut Page) {
    if present(state, "/running") {
        page.field(2, label, "Running");
        page.field(3, "Started", page.time(state, "/running/startedAt"));
    } else if let Some(terminated) = state.get("terminated").filter(|ended| !ended.is_null()) {
        page.field(2, label, "Terminated");
        for (label, pointer) in [("Reason", "/reason"), ("Message", "/message")] {
            match values::text(terminated, pointer) {
                "" => {}
                text => page.field(3, label, text),
            }
        }
        page.field(3, "Exit Code", number(terminated, "/exitCode"));
        if number(terminated, "/signal") > 0 {
            page.field(3, "Signal", number(terminated, "/signal"));
        }
        page.field(3, "Started", page.time(terminated, "/startedAt"));
        page.field(3, "Finished", page.time(terminated, "/finishedAt"));
    } else {
        page.field(2, label, "Waiting");
        match values::text(state, "/waiting/reason") {
            "" => {}
            reason => page.field(3, "Reason", reason),
        }
    }
}

/// Writes limits and requests.
pub fn resources(object: &Value, pointer: &str, level: usize, page: &mut Page) {
    for (label, side) in [("Limits", "limits"), ("Requests", "requests")] {
        let list = values::entries(object, &format!("{pointer}/{side}"));
        if !list.is_empty() {
            page.line(level, &format!("{label}:"));
        }
        for (name, amount) in list {
            page.field(level + 1, name, values::plain(amount));
        }
    }
}

fn probe(probe: &Value) -> String {
    let n = |pointer: &str| number(probe, pointer);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        n("/initialDelaySeconds"),
        n("/timeoutSeconds"),
        n("/periodSeconds"),
        n("/successThreshold"),
        n("/failureThreshold")
    );
    let text = |pointer: &str| values::text(probe, pointer);
    if present(probe, "/exec") {
        format!("exec {} {attributes}", go_list(probe, "/exec/command"))
    } else if present(probe, "/httpGet") {
        let port = scalar_or(probe, "/httpGet/port", "0");
        let host = if port.is_empty() {
            text("/httpGet/host").to_owned()
        } else {
            host_port(text("/httpGet/host"), &port)
        };
        let path = text("/httpGet/path");
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        let path = escaped_path(path);
        format!("http-get {}://{host}{slash}{path} {attributes}", text("/httpGet/scheme").to_lowercase())
    } else if present(probe, "/tcpSocket") {
        let port = scalar_or(probe, "/tcpSocket/port", "0");
        format!("tcp-socket {}:{port} {attributes}", text("/tcpSocket/host"))
    } else if present(probe, "/grpc") {
        format!("grpc <pod>:{} {} {attributes}", n("/grpc/port"), text("/grpc/service"))
    } else {
        format!("unknown {attributes}")
    }
}

/// A path as Go's URLs write it.
fn escaped_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn mounts(container: &Value, page: &mut Page) {
    let sorted = |pointer: &str, path: &str| {
        let mut list: Vec<&Value> = values::list(container, pointer).iter().collect();
        list.sort_by_key(|mount| values::text(mount, path).to_owned());
        list
    };
    let mounts = sorted("/volumeMounts", "/mountPath");
    let none = if mounts.is_empty() { "\t<none>" } else { "" };
    page.line(2, &format!("Mounts:{none}"));
    for mount in mounts {
        let mut flags = if values::flag(mount, "/readOnly") { "ro" } else { "rw" }.to_owned();
        match values::text(mount, "/subPath") {
            "" => {}
            path => flags.push_str(&format!(",path={}", machinery::quote::go_quote(path))),
        }
        let (path, name) = (values::text(mount, "/mountPath"), values::text(mount, "/name"));
        page.line(3, &format!("{path} from {name} ({flags})"));
    }
    let devices = sorted("/volumeDevices", "/devicePath");
    if !devices.is_empty() {
        page.line(2, &format!("Devices:{none}"));
    }
    for device in devices {
        let (path, name) = (values::text(device, "/devicePath"), values::text(device, "/name"));
        page.line(3, &format!("{path} from {name}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn probes_are_shown_on_one_line() {
        let attributes = "delay=1s timeout=2s period=3s #success=4 #failure=5";
        let check = |what: Value, expected: &str| {
            let mut whole = json!({"initialDelaySeconds": 1, "timeoutSeconds": 2, "periodSeconds": 3, "successThreshold": 4, "failureThreshold": 5});
            for (key, value) in what.as_object().into_iter().flatten() {
                whole[key] = value.clone();
            }
            assert_eq!(probe(&whole), format!("{expected} {attributes}"));
        };
        check(json!({"exec": {"command": ["cat", "/x"]}}), "exec [cat /x]");
        check(
            json!({"httpGet": {"scheme": "HTTP", "port": 80, "path": "/a b"}}),
            "http-get http://:80/a%20b",
        );
        check(
            json!({"httpGet": {"scheme": "HTTPS", "host": "::1", "port": "web", "path": "x"}}),
            "http-get https://[::1]:web/x",
        );
        check(json!({"tcpSocket": {"port": 80}}), "tcp-socket :80");
        check(json!({"grpc": {"port": 9, "service": "s"}}), "grpc <pod>:9 s");
        check(json!({}), "unknown");
    }
}
