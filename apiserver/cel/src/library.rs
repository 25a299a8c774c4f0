//! Kubernetes' own functions: regular expressions, URLs, addresses and quantities.
//!
//! Source: `k8s.io/apiserver/pkg/cel/library`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use machinery::quantity::Quantity;

use crate::evaluate::{Budget, EvaluationError, Outcome};
use crate::functions::pattern;
use crate::value::{Key, Value};

/// Every function of this file.
pub(crate) const NAMES: &[&str] = &[
    "find",
    "findAll",
    "url",
    "isURL",
    "getScheme",
    "getHost",
    "getHostname",
    "getPort",
    "getEscapedPath",
    "getQuery",
    "ip",
    "isIP",
    "ip.isCanonical",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "cidr",
    "isCIDR",
    "containsIP",
    "containsCIDR",
    "masked",
    "prefixLength",
    "quantity",
    "isQuantity",
    "sign",
    "isInteger",
    "asInteger",
    "asApproximateFloat",
    "add",
    "sub",
    "isLessThan",
    "isGreaterThan",
    "compareTo",
];

/// The parts of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    host: String,
    hostname: String,
    port: String,
    path: String,
    query: String,
}

impl Url {
    /// An absolute URL, or one without a host that begins with its path.
    fn parse(text: &str) -> Option<Url> {
        let bad = |character: char| character.is_whitespace() || character.is_control();
        if text.contains(bad) {
            return None;
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None if text.starts_with('/') => ("", text),
            None => return None,
        };
        let legal = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
        if !scheme.chars().all(legal) || (scheme.is_empty() && !text.starts_with('/')) {
            return None;
        }
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match (scheme.is_empty(), rest.find('/')) {
            (true, _) => ("", rest),
            (false, Some(at)) => rest.split_at(at),
            (false, None) => (rest, ""),
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (hostname, port) =
            match host.rfind(':').filter(|at| !host.get(*at..).is_some_and(|tail| tail.contains(']'))) {
                Some(at) => (host.get(..at)?, host.get(at + 1..)?),
                None => (host, ""),
            };
        if !port.chars().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        Some(Url {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            hostname: hostname.trim_matches(['[', ']']).to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    fn query(&self) -> Value {
        let mut values: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            values
                .entry(Key::String(Arc::from(unescaped(name))))
                .or_default()
                .push(Value::text(unescaped(value)));
        }
        Value::Map(Arc::new(values.into_iter().map(|(name, values)| (name, Value::list(values))).collect()))
    }
}

fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next(), bytes.next()];
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                if let (Some(high), Some(low)) = (digit(digits[0]), digit(digits[1])) {
                    out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An address as Kubernetes writes it: no zones, no leading zeros, no IPv4 in IPv6.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => None,
        address => Some(address),
    }
}

fn parse_cidr(text: &str) -> Option<IpNet> {
    let range: IpNet = text.parse().ok()?;
    parse_ip(&range.addr().to_string()).map(|_| range)
}

/// Calls a function of this file; `None` when there is none for these arguments.
pub(crate) fn call(name: &str, arguments: &[Value], budget: &mut Budget) -> Option<Outcome> {
    match arguments {
        [Value::String(text)] => of_text(name, text),
        [Value::String(text), Value::String(other), rest @ ..] if matches!(name, "find" | "findAll") => {
            Some(find(name, text, other, rest, budget))
        }
        [Value::Url(url)] => of_url(name, url).map(Ok),
        [Value::Ip(address)] => of_ip(name, *address).map(Ok),
        [Value::Cidr(range), rest @ ..] => of_cidr(name, *range, rest),
        [Value::Quantity(quantity), rest @ ..] => of_quantity(name, quantity, rest),
        _ => None,
    }
}

fn of_text(name: &str, text: &str) -> Option<Outcome> {
    let bad = |what: &str| EvaluationError::new(format!("{what} {text:?} cannot be parsed"));
    let quantity = || Quantity::parse(text).ok();
    Some(match name {
        "isURL" => Ok(Value::Bool(Url::parse(text).is_some())),
        "isIP" => Ok(Value::Bool(parse_ip(text).is_some())),
        "isCIDR" => Ok(Value::Bool(parse_cidr(text).is_some())),
        "isQuantity" => Ok(Value::Bool(quantity().is_some())),
        "url" => Url::parse(text).map(|url| Value::Url(Arc::new(url))).ok_or_else(|| bad("URL")),
        "ip" => parse_ip(text).map(Value::Ip).ok_or_else(|| bad("IP address")),
        "cidr" => parse_cidr(text).map(Value::Cidr).ok_or_else(|| bad("network address")),
        "quantity" => {
            quantity().map(|quantity| Value::Quantity(Box::new(quantity))).ok_or_else(|| bad("quantity"))
        }
        "ip.isCanonical" => parse_ip(text)
            .map(|address| Value::Bool(address.to_string() == text))
            .ok_or_else(|| bad("IP address")),
        _ => return None,
    })
}

fn find(name: &str, text: &str, wanted: &str, rest: &[Value], budget: &mut Budget) -> Outcome {
    budget.charge((text.len() as u64 / 10 + 1).saturating_mul(wanted.len() as u64 / 4 + 1))?;
    let pattern = pattern(wanted)?;
    match (name, rest) {
        ("find", []) => Ok(Value::text(pattern.find(text).map_or("", |found| found.as_str()))),
        ("findAll", []) => {
            Ok(Value::list(pattern.find_iter(text).map(|found| Value::text(found.as_str())).collect()))
        }
        ("findAll", [Value::Int(most)]) => {
            let most = usize::try_from(*most).unwrap_or(usize::MAX);
            let found = pattern.find_iter(text).take(most);
            Ok(Value::list(found.map(|found| Value::text(found.as_str())).collect()))
        }
        _ => Err(EvaluationError::no_overload()),
    }
}

fn of_url(name: &str, url: &Url) -> Option<Value> {
    Some(Value::text(match name {
        "getScheme" => &url.scheme,
        "getHost" => &url.host,
        "getHostname" => &url.hostname,
        "getPort" => &url.port,
        "getEscapedPath" => &url.path,
        "getQuery" => return Some(url.query()),
        _ => return None,
    }))
}

fn of_ip(name: &str, address: IpAddr) -> Option<Value> {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    Some(Value::Bool(match name {
        "family" => return Some(Value::Int(if address.is_ipv4() { 4 } else { 6 })),
        "isUnspecified" => address.is_unspecified(),
        "isLoopback" => address.is_loopback(),
        "isLinkLocalUnicast" => link_local,
        "isLinkLocalMulticast" => match address {
            IpAddr::V4(v4) => matches!(v4.octets(), [224, 0, 0, _]),
            IpAddr::V6(v6) => matches!(v6.octets(), [0xff, second, ..] if second & 0x0f == 2),
        },
        "isGlobalUnicast" => {
            !broadcast
                && !address.is_unspecified()
                && !address.is_loopback()
                && !address.is_multicast()
                && !link_local
        }
        _ => return None,
    }))
}

fn of_cidr(name: &str, range: IpNet, rest: &[Value]) -> Option<Outcome> {
    let bad = |text: &str| EvaluationError::new(format!("{text:?} cannot be parsed"));
    Some(match (name, rest) {
        ("ip", []) => Ok(Value::Ip(range.addr())),
        ("masked", []) => Ok(Value::Cidr(range.trunc())),
        ("prefixLength", []) => Ok(Value::Int(i64::from(range.prefix_len()))),
        ("containsIP", [Value::Ip(address)]) => Ok(Value::Bool(range.contains(address))),
        ("containsIP", [Value::String(text)]) => {
            parse_ip(text).map(|address| Value::Bool(range.contains(&address))).ok_or_else(|| bad(text))
        }
        ("containsCIDR", [Value::Cidr(other)]) => Ok(Value::Bool(range.contains(other))),
        ("containsCIDR", [Value::String(text)]) => {
            parse_cidr(text).map(|other| Value::Bool(range.contains(&other))).ok_or_else(|| bad(text))
        }
        _ => return None,
    })
}

fn of_quantity(name: &str, quantity: &Quantity, rest: &[Value]) -> Option<Outcome> {
    let failed = |error: machinery::quantity::QuantityError| EvaluationError::new(error.to_string());
    let amount = match quantity.amount() {
        Ok(amount) => amount,
        Err(error) => return Some(Err(failed(error))),
    };
    let boxed = |quantity: Quantity| Value::Quantity(Box::new(quantity));
    let other = match rest {
        [Value::Int(number)] => Some(Quantity::new(*number, machinery::quantity::Format::DecimalSi)),
        [Value::Quantity(other)] => Some(*other.clone()),
        _ => None,
    };
    let compared = |other: &Quantity| quantity.compare(other);
    let is_quantity = matches!(rest, [Value::Quantity(_)]);
    Some(match (name, other) {
        ("sign", None) => Ok(Value::Int(i64::from(amount.sign()))),
        ("isInteger", None) => Ok(Value::Bool(amount.as_i64().is_some())),
        ("asInteger", None) => amount
            .as_i64()
            .map(Value::Int)
            .ok_or_else(|| EvaluationError::new("cannot convert value to integer")),
        ("asApproximateFloat", None) => Ok(Value::Double(amount.as_f64())),
        ("add", Some(other)) => quantity.add(&other).map(boxed).map_err(failed),
        ("sub", Some(other)) => quantity.sub(&other).map(boxed).map_err(failed),
        ("isLessThan", Some(other)) if is_quantity => Ok(Value::Bool(compared(&other).is_lt())),
        ("isGreaterThan", Some(other)) if is_quantity => Ok(Value::Bool(compared(&other).is_gt())),
        ("compareTo", Some(other)) if is_quantity => Ok(Value::Int(compared(&other) as i64)),
        _ => return None,
    })
}
