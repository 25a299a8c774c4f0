//! The Corefile: CoreDNS's configuration, as far as a cluster's DNS server needs it.
//!
//! Read is what kubeadm writes and what users change in it. A directive that this server does not have is
//! refused by name rather than passed over.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A Corefile that cannot be followed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("Corefile line {line}: {message}")]
pub struct CorefileError {
    line: usize,
    message: String,
}

/// Which names of pods are answered (`pods` in the `kubernetes` block).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodNames {
    /// None.
    Disabled,
    /// Any address in a namespace that exists.
    Insecure,
}

/// Where names outside of the cluster are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A file with `nameserver` lines.
    File(PathBuf),
    /// Servers.
    Servers(Vec<SocketAddr>),
}

/// What the Corefile says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corefile {
    /// Port of the server block.
    pub port: u16,
    /// Domain of the cluster.
    pub domain: String,
    /// Seconds for which answers about the cluster may be kept.
    pub ttl: u32,
    /// Names of pods.
    pub pods: PodNames,
    /// Where else to ask; none refuses foreign names.
    pub upstream: Option<Upstream>,
    /// How long foreign answers are kept at most.
    pub cache: Duration,
    /// Addresses in answers change their order.
    pub load_balance: bool,
    /// The file is read again when it changes.
    pub reload: bool,
    /// Where `/health` answers.
    pub health: Option<SocketAddr>,
    /// How long queries are still answered after the end was announced.
    pub lame_duck: Duration,
    /// Where `/ready` answers.
    pub ready: Option<SocketAddr>,
    /// Where `/metrics` answers.
    pub metrics: Option<SocketAddr>,
}

impl Default for Corefile {
    fn default() -> Self {
        Self {
            port: 53,
            domain: "cluster.local".to_owned(),
            ttl: 5,
            pods: PodNames::Disabled,
            upstream: None,
            cache: Duration::ZERO,
            load_balance: false,
            reload: false,
            health: None,
            lame_duck: Duration::ZERO,
            ready: None,
            metrics: None,
        }
    }
}

/// Directives of the server block.
const DIRECTIVES: &str =
    "errors, health, ready, kubernetes, prometheus, forward, cache, loop, reload, loadbalance";

/// Reads one server block: `.:53 { … }`.
pub fn parse(text: &str) -> Result<Corefile, CorefileError> {
    let mut corefile = Corefile::default();
    // Names of the open blocks, outermost first.
    let mut open: Vec<String> = Vec::new();
    for (number, raw) in text.lines().enumerate() {
        let refuse = |message: String| CorefileError { line: number + 1, message };
        let line = raw.split('#').next().unwrap_or_default().trim();
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        if words == ["}"] {
            open.pop().ok_or_else(|| refuse("a block is closed that was not opened".to_owned()))?;
            continue;
        }
        let opens = words.last() == Some(&"{");
        if opens {
            words.pop();
        }
        match open.as_slice() {
            [] if opens => {
                corefile.port =
                    port(&words).ok_or_else(|| refuse("want one server block such as .:53".to_owned()))?
            }
            [] => return Err(refuse(format!("{:?} stands outside of a server block", words.join(" ")))),
            [_] => directive(&mut corefile, &words).map_err(refuse)?,
            [_, block] => option(&mut corefile, block, &words).map_err(refuse)?,
            _ => return Err(refuse("blocks are nested too deep".to_owned())),
        }
        if opens {
            open.push(words.first().copied().unwrap_or_default().to_owned());
        }
    }
    if open.is_empty() {
        return Ok(corefile);
    }
    Err(CorefileError {
        line: text.lines().count(),
        message: format!("the block {:?} is not closed", open.join(" ")),
    })
}

fn port(words: &[&str]) -> Option<u16> {
    match words {
        ["."] => Some(53),
        [one] => one.strip_prefix(".:")?.parse().ok(),
        _ => None,
    }
}

/// An address as CoreDNS takes it: `:9153` is every address.
fn address(text: &str) -> Result<SocketAddr, String> {
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.parse().map_err(|_| format!("{text:?} is no address with a port, such as :9153"))
}

fn seconds(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    number.parse().map_err(|_| format!("{text:?} is no number of seconds"))
}

fn directive(corefile: &mut Corefile, words: &[&str]) -> Result<(), String> {
    match words {
        // Errors are always logged, and a server never asks itself.
        ["errors"] | ["loop"] => {}
        ["health"] => corefile.health = Some(address(":8080")?),
        ["health", at] => corefile.health = Some(address(at)?),
        ["ready"] => corefile.ready = Some(address(":8181")?),
        ["ready", at] => corefile.ready = Some(address(at)?),
        ["prometheus"] => corefile.metrics = Some(address("127.0.0.1:9153")?),
        ["prometheus", at] => corefile.metrics = Some(address(at)?),
        ["kubernetes", domain, reverse @ ..] => {
            if let Some(other) = reverse.iter().find(|zone| !matches!(**zone, "in-addr.arpa" | "ip6.arpa")) {
                return Err(format!(
                    "kubernetes serves one domain besides in-addr.arpa and ip6.arpa, not {other:?}"
                ));
            }
            corefile.domain = domain.trim_end_matches('.').to_lowercase();
        }
        ["forward", ".", targets @ ..] if !targets.is_empty() => corefile.upstream = Some(upstream(targets)?),
        ["cache"] => corefile.cache = Duration::from_secs(3600),
        ["cache", most, ..] => corefile.cache = Duration::from_secs(seconds(most)?),
        ["reload", ..] => corefile.reload = true,
        ["loadbalance"] | ["loadbalance", "round_robin"] => corefile.load_balance = true,
        [other, ..] => return Err(format!("directive {other:?} is not known here; there are {DIRECTIVES}")),
        [] => {}
    }
    Ok(())
}

fn upstream(targets: &[&str]) -> Result<Upstream, String> {
    if let [file] = targets
        && file.starts_with('/')
    {
        return Ok(Upstream::File(PathBuf::from(file)));
    }
    let server = |text: &&str| {
        let with_port = text.parse::<SocketAddr>().ok();
        let bare = || text.parse::<std::net::IpAddr>().ok().map(|address| (address, 53).into());
        with_port.or_else(bare).ok_or_else(|| format!("forward: {text:?} is neither an address nor a file"))
    };
    targets.iter().map(server).collect::<Result<_, _>>().map(Upstream::Servers)
}

fn option(corefile: &mut Corefile, block: &str, words: &[&str]) -> Result<(), String> {
    match (block, words) {
        ("health", ["lameduck", time]) => corefile.lame_duck = Duration::from_secs(seconds(time)?),
        ("kubernetes", ["pods", "disabled"]) => corefile.pods = PodNames::Disabled,
        ("kubernetes", ["pods", "insecure"]) => corefile.pods = PodNames::Insecure,
        ("kubernetes", ["ttl", time]) => {
            corefile.ttl = u32::try_from(seconds(time)?).map_err(|_| "ttl: at most 3600".to_owned())?;
        }
        // Addresses that nothing in the cluster has are always asked elsewhere.
        ("kubernetes", ["fallthrough", zones @ ..]) if zones.iter().all(|z| z.ends_with(".arpa")) => {}
        // Every query has a socket of its own; the kernel's limit of open files is the limit.
        ("forward", ["max_concurrent", number]) if number.parse::<u32>().is_ok() => {}
        // Answers about the cluster come from memory and are never kept a second time.
        ("cache", ["disable", "success" | "denial", zone]) if corefile.domain == *zone => {}
        _ => return Err(format!("option {:?} of {block} is not known here", words.join(" "))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBEADM: &str = ".:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    ready\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       pods insecure\n       fallthrough in-addr.arpa ip6.arpa\n       ttl 30\n    }\n    prometheus :9153\n    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n    cache 30 {\n       disable success cluster.local\n       disable denial cluster.local\n    }\n    loop\n    reload\n    loadbalance\n}\n";

    #[test]
    fn kubeadms_file_is_followed() {
        let corefile = parse(KUBEADM).unwrap();
        assert_eq!((corefile.domain.as_str(), corefile.ttl, corefile.port), ("cluster.local", 30, 53));
        assert_eq!(corefile.upstream, Some(Upstream::File("/etc/resolv.conf".into())));
        assert_eq!((corefile.cache.as_secs(), corefile.lame_duck.as_secs()), (30, 5));
        assert_eq!(corefile.metrics, Some(([0, 0, 0, 0], 9153).into()));
        assert!(corefile.load_balance && corefile.reload && corefile.pods == PodNames::Insecure);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (text, message) in [
            (
                ".:53 {\n  rewrite name a b\n}",
                "Corefile line 2: directive \"rewrite\" is not known here; there are errors, health, ready, kubernetes, prometheus, forward, cache, loop, reload, loadbalance",
            ),
            (".:53 {\n", "Corefile line 1: the block \".:53\" is not closed"),
            ("errors\n", "Corefile line 1: \"errors\" stands outside of a server block"),
            (
                ".:53 {\n kubernetes cluster.local {\n  pods verified\n }\n}",
                "Corefile line 3: option \"pods verified\" of kubernetes is not known here",
            ),
            (
                ".:53 {\n forward . nowhere\n}",
                "Corefile line 2: forward: \"nowhere\" is neither an address nor a file",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }
}
