//! Options in the query of a URL, read as upstream's parameter codec reads them.

use std::borrow::Cow;

use machinery::GroupKind;
use machinery::field::{Error, ErrorList, Path};
use machinery::meta::v1::{CreateOptions, DeleteOptions, PatchOptions, Preconditions, UpdateOptions};
use machinery::quote::go_quote;
use machinery::status::StatusError;

/// The decoded parameters of a query, in order.
#[derive(Clone, Debug, Default)]
pub struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    /// Splits and decodes a raw query.
    pub fn parse(raw: &str) -> Query {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name).into_owned(), decode(value).into_owned())
        });
        Query { parameters: parameters.collect() }
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parameters.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A text, empty when absent.
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// A flag: anything but `false`, `0` and the empty text is true.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | ""))
    }

    /// A number; the error is Go's.
    pub fn number(&self, name: &str) -> Result<Option<i64>, StatusError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let kind = |value: &str| {
            let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
            let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if numeric { "value out of range" } else { "invalid syntax" }
        };
        value.parse().map(Some).map_err(|_| {
            StatusError::bad_request(format!(
                "strconv.ParseInt: parsing {}: {}",
                go_quote(value),
                kind(value)
            ))
        })
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.all(name).map(str::to_owned).collect()
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        let hex =
            |offset: usize| bytes.get(position + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                position += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            (other, ..) => out.push(*other),
        }
        position += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Options of list, watch and deletecollection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOptions {
    /// Raw label selector.
    pub label_selector: String,
    /// Raw field selector.
    pub field_selector: String,
    /// Watch instead of list.
    pub watch: bool,
    /// Send bookmarks.
    pub allow_watch_bookmarks: bool,
    /// Raw resource version.
    pub resource_version: String,
    /// `""`, `Exact` or `NotOlderThan`.
    pub resource_version_match: String,
    /// How long a watch lasts.
    pub timeout_seconds: Option<i64>,
    /// Page size; 0 for all.
    pub limit: i64,
    /// Continue token.
    pub continue_: String,
    /// Begin a watch with the present state.
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Reads and checks. `watch` is true when the path already says so.
    pub fn read(query: &Query, watch: bool) -> Result<ListOptions, StatusError> {
        let mut options = ListOptions {
            label_selector: query.text("labelSelector"),
            field_selector: query.text("fieldSelector"),
            watch: watch || query.flag("watch").unwrap_or(false),
            allow_watch_bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            resource_version: query.text("resourceVersion"),
            resource_version_match: query.text("resourceVersionMatch"),
            timeout_seconds: query.number("timeoutSeconds")?,
            limit: query.number("limit")?.unwrap_or(0),
            continue_: query.text("continue"),
            send_initial_events: query.flag("sendInitialEvents"),
        };
        options.set_defaults();
        let errors = if options.watch { options.watch_errors() } else { options.list_errors() };
        refuse("ListOptions", &errors)?;
        Ok(options)
    }

    /// A watch from nowhere or from "0" begins with the present state; said explicitly it is one case less.
    fn set_defaults(&mut self) {
        let explicit = self.send_initial_events.is_some() || !self.resource_version_match.is_empty();
        if self.watch && !explicit && matches!(self.resource_version.as_str(), "" | "0") {
            self.send_initial_events = Some(true);
            self.resource_version_match = NOT_OLDER_THAN.to_owned();
        }
    }

    fn list_errors(&self) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("resourceVersionMatch");
        let value = self.resource_version_match.as_str();
        if !value.is_empty() {
            if self.resource_version.is_empty() {
                let text = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                errors.push(Error::forbidden(&path, text));
            }
            if !self.continue_.is_empty() {
                errors.push(Error::forbidden(
                    &path,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if !matches!(value, EXACT | NOT_OLDER_THAN) {
                errors.push(Error::not_supported(&path, value, [EXACT, NOT_OLDER_THAN, ""]));
            }
            if value == EXACT && self.resource_version == "0" {
                let text = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                errors.push(Error::forbidden(&path, text));
            }
        }
        if self.send_initial_events.is_some() {
            let path = Path::new("sendInitialEvents");
            errors.push(Error::forbidden(&path, "sendInitialEvents is forbidden for list"));
        }
        errors
    }

    fn watch_errors(&self) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("resourceVersionMatch");
        let value = self.resource_version_match.as_str();
        if self.send_initial_events.is_some() && value != NOT_OLDER_THAN {
            let text = format!("sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}");
            errors.push(Error::forbidden(&path, text));
        }
        if !value.is_empty() {
            if self.send_initial_events.is_none() {
                let text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                errors.push(Error::forbidden(&path, text));
            }
            if value != NOT_OLDER_THAN {
                errors.push(Error::not_supported(&path, value, [NOT_OLDER_THAN]));
            }
            if !self.continue_.is_empty() {
                errors.push(Error::forbidden(
                    &path,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
        }
        errors
    }
}

/// `resourceVersionMatch` of one exact state.
pub const EXACT: &str = "Exact";
/// `resourceVersionMatch` of any state from then on.
pub const NOT_OLDER_THAN: &str = "NotOlderThan";

/// A resource version as a number; 0 for `""` and `"0"`.
pub fn parse_resource_version(text: &str) -> Result<u64, StatusError> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let value = go_quote(text);
        StatusError::bad_request(format!(
            "resourceVersion: Invalid value: {value}: strconv.ParseUint: parsing {value}: invalid syntax"
        ))
    })
}

/// Options of a create.
pub fn create_options(query: &Query) -> Result<CreateOptions, StatusError> {
    let options = CreateOptions {
        dry_run: query.list("dryRun"),
        field_manager: query.text("fieldManager"),
        field_validation: query.text("fieldValidation"),
    };
    refuse(
        "CreateOptions",
        &write_errors(&options.field_manager, &options.dry_run, &options.field_validation),
    )?;
    Ok(options)
}

/// Options of an update.
pub fn update_options(query: &Query) -> Result<UpdateOptions, StatusError> {
    let options = UpdateOptions {
        dry_run: query.list("dryRun"),
        field_manager: query.text("fieldManager"),
        field_validation: query.text("fieldValidation"),
    };
    refuse(
        "UpdateOptions",
        &write_errors(&options.field_manager, &options.dry_run, &options.field_validation),
    )?;
    Ok(options)
}

/// Options of a patch; `applies` for server-side apply.
pub fn patch_options(query: &Query, applies: bool) -> Result<PatchOptions, StatusError> {
    let options = PatchOptions {
        dry_run: query.list("dryRun"),
        force: query.flag("force"),
        field_manager: query.text("fieldManager"),
        field_validation: query.text("fieldValidation"),
    };
    let mut errors = ErrorList::new();
    if applies && options.field_manager.is_empty() {
        errors.push(Error::required(&Path::new("fieldManager"), "is required for apply patch"));
    }
    if !applies && options.force.is_some() {
        errors.push(Error::forbidden(&Path::new("force"), "may not be specified for non-apply patch"));
    }
    errors.extend(write_errors(&options.field_manager, &options.dry_run, &options.field_validation));
    refuse("PatchOptions", &errors)?;
    Ok(options)
}

/// Options of a delete in the query; a body takes their place.
pub fn delete_options(query: &Query) -> Result<DeleteOptions, StatusError> {
    let uid = query.get("uid").map(str::to_owned);
    Ok(DeleteOptions {
        grace_period_seconds: query.number("gracePeriodSeconds")?,
        orphan_dependents: query.flag("orphanDependents"),
        propagation_policy: query.get("propagationPolicy").map(str::to_owned),
        dry_run: query.list("dryRun"),
        preconditions: uid.map(|uid| Box::new(Preconditions { uid: Some(uid), resource_version: None })),
        ignore_store_read_error_with_cluster_breaking_potential: query
            .flag("ignoreStoreReadErrorWithClusterBreakingPotential"),
    })
}

/// Refuses delete options that contradict themselves.
pub fn check_delete_options(options: &DeleteOptions) -> Result<(), StatusError> {
    let mut errors = ErrorList::new();
    let path = Path::new("propagationPolicy");
    if let Some(policy) = &options.propagation_policy {
        if options.orphan_dependents.is_some() {
            let text = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(Error::invalid(&path, policy.as_str(), text));
        } else if !matches!(policy.as_str(), "Foreground" | "Background" | "Orphan") {
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(Error::not_supported(&path, policy.as_str(), supported));
        }
    }
    errors.extend(dry_run_errors(&options.dry_run));
    refuse("DeleteOptions", &errors)
}

fn write_errors(field_manager: &str, dry_run: &[String], field_validation: &str) -> ErrorList {
    let mut errors = rules::meta::validate_field_manager(field_manager, &Path::new("fieldManager"));
    errors.extend(dry_run_errors(dry_run));
    if !matches!(field_validation, "" | "Ignore" | "Warn" | "Strict") {
        let supported = ["", "Ignore", "Strict", "Warn"];
        errors.push(Error::not_supported(&Path::new("fieldValidation"), field_validation, supported));
    }
    errors
}

fn dry_run_errors(dry_run: &[String]) -> ErrorList {
    if dry_run.iter().all(|value| value == "All") {
        return ErrorList::new();
    }
    let shown = dry_run.join(" ");
    vec![Error::not_supported(&Path::new("dryRun"), format!("[{shown}]").as_str(), ["All"])]
}

fn refuse(kind: &'static str, errors: &[Error]) -> Result<(), StatusError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(StatusError::invalid(&GroupKind::new("meta.k8s.io", kind), "", errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query =
            Query::parse("labelSelector=a%3Db%2Cc+in+(x)&watch&dryRun=All&dryRun=All&bad=%zz&limit=5");
        assert_eq!(query.get("labelSelector"), Some("a=b,c in (x)"));
        assert_eq!(query.flag("watch"), Some(false));
        assert_eq!(query.all("dryRun").count(), 2);
        assert_eq!(query.get("bad"), Some("%zz"));
        assert_eq!(query.number("limit"), Ok(Some(5)));
        let message = Query::parse("limit=x").number("limit").unwrap_err().to_string();
        assert_eq!(message, "strconv.ParseInt: parsing \"x\": invalid syntax");
    }

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        match ListOptions::read(&Query::parse(raw), false) {
            Ok(options) => assert_eq!(format!("{:?}", options.send_initial_events), expected),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }

    #[test]
    fn list_options() {
        check("", "None");
        check("watch=1", "Some(true)");
        check("watch=1&resourceVersion=5", "None");
        check(
            "resourceVersionMatch=Exact",
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        );
        check(
            "watch=1&sendInitialEvents=true&resourceVersion=4",
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
        check(
            "sendInitialEvents=true",
            "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        );
    }
}
