//! Ranges of addresses and of ports, as flags give them.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange(pub IpNet);

impl FromStr for IpRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let net: IpNet = text.parse().map_err(|_| format!("invalid CIDR address: {text}"))?;
        Ok(IpRange(net.trunc()))
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl IpRange {
    /// The first usable address, which is the `kubernetes` service's.
    pub fn first_address(&self) -> IpAddr {
        match self.0.network() {
            IpAddr::V4(network) => IpAddr::V4((u32::from(network).saturating_add(1)).into()),
            IpAddr::V6(network) => IpAddr::V6((u128::from(network).saturating_add(1)).into()),
        }
    }
}

/// A range of ports: `30000-32767`, `30000+100` or one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRange(pub RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| -> Result<u32, String> {
            text.trim().parse().map_err(|_| format!("unable to parse port range: {text:?} is not a port"))
        };
        let text = text.trim();
        let (low, high) = if let Some((low, high)) = text.split_once('-') {
            (port(low)?, port(high)?)
        } else if let Some((base, size)) = text.split_once('+') {
            let base = port(base)?;
            (base, base + port(size)?)
        } else {
            (port(text)?, port(text)?)
        };
        if low > 65535 || high > 65535 {
            return Err(format!("the port range cannot be greater than 65535: {text}"));
        }
        if high < low {
            return Err(format!("end port cannot be less than start port: {text}"));
        }
        Ok(PortRange(low as u16..=high as u16))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.start(), self.0.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_ports(text: &str, expected: Result<RangeInclusive<u16>, &str>) {
        let got = text.parse::<PortRange>().map(|range| range.0);
        match expected {
            Ok(range) => assert_eq!(got, Ok(range)),
            Err(part) => assert!(got.clone().unwrap_err().contains(part), "{got:?}"),
        }
    }

    #[test]
    fn port_ranges() {
        check_ports("30000-32767", Ok(30000..=32767));
        check_ports("100+10", Ok(100..=110));
        check_ports("80", Ok(80..=80));
        check_ports("90-80", Err("end port cannot be less"));
        check_ports("1-70000", Err("greater than 65535"));
        check_ports("a-b", Err("not a port"));
    }

    #[test]
    fn addresses() {
        let first = |text: &str| text.parse::<IpRange>().unwrap().first_address().to_string();
        assert_eq!(first("10.96.0.0/12"), "10.96.0.1");
        assert_eq!(first("10.96.3.4/12"), "10.96.0.1");
        assert_eq!(first("fd00::/108"), "fd00::1");
        assert!("10.0.0.0".parse::<IpRange>().is_err());
    }
}
