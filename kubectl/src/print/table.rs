//! Tables the server made, with the columns the user asks for beside them.

use machinery::table::{ColumnDefinition, Row, Table};
use serde_json::Value;

use crate::values;

/// What is shown beside the server's columns.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// Columns of lower priority as well.
    pub wide: bool,
    /// No line of headings.
    pub no_headers: bool,
    /// A column with the namespace.
    pub with_namespace: bool,
    /// `kind/` before names; empty for none.
    pub kind: String,
    /// A column with all labels.
    pub show_labels: bool,
    /// Labels that get columns.
    pub label_columns: Vec<String>,
    /// What a watch reports, as a first column.
    pub event: Option<String>,
}

/// The cells of the table's rows, headings first when `headings` and there are rows.
pub fn cells(table: &Table, options: &TableOptions, headings: bool) -> Vec<Vec<String>> {
    let shown: Vec<usize> =
        (0..table.columns.len()).filter(|at| options.wide || table.columns[*at].priority == 0).collect();
    let mut rows = Vec::with_capacity(table.rows.len() + 1);
    if headings && !options.no_headers && !table.rows.is_empty() {
        rows.push(heading(&table.columns, &shown, options));
    }
    let name_column =
        table.columns.iter().position(|column| column.format == "name" && column.type_ == "string");
    rows.extend(table.rows.iter().map(|row| line(row, &shown, name_column, options)));
    rows
}

fn heading(columns: &[ColumnDefinition], shown: &[usize], options: &TableOptions) -> Vec<String> {
    let mut cells = Vec::new();
    if options.event.is_some() {
        cells.push("EVENT".to_owned());
    }
    if options.with_namespace {
        cells.push("NAMESPACE".to_owned());
    }
    cells.extend(shown.iter().map(|at| columns[*at].name.to_uppercase()));
    cells.extend(
        options.label_columns.iter().map(|label| label.rsplit('/').next().unwrap_or(label).to_uppercase()),
    );
    if options.show_labels {
        cells.push("LABELS".to_owned());
    }
    cells
}

fn line(row: &Row, shown: &[usize], name_column: Option<usize>, options: &TableOptions) -> Vec<String> {
    let mut cells = Vec::new();
    if let Some(event) = &options.event {
        // As wide as the longest, so that later events do not move the columns.
        cells.push(format!("{event:<8}"));
    }
    if options.with_namespace {
        cells.push(values::namespace(&row.object).to_owned());
    }
    for at in shown {
        let text = row.cells.get(*at).map(cell).unwrap_or_default();
        cells.push(if Some(*at) == name_column && !options.kind.is_empty() {
            format!("{}/{text}", options.kind)
        } else {
            text
        });
    }
    for label in &options.label_columns {
        let value = row.object.pointer("/metadata/labels").and_then(|labels| labels.get(label));
        cells.push(value.map_or_else(String::new, values::plain));
    }
    if options.show_labels {
        cells.push(values::joined(&row.object, "/metadata/labels", ","));
    }
    cells
}

/// A cell on one line: cut at its first line break, terminal escapes made visible.
fn cell(value: &Value) -> String {
    let text = values::plain(value);
    let (first, cut) = match text.find(['\u{c}', '\n', '\r']) {
        Some(at) => (&text[..at], "..."),
        None => (text.as_str(), ""),
    };
    format!("{}{cut}", first.replace('\u{1b}', "^["))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        Table::from_value(&json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
            "columnDefinitions": [
                {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
                {"name": "Ready", "type": "string", "format": "", "description": "", "priority": 0},
                {"name": "Node", "type": "string", "format": "", "description": "", "priority": 1}],
            "rows": [{"cells": ["web", "1/1", "n1"], "object": {"metadata":
                {"name": "web", "namespace": "x", "labels": {"b": "2", "a": "1"}}}}]
        }))
        .expect("a table")
    }

    #[test]
    fn columns_follow_the_options() {
        let check = |options: TableOptions, expected: &str| {
            assert_eq!(super::super::tabs::render(&cells(&table(), &options, true)), expected);
        };
        check(TableOptions::default(), "NAME   READY\nweb    1/1\n");
        check(
            TableOptions { event: Some("ADDED".into()), ..Default::default() },
            "EVENT      NAME   READY\nADDED      web    1/1\n",
        );
        check(
            TableOptions { wide: true, with_namespace: true, show_labels: true, ..Default::default() },
            "NAMESPACE   NAME   READY   NODE   LABELS\nx           web    1/1     n1     a=1,b=2\n",
        );
        check(
            TableOptions {
                kind: "pod".into(),
                no_headers: true,
                label_columns: vec!["a".into(), "c/d".into()],
                ..Default::default()
            },
            "pod/web   1/1   1     \n",
        );
    }
}
