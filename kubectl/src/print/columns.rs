//! `-o custom-columns`: headings and paths given by the user.

use serde_json::Value;

use super::jsonpath::JsonPath;
use crate::error::message;
use crate::{Result, values};

/// Columns in order.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomColumns {
    columns: Vec<(String, JsonPath)>,
}

impl CustomColumns {
    /// Reads `NAME:.metadata.name,AGE:.metadata.creationTimestamp`.
    pub fn parse(specification: &str) -> Result<CustomColumns> {
        if specification.is_empty() {
            return Err(message("custom-columns format specified but no custom columns given"));
        }
        let columns = specification.split(',').map(|part| {
            let Some((heading, path)) = part.split_once(':') else {
                return Err(message(format!(
                    "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
                )));
            };
            Ok((heading.to_owned(), path_of(path)?))
        });
        Ok(CustomColumns { columns: columns.collect::<Result<_>>()? })
    }

    /// Reads a file with a line of headings and a line of paths.
    pub fn parse_file(text: &str) -> Result<CustomColumns> {
        let mut lines = text.lines();
        let headings: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
        let paths: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
        if headings.is_empty() || headings.len() != paths.len() {
            return Err(message(format!(
                "number of headers ({}) and field specifications ({}) don't match",
                headings.len(),
                paths.len()
            )));
        }
        let columns =
            headings.into_iter().zip(paths).map(|(heading, path)| Ok((heading.to_owned(), path_of(path)?)));
        Ok(CustomColumns { columns: columns.collect::<Result<_>>()? })
    }

    /// The headings.
    pub fn headings(&self) -> Vec<String> {
        self.columns.iter().map(|(heading, _)| heading.clone()).collect()
    }

    /// The cells of an object.
    pub fn row(&self, object: &Value) -> Result<Vec<String>> {
        let cells = self.columns.iter().map(|(_, path)| {
            let found = path.find(object).map_err(|error| message(error.to_string()))?;
            if found.is_empty() {
                return Ok("<none>".to_owned());
            }
            Ok(found.into_iter().map(shown).collect::<Vec<_>>().join(","))
        });
        cells.collect()
    }
}

fn path_of(path: &str) -> Result<JsonPath> {
    JsonPath::parse_relaxed(path, true).map_err(|error| message(error.to_string()))
}

/// A value as Go's `%v` shows it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        Value::Object(_) => {
            let pairs = values::entries(value, "").into_iter();
            let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}:{}", shown(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        other => values::plain(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_show_values_or_none() {
        let columns = CustomColumns::parse("NAME:.metadata.name,IMAGES:.spec.containers[*].image,X:.none")
            .expect("sound");
        let object =
            json!({"metadata": {"name": "a"}, "spec": {"containers": [{"image": "i"}, {"image": "j"}]}});
        assert_eq!(columns.headings(), ["NAME", "IMAGES", "X"]);
        assert_eq!(columns.row(&object).expect("cells"), ["a", "i,j", "<none>"]);
        assert!(CustomColumns::parse("NAME").is_err());
    }
}
