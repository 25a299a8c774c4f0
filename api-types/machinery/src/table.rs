//! `meta.k8s.io/v1, Kind=Table`: what the apiserver answers to those who print, and durations for people.

use serde_json::{Map, Value};

use crate::Message as _;
use crate::Time;
use crate::meta::v1::ListMeta;

/// The version and kind of tables.
pub const API_VERSION: &str = "meta.k8s.io/v1";
/// The kind of tables.
pub const KIND: &str = "Table";

/// A column; the same for every table of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Heading.
    pub name: String,
    /// OpenAPI type: `string`, `integer`, `number`, `boolean`.
    pub type_: String,
    /// OpenAPI format; `name` marks the column which identifies the row.
    pub format: String,
    /// What the column says.
    pub description: String,
    /// 0 for every table, more for wide ones.
    pub priority: i32,
}

/// A condition of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowCondition {
    /// `Completed` is the only one defined.
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word on why.
    pub reason: String,
    /// A sentence on why.
    pub message: String,
}

/// A row: a cell for every column, and the object or its metadata as asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Texts, numbers, truth values, or null.
    pub cells: Vec<Value>,
    /// Conditions of the row.
    pub conditions: Vec<RowCondition>,
    /// The object as JSON; null when the client wants none.
    pub object: Value,
}

impl Row {
    /// A row of cells.
    pub fn new(cells: impl IntoIterator<Item = Value>) -> Row {
        Row { cells: cells.into_iter().collect(), ..Row::default() }
    }

    /// Marks what the row shows as finished, for the given reason.
    #[must_use]
    pub fn completed(mut self, reason: &str, message: &str) -> Row {
        self.conditions.push(RowCondition {
            type_: "Completed".to_owned(),
            status: "True".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        });
        self
    }
}

/// A table of objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Metadata of the list: version, continue token, remaining items.
    pub metadata: ListMeta,
    /// The columns; empty in the later events of a watch.
    pub columns: Vec<ColumnDefinition>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Why a JSON value is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// It is of another kind.
    #[error("expected a Table of meta.k8s.io, got {0}")]
    Kind(String),
    /// A part has not the form it should have.
    #[error("table has no readable {0}")]
    Part(&'static str),
}

impl Table {
    /// The table as JSON, with version and kind.
    pub fn to_value(&self) -> Value {
        let columns = self.columns.iter().map(|column| {
            object([
                ("name", column.name.as_str().into()),
                ("type", column.type_.as_str().into()),
                ("format", column.format.as_str().into()),
                ("description", column.description.as_str().into()),
                ("priority", column.priority.into()),
            ])
        });
        object([
            ("kind", KIND.into()),
            ("apiVersion", API_VERSION.into()),
            ("metadata", self.metadata.to_value()),
            ("columnDefinitions", columns.collect()),
            ("rows", self.rows.iter().map(row_to_value).collect()),
        ])
    }

    /// Reads a table from JSON.
    ///
    /// # Errors
    /// When the value is of another kind or a part has not its form.
    pub fn from_value(value: &Value) -> Result<Table, TableError> {
        let kind = text(value, "kind");
        if kind != KIND || !text(value, "apiVersion").starts_with("meta.k8s.io/") {
            return Err(TableError::Kind(format!("{}, Kind={kind}", text(value, "apiVersion"))));
        }
        let metadata = value.get("metadata").filter(|metadata| !metadata.is_null());
        let metadata = metadata.map(ListMeta::from_value).transpose();
        let metadata = metadata.map_err(|_| TableError::Part("metadata"))?.unwrap_or_default();
        let columns = list(value, "columnDefinitions")?.iter().map(column_from_value).collect();
        let rows = list(value, "rows")?.iter().map(row_from_value).collect::<Result<_, _>>()?;
        Ok(Table { metadata, columns, rows })
    }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn row_to_value(row: &Row) -> Value {
    let mut map = Map::new();
    map.insert("cells".to_owned(), Value::Array(row.cells.clone()));
    if !row.conditions.is_empty() {
        let conditions = row.conditions.iter().map(|condition| {
            let mut entry = Map::new();
            entry.insert("type".to_owned(), condition.type_.as_str().into());
            entry.insert("status".to_owned(), condition.status.as_str().into());
            for (name, text) in [("reason", &condition.reason), ("message", &condition.message)] {
                if !text.is_empty() {
                    entry.insert(name.to_owned(), text.as_str().into());
                }
            }
            Value::Object(entry)
        });
        map.insert("conditions".to_owned(), conditions.collect());
    }
    map.insert("object".to_owned(), row.object.clone());
    Value::Object(map)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'v>(value: &'v Value, name: &'static str) -> Result<&'v [Value], TableError> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(TableError::Part(name)),
    }
}

fn column_from_value(value: &Value) -> ColumnDefinition {
    let priority = value.get("priority").and_then(Value::as_i64).unwrap_or_default();
    ColumnDefinition {
        name: text(value, "name"),
        type_: text(value, "type"),
        format: text(value, "format"),
        description: text(value, "description"),
        priority: i32::try_from(priority).unwrap_or(i32::MAX),
    }
}

fn row_from_value(value: &Value) -> Result<Row, TableError> {
    let conditions = list(value, "conditions")?.iter().map(|condition| RowCondition {
        type_: text(condition, "type"),
        status: text(condition, "status"),
        reason: text(condition, "reason"),
        message: text(condition, "message"),
    });
    Ok(Row {
        cells: list(value, "cells")?.to_vec(),
        conditions: conditions.collect(),
        object: value.get("object").cloned().unwrap_or_default(),
    })
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// A duration for people, with two units where they matter: `5m30s`, `2d3h`. Clocks may differ by a second;
/// what lies further in the future is `<invalid>`.
pub fn human_duration(seconds: i64) -> String {
    let two = |first: i64, first_name: &str, second: i64, second_name: &str| {
        if second == 0 {
            format!("{first}{first_name}")
        } else {
            format!("{first}{first_name}{second}{second_name}")
        }
    };
    match seconds {
        i64::MIN..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two(seconds / HOUR, "h", seconds / MINUTE % 60, "m"),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two(seconds / DAY, "d", seconds / HOUR % 24, "h"),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(seconds / YEAR, "y", seconds / DAY % 365, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// A duration for people in one unit: `5m`, `2d`.
pub fn short_human_duration(seconds: i64) -> String {
    match seconds {
        i64::MIN..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < MINUTE => format!("{seconds}s"),
        _ if seconds < HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < DAY => format!("{}h", seconds / HOUR),
        _ if seconds < YEAR => format!("{}d", seconds / DAY),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// How long ago a time was, for people; `<unknown>` for no time.
pub fn age(time: Option<&Time>, now: jiff::Timestamp) -> String {
    elapsed(time, |time| now.duration_since(time))
}

/// How long a time is still away, for people; `<unknown>` for no time.
pub fn time_until(time: Option<&Time>, now: jiff::Timestamp) -> String {
    elapsed(time, |time| time.duration_since(now))
}

fn elapsed(time: Option<&Time>, difference: impl Fn(jiff::Timestamp) -> jiff::SignedDuration) -> String {
    match time.filter(|time| !time.is_zero()).and_then(Time::to_timestamp) {
        Some(time) => human_duration(difference(time).as_secs()),
        None => "<unknown>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations() {
        for (seconds, long, short) in [
            (-5, "<invalid>", "<invalid>"),
            (-1, "0s", "0s"),
            (0, "0s", "0s"),
            (1, "1s", "1s"),
            (70, "70s", "1m"),
            (119, "119s", "1m"),
            (120, "2m", "2m"),
            (190, "3m10s", "3m"),
            (599, "9m59s", "9m"),
            (600, "10m", "10m"),
            (47 * 60, "47m", "47m"),
            (3 * 3600 - 1, "179m", "2h"),
            (3 * 3600, "3h", "3h"),
            (3 * 3600 + 62, "3h1m", "3h"),
            (8 * 3600 - 1, "7h59m", "7h"),
            (8 * 3600, "8h", "8h"),
            (47 * 3600, "47h", "1d"),
            (49 * 3600, "2d1h", "2d"),
            (8 * 24 * 3600, "8d", "8d"),
            (367 * 24 * 3600, "367d", "1y"),
            (4 * YEAR + 42, "4y", "4y"),
            (2 * YEAR + 25 * HOUR, "2y1d", "2y"),
            (8 * YEAR + DAY, "8y", "8y"),
        ] {
            assert_eq!(
                (human_duration(seconds).as_str(), short_human_duration(seconds).as_str()),
                (long, short)
            );
        }
    }

    #[test]
    fn ages() {
        let now = jiff::Timestamp::from_second(1_000).unwrap_or_default();
        let then = Time::from(jiff::Timestamp::from_second(700).unwrap_or_default());
        assert_eq!(age(Some(&then), now), "5m");
        assert_eq!(time_until(Some(&then), now), "<invalid>");
        assert_eq!(age(None, now), "<unknown>");
        assert_eq!(age(Some(&Time::default()), now), "<unknown>");
    }

    #[test]
    fn tables_travel_as_json() {
        let table = Table {
            metadata: ListMeta { resource_version: "5".to_owned(), ..ListMeta::default() },
            columns: vec![ColumnDefinition {
                name: "Name".to_owned(),
                type_: "string".to_owned(),
                format: "name".to_owned(),
                description: "Name must be unique".to_owned(),
                priority: 0,
            }],
            rows: vec![
                Row::new([json!("a")]),
                Row::new([json!("b")]).completed("Succeeded", "The pod is done"),
            ],
        };
        let value = table.to_value();
        assert_eq!(
            value.to_string(),
            r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"5"},"columnDefinitions":[{"name":"Name","type":"string","format":"name","description":"Name must be unique","priority":0}],"rows":[{"cells":["a"],"object":null},{"cells":["b"],"conditions":[{"type":"Completed","status":"True","reason":"Succeeded","message":"The pod is done"}],"object":null}]}"#
        );
        assert_eq!(Table::from_value(&value), Ok(table));
        let other = Table::from_value(&json!({"kind": "PodList", "apiVersion": "v1"}));
        assert_eq!(other, Err(TableError::Kind("v1, Kind=PodList".to_owned())));
        let broken = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": {}});
        assert_eq!(Table::from_value(&broken), Err(TableError::Part("rows")));
    }
}
