//! `SubjectAccessReview` and its local and self forms: may somebody do something?

use api_types::authorization::v1::{
    FieldSelectorAttributes, LabelSelectorAttributes, LocalSubjectAccessReview, NonResourceAttributes,
    ResourceAttributes, SelfSubjectAccessReview, SubjectAccessReview, SubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
};
use apiserver_auth::UserInfo;
use apiserver_auth::authz::{Attributes, Authorizer, FieldRequirement, Verdict};
use machinery::field::{self, ErrorList, Path};
use machinery::meta::v1::{FieldSelectorRequirement, ObjectMeta};
use machinery::object::Object;
use machinery::selectors::{fields, labels};
use machinery::status::StatusError;
use machinery::{GroupKind, Message};

type Answer = Result<Box<dyn Object>, StatusError>;

/// Answers a review of any subject.
pub async fn subject(authorizer: &dyn Authorizer, mut review: SubjectAccessReview) -> Answer {
    let mut errors = subject_spec_errors(&review.spec);
    errors.extend(metadata_errors(&review.metadata, "must be empty", false));
    refuse(errors, "SubjectAccessReview")?;
    review.status = decide_spec(authorizer, &review.spec).await;
    Ok(Box::new(review))
}

/// Answers a review of any subject within one namespace.
pub async fn local_subject(
    authorizer: &dyn Authorizer,
    mut review: LocalSubjectAccessReview,
    namespace: &str,
) -> Answer {
    let mut errors = subject_spec_errors(&review.spec);
    errors.extend(metadata_errors(&review.metadata, "must be empty except for namespace", true));
    if let Some(wanted) = &review.spec.resource_attributes
        && wanted.namespace != review.metadata.namespace
    {
        let path = Path::new("spec.resourceAttributes.namespace");
        errors.push(field::Error::invalid(&path, &wanted.namespace, "must match metadata.namespace"));
    }
    if let Some(wanted) = &review.spec.non_resource_attributes {
        let path = Path::new("spec.nonResourceAttributes");
        errors.push(field::Error::invalid(&path, wanted.to_value(), "disallowed on this kind of request"));
    }
    refuse(errors, "LocalSubjectAccessReview")?;
    if namespace.is_empty() {
        return Err(StatusError::bad_request("namespace is required on this type: "));
    }
    if namespace != review.metadata.namespace {
        return Err(StatusError::bad_request(format!(
            "spec.resourceAttributes.namespace must match namespace: {namespace}"
        )));
    }
    review.status = decide_spec(authorizer, &review.spec).await;
    Ok(Box::new(review))
}

/// Answers a review of the requester.
pub async fn self_subject(
    authorizer: &dyn Authorizer,
    mut review: SelfSubjectAccessReview,
    user: &UserInfo,
) -> Answer {
    let spec = &review.spec;
    let mut errors =
        attribute_errors(spec.resource_attributes.as_deref(), spec.non_resource_attributes.as_deref());
    errors.extend(metadata_errors(&review.metadata, "must be empty", false));
    refuse(errors, "SelfSubjectAccessReview")?;
    let (resource, path) = (spec.resource_attributes.as_deref(), spec.non_resource_attributes.as_deref());
    review.status = decide(authorizer, user, resource, path).await;
    Ok(Box::new(review))
}

fn refuse(errors: ErrorList, kind: &str) -> Result<(), StatusError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(StatusError::invalid(&GroupKind::new("authorization.k8s.io", kind.to_string()), "", &errors))
}

fn metadata_errors(metadata: &ObjectMeta, detail: &str, namespace_allowed: bool) -> ErrorList {
    let mut rest = metadata.clone();
    rest.managed_fields.clear();
    if namespace_allowed {
        rest.namespace.clear();
    }
    if rest == ObjectMeta::default() {
        return ErrorList::new();
    }
    vec![field::Error::invalid(&Path::new("metadata"), metadata.to_value(), detail)]
}

fn subject_spec_errors(spec: &SubjectAccessReviewSpec) -> ErrorList {
    let (resource, path) = (spec.resource_attributes.as_deref(), spec.non_resource_attributes.as_deref());
    let mut errors = attribute_errors(resource, path);
    if spec.user.is_empty() && spec.groups.is_empty() {
        let detail = "at least one of user or group must be specified";
        errors.push(field::Error::invalid(&Path::new("spec").child("user"), &spec.user, detail));
    }
    errors
}

fn attribute_errors(
    resource: Option<&ResourceAttributes>,
    path: Option<&NonResourceAttributes>,
) -> ErrorList {
    let spec = Path::new("spec");
    let mut errors = ErrorList::new();
    match (resource, path) {
        (Some(_), Some(path)) => errors.push(field::Error::invalid(
            &spec.child("nonResourceAttributes"),
            path.to_value(),
            "cannot be specified in combination with resourceAttributes",
        )),
        (None, None) => errors.push(field::Error::invalid(
            &spec.child("resourceAttributes"),
            serde_json::Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    let at = Path::new("spec.resourceAttributes");
    if let Some(resource) = resource {
        if let Some(FieldSelectorAttributes { raw_selector, requirements }) =
            resource.field_selector.as_deref()
        {
            let form = (raw_selector.as_str(), requirements.is_empty());
            errors.extend(selector_errors(form, &at.child("fieldSelector")));
        }
        if let Some(LabelSelectorAttributes { raw_selector, requirements }) =
            resource.label_selector.as_deref()
        {
            let form = (raw_selector.as_str(), requirements.is_empty());
            errors.extend(selector_errors(form, &at.child("labelSelector")));
        }
    }
    errors
}

fn selector_errors((raw, no_requirements): (&str, bool), at: &Path) -> ErrorList {
    match (raw.is_empty(), no_requirements) {
        (false, false) => {
            let detail = "may not specified at the same time as requirements";
            vec![field::Error::invalid(&at.child("rawSelector"), raw, detail)]
        }
        (true, true) => {
            let detail = format!("when {at} is specified, requirements or rawSelector is required");
            vec![field::Error::required(&at.child("requirements"), detail)]
        }
        _ => ErrorList::new(),
    }
}

async fn decide_spec(
    authorizer: &dyn Authorizer,
    spec: &SubjectAccessReviewSpec,
) -> SubjectAccessReviewStatus {
    let user = UserInfo {
        username: spec.user.clone(),
        uid: spec.uid.clone(),
        groups: spec.groups.clone(),
        extra: spec.extra.iter().map(|(key, values)| (key.clone(), values.clone())).collect(),
    };
    let (resource, path) = (spec.resource_attributes.as_deref(), spec.non_resource_attributes.as_deref());
    decide(authorizer, &user, resource, path).await
}

async fn decide(
    authorizer: &dyn Authorizer,
    user: &UserInfo,
    resource: Option<&ResourceAttributes>,
    path: Option<&NonResourceAttributes>,
) -> SubjectAccessReviewStatus {
    let mut evaluation_errors = Vec::new();
    let mut requirements = Vec::new();
    let attributes = match (resource, path) {
        (Some(wanted), _) => {
            let (parsed, problem) = field_requirements(wanted.field_selector.as_deref());
            evaluation_errors
                .extend(problem.map(|how| format!("spec.resourceAttributes.fieldSelector {how}")));
            evaluation_errors.extend(
                label_problem(wanted.label_selector.as_deref())
                    .map(|how| format!("spec.resourceAttributes.labelSelector {how}")),
            );
            requirements = parsed;
            Attributes {
                user,
                verb: &wanted.verb,
                namespace: &wanted.namespace,
                api_group: &wanted.group,
                api_version: if wanted.version.is_empty() { "*" } else { &wanted.version },
                resource: &wanted.resource,
                subresource: &wanted.subresource,
                name: &wanted.name,
                resource_request: true,
                path: "",
                field_requirements: &[],
            }
        }
        (None, Some(wanted)) => Attributes::path(user, &wanted.verb, &wanted.path),
        (None, None) => return SubjectAccessReviewStatus::default(),
    };
    let attributes = Attributes { field_requirements: &requirements, ..attributes };
    let decision = authorizer.authorize(&attributes).await;
    SubjectAccessReviewStatus {
        allowed: decision.verdict == Verdict::Allow,
        denied: decision.verdict == Verdict::Deny,
        reason: decision.reason,
        evaluation_error: evaluation_errors.join("; "),
    }
}

/// What of a selector could not be used: some conditions, or all.
fn ignored(some_are_left: bool) -> &'static str {
    if some_are_left { "partially ignored due to parse error" } else { "ignored due to parse error" }
}

fn field_requirements(
    selector: Option<&FieldSelectorAttributes>,
) -> (Vec<FieldRequirement>, Option<&'static str>) {
    let Some(selector) = selector else { return (Vec::new(), None) };
    if selector.requirements.is_empty() {
        if fields::Selector::parse(&selector.raw_selector).is_err() {
            return (Vec::new(), Some(ignored(false)));
        }
        return (crate::chain::authorization::field_requirements(&selector.raw_selector), None);
    }
    let mut parsed = Vec::new();
    let mut failed = false;
    for FieldSelectorRequirement { key, operator, values } in &selector.requirements {
        match (operator.as_str(), values.as_slice()) {
            ("In" | "NotIn", [value]) => parsed.push(FieldRequirement {
                field: key.clone(),
                equals: operator == "In",
                value: value.clone(),
            }),
            _ => failed = true,
        }
    }
    let problem = failed.then(|| ignored(!parsed.is_empty()));
    (parsed, problem)
}

/// Labels take no part in any decision here, but a selector that cannot be read is reported.
fn label_problem(selector: Option<&LabelSelectorAttributes>) -> Option<&'static str> {
    let selector = selector?;
    if selector.requirements.is_empty() {
        return labels::Selector::parse(&selector.raw_selector).is_err().then(|| ignored(false));
    }
    let readable = |operator: &str| matches!(operator, "In" | "NotIn" | "Exists" | "DoesNotExist");
    let good = selector.requirements.iter().filter(|one| readable(&one.operator)).count();
    (good < selector.requirements.len()).then(|| ignored(good > 0))
}

#[cfg(test)]
mod tests {
    use apiserver_auth::authz::always::{AlwaysAllow, AlwaysDeny};
    use serde_json::{Value, json};

    use super::*;

    async fn ask_self(authorizer: &dyn Authorizer, spec: Value) -> Result<Value, String> {
        let review = SelfSubjectAccessReview::from_value(&json!({"spec": spec})).unwrap();
        let answer = self_subject(authorizer, review, &UserInfo::new("u", ["g"])).await;
        answer
            .map(|object| {
                object.as_any().downcast_ref::<SelfSubjectAccessReview>().unwrap().status.to_value()
            })
            .map_err(|error| error.status.message)
    }

    #[tokio::test]
    async fn decisions_are_reported() {
        let pods = json!({"resourceAttributes": {"verb": "get", "resource": "pods"}});
        assert_eq!(ask_self(&AlwaysAllow, pods.clone()).await, Ok(json!({"allowed": true})));
        let refused = json!({"allowed": false, "reason": "Everything is forbidden."});
        assert_eq!(ask_self(&AlwaysDeny, pods).await, Ok(refused));
        let path = json!({"nonResourceAttributes": {"verb": "get", "path": "/healthz"}});
        assert_eq!(ask_self(&AlwaysAllow, path).await, Ok(json!({"allowed": true})));
    }

    #[tokio::test]
    async fn broken_reviews_are_refused() {
        let nothing = ask_self(&AlwaysAllow, json!({})).await.unwrap_err();
        assert!(nothing.contains("exactly one of nonResourceAttributes or resourceAttributes"), "{nothing}");
        let both = json!({"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get"}});
        let both = ask_self(&AlwaysAllow, both).await.unwrap_err();
        assert!(both.contains("spec.nonResourceAttributes"), "{both}");
    }

    #[tokio::test]
    async fn unreadable_selectors_are_reported() {
        let spec = json!({"resourceAttributes": {"verb": "list", "resource": "pods",
            "fieldSelector": {"rawSelector": "a>b"}}});
        let answer = ask_self(&AlwaysAllow, spec).await.unwrap();
        assert_eq!(
            answer["evaluationError"],
            "spec.resourceAttributes.fieldSelector ignored due to parse error"
        );
    }

    #[tokio::test]
    async fn local_reviews_stay_in_their_namespace() {
        let review = LocalSubjectAccessReview::from_value(&json!({"metadata": {"namespace": "a"},
            "spec": {"user": "u", "resourceAttributes": {"namespace": "b", "verb": "get"}}}))
        .unwrap();
        let error = local_subject(&AlwaysAllow, review, "a").await.unwrap_err().status.message;
        assert!(
            error.contains("spec.resourceAttributes.namespace: Invalid value: \"b\": must match"),
            "{error}"
        );
    }
}
