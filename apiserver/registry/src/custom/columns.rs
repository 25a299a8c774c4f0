//! Columns of tables of custom resources.

use api_types::apiextensions::v1::CustomResourceColumnDefinition;
use machinery::Time;
use serde_json::Value;

use super::json_path::JsonPath;

/// A column after the name.
#[derive(Clone, Debug)]
pub struct CustomColumn {
    /// Heading.
    pub name: String,
    /// OpenAPI type of the cells.
    pub kind: String,
    /// OpenAPI format.
    pub format: String,
    /// What it shows; empty for the age that is shown when nothing is declared.
    pub description: String,
    /// 0 shows always.
    pub priority: i32,
    path: JsonPath,
}

impl CustomColumn {
    /// The declared columns; the age when none are.
    pub fn compile(declared: &[CustomResourceColumnDefinition]) -> Result<Vec<CustomColumn>, String> {
        if declared.is_empty() {
            return Ok(vec![CustomColumn {
                name: "Age".to_owned(),
                kind: "date".to_owned(),
                format: String::new(),
                description: String::new(),
                priority: 0,
                path: JsonPath::parse(".metadata.creationTimestamp")?,
            }]);
        }
        let compile = |column: &CustomResourceColumnDefinition| {
            let description = match column.description.as_str() {
                "" => format!("Custom resource definition column (in JSONPath format): {}", column.json_path),
                given => given.to_owned(),
            };
            Ok(CustomColumn {
                name: column.name.clone(),
                kind: column.type_.clone(),
                format: column.format.clone(),
                description,
                priority: column.priority,
                path: JsonPath::parse(&column.json_path)?,
            })
        };
        declared.iter().map(compile).collect()
    }

    /// The cell of an object.
    pub fn cell(&self, object: &Value, now: jiff::Timestamp) -> Value {
        let Some(value) = self.path.first(object) else { return Value::Null };
        match (self.kind.as_str(), value) {
            (_, Value::Null) => Value::Null,
            ("string", Value::String(text)) => text.clone().into(),
            ("string", other) => machinery::quote::go_json(other).into(),
            ("integer", Value::Number(number)) => {
                number.as_i64().or(number.as_f64().map(|float| float as i64)).into()
            }
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
            ("date", Value::String(text)) => match text.parse::<jiff::Timestamp>() {
                Ok(time) => {
                    let time = Time { seconds: time.as_second(), nanos: 0 };
                    rules::duration::since(time, now).into()
                }
                Err(_) => "<invalid>".into(),
            },
            _ => Value::Null,
        }
    }
}
