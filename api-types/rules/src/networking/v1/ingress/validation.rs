//! Validation of ingresses.

use crate::{addresses, meta, report::Report};
use api_types::{
    core::v1::TypedLocalObjectReference,
    networking::v1::{
        HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressRuleValue, IngressServiceBackend,
        IngressSpec, IngressTLS,
    },
};
use machinery::{
    field::{BadValue, ErrorList, Path},
    names,
};

/// Annotation that named the class before the field did.
pub const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const BAD_SEQUENCES: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDINGS: &[&str] = &["/..", "/."];

/// What a stored ingress may keep.
#[derive(Clone, Copy, Default)]
struct Allowances {
    secret_names: bool,
    wildcard_rules: bool,
}

fn validate_host(host: &str, path: &Path, errors: &mut ErrorList) {
    let messages = if host.contains('*') {
        names::is_wildcard_dns1123_subdomain(host)
    } else {
        names::is_dns1123_subdomain(host)
    };
    errors.invalid_each(path, host, messages);
}

fn secret_name_errors(name: &str) -> Vec<String> {
    if name.is_empty() { Vec::new() } else { names::name_is_dns_subdomain(name, false) }
}

fn validate_tls(tls: &[IngressTLS], allow: Allowances, path: &Path, errors: &mut ErrorList) {
    for (index, tls) in tls.iter().enumerate() {
        let path = path.index(index);
        for (index, host) in tls.hosts.iter().enumerate() {
            validate_host(host, &path.child("hosts").index(index), errors);
        }
        if !allow.secret_names {
            errors.invalid_each(
                &path.child("secretName"),
                &tls.secret_name,
                secret_name_errors(&tls.secret_name),
            );
        }
    }
}

/// Group, kind and name of something in the same namespace.
pub fn validate_reference(group: Option<&str>, kind: &str, name: &str, path: &Path, errors: &mut ErrorList) {
    if let Some(group) = group {
        errors.invalid_each(&path.child("apiGroup"), group, names::is_dns1123_subdomain(group));
    }
    for (field, value) in [("kind", kind), ("name", name)] {
        if value.is_empty() {
            errors.required(&path.child(field), "");
        } else {
            errors.invalid_each(&path.child(field), value, names::is_path_segment_name(value));
        }
    }
}

fn validate_service(service: &IngressServiceBackend, path: &Path, errors: &mut ErrorList) {
    let at = path.child("service");
    if service.name.is_empty() {
        errors.required(&at.child("name"), "");
    } else {
        errors.invalid_each(&at.child("name"), &service.name, names::name_is_dns_label(&service.name, false));
    }
    let port = &service.port;
    match (!port.name.is_empty(), port.number != 0) {
        (true, true) => errors.invalid(path, "", "cannot set both port name & port number"),
        (true, false) => {
            errors.invalid_each(&at.child("port").child("name"), &port.name, names::is_port_name(&port.name))
        }
        (false, true) => {
            errors.invalid_each(
                &at.child("port").child("number"),
                port.number,
                names::is_port_number(i64::from(port.number)),
            );
        }
        (false, false) => errors.required(path, "port name or number is required"),
    }
}

fn validate_backend(backend: &IngressBackend, path: &Path, errors: &mut ErrorList) {
    match (backend.resource.as_deref(), backend.service.as_deref()) {
        (Some(_), Some(_)) => errors.invalid(path, "", "cannot set both resource and service backends"),
        (Some(TypedLocalObjectReference { api_group, kind, name }), None) => {
            validate_reference(api_group.as_deref(), kind, name, &path.child("resource"), errors);
        }
        (None, Some(service)) => validate_service(service, path, errors),
        (None, None) => errors.invalid(path, "", "resource or service backend is required"),
    }
}

fn validate_path(http: &HTTPIngressPath, path: &Path, errors: &mut ErrorList) {
    let at = path.child("path");
    let text = &http.path;
    let relative = !text.starts_with('/');
    match http.path_type.as_deref() {
        None => return errors.required(&path.child("pathType"), "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            if relative {
                errors.invalid(&at, text, "must be an absolute path");
            }
            for sequence in BAD_SEQUENCES.iter().filter(|sequence| text.contains(**sequence)) {
                errors.invalid(&at, text, format!("must not contain '{sequence}'"));
            }
            for ending in BAD_ENDINGS.iter().filter(|ending| text.ends_with(**ending)) {
                errors.invalid(&at, text, format!("cannot end with '{ending}'"));
            }
        }
        Some("ImplementationSpecific") => {
            if relative && !text.is_empty() {
                errors.invalid(&at, text, "must be an absolute path");
            }
        }
        Some(other) => errors.not_supported(
            &path.child("pathType"),
            other,
            &["Exact", "ImplementationSpecific", "Prefix"],
        ),
    }
    validate_backend(&http.backend, &path.child("backend"), errors);
}

fn validate_rule_value(value: &IngressRuleValue, path: &Path, errors: &mut ErrorList) {
    let Some(http) = &value.http else { return };
    let path = path.child("http").child("paths");
    if http.paths.is_empty() {
        errors.required(&path, "");
    }
    for (index, http) in http.paths.iter().enumerate() {
        validate_path(http, &path.index(index), errors);
    }
}

fn validate_rules(rules: &[IngressRule], allow: Allowances, path: &Path, errors: &mut ErrorList) {
    for (index, rule) in rules.iter().enumerate() {
        let path = path.index(index);
        if !rule.host.is_empty() {
            if addresses::parse_ip_sloppy(&rule.host).is_some() {
                errors.invalid(&path.child("host"), &rule.host, "must be a DNS name, not an IP address");
            }
            validate_host(&rule.host, &path.child("host"), errors);
        }
        if !(allow.wildcard_rules && rule.host.contains('*')) {
            validate_rule_value(&rule.ingress_rule_value, &path, errors);
        }
    }
}

fn validate_spec(spec: &IngressSpec, allow: Allowances, errors: &mut ErrorList) {
    let path = Path::new("spec");
    match &spec.default_backend {
        None if spec.rules.is_empty() => {
            let nothing = BadValue::Json(serde_json::Value::Array(Vec::new()));
            errors.invalid(&path, nothing, "either `defaultBackend` or `rules` must be specified");
        }
        None => {}
        Some(backend) => validate_backend(backend, &path.child("defaultBackend"), errors),
    }
    validate_rules(&spec.rules, allow, &path.child("rules"), errors);
    validate_tls(&spec.tls, allow, &path.child("tls"), errors);
    if let Some(class) = &spec.ingress_class_name {
        errors.invalid_each(
            &path.child("ingressClassName"),
            class,
            names::name_is_dns_subdomain(class, false),
        );
    }
}

fn validate_with(ingress: &Ingress, allow: Allowances) -> ErrorList {
    let mut errors =
        meta::validate(&ingress.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&ingress.spec, allow, &mut errors);
    errors
}

/// A new ingress.
pub fn validate(ingress: &Ingress) -> ErrorList {
    let mut errors = validate_with(ingress, Allowances::default());
    let annotation = ingress.metadata.annotations.get(CLASS_ANNOTATION);
    if let (Some(annotation), Some(class)) = (annotation, &ingress.spec.ingress_class_name)
        && annotation != class
    {
        let path = Path::of(&["annotations", CLASS_ANNOTATION]);
        errors.invalid(&path, annotation, "must match `ingressClassName` when both are specified");
    }
    errors
}

/// A changed ingress.
pub fn validate_update(new: &Ingress, old: &Ingress) -> ErrorList {
    let broken = |rule: &IngressRule| {
        let mut errors = ErrorList::new();
        validate_rule_value(&rule.ingress_rule_value, &Path::new("rule"), &mut errors);
        rule.host.contains('*') && !errors.is_empty()
    };
    let allow = Allowances {
        secret_names: old.spec.tls.iter().any(|tls| !secret_name_errors(&tls.secret_name).is_empty()),
        wildcard_rules: old.spec.rules.iter().any(broken),
    };
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.extend(validate_with(new, allow));
    errors
}

/// A changed status.
pub fn validate_status_update(new: &Ingress, old: &Ingress) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let accepted: Vec<String> = old
        .status
        .load_balancer
        .ingress
        .iter()
        .map(|ingress| ingress.ip.clone())
        .filter(|ip| !ip.is_empty())
        .collect();
    for (index, ingress) in new.status.load_balancer.ingress.iter().enumerate() {
        let path = Path::of(&["status", "loadBalancer", "ingress"]).index(index);
        if !ingress.ip.is_empty() {
            errors.extend(addresses::validate_ip(&path.child("ip"), &ingress.ip, &accepted));
        }
        if !ingress.hostname.is_empty() {
            let path = path.child("hostname");
            errors.invalid_each(&path, &ingress.hostname, names::is_dns1123_subdomain(&ingress.hostname));
            if addresses::parse_ip_sloppy(&ingress.hostname).is_some() {
                errors.invalid(&path, &ingress.hostname, "must be a DNS name, not an IP address");
            }
        }
    }
    errors
}

/// A word about the annotation that a field has replaced.
pub fn warnings(ingress: &Ingress) -> Vec<String> {
    if ingress.metadata.annotations.contains_key(CLASS_ANNOTATION)
        && ingress.spec.ingress_class_name.is_none()
    {
        vec![format!(
            "annotation {CLASS_ANNOTATION:?} is deprecated, please use 'spec.ingressClassName' instead"
        )]
    } else {
        Vec::new()
    }
}

/// Odd spellings of addresses in a status.
pub fn status_warnings(ingress: &Ingress) -> Vec<String> {
    let path = Path::of(&["status", "loadBalancer", "ingress"]);
    let addresses =
        ingress.status.load_balancer.ingress.iter().enumerate().filter(|(_, ingress)| !ingress.ip.is_empty());
    addresses.flat_map(|(index, ingress)| addresses::ip_warnings(&path.index(index), &ingress.ip)).collect()
}
