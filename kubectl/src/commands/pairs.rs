//! Arguments like `KEY=VALUE` and `KEY-` after resources (`kubectl/pkg/cmd/util/helpers.go`).

use crate::Result;
use crate::error::message;

/// Splits arguments into resources and the pairs after them.
pub fn split<'a>(arguments: &'a [String], kind: &str) -> Result<(&'a [String], &'a [String])> {
    let is_pair = |text: &String| {
        (text.contains('=') && !text.starts_with('=')) || (text.ends_with('-') && text != "-")
    };
    let at = arguments.iter().position(is_pair).unwrap_or(arguments.len());
    let (resources, pairs) = arguments.split_at(at);
    match pairs.iter().find(|text| !is_pair(text)) {
        Some(late) => Err(message(format!("all resources must be specified before {kind} changes: {late}"))),
        None => Ok((resources, pairs)),
    }
}

/// `KEY=VALUE` pairs; all that are none are named in one error.
pub fn parse(pairs: &[String], kind: &str) -> Result<Vec<(String, String)>> {
    let (mut found, mut invalid) = (Vec::<(String, String)>::new(), Vec::new());
    for pair in pairs {
        match pair.split_once('=').filter(|(key, _)| !key.is_empty()) {
            Some((key, value)) => {
                found.retain(|(known, _)| known != key);
                found.push((key.to_owned(), value.to_owned()));
            }
            None => invalid.push(pair.as_str()),
        }
    }
    if invalid.is_empty() {
        Ok(found)
    } else {
        Err(message(format!("invalid {kind} format: {}", invalid.join(", "))))
    }
}

/// Labels as in `a=1,b=2`.
pub fn labels(text: &str) -> Result<serde_json::Map<String, serde_json::Value>> {
    if text.is_empty() {
        return Err(message("no label spec passed"));
    }
    let mut labels = serde_json::Map::new();
    for pair in text.split(',') {
        match pair.split_once('=').filter(|(_, value)| !value.contains('=')) {
            None => return Err(message(format!("unexpected label spec: {pair}"))),
            Some(("", _)) => return Err(message("unexpected empty label key")),
            Some((key, value)) => labels.insert(key.to_owned(), value.into()),
        };
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_follow_resources() {
        let own = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let arguments = own("deploy web a=1 b-");
        let (resources, pairs) = split(&arguments, "image").expect("sound");
        assert_eq!((resources, pairs), (own("deploy web").as_slice(), own("a=1 b-").as_slice()));
        let refused = split(&own("deploy a=1 web"), "image").expect_err("too late").report();
        assert_eq!(refused, "error: all resources must be specified before image changes: web");
        assert_eq!(parse(&own("a=1 b=x=y"), "image").expect("sound").len(), 2);
        let refused = parse(&own("a=1 b- =c"), "image").expect_err("no pairs").report();
        assert_eq!(refused, "error: invalid image format: b-, =c");
    }

    #[test]
    fn labels_are_pairs_between_commas() {
        let check = |text: &str, expected: &str| {
            let shown = match labels(text) {
                Ok(labels) => serde_json::Value::Object(labels).to_string(),
                Err(error) => error.report(),
            };
            assert_eq!(shown, expected, "{text}");
        };
        check("a=1,b=", r#"{"a":"1","b":""}"#);
        check("a", "error: unexpected label spec: a");
        check("=a", "error: unexpected empty label key");
        check("", "error: no label spec passed");
    }
}
