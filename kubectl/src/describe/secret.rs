//! Secrets: their keys and sizes, never what is in them, but for the token of a service account as upstream does.

use base64::Engine as _;
use serde_json::Value;

use super::config_map::decoded_length;
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of a secret.
pub fn describe(secret: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.identity(secret);
    let kind = values::text(secret, "/type");
    page.line(0, &format!("\nType:\t{kind}"));
    page.line(0, "\nData\n====");
    for (key, value) in values::entries(secret, "/data") {
        let encoded = values::plain(value);
        if key == "token" && kind == "kubernetes.io/service-account-token" {
            let token = base64::engine::general_purpose::STANDARD.decode(&encoded).unwrap_or_default();
            page.field(0, key, String::from_utf8_lossy(&token));
        } else {
            page.field(0, key, format!("{} bytes", decoded_length(&encoded)));
        }
    }
    Ok(())
}
