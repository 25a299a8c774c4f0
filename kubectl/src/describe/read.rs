//! Parts of objects as text, in Go's ways of showing them.

use machinery::meta::v1::LabelSelector;
use serde_json::Value;

use crate::values;

/// The whole number at a pointer, zero when there is none.
pub fn number(object: &Value, pointer: &str) -> i64 {
    values::number(object, pointer).unwrap_or_default()
}

/// Whether anything but null is at a pointer.
pub fn present(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).is_some_and(|value| !value.is_null())
}

/// The scalar at a pointer, when there is one.
pub fn scalar(object: &Value, pointer: &str) -> Option<String> {
    object.pointer(pointer).filter(|value| !value.is_null()).map(values::plain)
}

/// The scalar at a pointer, else `default`.
pub fn scalar_or(object: &Value, pointer: &str, default: &str) -> String {
    scalar(object, pointer).unwrap_or_else(|| default.to_owned())
}

/// The quantity at a pointer; `0` when there is none.
pub fn quantity(object: &Value, pointer: &str) -> String {
    scalar_or(object, pointer, "0")
}

/// The texts of a list.
pub fn texts(object: &Value, pointer: &str) -> Vec<String> {
    values::list(object, pointer).iter().map(values::plain).collect()
}

/// A list as Go prints one: `[a b]`.
pub fn go_list(object: &Value, pointer: &str) -> String {
    format!("[{}]", texts(object, pointer).join(" "))
}

/// A list with a separator, `<none>` when it is empty.
pub fn joined_or_none(object: &Value, pointer: &str, separator: &str) -> String {
    or_none(&texts(object, pointer).join(separator)).to_owned()
}

/// A text, `<none>` when it is empty.
pub fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

/// The map of labels at a pointer on one line: `a=1,b=2`, or `<none>`.
pub fn labels_line(object: &Value, pointer: &str) -> String {
    values::joined(object, pointer, ",")
}

/// The label selector at a pointer; none when there is none.
pub fn selector(object: &Value, pointer: &str) -> Option<LabelSelector> {
    let value = object.pointer(pointer).filter(|value| !value.is_null())?;
    let texts = |value: &Value, pointer: &str| texts(value, pointer);
    Some(LabelSelector {
        match_labels: values::entries(value, "/matchLabels")
            .into_iter()
            .map(|(key, value)| (key.to_owned(), values::plain(value)))
            .collect(),
        match_expressions: values::list(value, "/matchExpressions")
            .iter()
            .map(|expression| machinery::meta::v1::LabelSelectorRequirement {
                key: values::text(expression, "/key").to_owned(),
                operator: values::text(expression, "/operator").to_owned(),
                values: texts(expression, "/values"),
            })
            .collect(),
    })
}

/// The label selector at a pointer for people: `<none>` when it selects everything or nothing.
pub fn selector_shown(object: &Value, pointer: &str) -> String {
    rules::selector::shown(selector(object, pointer).as_ref())
}

/// The label selector at a pointer as a request has it; an empty one is empty.
pub fn selector_text(object: &Value, pointer: &str) -> String {
    selector(object, pointer).and_then(|selector| rules::selector::text(&selector)).unwrap_or_default()
}

/// `Kind/name` of the owner that controls the object.
pub fn controller(object: &Value) -> Option<String> {
    let owner = values::list(object, "/metadata/ownerReferences")
        .iter()
        .find(|owner| values::flag(owner, "/controller"))?;
    Some(format!("{}/{}", values::text(owner, "/kind"), values::text(owner, "/name")))
}

/// The uid of the owner that controls the object.
pub fn controller_uid(object: &Value) -> Option<&str> {
    let owners = values::list(object, "/metadata/ownerReferences").iter();
    owners.filter(|owner| values::flag(owner, "/controller")).map(|owner| values::text(owner, "/uid")).next()
}

/// Access modes in short, always in the same order: `RWO,ROX,RWX,RWOP`.
pub fn access_modes(object: &Value, pointer: &str) -> String {
    let modes = texts(object, pointer);
    let known = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let found = known.iter().filter(|(mode, _)| modes.iter().any(|own| own == mode));
    found.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

/// The storage class of a volume or claim: the old annotation counts first.
pub fn storage_class(object: &Value) -> String {
    let annotation = object.pointer("/metadata/annotations/volume.beta.kubernetes.io~1storage-class");
    let field = object.pointer("/spec/storageClassName");
    annotation.or(field).map(values::plain).unwrap_or_default()
}

/// `True` or `False`.
pub fn truth(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// `True`, `False`, or `<unset>`.
pub fn truth_or_unset(object: &Value, pointer: &str) -> &'static str {
    object.pointer(pointer).and_then(Value::as_bool).map_or("<unset>", truth)
}

/// `host:port`, with brackets around IPv6 addresses.
pub fn host_port(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_of_objects_are_shown_as_go_does() {
        let object = json!({"l": ["a", "b"], "m": {"b": "2", "a": "1"}, "modes": ["ReadOnlyMany", "ReadWriteOnce"],
            "s": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["y", "x"]}]},
            "metadata": {"ownerReferences": [{"kind": "A", "name": "x"}, {"kind": "B", "name": "y", "uid": "u", "controller": true}]}});
        assert_eq!(go_list(&object, "/l"), "[a b]");
        assert_eq!(go_list(&object, "/none"), "[]");
        assert_eq!(joined_or_none(&object, "/none", ","), "<none>");
        assert_eq!(labels_line(&object, "/m"), "a=1,b=2");
        assert_eq!(selector_shown(&object, "/s"), "a=b,c in (x,y)");
        assert_eq!(selector_shown(&object, "/none"), "<none>");
        assert_eq!(access_modes(&object, "/modes"), "RWO,ROX");
        assert_eq!((controller(&object), controller_uid(&object)), (Some("B/y".to_owned()), Some("u")));
        assert_eq!(
            (host_port("::1", "80"), host_port("a", "80")),
            ("[::1]:80".to_owned(), "a:80".to_owned())
        );
    }
}
