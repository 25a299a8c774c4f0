//! A small built-in kind for tests of patches: the shapes of a workload in few fields.

use crate::schema::{Field, Label, ListKind, Message, Type, flag, patch};

const fn field(name: &'static str, number: u32, label: Label, ty: Type) -> Field {
    let (list, keys, patch, merge_key) = (ListKind::Atomic, &[] as &[&str], 0, "");
    let flags = flag::OMITEMPTY | flag::POINTER;
    Field { name, number, label, ty, flags, list, keys, patch, merge_key, default: "" }
}

/// A struct which is always there, as the main parts of objects are.
const fn part(name: &'static str, number: u32, message: &'static Message) -> Field {
    Field { flags: flag::OMITEMPTY, ..field(name, number, Label::Single, Type::Message(message)) }
}

const fn map_list(base: Field, keys: &'static [&'static str], merge_key: &'static str) -> Field {
    Field { list: ListKind::Map, keys, patch: patch::MERGE, merge_key, ..base }
}

static ENV: Message = Message {
    full_name: "test.EnvVar",
    fields: &[field("name", 1, Label::Single, Type::String), field("value", 2, Label::Single, Type::String)],
    by_number: &[0, 1],
    type_meta: false,
    atomic: false,
};

static PORT: Message = Message {
    full_name: "test.ContainerPort",
    fields: &[
        field("containerPort", 1, Label::Single, Type::Int32),
        Field { default: "\"TCP\"", ..field("protocol", 2, Label::Single, Type::String) },
        field("name", 3, Label::Single, Type::String),
    ],
    by_number: &[0, 1, 2],
    type_meta: false,
    atomic: false,
};

static CONTAINER: Message = Message {
    full_name: "test.Container",
    fields: &[
        field("name", 1, Label::Single, Type::String),
        field("image", 2, Label::Single, Type::String),
        field("args", 3, Label::Repeated, Type::String),
        map_list(field("env", 4, Label::Repeated, Type::Message(&ENV)), &["name"], "name"),
        map_list(
            field("ports", 5, Label::Repeated, Type::Message(&PORT)),
            &["containerPort", "protocol"],
            "containerPort",
        ),
        field("limits", 6, Label::Map, Type::Quantity),
    ],
    by_number: &[0, 1, 2, 3, 4, 5],
    type_meta: false,
    atomic: false,
};

static VOLUME: Message = Message {
    full_name: "test.Volume",
    fields: &[
        field("name", 1, Label::Single, Type::String),
        field("emptyDir", 2, Label::Single, Type::Message(&ENV)),
        field("hostPath", 3, Label::Single, Type::Message(&ENV)),
    ],
    by_number: &[0, 1, 2],
    type_meta: false,
    atomic: false,
};

static SELECTOR: Message = Message {
    full_name: "test.LabelSelector",
    fields: &[field("matchLabels", 1, Label::Map, Type::String)],
    by_number: &[0],
    type_meta: false,
    atomic: true,
};

static STRATEGY: Message = Message {
    full_name: "test.Strategy",
    fields: &[
        field("type", 1, Label::Single, Type::String),
        field("rollingUpdate", 2, Label::Single, Type::Message(&ENV)),
    ],
    by_number: &[0, 1],
    type_meta: false,
    atomic: false,
};

static SPEC: Message = Message {
    full_name: "test.Spec",
    fields: &[
        field("replicas", 1, Label::Single, Type::Int32),
        field("selector", 2, Label::Single, Type::Message(&SELECTOR)),
        map_list(field("containers", 3, Label::Repeated, Type::Message(&CONTAINER)), &["name"], "name"),
        Field {
            patch: patch::MERGE | patch::RETAIN_KEYS,
            ..map_list(field("volumes", 4, Label::Repeated, Type::Message(&VOLUME)), &["name"], "name")
        },
        Field { patch: patch::RETAIN_KEYS, ..field("strategy", 5, Label::Single, Type::Message(&STRATEGY)) },
        field("nodeSelector", 6, Label::Map, Type::String),
        field("raw", 7, Label::Single, Type::RawExtension),
    ],
    by_number: &[0, 1, 2, 3, 4, 5, 6],
    type_meta: false,
    atomic: false,
};

static STATUS: Message = Message {
    full_name: "test.Status",
    fields: &[
        field("phase", 1, Label::Single, Type::String),
        field("readyReplicas", 2, Label::Single, Type::Int32),
    ],
    by_number: &[0, 1],
    type_meta: false,
    atomic: false,
};

/// `apps/v1, Kind=Thing`.
pub(crate) static THING: Message = Message {
    full_name: "test.Thing",
    fields: &[
        part("metadata", 1, &crate::meta::v1::OBJECT_META),
        part("spec", 2, &SPEC),
        part("status", 3, &STATUS),
    ],
    by_number: &[0, 1, 2],
    type_meta: true,
    atomic: false,
};
