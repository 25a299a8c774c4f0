//! What commands ask of the server beyond objects: queries, streams of JSON, tables it does not make.

use bytes::{Bytes, BytesMut};
use client::Client;
use client::discovery::Discovered;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body_util::BodyExt as _;
use machinery::table::{ColumnDefinition, Row, Table};
use serde_json::Value;

use crate::error::message;
use crate::{Result, values};

/// A query of the pairs that have values, with its question mark; empty without any.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&escape(value));
    }
    text
}

/// Percent-encodes what may not stand in a query value.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A duration as Go writes it: `1h2m3s`, `1.5s`, `10ms`.
pub fn go_duration(duration: std::time::Duration) -> String {
    let nanoseconds = duration.as_nanos();
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    if nanoseconds < 1_000_000_000 {
        let (unit, size) = match nanoseconds {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{}{unit}", fraction(nanoseconds, size));
    }
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = fraction(nanoseconds % 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}

/// `amount / size` in decimal, without zeros at the end.
fn fraction(amount: u128, size: u128) -> String {
    let digits = size.ilog10() as usize;
    let text = format!("{}.{:0digits$}", amount / size, amount % size);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// GET of a path whose body comes piece by piece.
pub async fn byte_stream(
    client: &Client,
    path: &str,
    accept: &str,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let request = http::Request::get(path)
        .header(http::header::ACCEPT, accept)
        .body(Bytes::new())
        .map_err(|error| message(error.to_string()))?;
    let body = client.request(request).await?.into_body();
    Ok(stream::unfold(body, |mut body| async move {
        loop {
            match body.frame().await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some((Ok(data), body));
                    }
                }
                Err(error) => return Some((Err(message(format!("reading from the server: {error}"))), body)),
            }
        }
    })
    .boxed())
}

/// GET of a path whose body is one JSON value after the other, as of a watch.
pub async fn json_stream(
    client: &Client,
    path: &str,
    accept: &str,
) -> Result<BoxStream<'static, Result<Value>>> {
    let pieces = byte_stream(client, path, accept).await?;
    Ok(stream::unfold((pieces, BytesMut::new()), |(mut pieces, mut rest)| async move {
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end + 1);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Some((serde_json::from_slice(&line).map_err(Into::into), (pieces, rest)));
            }
            match pieces.next().await {
                Some(Ok(piece)) => rest.extend_from_slice(&piece),
                Some(Err(error)) => return Some((Err(error), (pieces, rest))),
                None if rest.iter().all(u8::is_ascii_whitespace) => return None,
                None => {
                    let line = rest.split();
                    return Some((serde_json::from_slice(&line).map_err(Into::into), (pieces, rest)));
                }
            }
        }
    })
    .boxed())
}

/// A table of an object or list from a server that makes none.
pub fn names_and_ages(found: &Discovered, value: Value) -> Table {
    let column = |name: &str, format: &str| ColumnDefinition {
        name: name.to_owned(),
        type_: "string".to_owned(),
        format: format.to_owned(),
        ..ColumnDefinition::default()
    };
    let now = jiff::Timestamp::now();
    let mut table = Table { columns: vec![column("Name", "name"), column("Age", "")], ..Table::default() };
    table.metadata.resource_version = values::text(&value, "/metadata/resourceVersion").to_owned();
    table.metadata.continue_ = values::text(&value, "/metadata/continue").to_owned();
    let is_list = values::text(&value, "/kind") != found.resource.kind;
    let items = match value.get("items").and_then(Value::as_array) {
        Some(items) if is_list => items.clone(),
        _ => vec![value],
    };
    table.rows = items
        .into_iter()
        .map(|object| {
            let created =
                values::text(&object, "/metadata/creationTimestamp").parse::<machinery::Time>().ok();
            let age = machinery::table::age(created.as_ref(), now);
            Row { object: object.clone(), ..Row::new([values::name(&object).into(), age.into()]) }
        })
        .collect();
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let check = |milliseconds: u64, expected: &str| {
            assert_eq!(go_duration(std::time::Duration::from_millis(milliseconds)), expected);
        };
        check(0, "0s");
        check(5_000, "5s");
        check(60_000, "1m0s");
        check(3_661_500, "1h1m1.5s");
        check(20, "20ms");
    }

    #[test]
    fn queries_leave_out_what_is_empty() {
        assert_eq!(query(&[("a", ""), ("b", "x=y,z"), ("c", "1")]), "?b=x%3Dy%2Cz&c=1");
        assert_eq!(query(&[]), "");
    }
}
