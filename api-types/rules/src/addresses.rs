//! IP addresses and CIDR blocks in API fields, with upstream's messages and warnings.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation/ip.go`, with strict validation on, as upstream has it by default.

use crate::report::Report;
use ipnet::IpNet;
use machinery::field::{ErrorList, Path};
use std::net::{IpAddr, Ipv4Addr};

/// Reads an address as old clients write it: leading zeros in IPv4 parts are decimal, not octal.
pub fn parse_ip_sloppy(value: &str) -> Option<IpAddr> {
    if let Ok(ip) = value.parse::<IpAddr>() {
        return Some(ip);
    }
    let mut octets = [0u8; 4];
    let mut parts = value.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 8 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(octets)))
}

/// Reads a block as old clients write it.
pub fn parse_cidr_sloppy(value: &str) -> Option<(IpAddr, IpNet)> {
    let (ip, length) = value.split_once('/')?;
    let ip = parse_ip_sloppy(ip)?;
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let net = IpNet::new(ip, length.parse().ok()?).ok()?;
    Some((ip, net.trunc()))
}

fn is_mapped(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

/// An address; values in `accepted` were valid before and stay so.
pub fn validate_ip(path: &Path, value: &str, accepted: &[String]) -> ErrorList {
    let mut errors = ErrorList::new();
    if accepted.iter().any(|old| old == value) {
        return errors;
    }
    match parse_ip_sloppy(value) {
        None => errors.invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        Some(ip) => {
            if value.parse::<IpAddr>().is_err() {
                errors.invalid(path, value, "must not have leading 0s");
            }
            if is_mapped(&ip) {
                errors.invalid(path, value, "must not be an IPv4-mapped IPv6 address");
            }
        }
    }
    errors
}

/// An address in the one form it has.
pub fn validate_canonical_ip(path: &Path, value: &str) -> ErrorList {
    let mut errors = validate_ip(path, value, &[]);
    if errors.is_empty()
        && let Some(ip) = parse_ip_sloppy(value)
        && ip.to_string() != value
    {
        errors.invalid(path, value, format!("must be in canonical form (\"{ip}\")"));
    }
    errors
}

/// A block; values in `accepted` were valid before and stay so.
pub fn validate_cidr(path: &Path, value: &str, accepted: &[String]) -> ErrorList {
    let mut errors = ErrorList::new();
    if accepted.iter().any(|old| old == value) {
        return errors;
    }
    match parse_cidr_sloppy(value) {
        None => {
            errors.invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
        }
        Some((ip, net)) => {
            let length = value.split_once('/').map_or("", |(_, length)| length);
            let zeros = value.split('/').next().is_none_or(|ip| ip.parse::<IpAddr>().is_err())
                || length.len() > 1 && length.starts_with('0');
            if zeros {
                errors.invalid(path, value, "must not have leading 0s in IP or prefix length");
            } else if is_mapped(&ip) {
                errors.invalid(path, value, "must not have an IPv4-mapped IPv6 address");
            } else if ip != net.addr() {
                errors.invalid(path, value, "must not have bits set beyond the prefix length");
            }
        }
    }
    errors
}

/// A block in the one form it has.
pub fn validate_canonical_cidr(path: &Path, value: &str) -> ErrorList {
    let mut errors = validate_cidr(path, value, &[]);
    if errors.is_empty()
        && let Some((_, net)) = parse_cidr_sloppy(value)
        && net.to_string() != value
    {
        errors.invalid(path, value, format!("must be in canonical form (\"{net}\")"));
    }
    errors
}

/// Warnings about the spelling of a valid address.
pub fn ip_warnings(path: &Path, value: &str) -> Vec<String> {
    let Some(ip) = parse_ip_sloppy(value) else { return Vec::new() };
    if value.parse::<IpAddr>().is_err() || is_mapped(&ip) {
        let ip = ip.to_canonical();
        return vec![format!("{path}: non-standard IP address {value:?} is invalid: use \"{ip}\"")];
    }
    if ip.is_ipv6() && ip.to_string() != value {
        return vec![format!(
            "{path}: IPv6 address {value:?} should be in RFC 5952 canonical format (\"{ip}\")"
        )];
    }
    Vec::new()
}

/// Warnings about the spelling of a valid block.
pub fn cidr_warnings(path: &Path, value: &str) -> Vec<String> {
    let Some((ip, net)) = parse_cidr_sloppy(value) else { return Vec::new() };
    let mut warnings = Vec::new();
    if ip != net.addr() {
        let single = net.max_prefix_len();
        warnings.push(format!("{path}: CIDR value {value:?} is ambiguous in this context (should be \"{net}\" or \"{ip}/{single}\"?)"));
    }
    if value.parse::<IpNet>().is_err() || is_mapped(&ip) {
        warnings.push(format!("{path}: non-standard CIDR value {value:?} is invalid: use \"{net}\""));
    }
    if warnings.is_empty() && ip.is_ipv6() && net.to_string() != value {
        warnings.push(format!(
            "{path}: IPv6 CIDR value {value:?} should be in RFC 5952 canonical format (\"{net}\")"
        ));
    }
    warnings
}

/// An address that clients may be sent to: not unspecified, loopback or link-local.
pub fn validate_endpoint_ip(path: &Path, value: &str) -> ErrorList {
    let mut errors = ErrorList::new();
    let Some(ip) = parse_ip_sloppy(value) else {
        errors.invalid(path, value, "must be a valid IP address");
        return errors;
    };
    if ip.is_unspecified() {
        errors.invalid(path, value, format!("may not be unspecified ({value})"));
    }
    if ip.is_loopback() {
        errors.invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (link_local, link_local_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.segments()[0] & 0xffc0 == 0xfe80, ip.segments()[0] & 0xff0f == 0xff02),
    };
    if link_local {
        errors.invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_local_multicast {
        errors.invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(errors: ErrorList) -> Vec<String> {
        errors.into_iter().map(|error| error.detail).collect()
    }

    #[test]
    fn addresses() {
        let path = Path::new("ip");
        let cases = [
            ("10.0.0.1", ""),
            ("2001:db8::1", ""),
            ("010.0.0.1", "must not have leading 0s"),
            ("::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
            ("10.0.0", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
            ("10.0.0.256", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ];
        for (value, expected) in cases {
            assert_eq!(details(validate_ip(&path, value, &[])).join(";"), expected, "{value}");
        }
        assert_eq!(details(validate_ip(&path, "010.0.0.1", &["010.0.0.1".to_owned()])), Vec::<String>::new());
        assert_eq!(
            details(validate_canonical_ip(&path, "2001:DB8::1")),
            ["must be in canonical form (\"2001:db8::1\")"]
        );
    }

    #[test]
    fn blocks() {
        let path = Path::new("cidr");
        let cases = [
            ("10.0.0.0/8", ""),
            ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
            ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
            ("10.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
            ("10.0.0.0/33", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
        ];
        for (value, expected) in cases {
            assert_eq!(details(validate_cidr(&path, value, &[])).join(";"), expected, "{value}");
        }
    }

    #[test]
    fn endpoints_are_reachable() {
        let path = Path::new("ip");
        for bad in ["0.0.0.0", "127.0.0.1", "::1", "169.254.1.1", "fe80::1", "224.0.0.5", "ff02::1", "x"] {
            assert_eq!(validate_endpoint_ip(&path, bad).len(), 1, "{bad}");
        }
        assert!(validate_endpoint_ip(&path, "10.1.2.3").is_empty());
    }
}
