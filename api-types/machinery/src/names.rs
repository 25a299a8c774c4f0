//! Rules for names, keys and values, with upstream's messages, and the making of unique names
//! (`apimachinery/pkg/util/validation`, `apimachinery/pkg/api/validate/content`).
//!
//! Every check returns the broken rules in words, or nothing. The patterns are read by hand: they run for
//! every object written, and messages quote them as text.

mod charset;
mod generate;
#[cfg(test)]
mod tests;

pub use generate::{
    MAX_GENERATED_NAME_LENGTH, MAX_NAME_LENGTH, SUFFIX_ALPHABET, SUFFIX_LENGTH, generate_name,
};

use charset::{all, is_dns_label, is_dns_subdomain, is_label_name};

/// Greatest length of a DNS label.
pub const DNS_LABEL_MAX_LENGTH: usize = 63;
/// Greatest length of a DNS subdomain.
pub const DNS_SUBDOMAIN_MAX_LENGTH: usize = 253;
/// Greatest length of a label value and of the name part of a label key.
pub const LABEL_VALUE_MAX_LENGTH: usize = 63;

const DNS_LABEL_PATTERN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS_SUBDOMAIN_PATTERN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const DNS_SUBDOMAIN_UNDERSCORE_PATTERN: &str =
    "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const LABEL_NAME_PATTERN: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_NAME_MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// What is wrong with a value; empty when nothing is.
pub type Messages = Vec<String>;

/// A rule for an object's name; the flag says that a suffix will be appended to the value.
pub type NameRule = fn(name: &str, prefix: bool) -> Messages;

/// A lower-case DNS label (RFC 1123).
pub fn is_dns1123_label(value: &str) -> Messages {
    let mut messages = max_length(value, DNS_LABEL_MAX_LENGTH);
    if !is_dns_label(value) {
        messages.push(if is_dns_subdomain(value, is_dns_label) {
            "must not contain dots".to_owned()
        } else {
            pattern_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                DNS_LABEL_PATTERN,
                &["my-name", "123-abc"],
            )
        });
    }
    messages
}

/// A lower-case DNS subdomain (RFC 1123).
pub fn is_dns1123_subdomain(value: &str) -> Messages {
    let mut messages = max_length(value, DNS_SUBDOMAIN_MAX_LENGTH);
    messages.extend(subdomain_pattern(value));
    messages
}

fn subdomain_pattern(value: &str) -> Option<String> {
    let message = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
    let broken = !is_dns_subdomain(value, is_dns_label);
    broken.then(|| pattern_error(message, DNS_SUBDOMAIN_PATTERN, &["example.com"]))
}

/// A DNS subdomain of either case.
pub fn is_dns1123_subdomain_caseless(value: &str) -> Messages {
    let mut messages = max_bytes(value, DNS_SUBDOMAIN_MAX_LENGTH);
    if !is_dns_subdomain(&value.to_ascii_lowercase(), is_dns_label) {
        messages.push(pattern_error(
            "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            DNS_SUBDOMAIN_PATTERN,
            &["Example.com"],
        ));
    }
    messages
}

/// A lower-case DNS subdomain whose labels may hold underscores.
pub fn is_dns1123_subdomain_with_underscore(value: &str) -> Messages {
    let mut messages = max_length(value, DNS_SUBDOMAIN_MAX_LENGTH);
    if !is_dns_subdomain(value, charset::is_dns_label_with_underscore) {
        messages.push(pattern_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
            DNS_SUBDOMAIN_UNDERSCORE_PATTERN,
            &["example.com"],
        ));
    }
    messages
}

/// A lower-case DNS label which starts with a letter (RFC 1035).
pub fn is_dns1035_label(value: &str) -> Messages {
    let mut messages = max_length(value, DNS_LABEL_MAX_LENGTH);
    if !(is_dns_label(value) && value.starts_with(|c: char| c.is_ascii_lowercase())) {
        messages.push(pattern_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    messages
}

/// `*.` and a DNS subdomain.
pub fn is_wildcard_dns1123_subdomain(value: &str) -> Messages {
    let mut messages = max_length(value, DNS_SUBDOMAIN_MAX_LENGTH);
    if !value.strip_prefix("*.").is_some_and(|rest| is_dns_subdomain(rest, is_dns_label)) {
        messages.push(pattern_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{DNS_SUBDOMAIN_PATTERN}"),
            &["*.example.com"],
        ));
    }
    messages
}

/// A label key, which annotation keys, finalizers and resource names share: an optional DNS subdomain and
/// `/`, then up to 63 characters.
pub fn is_qualified_name(value: &str) -> Messages {
    let examples = &["MyName", "my.name", "123-abc"];
    let mut messages = Messages::new();
    let mut parts = value.splitn(3, '/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let name = match (second, third) {
        (None, _) => first,
        (Some(name), None) => {
            if first.is_empty() {
                messages.push(format!("prefix part {}", empty_error()));
            } else {
                let mut broken = max_bytes(first, DNS_SUBDOMAIN_MAX_LENGTH);
                broken.extend(subdomain_pattern(first));
                messages.extend(broken.into_iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
        (Some(_), Some(_)) => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                pattern_error(LABEL_NAME_MESSAGE, LABEL_NAME_PATTERN, examples)
            )];
        }
    };
    if name.is_empty() {
        messages.push(format!("name part {}", empty_error()));
    } else {
        let broken = max_bytes(name, LABEL_VALUE_MAX_LENGTH);
        messages.extend(broken.into_iter().map(|text| format!("name part {text}")));
    }
    if !is_label_name(name) {
        messages
            .push(format!("name part {}", pattern_error(LABEL_NAME_MESSAGE, LABEL_NAME_PATTERN, examples)));
    }
    messages
}

/// A label value: empty, or up to 63 characters.
pub fn is_label_value(value: &str) -> Messages {
    let mut messages = max_bytes(value, LABEL_VALUE_MAX_LENGTH);
    if !value.is_empty() && !is_label_name(value) {
        messages.push(pattern_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            &format!("({LABEL_NAME_PATTERN})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    messages
}

/// An identifier of the C language.
pub fn is_c_identifier(value: &str) -> Messages {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let starts_well = value.bytes().next().is_some_and(letter);
    if starts_well && value.bytes().all(|byte| letter(byte) || byte.is_ascii_digit()) {
        return Messages::new();
    }
    vec![pattern_error(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// The name of a port (IANA service name).
pub fn is_port_name(value: &str) -> Messages {
    let mut messages = max_length(value, 15);
    let mut rule = |broken: bool, message: &str| {
        if broken {
            messages.push(message.to_owned());
        }
    };
    rule(
        !all(value, |byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    rule(!value.bytes().any(|byte| byte.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    rule(value.contains("--"), "must not contain consecutive hyphens");
    rule(value.starts_with('-') || value.ends_with('-'), "must not begin or end with a hyphen");
    messages
}

/// A port number, 1 to 65535.
pub fn is_port_number(port: i64) -> Messages {
    is_in_range(port, 1, 65535)
}

/// A user id, 0 to 2³¹ − 1.
pub fn is_user_id(id: i64) -> Messages {
    is_in_range(id, 0, i64::from(i32::MAX))
}

/// A group id, 0 to 2³¹ − 1.
pub fn is_group_id(id: i64) -> Messages {
    is_user_id(id)
}

/// A number within bounds, both included.
pub fn is_in_range(value: i64, low: i64, high: i64) -> Messages {
    if (low..=high).contains(&value) {
        return Messages::new();
    }
    vec![format!("must be between {low} and {high}, inclusive")]
}

/// Digits and a percent sign.
pub fn is_percent(value: &str) -> Messages {
    if value.strip_suffix('%').is_some_and(|digits| all(digits, |byte| byte.is_ascii_digit())) {
        return Messages::new();
    }
    vec![pattern_error(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// The name of an HTTP header.
pub fn is_http_header_name(value: &str) -> Messages {
    if all(value, |byte| byte == b'-' || byte.is_ascii_alphanumeric()) {
        return Messages::new();
    }
    vec![pattern_error(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// The name of an environment variable by the strict rule.
pub fn is_env_var_name(value: &str) -> Messages {
    let mut messages = Messages::new();
    let starts_with_digit = value.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    if starts_with_digit || !all(value, charset::is_config_key_byte) {
        messages.push(pattern_error(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
            "[-._a-zA-Z][-._a-zA-Z0-9]*",
            &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
        ));
    }
    messages.extend(parent_directory(value));
    messages
}

/// The name of an environment variable by the relaxed rule: printable ASCII without `=`.
pub fn is_relaxed_env_var_name(value: &str) -> Messages {
    if value.is_empty() {
        return vec![format!("environment variable name {}", empty_error())];
    }
    if value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return Messages::new();
    }
    vec![
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .to_owned(),
    ]
}

/// A key of a ConfigMap or Secret.
pub fn is_config_map_key(value: &str) -> Messages {
    let mut messages = max_length(value, DNS_SUBDOMAIN_MAX_LENGTH);
    if !all(value, charset::is_config_key_byte) {
        messages.push(pattern_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    messages.extend(parent_directory(value));
    messages
}

/// A name which may be one segment of a URL path.
pub fn is_path_segment_name(name: &str) -> Messages {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    is_path_segment_prefix(name)
}

/// The beginning of a name which may be one segment of a URL path.
pub fn is_path_segment_prefix(name: &str) -> Messages {
    let found = ["/", "%"].into_iter().filter(|part| name.contains(part));
    found.map(|part| format!("may not contain '{part}'")).collect()
}

/// A decimal integer without leading zeros or plus sign.
pub fn is_decimal_integer(value: &str) -> Messages {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if value.is_empty() {
        return vec![empty_error()];
    }
    if value == "0" || (all(digits, |byte| byte.is_ascii_digit()) && !digits.starts_with('0')) {
        return Messages::new();
    }
    vec!["must be a valid decimal integer in canonical form".to_owned()]
}

/// [`NameRule`]: the name is a DNS subdomain.
pub fn name_is_dns_subdomain(name: &str, prefix: bool) -> Messages {
    is_dns1123_subdomain(&masked(name, prefix))
}

/// [`NameRule`]: the name is a DNS label.
pub fn name_is_dns_label(name: &str, prefix: bool) -> Messages {
    is_dns1123_label(&masked(name, prefix))
}

/// [`NameRule`]: the name is a DNS label which starts with a letter.
pub fn name_is_dns1035_label(name: &str, prefix: bool) -> Messages {
    is_dns1035_label(&masked(name, prefix))
}

/// [`NameRule`]: the name is a segment of a URL path (RBAC and other free names).
pub fn name_is_path_segment(name: &str, prefix: bool) -> Messages {
    if prefix { is_path_segment_prefix(name) } else { is_path_segment_name(name) }
}

/// A name which gets a suffix may end in a dash: its end is replaced by an innocent letter, in the way
/// upstream does it (the two last characters become one).
fn masked(name: &str, prefix: bool) -> std::borrow::Cow<'_, str> {
    match name.char_indices().nth_back(1) {
        Some((position, _)) if prefix && name.ends_with('-') => format!("{}a", &name[..position]).into(),
        _ => name.into(),
    }
}

/// Words for a value that does not match a pattern.
pub fn pattern_error(message: &str, pattern: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{pattern}')");
    }
    let quoted: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{pattern}')", quoted.join(" or "))
}

/// Words for a value that must not be empty.
pub fn empty_error() -> String {
    "must be non-empty".to_owned()
}

/// Words for a name that is too long; upstream counts bytes and says characters.
pub fn max_length_error(length: usize) -> String {
    format!("must be no more than {length} characters")
}

fn max_length(value: &str, length: usize) -> Messages {
    if value.len() > length { vec![max_length_error(length)] } else { Messages::new() }
}

fn max_bytes(value: &str, length: usize) -> Messages {
    if value.len() > length { vec![format!("must be no more than {length} bytes")] } else { Messages::new() }
}

/// Keys become file names, so the parent directory is out of reach.
fn parent_directory(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if value.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}
