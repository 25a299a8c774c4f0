//! Server-side table columns and the cells under them.

use machinery::{Time, meta::v1::ObjectMeta, meta::v1::TableRowCondition};
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
    pub const NAME: Column =
        Column { name: "Name", kind: "string", format: "name", about: About::Field(OBJECT_META, "name"), priority: 0 };
    /// How long ago the object was created, in human form.
    pub const AGE: Column =
        Column { name: "Age", kind: "string", format: "", about: About::Field(OBJECT_META, "creationTimestamp"), priority: 0 };

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
    pub conditions: Vec<TableRowCondition>,
}

impl From<Vec<Value>> for Row {
    fn from(cells: Vec<Value>) -> Row {
        Row { cells, conditions: Vec::new() }
    }
}

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
    let created = meta.creation_timestamp.unwrap_or_default();
    let created = if created.is_zero() { "<unknown>".to_owned() } else { created.to_string() };
    vec![Value::from(meta.name.clone()), Value::from(created)].into()
}

/// The cell under an age column: human duration since `time`, or `<unknown>` for no time.
pub fn age(time: Time, now: jiff::Timestamp) -> Value {
    Value::from(rules::duration::since(time, now))
}

/// Age of an object from its metadata.
pub fn age_of(meta: &ObjectMeta, now: jiff::Timestamp) -> Value {
    age(meta.creation_timestamp.unwrap_or_default(), now)
}
