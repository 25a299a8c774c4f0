//! Config maps.

use serde_json::Value;

use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of a config map.
pub fn describe(map: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.identity(map);
    page.line(0, "\nData\n====");
    for (key, value) in values::entries(map, "/data") {
        page.line(0, &format!("{key}:\n----"));
        page.line(0, &values::plain(value));
        page.line(0, "");
    }
    page.line(0, "\nBinaryData\n====");
    for (key, value) in values::entries(map, "/binaryData") {
        page.line(0, &format!("{key}: {} bytes", decoded_length(&values::plain(value))));
    }
    page.line(0, "");
    Ok(())
}

/// How many bytes a base64 text stands for.
pub fn decoded_length(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}
