//! Server-side table columns and the cells under them.

use machinery::{Time, meta::v1::ObjectMeta};
use serde_json::Value;

/// Where the text that describes a column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The text itself.
    Text(&'static str),
    /// The documentation of a field: message name in the schema (`k8s.io.api.core.v1.PodStatus`) and JSON name.
    Field(&'static str, &'static str),
}

/// One column, as `meta.k8s.io/v1` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading, in the case upstream sends.
    pub name: &'static str,
    /// OpenAPI type of the cells.
    pub kind: &'static str,
    /// OpenAPI format; `name` marks the primary column.
    pub format: &'static str,
    /// Source of the description.
    pub about: About,
    /// 0 shows always, 1 only in wide output.
    pub priority: i32,
}

impl Column {
    /// The first column of every table.
    pub const NAME: Column = Column {
        name: "Name",
        kind: "string",
        format: "name",
        about: About::Field(OBJECT_META, "name"),
        priority: 0,
    };
    /// How long ago the object was created, in human form.
    pub const AGE: Column = Column {
        name: "Age",
        kind: "string",
        format: "",
        about: About::Field(OBJECT_META, "creationTimestamp"),
        priority: 0,
    };

    /// A string column with a text of its own.
    pub const fn text(name: &'static str, about: &'static str) -> Column {
        Column { name, kind: "string", format: "", about: About::Text(about), priority: 0 }
    }

    /// A string column described by a field.
    pub const fn field(name: &'static str, message: &'static str, field: &'static str) -> Column {
        Column { name, kind: "string", format: "", about: About::Field(message, field), priority: 0 }
    }

    /// The same column with OpenAPI type `kind`.
    pub const fn of(self, kind: &'static str) -> Column {
        Column { kind, ..self }
    }

    /// The same column with OpenAPI format `format`.
    pub const fn format(self, format: &'static str) -> Column {
        Column { format, ..self }
    }

    /// The same column, shown in wide output only.
    pub const fn wide(self) -> Column {
        Column { priority: 1, ..self }
    }
}

/// Schema name of the message that describes the columns every table shares.
pub const OBJECT_META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// One object under the columns of its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// One value per column.
    pub cells: Vec<Value>,
    /// Conditions of the row; pods that ended carry `Completed`.
    pub conditions: Vec<RowCondition>,
}

/// A condition of a row, as `meta.k8s.io/v1` TableRowCondition carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCondition {
    /// `Completed` is the only one in use.
    pub type_: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// One word why.
    pub reason: &'static str,
    /// A sentence why.
    pub message: &'static str,
}

impl From<Vec<Value>> for Row {
    fn from(cells: Vec<Value>) -> Row {
        Row { cells, conditions: Vec::new() }
    }
}

/// A row of the given cells.
macro_rules! cells {
    ($($cell:expr),+ $(,)?) => { $crate::columns::Row::from(vec![$(serde_json::Value::from($cell)),+]) };
}
pub(crate) use cells;

/// Columns of kinds without a printer of their own.
pub const NAME_AND_CREATED: &[Column] = &[
    Column::NAME,
    Column {
        name: "Created At",
        kind: "date",
        format: "",
        about: About::Field(OBJECT_META, "creationTimestamp"),
        priority: 0,
    },
];

/// The row under [`NAME_AND_CREATED`].
pub fn name_and_created(meta: &ObjectMeta) -> Row {
    let created = meta.creation_timestamp;
    let created = if created.is_zero() { "<unknown>".to_owned() } else { created.to_string() };
    vec![Value::from(meta.name.clone()), Value::from(created)].into()
}

/// The cell under an age column: human duration since `time`, or `<unknown>` for no time.
pub fn age(time: Time, now: jiff::Timestamp) -> Value {
    Value::from(rules::duration::since(time, now))
}

/// Age of an object from its metadata.
pub fn age_of(meta: &ObjectMeta, now: jiff::Timestamp) -> Value {
    age(meta.creation_timestamp, now)
}

/// Names and images of containers, each joined by commas.
pub fn containers(containers: &[api_types::core::v1::Container]) -> (String, String) {
    let join = |of: fn(&api_types::core::v1::Container) -> &str| {
        containers.iter().map(of).collect::<Vec<_>>().join(",")
    };
    (join(|container| &container.name), join(|container| &container.image))
}

/// `text`, or `instead` when it is empty.
pub fn or<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.is_empty() { instead } else { text }
}

/// Access modes in the short form of tables: `RWO,ROX,RWX,RWOP`, each at most once and in this order.
pub fn access_modes(modes: &[String]) -> String {
    [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ]
    .into_iter()
    .filter(|(mode, _)| modes.iter().any(|present| present == mode))
    .map(|(_, short)| short)
    .collect::<Vec<_>>()
    .join(",")
}

/// Users, groups and service accounts among subjects, each joined for one cell.
pub fn subjects(subjects: &[api_types::rbac::v1::Subject]) -> [String; 3] {
    let join = |kind: &str, show: fn(&api_types::rbac::v1::Subject) -> String| {
        subjects.iter().filter(|subject| subject.kind == kind).map(show).collect::<Vec<_>>().join(", ")
    };
    [
        join("User", |subject| subject.name.clone()),
        join("Group", |subject| subject.name.clone()),
        join("ServiceAccount", |subject| format!("{}/{}", subject.namespace, subject.name)),
    ]
}
