//! Defaults of network policies.

use api_types::networking::v1::NetworkPolicy;

/// Defaults of a network policy: it covers ingress, and egress when it has egress rules.
pub fn set(policy: &mut NetworkPolicy) {
    let spec = &mut policy.spec;
    if spec.policy_types.is_empty() {
        spec.policy_types.push("Ingress".to_owned());
        if !spec.egress.is_empty() {
            spec.policy_types.push("Egress".to_owned());
        }
    }
    let ports = spec
        .ingress
        .iter_mut()
        .flat_map(|rule| &mut rule.ports)
        .chain(spec.egress.iter_mut().flat_map(|rule| &mut rule.ports));
    for port in ports {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
}
