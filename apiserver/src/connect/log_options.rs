//! Query parameters of `pods/log`.

use api_types::core::v1::PodLogOptions;
use component_base::flags::parse_bool;
use machinery::field::{self, ErrorList, Path};
use machinery::status::StatusError;
use machinery::{GroupKind, Time};

use crate::chain::request_info::query_value;

/// Reads the query.
pub fn parse(query: &str) -> Result<PodLogOptions, StatusError> {
    let text = |name: &str| query_value(query, name).filter(|value| !value.is_empty());
    let flag = |name: &str| match text(name) {
        None => Ok(false),
        // As Go's parameter codec: what is not false is true.
        Some(value) => Ok::<bool, StatusError>(parse_bool(&value).unwrap_or(true)),
    };
    let number = |name: &str| match text(name) {
        None => Ok(None),
        Some(value) => value.parse::<i64>().map(Some).map_err(|_| {
            StatusError::bad_request(format!("strconv.ParseInt: parsing {value:?}: invalid syntax"))
        }),
    };
    let since_time = match text("sinceTime") {
        None => None,
        Some(value) => Some(value.parse::<Time>().map_err(|_| {
            StatusError::bad_request(format!(
                "parsing time {value:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {value:?} as a time"
            ))
        })?),
    };
    Ok(PodLogOptions {
        container: text("container").unwrap_or_default(),
        follow: flag("follow")?,
        previous: flag("previous")?,
        timestamps: flag("timestamps")?,
        since_seconds: number("sinceSeconds")?,
        since_time,
        tail_lines: number("tailLines")?,
        limit_bytes: number("limitBytes")?,
        insecure_skip_tls_verify_backend: flag("insecureSkipTLSVerifyBackend")?,
        // A feature that is off by default; the parameter is dropped as upstream drops it.
        stream: None,
    })
}

/// Judges the options of the pod `name`.
pub fn validate(options: &PodLogOptions, name: &str) -> Result<(), StatusError> {
    let mut errors = ErrorList::new();
    if let Some(lines) = options.tail_lines.filter(|lines| *lines < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(field::Error::invalid(&Path::new("tailLines"), lines, detail));
    }
    if let Some(bytes) = options.limit_bytes.filter(|bytes| *bytes < 1) {
        errors.push(field::Error::invalid(&Path::new("limitBytes"), bytes, "must be greater than 0"));
    }
    match (options.since_seconds, &options.since_time) {
        (Some(_), Some(_)) => {
            let detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(field::Error::forbidden(&Path::new(""), detail));
        }
        (Some(seconds), None) if seconds < 1 => {
            errors.push(field::Error::invalid(&Path::new("sinceSeconds"), seconds, "must be greater than 0"));
        }
        _ => {}
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(StatusError::invalid(&GroupKind::new("", "PodLogOptions"), name, &errors))
}

/// The query the kubelet understands.
pub fn kubelet_query(options: &PodLogOptions) -> String {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    let flags =
        [("follow", options.follow), ("previous", options.previous), ("timestamps", options.timestamps)];
    pairs.extend(flags.iter().filter(|(_, set)| *set).map(|(name, _)| (*name, "true".to_string())));
    let numbers = [
        ("sinceSeconds", options.since_seconds),
        ("tailLines", options.tail_lines),
        ("limitBytes", options.limit_bytes),
    ];
    pairs.extend(numbers.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.to_string()))));
    if let Some(time) = &options.since_time {
        pairs.push(("sinceTime", time.to_string()));
    }
    super::stream_options::encode_query(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Result<&str, &str>) {
        let outcome = parse(query).and_then(|options| {
            validate(&options, "p")?;
            Ok(kubelet_query(&options))
        });
        match (outcome, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(error), Err(part)) => {
                assert!(error.status.message.contains(part), "{}", error.status.message)
            }
            (outcome, _) => panic!("{query}: {outcome:?}"),
        }
    }

    #[test]
    fn options() {
        check("", Ok(""));
        check("follow=true&container=c&previous=false", Ok("follow=true"));
        check("tailLines=5&limitBytes=10&timestamps=1", Ok("limitBytes=10&tailLines=5&timestamps=true"));
        check("sinceTime=2030-01-01T00:00:00Z", Ok("sinceTime=2030-01-01T00%3A00%3A00Z"));
        check("tailLines=-1", Err("tailLines: Invalid value: -1: must be greater than or equal to 0"));
        check("limitBytes=0", Err("limitBytes: Invalid value: 0: must be greater than 0"));
        check("sinceSeconds=0", Err("sinceSeconds: Invalid value: 0"));
        check("sinceSeconds=1&sinceTime=2030-01-01T00:00:00Z", Err("at most one of"));
        check("tailLines=x", Err("invalid syntax"));
        check("sinceTime=x", Err("parsing time"));
    }
}
