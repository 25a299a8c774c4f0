//! What can be asked of the verbs.

use machinery::meta::v1::{DeleteOptions, Preconditions};
use serde_json::Value;

use crate::paths::Query;

/// Which objects of a collection, for list, watch and delete-collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListParams {
    /// Label selector in upstream's text form.
    pub label_selector: String,
    /// Field selector in upstream's text form.
    pub field_selector: String,
    /// Objects per page; 0 for all.
    pub limit: u32,
    /// Token of the next page.
    pub continue_token: String,
    /// "" for the newest, "0" for whatever the server has at hand, else at least (or, by
    /// `resource_version_match`, exactly) this version.
    pub resource_version: String,
    /// "", `NotOlderThan` or `Exact`.
    pub resource_version_match: String,
    /// How long the server may work, or keep a watch open, in seconds; 0 for its default.
    pub timeout_seconds: u32,
    /// Watch: bookmarks are wanted.
    pub allow_bookmarks: bool,
    /// Watch: the present objects first, then a bookmark that ends them.
    pub send_initial_events: bool,
}

impl ListParams {
    /// Objects with these labels.
    pub fn labels(mut self, selector: impl Into<String>) -> ListParams {
        self.label_selector = selector.into();
        self
    }

    /// Objects with these fields.
    pub fn fields(mut self, selector: impl Into<String>) -> ListParams {
        self.field_selector = selector.into();
        self
    }

    /// At most so many objects per page.
    pub fn limit(mut self, limit: u32) -> ListParams {
        self.limit = limit;
        self
    }

    pub(crate) fn to_query(&self) -> Query {
        let mut query = Query::default();
        let number = |number: u32| if number == 0 { String::new() } else { number.to_string() };
        query.push("labelSelector", &self.label_selector);
        query.push("fieldSelector", &self.field_selector);
        query.push("limit", number(self.limit));
        query.push("continue", &self.continue_token);
        query.push("resourceVersion", &self.resource_version);
        query.push("resourceVersionMatch", &self.resource_version_match);
        query.push("timeoutSeconds", number(self.timeout_seconds));
        query
    }

    /// The query of a watch that starts after `resource_version`.
    pub(crate) fn to_watch_query(&self, resource_version: &str) -> Query {
        let mut params =
            ListParams { limit: 0, resource_version: resource_version.to_owned(), ..self.clone() };
        params.continue_token.clear();
        if params.send_initial_events && params.resource_version_match.is_empty() {
            params.resource_version_match = "NotOlderThan".to_owned();
        }
        let mut query = params.to_query();
        query.push("watch", "true");
        query.push("allowWatchBookmarks", if params.allow_bookmarks { "true" } else { "" });
        query.push("sendInitialEvents", if params.send_initial_events { "true" } else { "" });
        query
    }
}

/// How a create or replace is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteParams {
    /// Everything but the storing.
    pub dry_run: bool,
    /// Who is recorded as owner of the fields.
    pub field_manager: String,
    /// "", `Ignore`, `Warn` or `Strict`.
    pub field_validation: String,
}

impl WriteParams {
    pub(crate) fn to_query(&self) -> Query {
        let mut query = Query::default();
        query.push("dryRun", if self.dry_run { "All" } else { "" });
        query.push("fieldManager", &self.field_manager);
        query.push("fieldValidation", &self.field_validation);
        query
    }
}

/// How a patch is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchParams {
    /// Everything but the storing.
    pub dry_run: bool,
    /// Who is recorded as owner of the fields; an apply must name one.
    pub field_manager: String,
    /// "", `Ignore`, `Warn` or `Strict`.
    pub field_validation: String,
    /// Apply: take fields over from other managers.
    pub force: bool,
}

impl PatchParams {
    /// An apply in the name of `field_manager`.
    pub fn apply(field_manager: impl Into<String>) -> PatchParams {
        PatchParams { field_manager: field_manager.into(), ..PatchParams::default() }
    }

    /// Takes fields over from other managers.
    pub fn force(mut self) -> PatchParams {
        self.force = true;
        self
    }

    pub(crate) fn to_query(&self) -> Query {
        let mut query = Query::default();
        query.push("dryRun", if self.dry_run { "All" } else { "" });
        query.push("fieldManager", &self.field_manager);
        query.push("fieldValidation", &self.field_validation);
        query.push("force", if self.force { "true" } else { "" });
        query
    }
}

/// A change to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 6902: a list of operations.
    Json(Value),
    /// RFC 7386: the fields to set, `null` to remove.
    Merge(Value),
    /// Like merge, but lists with merge keys are merged by element; built-in kinds only.
    Strategic(Value),
    /// Server-side apply: all fields the manager wants.
    Apply(Value),
}

impl Patch {
    /// The media type that tells the server which kind of patch it is.
    pub fn content_type(&self) -> &'static str {
        match self {
            Patch::Json(_) => "application/json-patch+json",
            Patch::Merge(_) => "application/merge-patch+json",
            Patch::Strategic(_) => "application/strategic-merge-patch+json",
            // YAML 1.2 contains JSON; this is the type every server version knows.
            Patch::Apply(_) => "application/apply-patch+yaml",
        }
    }

    /// The body.
    pub fn value(&self) -> &Value {
        match self {
            Patch::Json(value) | Patch::Merge(value) | Patch::Strategic(value) | Patch::Apply(value) => value,
        }
    }
}

/// How a delete is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteParams {
    /// Everything but the deleting.
    pub dry_run: bool,
    /// Seconds the object may take to go; 0 at once; none for the kind's own.
    pub grace_period_seconds: Option<i64>,
    /// `Orphan`, `Background` or `Foreground`; none for the kind's own.
    pub propagation_policy: Option<String>,
    /// Only the object with this UID.
    pub uid: Option<String>,
    /// Only the object at this version.
    pub resource_version: Option<String>,
}

impl DeleteParams {
    /// Dependents go after the object.
    pub fn background() -> DeleteParams {
        DeleteParams { propagation_policy: Some("Background".to_owned()), ..DeleteParams::default() }
    }

    /// Dependents go before the object.
    pub fn foreground() -> DeleteParams {
        DeleteParams { propagation_policy: Some("Foreground".to_owned()), ..DeleteParams::default() }
    }

    /// Dependents stay.
    pub fn orphan() -> DeleteParams {
        DeleteParams { propagation_policy: Some("Orphan".to_owned()), ..DeleteParams::default() }
    }

    /// Only the object with this UID.
    pub fn with_uid(mut self, uid: impl Into<String>) -> DeleteParams {
        self.uid = Some(uid.into());
        self
    }

    /// Seconds the object may take to go.
    pub fn with_grace_period(mut self, seconds: i64) -> DeleteParams {
        self.grace_period_seconds = Some(seconds);
        self
    }

    /// The body of the request in JSON, which every version of the server reads; none when nothing is said.
    pub fn to_body(&self) -> Option<String> {
        use machinery::Message as _;
        if *self == DeleteParams::default() {
            return None;
        }
        let mut options = self.to_options().to_value();
        options["kind"] = "DeleteOptions".into();
        options["apiVersion"] = "v1".into();
        Some(options.to_string())
    }

    fn to_options(&self) -> DeleteOptions {
        let preconditions = (self.uid.is_some() || self.resource_version.is_some()).then(|| {
            Box::new(Preconditions { uid: self.uid.clone(), resource_version: self.resource_version.clone() })
        });
        DeleteOptions {
            grace_period_seconds: self.grace_period_seconds,
            preconditions,
            propagation_policy: self.propagation_policy.clone(),
            dry_run: if self.dry_run { vec!["All".to_owned()] } else { Vec::new() },
            ..DeleteOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_queries_have_no_page() {
        let params = ListParams {
            limit: 5,
            continue_token: "x".into(),
            allow_bookmarks: true,
            send_initial_events: true,
            timeout_seconds: 300,
            ..ListParams::default().labels("a=b")
        };
        assert_eq!(
            params.to_watch_query("7").text(),
            "?labelSelector=a%3db&resourceVersion=7&resourceVersionMatch=NotOlderThan&timeoutSeconds=300&watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
        );
        assert_eq!(params.to_query().text(), "?labelSelector=a%3db&limit=5&continue=x&timeoutSeconds=300");
    }

    #[test]
    fn delete_options_carry_preconditions() {
        let options = DeleteParams::background().with_uid("u").to_options();
        assert_eq!(options.preconditions.and_then(|preconditions| preconditions.uid), Some("u".to_owned()));
        assert!(
            DeleteParams::default().to_body().is_none()
                && DeleteParams::default().to_options().preconditions.is_none()
        );
    }
}
