//! Service accounts.

use serde_json::Value;

use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of a service account.
pub fn describe(account: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.identity(account);
    let secrets = values::list(account, "/imagePullSecrets").iter();
    let names: Vec<String> = secrets.map(|secret| values::text(secret, "/name").to_owned()).collect();
    page.column(0, "Image pull secrets", &names);
    Ok(())
}
